package telegram

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const maxText = 1 << 10 // bytes of foreign text in an error

// What errors.Is finds in the errors of this package.
var (
	// ErrInvalidArgument: a token, chat or option is not valid. Nothing was
	// sent; the text says what would be valid.
	ErrInvalidArgument = errors.New("telegram: invalid argument")

	// ErrUnauthorized: Telegram does not know the token (401, and 404, which is
	// its answer to a token of the wrong form). No link was made.
	ErrUnauthorized = errors.New("telegram: unauthorized")

	// ErrForbidden: the bot is not in the chat, or was removed from it (403). No
	// link was made.
	ErrForbidden = errors.New("telegram: forbidden")

	// ErrTooManyRequests: the call was refused for now (429), see
	// [Error.RetryAfter] and [WithRateLimitWait]. No link was made.
	ErrTooManyRequests = errors.New("telegram: too many requests")

	// ErrOutcomeUnknown: the request may have reached Telegram and no clear
	// answer came back. A link may exist, which a bot cannot find again: ask an
	// administrator to look at the chat's links before another try. Any other
	// error means that no link was made.
	ErrOutcomeUnknown = errors.New("telegram: outcome unknown, a link may exist")
)

// An Error is a reply that refuses the call or, as a 5xx does, leaves its outcome
// open. It comes from Telegram, or from a gateway or proxy on the way. It matches
// [ErrUnauthorized], [ErrForbidden], [ErrTooManyRequests] or [ErrOutcomeUnknown]
// where they apply, the first two only if Telegram itself answered.
type Error struct {
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is Telegram's error_code, or StatusCode if the reply has none.
	Code int
	// Description is Telegram's explanation ("Bad Request: chat not found") in
	// one line of at most 1 KiB. It is empty if the reply was not Telegram's.
	Description string
	// RetryAfter is how long to wait before the next call; zero if the reply
	// does not say.
	RetryAfter time.Duration
	// MigrateToChatID is the supergroup that the group has become, to be used
	// from now on; empty if the reply names none.
	MigrateToChatID ChatID
}

// Error tells what was refused, in one line that begins with "telegram: ".
func (e *Error) Error() string {
	prefix := "telegram"
	if e.Is(ErrOutcomeUnknown) {
		prefix = ErrOutcomeUnknown.Error()
	}
	if e.Description == "" {
		return strings.TrimSpace(fmt.Sprintf("%s: not an answer of the Bot API, but HTTP status %d %s", prefix, e.StatusCode, http.StatusText(e.StatusCode)))
	}
	return fmt.Sprintf("%s: %d %s", prefix, e.Code, e.Description)
}

// Is reports whether the error is of the kind of target, one of the Err
// variables.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrUnauthorized:
		return e.Description != "" && (e.Code == http.StatusUnauthorized || e.Code == http.StatusNotFound)
	case ErrForbidden:
		return e.Description != "" && e.Code == http.StatusForbidden
	case ErrTooManyRequests:
		return e.Code == http.StatusTooManyRequests
	case ErrOutcomeUnknown:
		// Gateways answer 502 and 504 after the link was made.
		return e.Code < 200 || e.Code > 499 || e.StatusCode < 200 || e.StatusCode > 499
	}
	return false
}

// errTimeout tells the end of WithTimeout from that of the caller's context. The
// failure matches context.DeadlineExceeded either way.
var errTimeout = errors.New("the timeout expired")

var (
	errNilOption         = invalid("an option is nil")
	errProxyAndTransport = invalid("a proxy and WithTransport: set the proxy in the transport")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidArgument, fmt.Sprintf(format, args...))
}

// verdicts are what a cause must not bring along: the cause of a context may be
// an error of another call, and what became of that one is not true of this.
var verdicts = []error{ErrInvalidArgument, ErrUnauthorized, ErrForbidden, ErrTooManyRequests, ErrOutcomeUnknown}

// A failure is an exchange that ended without a clear answer. Its text is kept
// apart from the errors that it matches, since it shows them without secrets.
type failure struct {
	text    string
	matches []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.matches }

// failed returns the error of a request that got no clear answer.
func (b *bot) failed(req *http.Request, cause error, maybeSent bool) error {
	proxy, _ := chooseProxy(req)
	r := b.redactor(proxy)
	matches, _ := r.harmless(cause)
	if err := req.Context().Err(); err != nil {
		matches = append(matches, err) // net/http returns only the context's cause
	}
	prefix := "telegram: not sent"
	if maybeSent {
		prefix, matches = ErrOutcomeUnknown.Error(), append(matches, ErrOutcomeUnknown)
	}
	if proxy != nil && b.transport == sharedTransport {
		prefix += " (proxy " + proxy.Host + ")"
	}
	text := r.clean(cause.Error())
	if text == "EOF" {
		text = "the connection was closed without a reply (EOF)"
	}
	return &failure{prefix + ": " + text, matches}
}

// A redactor makes what comes from outside fit to be shown.
type redactor struct{ *strings.Replacer }

// redactor replaces the secret half of the token, and the proxy's password in
// the forms in which it is sent and printed. Secrets of less than 4 bytes stay:
// to replace them would garble the words.
func (b *bot) redactor(proxy *url.URL) redactor {
	secrets := []string{b.secret}
	if proxy != nil {
		password, _ := proxy.User.Password()
		_, escaped, _ := strings.Cut(proxy.User.String(), ":")
		quoted := strconv.Quote(password)
		basic := base64.StdEncoding.EncodeToString([]byte(proxy.User.Username() + ":" + password))
		secrets = append(secrets, password, escaped, quoted[1:len(quoted)-1], basic)
	}
	var pairs []string
	for _, s := range secrets {
		if len(s) >= 4 {
			pairs = append(pairs, s, "[redacted]")
		}
	}
	return redactor{strings.NewReplacer(pairs...)}
}

// clean returns text without secrets, in one line of at most maxText.
func (r redactor) clean(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, r.Replace(text))
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") // the cut may have split a character
	}
	return strings.TrimSpace(text)
}

// harmless returns err if neither it nor anything that it wraps prints a secret
// or is a verdict, and otherwise those of its parts of which that is true. whole
// reports which.
func (r redactor) harmless(err error) (parts []error, whole bool) {
	var inner []error
	switch err := err.(type) {
	case nil:
		return nil, true
	case interface{ Unwrap() error }:
		inner = []error{err.Unwrap()}
	case interface{ Unwrap() []error }:
		inner = err.Unwrap()
	}
	// As a field, and with a verb that does not suit it, fmt looks behind Error.
	text := fmt.Sprintf("%+v %#v %t %s", err, err, err, any(struct{ field error }{err}))
	_, reply := err.(*Error)
	whole = r.Replace(text) == text && !reply && !slices.Contains(verdicts, err)
	for _, err := range inner {
		p, w := r.harmless(err)
		parts, whole = append(parts, p...), whole && w
	}
	if whole {
		parts = []error{err}
	}
	return parts, whole
}
