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

	proxyRule = "the proxy URL must be scheme://[user:password@]host[:port] " +
		"with scheme http, https, socks5 or socks5h"
)

// A ClientOption is an argument of [NewClient]. Each [Option] is a ClientOption,
// too.
type ClientOption interface {
	applyToClient(*bot) error
}

// WithBaseURL sends calls to another server than https://api.telegram.org: a
// local Bot API server (http://localhost:8081), a reverse proxy or a test
// server. The URL must have the scheme http or https and a host. It may have a
// port and a path, which comes before /bot<token>/createChatInviteLink.
func WithBaseURL(rawURL string) ClientOption {
	return clientOption(func(b *bot) error {
		u, err := url.Parse(rawURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
			strings.ContainsAny(rawURL, "?#") {
			return invalid("the base URL must be scheme://host[:port][/path] with scheme http or https")
		}
		b.baseURL = u
		return nil
	})
}

// WithTestEnvironment sends calls to Telegram's test servers, which have users,
// bots and chats of their own. The token must be that of a bot made there. It
// goes with [WithBaseURL]. The default is the production environment.
//
// See https://core.telegram.org/bots/features#testing-your-bot.
func WithTestEnvironment() ClientOption {
	return clientOption(func(b *bot) error {
		b.environment = "test"
		return nil
	})
}

// WithTransport sends calls through rt. Use it only for what [WithTransportConfig]
// cannot do. If both are given, the last wins. It cannot be combined with
// [WithProxy]: set the proxy in rt.
//
// The promises of the package then depend on rt:
//
//   - It must not send a request again by itself. It gets no GetBody, so
//     [http.Transport] cannot, but a RoundTripper that buffers the body and tries
//     again, such as that of hashicorp/go-retryablehttp, makes a link with each
//     try. Nor must it follow redirects.
//   - It should report to [net/http/httptrace], as [http.Transport] does. If it
//     does not, every error of a call without an answer matches
//     [ErrOutcomeUnknown]. One that is made of several transports must report for
//     each of them.
//   - It sees the bot's token in the URL, and so does whatever records its
//     requests, such as the url.full of otelhttp. To trace without that, put a
//     span around the call, or a [net/http/httptrace.ClientTrace] in its context.
//     Over HTTP/2, a ClientTrace sees the token, too, in the field :path.
//   - Errors do not show the password of the environment's proxy, but may show
//     that of a proxy which rt has chosen, because the package does not know it.
func WithTransport(rt http.RoundTripper) ClientOption {
	return clientOption(func(b *bot) error {
		if t, ok := rt.(*http.Transport); rt == nil || ok && t == nil {
			return invalid("the transport must not be nil")
		}
		b.transport = rt
		return nil
	})
}

// WithTransportConfig gives the client a transport of its own, made like the one
// that clients share and then changed by configure. NewClient calls configure
// once. It is for a private certificate authority or a client certificate
// (TLSClientConfig, which is nil at first), a proxy that wants Negotiate
// (GetProxyConnectHeader), or a custom dialer (DialContext). By default, clients
// share a transport.
//
// Whatever configure does, the transport speaks HTTP/1.1 only, [WithProxy] or the
// environment chooses the proxy, and the handshakes of a new connection must be done
// within 10 seconds. Its Proxy and OnProxyConnectResponse are replaced. Dial, DialTLS
// and DialTLSContext must be nil, and a connection from DialContext must support
// deadlines and leave them to the package.
//
// The client has its own pool of connections: make it once, not for each call.
// Of this option and [WithTransport], the last wins.
func WithTransportConfig(configure func(*http.Transport)) ClientOption {
	return clientOption(func(b *bot) error {
		if configure == nil {
			return invalid("the function that configures the transport must not be nil")
		}
		t := newTransport()
		configure(t)
		//lint:ignore SA1019 what is deprecated must not be used here either
		if t.Dial != nil || t.DialTLS != nil || t.DialTLSContext != nil {
			return invalid("the transport must not have Dial, DialTLS or DialTLSContext: set DialContext and TLSClientConfig")
		}
		b.pool, b.transport = guarded(t), nil
		return nil
	})
}

// An Option is an argument of both [NewClient] and [Client.CreateInvitationLink].
// An option of the call takes precedence over the client's.
type Option interface {
	ClientOption
	InviteOption
}

// WithProxy sends calls through the proxy at rawURL, such as
// socks5://user:password@proxy.example:1080. The scheme must be http, https,
// socks5 or socks5h. With both socks5 and socks5h, the proxy resolves host names.
// Special characters in the user name and the password must be percent-encoded,
// as [url.UserPassword] does.
//
// By default, the environment decides: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, see
// [http.ProxyFromEnvironment]. An empty URL is not valid. To connect directly in
// spite of the environment, name the host in NO_PROXY or use [WithTransport].
func WithProxy(rawURL string) Option {
	return sharedOption(func(b *bot) error {
		u, err := url.Parse(rawURL)
		if err != nil || !isProxy(u) || strings.Contains(rawURL, "#") {
			return invalid(proxyRule)
		}
		b.proxy = u
		return nil
	})
}

// isProxy reports whether u means to net/http what it says. net/http treats an
// unknown scheme as http, and url.Parse reads the host of host:3128 as a scheme.
func isProxy(u *url.URL) bool {
	return slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) && u.Hostname() != "" &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// WithTimeout limits one exchange with Telegram, from dialing to the last byte
// of the reply. It must be positive. The default is 90 seconds.
//
// Telegram may hold a call for about 60 seconds before it refuses it with 429. A
// shorter timeout turns that clear refusal into [ErrOutcomeUnknown]. To limit the
// whole call, with the waits of [WithRateLimitWait], use its context.
func WithTimeout(d time.Duration) Option {
	return sharedOption(func(b *bot) error {
		if d <= 0 {
			return invalid("the timeout must be positive, not %v", d)
		}
		b.timeout = d
		return nil
	})
}

// WithRateLimitWait lets a call wait and try again if Telegram refuses it with 429
// and says how long to wait. It waits only if all waits together take at most max,
// and the wait ends before the deadline of the context and the expire date of the
// link. Otherwise, and by default (a max of zero), the call returns the refusal at
// once. If the context ends during a wait, the error matches both the context's
// error and [ErrTooManyRequests].
func WithRateLimitWait(max time.Duration) Option {
	return sharedOption(func(b *bot) error {
		if max < 0 {
			return invalid("the rate limit wait must be zero or more, not %v", max)
		}
		b.maxWait = max
		return nil
	})
}

// An InviteOption is an argument of [Client.CreateInvitationLink]. Each [Option]
// is an InviteOption, too.
type InviteOption interface {
	applyToCall(*call) error
}

// WithName gives the link a name, by which the chat's owner recognizes it. It must
// be valid UTF-8 of at most 32 code points: Telegram would silently cut a longer
// one. Telegram removes white space around it. By default, and if name is empty,
// the link has no name.
func WithName(name string) InviteOption {
	return inviteOption(func(c *call) error {
		if !utf8.ValidString(name) {
			return invalid("the name must be valid UTF-8")
		}
		if n := utf8.RuneCountInString(name); n > maxNameLen {
			return invalid("the name must have at most %d code points, not %d", maxNameLen, n)
		}
		c.params.Name = name
		return nil
	})
}

// WithExpireDate makes the link expire at t, cut to whole seconds. It must be
// after now and at most 2038-01-19T03:14:07Z, because the server keeps 32 bits of
// it: a later date would give a link that never expires. By default, the link never
// expires.
func WithExpireDate(t time.Time) InviteOption {
	return inviteOption(func(c *call) error {
		switch unix := t.Unix(); {
		case unix <= time.Now().Unix():
			return invalid("the expire date must be in the future, not %s; leave it out for a link that never expires",
				t.Format(time.RFC3339))
		case unix > math.MaxInt32:
			return invalid("the expire date must be at most 2038-01-19T03:14:07Z, not %s; for milliseconds, use time.UnixMilli",
				t.Format(time.RFC3339))
		}
		c.params.ExpireDate = t.Unix()
		return nil
	})
}

// WithMemberLimit sets how many users can be in the chat at the same time after
// joining through the link: 1 to 99999, the Bot API's range. The server would take
// zero or less for no limit. By default, there is no limit.
func WithMemberLimit(n int) InviteOption {
	return inviteOption(func(c *call) error {
		if n < 1 || n > maxMemberLimit {
			return invalid("the member limit must be 1 to %d, not %d; leave it out for no limit", maxMemberLimit, n)
		}
		c.params.MemberLimit = n
		return nil
	})
}

// WithJoinRequest sets whether an administrator must approve each user who wants
// to join. If required is true, it cannot be combined with [WithMemberLimit]. The
// default is false.
func WithJoinRequest(required bool) InviteOption {
	return inviteOption(func(c *call) error {
		c.params.CreatesJoinRequest = required
		return nil
	})
}

// WithResponse stores the raw HTTP reply in dst, beside the typed result. dst is
// zeroed when the call starts, and filled whenever a reply came, even if the call
// fails. With [WithRateLimitWait], it is the last reply. Concurrent calls must
// not share a dst.
func WithResponse(dst *Response) InviteOption {
	return inviteOption(func(c *call) error {
		if dst == nil {
			return invalid("the destination of the response must not be nil")
		}
		*dst = Response{}
		c.response = dst
		return nil
	})
}

type clientOption func(*bot) error

func (o clientOption) applyToClient(b *bot) error { return o(b) }

type inviteOption func(*call) error

func (o inviteOption) applyToCall(c *call) error { return o(c) }

type sharedOption func(*bot) error

func (o sharedOption) applyToClient(b *bot) error { return o(b) }
func (o sharedOption) applyToCall(c *call) error  { return o(&c.bot) }
