package telegram

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

const maxText = 1 << 10 // bytes of text from outside in an error

// Use [errors.Is] to test an error of this package for one of these.
var (
	// ErrInvalidArgument means that a token, a chat or an option is not valid.
	// Nothing was sent. The text says what would be valid.
	ErrInvalidArgument = errors.New("telegram: invalid argument")

	// ErrUnauthorized means that Telegram does not know the token (401). It also
	// matches a 404 from Telegram, which is its answer to a malformed token and to a
	// wrong base URL. No link was made.
	ErrUnauthorized = errors.New("telegram: unauthorized")

	// ErrForbidden means that Telegram does not let the bot act in the chat, for
	// example because it was removed (403). No link was made.
	ErrForbidden = errors.New("telegram: forbidden")

	// ErrTooManyRequests means that the call was refused for now (429). The
	// RetryAfter of the Error says for how long, and WithRateLimitWait makes the
	// call wait. No link was made, unless ErrOutcomeUnknown matches as well.
	ErrTooManyRequests = errors.New("telegram: too many requests")

	// ErrOutcomeUnknown means that the request may have reached Telegram and
	// nobody refused it clearly, so a link may exist. An error that does not match
	// it means that no link was made.
	//
	// Do not call again before someone has looked. A bot cannot list its links, and
	// administrators do not see them. Only the owner of the chat does: among the
	// chat's invite links, under the bot's name, each with the name from WithName.
	// Only the bot can revoke one, with the Bot API's method revokeChatInviteLink.
	ErrOutcomeUnknown = errors.New("telegram: outcome unknown, a link may exist")
)

// An Error is a reply that refused the call, or that leaves its outcome open. It
// comes from Telegram, or from a gateway or a proxy on the way.
//
// It matches [ErrUnauthorized] and [ErrForbidden] if Telegram itself answered so,
// and [ErrTooManyRequests] whoever did. It matches [ErrOutcomeUnknown] if a link
// may exist: if StatusCode or Code is outside 200 to 499, and if the reply is not
// Telegram's, unless StatusCode is 401, 403, 407, 413 or 429.
//
// To build an Error in a test, set StatusCode or Code, and a Description. An empty
// Description means that the reply was not Telegram's.
type Error struct {
	// StatusCode is the HTTP status.
	StatusCode int
	// Code is Telegram's error_code, or StatusCode if the reply has none.
	Code int
	// Description is Telegram's explanation, such as "Bad Request: chat not
	// found", in one line of at most 1 KiB. It is empty if the reply was not
	// Telegram's.
	Description string
	// RetryAfter is how long to wait before the next call; zero if the reply does
	// not say.
	RetryAfter time.Duration
	// MigrateToChatID is the supergroup that the group has become, to be used from
	// now on; empty if the reply names none.
	MigrateToChatID ChatID
}

// Error returns a line that begins with "telegram: ".
func (e *Error) Error() string {
	prefix := "telegram"
	if e.Is(ErrOutcomeUnknown) {
		prefix = ErrOutcomeUnknown.Error()
	}
	status, code := e.codes()
	if e.Description == "" {
		prefix += ": not an answer of the Bot API, but HTTP status "
		return strings.TrimSpace(prefix + strconv.Itoa(status) + " " + http.StatusText(status))
	}
	return fmt.Sprintf("%s: %d %s", prefix, code, e.Description)
}

// Is reports whether the error matches target, one of the Err variables.
func (e *Error) Is(target error) bool {
	status, code := e.codes()
	switch target {
	case ErrUnauthorized:
		return e.Description != "" && (code == http.StatusUnauthorized || code == http.StatusNotFound)
	case ErrForbidden:
		return e.Description != "" && code == http.StatusForbidden
	case ErrTooManyRequests:
		return code == http.StatusTooManyRequests
	case ErrOutcomeUnknown:
		return min(status, code) < 200 || max(status, code) > 499 ||
			e.Description == "" && !slices.Contains(notPassedOn, status)
	}
	return false
}

// notPassedOn are the statuses with which a gateway or a proxy says that it did
// not pass the request on. Any other may come after the link was made: when an
// answer takes too long, stock haproxy and nginx can answer 302 or 404, and
// fasthttp 408.
var notPassedOn = []int{401, 403, 407, 413, 429}

// codes returns StatusCode and Code, each in place of the other if that is zero.
func (e *Error) codes() (status, code int) {
	return cmp.Or(e.StatusCode, e.Code), cmp.Or(e.Code, e.StatusCode)
}

var (
	errNilOption         = invalid("an option must not be nil")
	errProxyAndTransport = invalid("a proxy does not go with WithTransport: set it in the transport")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidArgument, fmt.Sprintf(format, args...))
}

// errTimeout tells the end of WithTimeout from the end of the caller's context.
var errTimeout = errors.New("the timeout expired")

// A failure is a call without a clear answer. It wraps nothing, because the cause
// may be anyone's: it may print a secret, or be the error of another call.
type failure struct {
	text    string
	unknown bool
	hidden  func() (s secrets, said, cause error) // a func as in Client
}

// failed returns the error of an exchange that got no clear answer because of
// cause. If ctx has ended, the error says that and no more: the cause of ctx,
// which only Is knows of, may be the error of another call.
func (c *call) failed(ctx context.Context, maybeSent bool, where string, cause error) error {
	prefix, via, said := "telegram: not sent", "", cause
	if maybeSent {
		prefix = ErrOutcomeUnknown.Error()
	}
	if c.proxy != nil {
		via = " (proxy " + c.proxy.Host + ")"
	}
	if err := ctx.Err(); err != nil {
		said, cause = err, errors.Join(err, context.Cause(ctx))
	}
	text := textOf(said)
	switch {
	case context.Cause(ctx) == errTimeout:
		text = errTimeout.Error()
	case text == "EOF":
		text = "the connection was closed without a reply (EOF)"
	}
	s := c.secrets()
	return &failure{
		text:    prefix + s.clean(via+": "+where+text),
		unknown: maybeSent,
		hidden:  func() (secrets, error, error) { return s, said, cause },
	}
}

func (f *failure) Error() string { return f.text }

// Timeout and Temporary make a failure a [net.Error].
func (f *failure) Timeout() bool {
	defer ignorePanic()
	_, said, _ := f.hidden()
	err, ok := errors.AsType[net.Error](said)
	return ok && err.Timeout()
}

// Temporary is false because some callers try again if it is true.
func (f *failure) Temporary() bool { return false }

// Is answers for the cause, except for this package's own sentinels: those in the
// cause may be another call's.
func (f *failure) Is(target error) bool {
	switch target {
	case ErrOutcomeUnknown:
		return f.unknown
	case ErrInvalidArgument, ErrUnauthorized, ErrForbidden, ErrTooManyRequests:
		return false
	}
	defer ignorePanic()
	_, _, cause := f.hidden()
	return errors.Is(cause, target)
}

// As finds only what the network said, and only if it shows no secret.
func (f *failure) As(target any) bool {
	return slices.ContainsFunc(networkErrors, func(find func(*failure, any) bool) bool { return find(f, target) })
}

var networkErrors = []func(f *failure, target any) bool{
	find[*net.OpError], find[*net.DNSError], find[syscall.Errno],
	find[tls.RecordHeaderError], find[*tls.CertificateVerificationError],
	find[x509.CertificateInvalidError], find[x509.ConstraintViolationError], find[x509.HostnameError],
	find[x509.InsecureAlgorithmError], find[x509.SystemRootsError], find[x509.UnhandledCriticalExtension],
	find[x509.UnknownAuthorityError],
}

func find[E error](f *failure, target any) bool {
	dst, ok := target.(*E)
	if !ok {
		return false
	}
	defer ignorePanic()
	secrets, said, _ := f.hidden()
	err, ok := errors.AsType[E](said)
	if !ok {
		return false
	}
	switch e := any(&err).(type) { // what these wrap may be anyone's
	case **net.OpError:
		op := **e
		op.Err, *e = secrets.shield(op.Err), &op
	case **tls.CertificateVerificationError:
		verification := **e
		verification.Err, *e = secrets.shield(verification.Err), &verification
	case *x509.SystemRootsError:
		e.Err = secrets.shield(e.Err)
	}
	if text := err.Error(); secrets.redact(text) != text {
		return false
	}
	*dst = err
	return true
}

// shield returns a failure in the place of err.
func (s secrets) shield(err error) error {
	text := textOf(err)
	if s.redact(text) == text { // or else it keeps the whole from being shown
		text = s.clean(text)
	}
	return &failure{text: text, hidden: func() (secrets, error, error) { return s, err, err }}
}

// ignorePanic is for calls to the methods of an error that may be anyone's. A nil
// pointer is enough to make them panic.
func ignorePanic() { _ = recover() }

// textOf returns what err says.
func textOf(err error) (text string) {
	text = fmt.Sprintf("an error of type %T", err)
	defer ignorePanic()
	return err.Error()
}

// secrets are the texts that no error may show.
type secrets []string

// secrets returns the secret half of the token and the password of the proxy in
// the forms in which it is sent and printed. Those of less than 4 bytes are left
// out: to replace them would garble the words.
func (b *bot) secrets() secrets {
	all, proxy := secrets{b.secret}, b.proxy
	if proxy == nil {
		proxy, _ = http.ProxyFromEnvironment(b.post)
	}
	if proxy != nil {
		if !isProxy(proxy) {
			all = append(all, proxy.Port()) // of a password with a slash, as in http://user:1234/5@host
		}
		password, _ := proxy.User.Password()
		_, escaped, _ := strings.Cut(proxy.User.String(), ":")
		quoted := strconv.Quote(password)
		basic := base64.StdEncoding.EncodeToString([]byte(proxy.User.Username() + ":" + password))
		all = append(all, password, escaped, quoted[1:len(quoted)-1], basic)
	}
	return slices.DeleteFunc(all, func(s string) bool { return len(s) < 4 })
}

func (s secrets) redact(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	return text
}

// clean returns text that came from outside as an error may show it: one line of
// at most maxText, without secrets and without the words of a verdict.
func (s secrets) clean(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, s.redact(text))
	text = foreignWords.Replace(text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") // the cut may have split a character
	}
	return strings.Clone(strings.TrimRight(text, " ")) // a part would keep the whole in memory
}

// foreignWords rewords what only an error of this package may say about a call.
var foreignWords = strings.NewReplacer(
	"telegram: ", "telegram, ", "a link may exist", "a link might exist", "not sent", "unsent")
