// Package telegram makes invite links for private Telegram chats. It is a
// client for one method of the Telegram Bot API, [createChatInviteLink], and
// covers nothing else.
//
// The method is not idempotent, and a bot cannot list its links: a link that is
// made twice, or made and not returned, is lost. The package is built around
// that.
//
//   - One call makes at most one link. Nothing is sent again except, with
//     [WithRateLimitWait], a request that Telegram refused with 429.
//   - An error tells what became of the call: it was refused ([*Error]), it was
//     never sent, or its outcome is unknown and a link may exist
//     ([ErrOutcomeUnknown]).
//   - If the error is nil, there is a usable link.
//   - Arguments that Telegram would silently turn into a permanent or unlimited
//     link are refused before anything is sent ([ErrInvalidArgument]).
//   - Neither an error nor a printed value shows the bot's token or the password
//     of a proxy that the package knows.
//
// [createChatInviteLink]: https://core.telegram.org/bots/api#createchatinvitelink
package telegram

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	defaultTimeout = 90 * time.Second // Telegram may hold a flood-limited call for about 60 s
	setupTimeout   = 10 * time.Second // for the TCP connect, and again for all handshakes after it
	maxToken       = 80               // bytes, the Bot API server's limit

	digits     = "0123456789"
	nameChars  = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	tokenChars = nameChars + "-" // any other byte could change the path of the request
)

// A Client calls the Telegram Bot API for one bot. Create it with [NewClient];
// the zero Client refuses every call with [ErrInvalidArgument].
//
// A Client is immutable, safe for concurrent use, and cheap. It needs no
// closing: all clients share one pool of connections, whatever their bots and
// proxies, except those with [WithTransportConfig] or [WithTransport].
//
// It logs nothing. But net/http does: what a server sends unasked on an idle
// connection, it prints with the standard logger, and nothing in it is redacted.
type Client struct {
	id  string     // of the bot, the public part of its token
	bot func() bot // a func because fmt prints the unexported fields of anything else
}

// A bot is what a Client hides. Each call has a copy, on which its options write.
type bot struct {
	secret      string   // the token after its colon
	baseURL     *url.URL // without the token
	environment string   // "test", or empty for Telegram's production servers
	post        *http.Request
	proxy       *url.URL // nil: the environment's
	timeout     time.Duration
	maxWait     time.Duration
	pool        *http.Transport   // the package's own transport: shared, or of this client
	transport   http.RoundTripper // the caller's; nil: pool
}

// NewClient returns a client for the bot with this token, as BotFather hands it
// out: the bot's id, a colon, and letters, digits, _ or -, at most 80 bytes in
// all. It does no I/O and does not ask Telegram whether the token is valid.
//
// If the token or an option is not valid, the error matches
// [ErrInvalidArgument].
func NewClient(token string, opts ...ClientOption) (*Client, error) {
	id, secret, _ := strings.Cut(token, ":")
	switch {
	case token == "":
		return nil, invalid("the token must not be empty")
	case strings.TrimSpace(token) != token:
		return nil, invalid("the token must not begin or end with white space, such as the newline of a file")
	case !isPositive(id) || !consistsOf(secret, tokenChars):
		return nil, invalid("the token must be a bot's id, a colon, and letters, digits, _ or -")
	case len(token) > maxToken:
		return nil, invalid("the token must have at most %d bytes, not %d", maxToken, len(token))
	}
	b := bot{
		secret:  secret,
		baseURL: &url.URL{Scheme: "https", Host: "api.telegram.org"},
		timeout: defaultTimeout,
		pool:    sharedTransport,
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errNilOption
		}
		if err := opt.applyToClient(&b); err != nil {
			return nil, err
		}
	}
	if b.proxy != nil && b.transport != nil {
		return nil, errProxyAndTransport
	}
	// Without the first JoinPath, a URL that has no path would get a relative one.
	endpoint := b.baseURL.JoinPath("/").JoinPath("bot"+token, b.environment, "createChatInviteLink")
	b.post = &http.Request{
		Method: http.MethodPost,
		URL:    endpoint,
		Host:   endpoint.Host,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
	return &Client{id: id, bot: func() bot { return b }}, nil
}

// String names the bot by its public id: telegram.Client(bot 6129457865).
func (c *Client) String() string { return "telegram.Client(bot " + c.id + ")" }

// consistsOf reports whether s is not empty and has only characters of set.
func consistsOf(s, set string) bool { return s != "" && strings.Trim(s, set) == "" }

// isPositive reports whether s is a positive integer without a leading zero.
func isPositive(s string) bool { return consistsOf(s, digits) && s[0] != '0' }

// exchange sends the call once and returns what came of it.
//
// It does not use an [http.Client], which would follow redirects: that passes
// the token on in Referer, and takes a stranger's answer for Telegram's. Its
// errors would show the token, too, in the URL of a [url.Error].
func (c *call) exchange(ctx context.Context) (*ChatInviteLink, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	if ctx.Err() != nil {
		return nil, c.failed(ctx, false, "", ctx.Err())
	}

	// The hooks run before the bytes leave, so they can prove that nothing was
	// sent, but not that something was. They run on goroutines of net/http.
	var seen struct {
		httptrace.ClientTrace
		dial, header atomic.Bool
	}
	seen.WroteHeaders = func() { seen.header.Store(true) }
	var req *http.Request
	transport := c.transport
	if transport == nil {
		proxy, err := c.route()
		if err != nil {
			return nil, c.failed(ctx, false, "", err)
		}
		if proxy != nil {
			ctx = context.WithValue(ctx, proxyKey{}, proxy)
		}
		c.proxy, transport = proxy, c.pool
		seen.dial.Store(true) // our own reports all that it does
		seen.GotConn = func(info httptrace.GotConnInfo) { info.Conn.SetDeadline(time.Time{}) }
		req = c.post.WithContext(httptrace.WithClientTrace(ctx, &seen.ClientTrace))
		// Over HTTP/1.1, net/http calls GetBody only if it wrote no byte of the
		// request, because the connection had died while it was idle.
		req.GetBody = c.reader
	} else {
		seen.GetConn = func(string) { seen.dial.Store(true) }
		seen.WroteHeaderField = func(string, []string) { seen.header.Store(true) }
		// A clone, because it may change what it gets. Without GetBody, because
		// over HTTP/2 net/http sends a request again whenever the server says
		// that it did nothing, true or not.
		req = c.post.Clone(httptrace.WithClientTrace(ctx, &seen.ClientTrace))
	}
	req.Body, _ = c.reader()
	req.ContentLength = int64(len(c.body))

	res, err := transport.RoundTrip(req)
	if res != nil && res.Body != nil {
		defer res.Body.Close()
	} else if err == nil {
		err = errors.New("the transport returned no response")
	}
	if err != nil {
		return nil, c.failed(ctx, res != nil || seen.header.Load() || !seen.dial.Load(), "", err)
	}
	return c.result(ctx, res)
}

// route returns the proxy for the package's own transport, or nil for none.
func (b *bot) route() (*url.URL, error) {
	if b.proxy != nil {
		return b.proxy, nil
	}
	proxy, err := http.ProxyFromEnvironment(b.post)
	if proxy != nil && !isProxy(proxy) {
		return nil, errors.New("the proxy of the environment is not valid: " + proxyRule)
	}
	return proxy, err
}

// proxyKey is the context key of a request's proxy, a *url.URL. Since it is part
// of the request, one pool serves the proxies of all clients and calls.
type proxyKey struct{}

// sharedTransport serves all clients without a transport of their own.
var sharedTransport = guarded(newTransport())

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            new(net.Dialer).DialContext,
		MaxIdleConnsPerHost:    512,              // 256 callers at once open up to two each
		IdleConnTimeout:        30 * time.Second, // shorter than the server's keep-alive
		DisableCompression:     true,             // a reply is about 500 bytes
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// guarded returns a copy of t that keeps the promises of the package, whatever
// t was made to do.
func guarded(t *http.Transport) *http.Transport {
	// Over HTTP/2, net/http sends a POST again by itself after the work may have
	// been done, confuses proxies that are chosen by request (golang/go#25620),
	// and breaks if an HTTPS proxy offers it (golang/go#26479). Clone leaves out
	// what RegisterProtocol added, and keeps the caller's TLS configuration as it
	// is.
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t = t.Clone()
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = nil
	}

	t.Proxy = func(req *http.Request) (*url.URL, error) {
		proxy, _ := req.Context().Value(proxyKey{}).(*url.URL)
		return proxy, nil
	}

	// net/http detaches dialing from the call and does not limit a SOCKS
	// handshake: a proxy that hangs would hold a socket and goroutines forever.
	// This deadline covers SOCKS, CONNECT and TLS, until GotConn lifts it.
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, setupTimeout)
		defer cancel()
		conn, err := dial(ctx, network, addr)
		if err != nil || conn == nil {
			return nil, err // net/http has an error for a nil conn
		}
		if err := conn.SetDeadline(time.Now().Add(setupTimeout)); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}

	// net/http's own error is the bare reason phrase, the proxy's text.
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, req *http.Request, res *http.Response) error {
		if res.StatusCode == http.StatusOK {
			return nil
		}
		return fmt.Errorf("the proxy refused to connect to %s: %d %s",
			req.Host, res.StatusCode, http.StatusText(res.StatusCode))
	}
	return t
}
