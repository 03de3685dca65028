// Package telegram creates invite links for private Telegram chats. It is a client
// for one method of the Telegram Bot API, [createChatInviteLink], and covers nothing
// else.
//
// Each call of that method creates another link, and a bot cannot list its links. So
// a duplicate goes unnoticed, and a link whose reply was lost cannot be found. The
// package prevents the first and reports the second.
//
//   - One call creates at most one link. The package does not retry, except, with
//     [WithRateLimitWait], after Telegram refused with 429.
//   - An error is exactly one of four, see [Client.CreateInvitationLink], and tells
//     whether a link may exist. Only Telegram itself can refuse a call.
//   - If the error is nil, there is a link.
//   - Arguments that Telegram would silently turn into a permanent or unlimited
//     link are refused before anything is sent.
//   - No error and no printed value shows the bot's token, or the password of a
//     proxy that the package knows.
//
// [createChatInviteLink]: https://core.telegram.org/bots/api#createchatinvitelink
package telegram

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

const (
	telegramHost   = "api.telegram.org"
	defaultTimeout = 90 * time.Second // Telegram may hold a flood-limited call for about 60 s
	setupTimeout   = 10 * time.Second // for the TCP connect, and again for all handshakes after it
	maxToken       = 80               // bytes, the Bot API server's limit
	maxText        = 1 << 10          // bytes of text from outside in an error

	digits     = "0123456789"
	nameChars  = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	tokenChars = nameChars + "-" // any other byte could change the path of the request
)

// A Client calls the Telegram Bot API for one bot. Create it with [NewClient]. The
// zero Client refuses every call with [ErrInvalidArgument].
//
// A Client is immutable, safe for concurrent use, and cheap. It needs no closing.
// All clients share one pool of connections, whatever their bots and proxies, except
// those with [WithTransportConfig] or [WithTransport].
//
// The package logs nothing. But net/http logs unsolicited data on an idle connection,
// with the standard logger and without redaction.
type Client struct {
	id  string     // of the bot, the public part of its token
	bot func() bot // a func because fmt prints the unexported fields of anything else
}

// A bot has the settings of a Client. Each call has a copy, which its options change.
type bot struct {
	secret      string        // the token after its colon
	baseURL     *url.URL      // without the token
	environment string        // "test", or empty for Telegram's production servers
	request     *http.Request // of each call, without its body
	proxy       *url.URL      // nil: the environment's
	timeout     time.Duration
	maxWait     time.Duration     // of a call: what is left of it
	own         *http.Transport   // the package's transport: shared, or of this client
	transport   http.RoundTripper // the caller's; nil: own
}

// NewClient returns a client for the bot with this token, as BotFather hands it out:
// the bot's id, a colon, and letters, digits, _ or -, at most 80 bytes in all. It
// does no I/O, so it does not find out whether Telegram accepts the token.
//
// If the token or an option is not valid, the error matches [ErrInvalidArgument].
func NewClient(token string, opts ...ClientOption) (*Client, error) {
	switch {
	case token == "":
		return nil, invalid("the token must not be empty")
	case strings.TrimSpace(token) != token:
		return nil, invalid("the token must not begin or end with white space, such as the newline of a file")
	case !isToken(token):
		return nil, invalid("the token must be the bot's id (digits, the first not 0), a colon, and letters, digits, _ or -")
	case len(token) > maxToken:
		return nil, invalid("the token must have at most %d bytes, not %d", maxToken, len(token))
	}
	id, secret, _ := strings.Cut(token, ":")
	b := bot{
		secret:  secret,
		baseURL: &url.URL{Scheme: "https", Host: telegramHost},
		timeout: defaultTimeout,
		own:     sharedTransport,
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
	b.request = &http.Request{
		Method: http.MethodPost,
		URL:    endpoint,
		Host:   endpoint.Host,
		Header: http.Header{
			"Content-Type":    {"application/json"},
			"Accept":          {"application/json"}, // stock firewall rules count its absence against a request
			"Accept-Encoding": {"identity"},         // or else a gateway may compress the reply
		},
	}
	return &Client{id: id, bot: func() bot { return b }}, nil
}

// String names the bot by its public id: telegram.Client(bot 6129457865).
func (c *Client) String() string { return "telegram.Client(bot " + c.id + ")" }

// isToken reports whether s has the form of a token, whatever its length.
func isToken(s string) bool {
	id, secret, _ := strings.Cut(s, ":")
	return isPositive(id) && consistsOf(secret, tokenChars)
}

// isPositive reports whether s is a positive integer without a leading zero.
func isPositive(s string) bool { return consistsOf(s, digits) && s[0] != '0' }

// consistsOf reports whether s is not empty and has only characters of set.
func consistsOf(s, set string) bool { return s != "" && strings.Trim(s, set) == "" }

// exchange sends the call once and returns what came of it.
//
// It does not use an [http.Client]. That follows redirects, which pass on the token in
// Referer and return another server's answer. Its [url.Error] shows the token, too.
func (c *call) exchange(ctx context.Context) (*ChatInviteLink, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	if ctx.Err() != nil {
		return nil, c.failed(ctx, false, "", context.Cause(ctx))
	}

	// What is observed. The hooks run on goroutines of net/http, and before the bytes
	// leave. So they can prove that nothing was sent, but not that something was.
	var seen struct {
		httptrace.ClientTrace
		connecting, header atomic.Bool
	}
	seen.WroteHeaders = func() { seen.header.Store(true) }

	// What is sent, and by which transport.
	var req *http.Request
	transport := c.transport
	if transport == nil {
		if err := c.findProxy(); err != nil {
			return nil, c.failed(ctx, false, "", err)
		}
		if c.proxy != nil {
			ctx = context.WithValue(ctx, proxyKey{}, &c.proxy)
		}
		transport = c.own
		seen.connecting.Store(true) // an http.Transport always reports
		seen.GotConn = func(info httptrace.GotConnInfo) { info.Conn.SetDeadline(time.Time{}) }
		req = c.request.WithContext(httptrace.WithClientTrace(ctx, &seen.ClientTrace))
		// Over HTTP/1.1, net/http calls GetBody only if it wrote no byte of the
		// request, because the connection had died while it was idle.
		req.GetBody = c.reader
	} else {
		seen.GetConn = func(string) { seen.connecting.Store(true) }
		seen.WroteHeaderField = func(string, []string) { seen.header.Store(true) }
		// A clone, because a RoundTripper may change what it gets. Without GetBody,
		// because over HTTP/2 net/http retries whenever the server says that it did
		// nothing, true or not.
		req = c.request.Clone(httptrace.WithClientTrace(ctx, &seen.ClientTrace))
	}
	req.Body, _ = c.reader()
	req.ContentLength = int64(len(c.body))

	// What came of it.
	res, err := transport.RoundTrip(req)
	if err == nil && (res == nil || res.Body == nil) {
		err = errors.New("the transport returned no response")
	}
	if err != nil {
		return nil, c.failed(ctx, seen.header.Load() || !seen.connecting.Load(), "", err)
	}
	defer res.Body.Close()
	return c.result(ctx, res)
}

// findProxy sets the proxy of a call that has none to the environment's, if any.
func (c *call) findProxy() error {
	if c.proxy != nil {
		return nil
	}
	proxy, err := http.ProxyFromEnvironment(c.request)
	if proxy != nil && !isProxy(proxy) {
		return errors.New("the proxy in HTTP_PROXY or HTTPS_PROXY is not valid: " + proxyRule)
	}
	c.proxy = proxy
	return err
}

// errTimeout is the cause of a context that WithTimeout has ended.
var errTimeout = errors.New("the timeout expired")

// failed returns the failure of an exchange. Its text is about ctx if that has ended,
// and otherwise about cause: once ctx has ended, cause may be the error of another
// call. If a reply came, status is about that.
func (c *call) failed(ctx context.Context, unknown bool, status string, cause error) error {
	ended := ctx.Err()
	shown := cmp.Or(ended, cause)
	netErr, ok := errors.AsType[net.Error](shown)
	text := shown.Error()
	if context.Cause(ctx) == errTimeout {
		text = errTimeout.Error()
	}
	if len(cause.Error()) > maxText {
		cause = nil // it quotes a reply, whose memory an error must not keep
	}
	prefix, via := "telegram: not sent", ""
	if unknown {
		prefix = ErrOutcomeUnknown.Error()
	}
	if c.proxy != nil {
		via = " (proxy " + c.proxy.Host + ")"
	}
	return &failure{
		text:    prefix + c.clean(via+": "+status+text),
		unknown: unknown,
		timeout: ok && netErr.Timeout(),
		is:      func(target error) bool { return errors.Is(ended, target) || errors.Is(cause, target) },
	}
}

// clean makes text from outside fit for an error: one line of at most maxText, without
// the secret half of the token and the password of the proxy.
func (c *call) clean(text string) string {
	secrets := []string{c.secret}
	if c.proxy != nil {
		user := c.proxy.User
		password, _ := user.Password()
		_, escaped, _ := strings.Cut(user.String(), ":")
		basic := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		secrets = append(secrets, password, escaped, basic)
	}
	for _, secret := range secrets {
		if len(secret) >= 4 { // to replace a shorter one would garble the words
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, text)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") // the cut may have split a character
	}
	return strings.Clone(strings.TrimRight(text, " ")) // a part would keep the whole in memory
}

// proxyKey is the context key of a request's proxy, so that one pool serves the proxies
// of all clients and calls. The value is a **url.URL, because a context that is printed
// shows the text of a *url.URL, with the password.
type proxyKey struct{}

// sharedTransport serves all clients without a transport of their own.
var sharedTransport = guarded(newTransport())

func newTransport() *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost:    512,              // 256 callers at once open up to two each
		IdleConnTimeout:        30 * time.Second, // shorter than the server's keep-alive
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// guarded returns a copy of t that keeps the promises of the package, whatever t is
// configured to do.
func guarded(t *http.Transport) *http.Transport {
	// Over HTTP/2, net/http retries a POST after the work may have been done, confuses
	// proxies that are chosen by request (golang/go#25620), and breaks if an HTTPS proxy
	// offers it (golang/go#26479).
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t = t.Clone() // leaves out what RegisterProtocol added, and copies the TLS configuration
	if t.TLSClientConfig != nil {
		t.TLSClientConfig.NextProtos = nil
	}

	t.Proxy = func(req *http.Request) (*url.URL, error) {
		if proxy, ok := req.Context().Value(proxyKey{}).(**url.URL); ok {
			return *proxy, nil
		}
		return nil, nil
	}

	// net/http detaches dialing from the call and does not limit a SOCKS handshake: a
	// proxy that hangs would hold a socket and goroutines forever. This deadline
	// covers SOCKS, CONNECT and TLS, until GotConn lifts it.
	limit := cmp.Or(t.TLSHandshakeTimeout, setupTimeout)
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		conn, err := dial(ctx, network, addr)
		if err != nil || conn == nil {
			return nil, err // net/http has an error for a nil conn
		}
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
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
		text := fmt.Sprintf("the proxy refused to connect to %s: %d %s",
			req.Host, res.StatusCode, http.StatusText(res.StatusCode))
		if schemes := res.Header.Values("Proxy-Authenticate"); schemes != nil {
			text += " (Proxy-Authenticate: " + strings.Join(schemes, ", ") + ")"
		}
		return errors.New(text)
	}
	return t
}
