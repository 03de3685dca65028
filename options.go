package telegram

import (
	"math"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxNameLen     = 32    // createChatInviteLink, name, since Bot API 5.4
	maxMemberLimit = 99999 // createChatInviteLink, member_limit, since Bot API 5.1

	proxyRule = "the proxy URL must be scheme://[user:password@]host[:port]; " +
		`in user and password, characters such as # / @ \ must be percent-encoded`
)

var (
	proxySchemes = []string{"http", "https", "socks5", "socks5h"}

	errNilOption         = invalid("an option must not be nil")
	errProxyAndTransport = invalid("a proxy cannot be combined with WithTransport: set it in the transport")
)

// A ClientOption is an argument of [NewClient]. Each [Option] is a ClientOption,
// too.
type ClientOption interface {
	applyToClient(*bot) error
}

// WithBaseURL sends calls to another server than https://api.telegram.org: a local Bot
// API server (http://localhost:8081), a reverse proxy or a test server. The URL must
// have the scheme http or https and a host. It may have a port and a path, which comes
// before /bot<token>/createChatInviteLink.
//
// A 404 of such a server is an unknown outcome: a gateway in front of it may have lost
// the reply, and asked it for an error page that does not exist. A local Bot API server
// refuses a wrong token with 401.
func WithBaseURL(rawURL string) ClientOption {
	return clientOption(func(b *bot) error {
		u, err := url.Parse(rawURL)
		switch {
		case err != nil:
			return invalid("the base URL must be valid, such as http://localhost:8081")
		case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			return invalid("the base URL must begin with http:// or https:// and a host")
		case u.User != nil:
			return invalid("the base URL must not have a user or password")
		case strings.ContainsAny(rawURL, "?#"):
			return invalid("the base URL must not have a query or fragment")
		}
		end, isBot := strings.CutPrefix(path.Base(u.JoinPath().Path), "bot")
		if isBot && (end == "" || isToken(end)) {
			return invalid("the base URL must not end in /bot or /bot<token>: the package adds that")
		}
		b.baseURL = u
		return nil
	})
}

// WithTestEnvironment sends calls to Telegram's test servers, which have users, bots
// and chats of their own. The token must be that of a bot created there. It can be
// combined with [WithBaseURL]. The default is the production environment.
//
// See https://core.telegram.org/bots/features#testing-your-bot.
func WithTestEnvironment() ClientOption {
	return clientOption(func(b *bot) error {
		b.environment = "test"
		return nil
	})
}

// WithTransport sends calls through rt. Use it only for what [WithTransportConfig]
// cannot do. If both are given, the last wins. It cannot be combined with [WithProxy]:
// set the proxy in rt.
//
// The promises of the package then depend on rt:
//
//   - It must neither follow redirects nor retry. The request has no GetBody, so an
//     [http.Transport] does not retry. But a RoundTripper that buffers the body, such
//     as that of hashicorp/go-retryablehttp, creates a link with each try.
//   - It should report to [net/http/httptrace], as an [http.Transport] does. If a
//     RoundTripper does not, the outcome of every call without a reply is unknown, even
//     if nothing was sent. If it chooses among several transports, each has to report.
//   - It sees the bot's token in the URL, and so does whatever records its requests,
//     such as the url.full of otelhttp. To trace without the token, put a span around
//     the call, or a [net/http/httptrace.ClientTrace] in its context.
//   - A ClientTrace sees the token over HTTP/2, in the field :path. Over plain http, it
//     sees the password of a proxy, in the field Proxy-Authorization.
//   - Errors may show the password of a proxy that rt has chosen, because the package
//     does not know it.
func WithTransport(rt http.RoundTripper) ClientOption {
	return clientOption(func(b *bot) error {
		if rt == nil {
			return invalid("the transport must not be nil")
		}
		b.transport = rt
		return nil
	})
}

// WithTransportConfig gives the client a transport of its own. It has the settings of
// the one that clients share by default, until configure changes them. NewClient calls
// configure once. It is for:
//
//   - TLSClientConfig, which is nil at first: a private certificate authority, a
//     client certificate.
//   - GetProxyConnectHeader: a proxy that requires Negotiate.
//   - DialContext, which is nil at first: IPv4 only, another resolver.
//   - TLSHandshakeTimeout: a limit for the TCP connect, and then again for all
//     handshakes of a new connection together (SOCKS, CONNECT, TLS). Zero, as at first,
//     means 10 seconds. That is too short for some proxies, such as Tor. CONNECT never
//     gets more than a minute.
//   - IdleConnTimeout, by default 30 seconds: set it below the idle timeout of a
//     gateway that closes connections sooner.
//
// Whatever configure does, the transport speaks HTTP/1.1 only, and [WithProxy] or the
// environment chooses the proxy. Its Proxy and OnProxyConnectResponse are replaced.
// Dial, DialTLS and DialTLSContext must be nil, or else the error of NewClient matches
// [ErrInvalidArgument]. A connection from DialContext must support deadlines. Only the
// package may set them.
//
// Over TLS 1.3, a server may reject a client certificate after the request. The outcome
// is then unknown.
//
// The client has its own pool of connections: create it once, not for each call. Of
// this option and [WithTransport], the last wins.
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
		b.own, b.transport = guarded(t), nil
		return nil
	})
}

// An Option is an argument of both [NewClient] and [Client.CreateInvitationLink]. An
// option of the call takes precedence over the client's.
type Option interface {
	ClientOption
	InviteOption
}

// WithProxy sends calls through the proxy at rawURL, such as
// socks5://user:password@proxy.example:1080. The scheme must be http, https, socks5 or
// socks5h. With both socks5 and socks5h, the proxy resolves host names. In the user and
// the password, special characters must be percent-encoded: # / @ \ are %23 %2F %40
// %5C. [url.UserPassword] does that.
//
// By default, the environment decides, see [http.ProxyFromEnvironment]: HTTPS_PROXY for
// Telegram and any other https server, HTTP_PROXY for a base URL with http, and
// NO_PROXY for direct connections. HTTP_PROXY alone does not count for Telegram, and
// ALL_PROXY does not count at all. A value that is not a URL counts as none.
//
// An empty URL is not valid. To connect directly in spite of the environment, name the
// host in NO_PROXY or use [WithTransport].
func WithProxy(rawURL string) Option {
	return sharedOption(func(b *bot) error {
		u, err := url.Parse(rawURL)
		switch {
		case rawURL == "":
			return invalid("the proxy URL must not be empty; to connect directly, name the host in NO_PROXY")
		case err == nil && !slices.Contains(proxySchemes, u.Scheme):
			return invalid("the proxy URL must begin with http://, https://, socks5:// or socks5h://")
		case err != nil || !isProxy(u) || strings.Contains(rawURL, "#"):
			return invalid(proxyRule)
		}
		b.proxy = u
		return nil
	})
}

// isProxy reports whether u is the URL of a proxy, and has no part that net/http would
// ignore. net/http takes an unknown scheme for http, such as that of host:3128.
func isProxy(u *url.URL) bool {
	return slices.Contains(proxySchemes, u.Scheme) && u.Hostname() != "" &&
		(u.Path == "" || u.Path == "/") && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// WithTimeout limits one exchange with Telegram, from dialing to the last byte of the
// reply. It must be positive. The default is 90 seconds. If it expires, the error matches
// [context.DeadlineExceeded], and [ErrOutcomeUnknown] unless nothing was sent.
//
// Telegram may hold a call for about 60 seconds before it refuses it with 429. A
// shorter timeout turns that clear refusal into [ErrOutcomeUnknown]. To limit the whole
// call, with the waits of [WithRateLimitWait], use its context.
func WithTimeout(d time.Duration) Option {
	return sharedOption(func(b *bot) error {
		if d <= 0 {
			return invalid("the timeout must be positive, not %v", d)
		}
		b.timeout = d
		return nil
	})
}

// WithRateLimitWait lets a call wait and try again if Telegram refuses it with 429 and
// says how long to wait. All waits of a call together take at most max. A wait that
// would not end before the deadline of the context and the expiration date of the link
// is not begun: the call returns the refusal at once. The default is zero, no waiting.
//
// If the context ends during a wait, the error matches both the context's error and
// [ErrTooManyRequests].
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

// WithName gives the link a name, by which the chat's owner recognizes it. It must be
// valid UTF-8 of at most 32 code points: Telegram would silently cut a longer one.
// Telegram removes white space around it, so a name of white space alone is not valid.
// By default, and if name is empty, the link has no name.
func WithName(name string) InviteOption {
	return inviteOption(func(c *call) error {
		if !utf8.ValidString(name) {
			return invalid("the name must be valid UTF-8")
		}
		if n := utf8.RuneCountInString(name); n > maxNameLen {
			return invalid("the name must have at most %d code points, not %d", maxNameLen, n)
		}
		if name != "" && strings.TrimSpace(name) == "" {
			return invalid("the name must not be white space alone")
		}
		c.params.Name = name
		return nil
	})
}

// WithExpireDate sets the expiration date of the link to t, truncated to seconds. It
// must be after now and at most 2038-01-19T03:14:07Z, because the server keeps 32 bits
// of it: a later date would give a link that never expires. By default, the link never
// expires.
func WithExpireDate(t time.Time) InviteOption {
	return inviteOption(func(c *call) error {
		switch unix := t.Unix(); {
		case unix <= time.Now().Unix():
			return invalid("the expiration date must be in the future, not %s; leave it out for a link that never expires",
				t.Format(time.RFC3339))
		case unix > math.MaxInt32:
			return invalid("the expiration date must be at most 2038-01-19T03:14:07Z, not %s; "+
				"a time in milliseconds? use time.UnixMilli",
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

// WithJoinRequest sets whether an administrator must approve each user before they
// can join. If required is true, it cannot be combined with [WithMemberLimit]. The
// default is false.
func WithJoinRequest(required bool) InviteOption {
	return inviteOption(func(c *call) error {
		c.params.CreatesJoinRequest = required
		return nil
	})
}

// WithResponse stores the raw HTTP reply in dst, beside the typed result. dst is zeroed
// when the call starts, and filled whenever a reply came, even if the call fails. With
// [WithRateLimitWait], it is the last reply. Concurrent calls must not share a dst.
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
