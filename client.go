// Package telegram makes invitation links for closed Telegram chats. It is a
// client for one call of the Telegram Bot API, [createChatInviteLink], and
// covers nothing else.
//
// The call is not idempotent and a bot cannot list its links: a link made
// twice, or made and not returned, is lost. The package is built around that.
//
//   - One call makes at most one link. Nothing is sent again except, with
//     [WithRateLimitWait], a request that was refused with 429.
//   - An error tells what became of the call: it was refused ([*Error]), it was
//     never sent, or nobody can say and a link may exist ([ErrOutcomeUnknown]).
//   - A nil error comes with a usable link.
//   - Values that Telegram silently turns into a permanent or unlimited link
//     are refused before anything is sent ([ErrInvalidArgument]).
//   - Neither the bot's token nor the password of a proxy that the package
//     knows of appears in an error, or when a value is printed.
//
// [createChatInviteLink]: https://core.telegram.org/bots/api#createchatinvitelink
package telegram

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

const (
	defaultTimeout = 90 * time.Second // Telegram may hold a flood-limited call for about 60 s
	setupTimeout   = 10 * time.Second // for the TCP connect, and again for all handshakes after it
	maxReplyBody   = 1 << 20          // bytes
	maxToken       = 80               // bytes, the server's limit
)

// tokenPattern is the server's own rule. Any other byte could change the path
// of the request.
var tokenPattern = regexp.MustCompile(`^([1-9][0-9]*):([A-Za-z0-9_-]+)$`)

// A Client calls the Telegram Bot API for one bot. Create it with [NewClient];
// the zero Client refuses every call with [ErrInvalidArgument].
//
// A Client never changes and is safe for concurrent use. It is cheap and needs
// no closing: all clients without [WithTransport] share one pool of
// connections, however many bots and proxies they are for.
type Client struct {
	id string // the bot's, the public part of its token

	// A func, for fmt sees through the rest: it shows the unexported fields of
	// a struct without asking their methods, and follows pointers when a verb
	// does not suit them.
	bot func() *bot
}

// A bot is what a Client hides.
type bot struct {
	settings
	secret    string   // the token after its colon
	endpoint  *url.URL // the base URL; in a Client the method's URL, with the token
	transport http.RoundTripper
}

// NewClient returns a client for the bot with this token, as BotFather hands it
// out: the bot's id, a colon, and letters, digits, _ or -, at most 80 bytes in
// all. It does no I/O and does not ask Telegram whether the token is valid.
//
// An error matches [ErrInvalidArgument]: the token or an option is malformed.
func NewClient(token string, opts ...ClientOption) (*Client, error) {
	match := tokenPattern.FindStringSubmatch(token)
	switch {
	case strings.TrimSpace(token) != token:
		return nil, invalid("the token begins or ends with white space, perhaps a file's newline")
	case match == nil || len(token) > maxToken:
		return nil, invalid("the token is empty, or not a bot's id, a colon, and letters, digits, _ or -, at most %d bytes in all", maxToken)
	}
	b := &bot{
		settings:  settings{timeout: defaultTimeout},
		secret:    match[2],
		endpoint:  &url.URL{Scheme: "https", Host: "api.telegram.org"},
		transport: sharedTransport,
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errNilOption
		}
		if err := opt.applyToClient(b); err != nil {
			return nil, err
		}
	}
	if b.proxy != nil && b.transport != sharedTransport {
		return nil, errProxyAndTransport
	}
	// The first JoinPath gives a URL without a path the slash that the second
	// would leave out.
	b.endpoint = b.endpoint.JoinPath("/").JoinPath("bot"+token, "createChatInviteLink")
	return &Client{id: match[1], bot: func() *bot { return b }}, nil
}

// String names the bot by its public id: telegram.Client(bot 6129457865).
func (c *Client) String() string { return "telegram.Client(bot " + c.id + ")" }

// exchange sends the call once and returns what came of it.
//
// It talks to the RoundTripper itself. An http.Client in between would follow
// redirects, which hand the token on in Referer and take a stranger's answer
// for Telegram's; it would show the token in a *url.Error, and keep cookies.
//
// The trace proves that nothing was sent, never that all was: its callbacks
// come, from goroutines of net/http, before the bytes leave.
//
// Only sharedTransport gets GetBody. Over HTTP/1.1 net/http uses it if it wrote
// not a byte of the request, because the connection had died while idle. Over
// HTTP/2 it does whenever the server says that it did nothing, true or not.
func (b *bot) exchange(ctx context.Context, call *invitation) (*ChatInviteLink, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, call.timeout, errTimeout)
	defer cancel()
	if call.proxy != nil {
		ctx = context.WithValue(ctx, proxyKey{}, call.proxy)
	}
	endpoint := *b.endpoint
	post := &http.Request{
		Method:        http.MethodPost,
		URL:           &endpoint,
		Host:          endpoint.Host,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          call.reader(),
		ContentLength: int64(len(call.body)),
	}
	var seen struct{ reports, header atomic.Bool }
	trace := &httptrace.ClientTrace{WroteHeaders: func() { seen.header.Store(true) }}
	if b.transport == sharedTransport {
		seen.reports.Store(true)
		trace.GotConn = func(info httptrace.GotConnInfo) { info.Conn.SetDeadline(time.Time{}) }
		post.GetBody = func() (io.ReadCloser, error) { return call.reader(), nil }
	} else {
		trace.GetConn = func(string) { seen.reports.Store(true) }
		trace.WroteHeaderField = func(string, []string) { seen.header.Store(true) }
	}
	req := post.WithContext(httptrace.WithClientTrace(ctx, trace))
	if ctx.Err() != nil {
		return nil, b.failed(req, context.Cause(ctx), false)
	}
	res, err := b.transport.RoundTrip(req)
	if err == nil && (res == nil || res.Body == nil) {
		err = errors.New("the transport returned no response")
	}
	if err != nil {
		return nil, b.failed(req, err, seen.header.Load() || !seen.reports.Load())
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = http.NoBody // instead of the bare connection, which has no end
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReplyBody))
	raw := Response{StatusCode: res.StatusCode, Header: res.Header, Body: body}
	*call.response = raw
	return b.result(req, raw, err)
}

// proxyKey is the context key of the proxy of one call, a *url.URL.
type proxyKey struct{}

// chooseProxy is sharedTransport's Proxy. Because it looks into the request's
// context, one pool serves the proxies of all clients and calls.
func chooseProxy(req *http.Request) (*url.URL, error) {
	if proxy, ok := req.Context().Value(proxyKey{}).(*url.URL); ok {
		return proxy, nil
	}
	return http.ProxyFromEnvironment(req)
}

// sharedTransport is built from nothing: a clone of http.DefaultTransport
// offers HTTP/2 even when its Protocols do not. HTTP/2 is off because net/http
// then sends a POST again by itself after the work may have been done, because
// it confuses proxies chosen by request (golang/go#25620), and because an HTTPS
// proxy that offers it breaks (golang/go#26479).
var sharedTransport = newTransport()

func newTransport() *http.Transport {
	t := &http.Transport{
		Proxy: chooseProxy,
		// net/http detaches dialing from the call, and a SOCKS handshake has
		// no limit there: a hung proxy would hold a socket and goroutines for
		// ever. This deadline covers SOCKS, CONNECT and TLS, until GotConn
		// lifts it.
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{Timeout: setupTimeout}).DialContext(ctx, network, addr)
			if err == nil {
				conn.SetDeadline(time.Now().Add(setupTimeout))
			}
			return conn, err
		},
		// net/http's own error is the reason phrase alone, the proxy's text.
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, req *http.Request, res *http.Response) error {
			if res.StatusCode == http.StatusOK {
				return nil
			}
			return fmt.Errorf("the proxy refused to connect to %s: %d %s", req.Host, res.StatusCode, http.StatusText(res.StatusCode))
		},
		Protocols:              new(http.Protocols),
		MaxIdleConnsPerHost:    512,              // 256 callers at once open up to two each
		IdleConnTimeout:        30 * time.Second, // shorter than the server's keep-alive
		DisableCompression:     true,             // a reply is about 500 bytes
		MaxResponseHeaderBytes: 64 << 10,
	}
	t.Protocols.SetHTTP1(true)
	return t
}
