package telegram

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Use [errors.Is] to test an error of this package for one of these.
var (
	// ErrInvalidArgument means that the token, the chat or an option is not valid.
	// Nothing was sent. The text says which rule was broken.
	ErrInvalidArgument = errors.New("telegram: invalid argument")

	// ErrUnauthorized means that Telegram does not accept the token. It matches an
	// [*Error] with code 401, and one with code 404, which is how api.telegram.org
	// answers a malformed token. No link was created.
	ErrUnauthorized = errors.New("telegram: unauthorized")

	// ErrForbidden means that Telegram does not let the bot act in the chat, for
	// example because it was removed. It matches an [*Error] with code 403. No link
	// was created.
	ErrForbidden = errors.New("telegram: forbidden")

	// ErrTooManyRequests means that Telegram refused the call for now. It matches an
	// [*Error] with code 429, whose RetryAfter says how long to wait, if Telegram does.
	// No link was created. [WithRateLimitWait] makes the call itself wait and try again.
	//
	// It does not match a gateway's page with status 429. The outcome is then unknown.
	ErrTooManyRequests = errors.New("telegram: too many requests")

	// ErrOutcomeUnknown means that the request may have reached Telegram, and that
	// Telegram did not refuse it: the reply is lost, or it is that of a gateway, or
	// Telegram itself failed. A link may exist.
	//
	// Do not try again before the owner of the chat has looked for the link, among the
	// chat's invite links, under the bot's name. Each has the name from [WithName].
	// Neither the bot nor other administrators can see them. Only the bot can revoke
	// one, with the Bot API's method revokeChatInviteLink.
	//
	// After any other error, no link was created.
	ErrOutcomeUnknown = errors.New("telegram: outcome unknown, a link may exist")
)

// An Error is Telegram's refusal of a call, and nothing else. No link was created.
//
// It matches [ErrUnauthorized], [ErrForbidden] or [ErrTooManyRequests], depending on
// its Code, and never [ErrOutcomeUnknown]. To test how your code deals with one,
// build it: &telegram.Error{Code: 429}.
type Error struct {
	// Code is Telegram's error_code: 400, 401, 403, 404, 421 or 429. A 404 is always
	// from api.telegram.org: from another server, its outcome is unknown.
	Code int
	// Description is Telegram's explanation, such as "Bad Request: chat not found",
	// in one line of at most 1 KiB.
	Description string
	// RetryAfter is how long to wait before another try; zero if Telegram does not
	// say. Then wait for a minute or more.
	RetryAfter time.Duration
	// MigrateToChatID is the supergroup that the group has become, to be used from
	// now on; empty unless Telegram names one.
	MigrateToChatID ChatID
}

// Error returns the code and the description: telegram: 400 Bad Request: chat not
// found.
func (e *Error) Error() string {
	return fmt.Sprintf("telegram: %d %s", e.Code, cmp.Or(e.Description, http.StatusText(e.Code)))
}

// Is reports whether target is the Err variable for the code of e.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.Code == http.StatusUnauthorized || e.Code == http.StatusNotFound
	case ErrForbidden:
		return e.Code == http.StatusForbidden
	case ErrTooManyRequests:
		return e.Code == http.StatusTooManyRequests
	}
	return false
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidArgument, fmt.Sprintf(format, args...))
}

// A failure is a call that Telegram neither answered with a link nor refused. It
// wraps nothing, because what a cause wraps may print a secret.
type failure struct {
	text    string
	unknown bool                    // the outcome; or else nothing was sent
	timeout bool                    // the cause
	is      func(target error) bool // errors.Is of the cause; a func because fmt prints fields
}

func (f *failure) Error() string { return f.text }

// Timeout and Temporary make a failure a [net.Error].
func (f *failure) Timeout() bool { return f.timeout }

// Temporary is false because some callers try again if it is true.
func (f *failure) Temporary() bool { return false }

// Is answers for the package's own errors itself. The cause may be the error of
// another call, since that can be what canceled the context of this one.
func (f *failure) Is(target error) bool {
	switch target {
	case ErrOutcomeUnknown:
		return f.unknown
	case ErrInvalidArgument, ErrUnauthorized, ErrForbidden, ErrTooManyRequests:
		return false
	}
	return f.is(target)
}
