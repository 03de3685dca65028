package telegram

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxNameLen     = 32    // createChatInviteLink, name, since Bot API 5.4
	maxMemberLimit = 99999 // createChatInviteLink, member_limit, since Bot API 5.1
)

// A ClientOption configures a [Client]. An [Option] is a ClientOption too.
type ClientOption interface {
	applyToClient(*bot) error
}

// WithBaseURL sends calls to another server than https://api.telegram.org: a
// local Bot API server (http://localhost:8081), a reverse proxy or a test
// server. The URL is http or https with a host and, if need be, a path, under
// which the server finds /bot<token>/createChatInviteLink.
func WithBaseURL(rawURL string) ClientOption {
	return clientOption(func(b *bot) error {
		u, err := url.Parse(rawURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(rawURL, "?#") {
			return invalid("the base URL is not http or https, ://, and a host, perhaps with a port and a path")
		}
		b.endpoint = u
		return nil
	})
}

// WithTransport sends calls through rt, for what the package's own transport
// does not offer: client certificates, a proxy that wants Negotiate, another
// protocol. It cannot be combined with [WithProxy]: set the proxy in rt.
//
// rt is used as it is: its protocols, limits and pool are the caller's business,
// and the passwords of its proxies, which the package does not know, are not
// redacted. It gets a request whose body it cannot send twice. So a connection
// that died while idle costs a call, as does, over HTTP/2, a stream that the
// server refused: both match [ErrOutcomeUnknown]. If rt does not report to
// [net/http/httptrace], as [http.Transport] does, all of its errors match it.
func WithTransport(rt http.RoundTripper) ClientOption {
	return clientOption(func(b *bot) error {
		if t, ok := rt.(*http.Transport); rt == nil || ok && t == nil {
			return invalid("the transport is nil")
		}
		b.transport = rt
		return nil
	})
}

// An Option is legal for a [Client] and for a single call, where it takes
// precedence.
type Option interface {
	ClientOption
	InviteOption
}

// WithProxy sends calls through the proxy at rawURL, whose scheme is http,
// https, socks5 or socks5h (the last two are the same: the proxy resolves host
// names), as in socks5://user:password@proxy.example:1080. Special characters
// in the user name and password are percent-encoded, see [url.UserPassword].
//
// Without the option, the environment decides: HTTPS_PROXY, HTTP_PROXY and
// NO_PROXY, as described at [http.ProxyFromEnvironment]. An empty URL is
// refused: what goes direct in spite of the environment is named in NO_PROXY or
// uses [WithTransport].
func WithProxy(rawURL string) Option {
	return sharedOption(func(s *settings) error {
		u, err := url.Parse(rawURL)
		// net/http takes any other scheme for http, and host:3128 for a scheme.
		if err != nil || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) ||
			u.Hostname() == "" || u.Path != "" && u.Path != "/" || strings.ContainsAny(rawURL, "?#") {
			return invalid("the proxy URL is not http, https, socks5 or socks5h, ://, perhaps user:password@ (percent-encoded), and a host, perhaps with a port")
		}
		s.proxy = u
		return nil
	})
}

// WithTimeout limits one exchange with Telegram, from dialing to the last byte
// of the reply. It is above zero; the default is 90 seconds.
//
// Telegram may hold a call for about 60 seconds before it refuses it with 429.
// A shorter timeout turns that clear refusal into [ErrOutcomeUnknown]. To limit
// the whole call, with the waits of [WithRateLimitWait], use its context.
func WithTimeout(d time.Duration) Option {
	return sharedOption(func(s *settings) error {
		if d <= 0 {
			return invalid("timeout %v is not above zero", d)
		}
		s.timeout = d
		return nil
	})
}

// WithRateLimitWait lets a call wait and send again when it is refused with 429
// and told how long to wait. It does so while the waits add up to at most max and
// end before the deadline of the call's context. Otherwise, and by default (a max
// of zero), the refusal is returned at once.
func WithRateLimitWait(max time.Duration) Option {
	return sharedOption(func(s *settings) error {
		if max < 0 {
			return invalid("rate limit wait %v is below zero", max)
		}
		s.maxWait = max
		return nil
	})
}

// An InviteOption describes the link of one call of
// [Client.CreateInvitationLink]. An [Option] is an InviteOption too.
type InviteOption interface {
	applyToInvite(*invitation) error
}

// WithName gives the link a name that only administrators see: valid UTF-8 of
// at most 32 code points, which is the Bot API's limit, and where Telegram would
// silently cut it. Telegram trims white space. By default, and if name is empty,
// the link has none.
func WithName(name string) InviteOption {
	return inviteOption(func(call *invitation) error {
		if n := utf8.RuneCountInString(name); n > maxNameLen || !utf8.ValidString(name) {
			return invalid("the name is not valid UTF-8, or its %d code points are more than %d", n, maxNameLen)
		}
		call.Name = name
		return nil
	})
}

// WithExpireDate makes the link expire at t, in whole seconds: after now and not after
// 2038-01-19T03:14:07Z. The server keeps 32 bits of the date, and would make a
// link that never expires out of a later one. By default a link never expires.
func WithExpireDate(t time.Time) InviteOption {
	return inviteOption(func(call *invitation) error {
		if unix := t.Unix(); unix <= time.Now().Unix() || unix > math.MaxInt32 {
			return invalid("expire date %s is not in the future, or is after 2038-01-19T03:14:07Z, as one made of milliseconds is; leave it out for a link that never expires", t.Format(time.RFC3339))
		}
		call.ExpireDate = t.Unix()
		return nil
	})
}

// WithMemberLimit sets how many users can be in the chat at the same time after
// joining through the link: 1 to 99999, the Bot API's range. The server would
// make an unlimited link out of 0 and less. By default there is no limit.
func WithMemberLimit(n int) InviteOption {
	return inviteOption(func(call *invitation) error {
		if n < 1 || n > maxMemberLimit {
			return invalid("member limit %d is not 1 to %d; leave it out for no limit", n, maxMemberLimit)
		}
		call.MemberLimit = n
		return nil
	})
}

// WithJoinRequest makes administrators approve each user who joins. It cannot
// be combined with [WithMemberLimit]. The default is false.
func WithJoinRequest(required bool) InviteOption {
	return inviteOption(func(call *invitation) error {
		call.CreatesJoinRequest = required
		return nil
	})
}

// WithResponse stores the raw HTTP reply in dst, beside the typed result. dst is
// zeroed when the call starts and filled whenever a reply came, also if the
// call fails. After waits for a rate limit it is the last reply. Calls at the
// same time need a dst each.
func WithResponse(dst *Response) InviteOption {
	return inviteOption(func(call *invitation) error {
		if dst == nil {
			return invalid("the destination of the response is nil")
		}
		*dst = Response{}
		call.response = dst
		return nil
	})
}

// settings are what an Option sets.
type settings struct {
	proxy   *url.URL // nil: the environment's
	timeout time.Duration
	maxWait time.Duration
}

type clientOption func(*bot) error

func (o clientOption) applyToClient(b *bot) error { return o(b) }

type inviteOption func(*invitation) error

func (o inviteOption) applyToInvite(call *invitation) error { return o(call) }

type sharedOption func(*settings) error

func (o sharedOption) applyToClient(b *bot) error           { return o(&b.settings) }
func (o sharedOption) applyToInvite(call *invitation) error { return o(&call.settings) }
