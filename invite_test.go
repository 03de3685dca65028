//go:debug x509usefallbackroots=1

package telegram_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"example.com/telegram"
)

// Helpers

const (
	secret   = "AAHnot-a-real_secret0123456789abcde"
	token    = "6129457865:" + secret
	password = `p@ss"w%rd` // it looks different wherever it is escaped
	chat     = telegram.ChatID("-1001234567890")

	theLink   = "https://t.me/+abc"
	linkReply = `{"ok":true,"result":{"invite_link":"` + theLink + `"}}`
	page      = "<html>\r\n<head><title>Gateway</title></head>\r\n</html>\r\n"
)

func callURL(base string) string { return base + "/bot" + token + "/createChatInviteLink" }

// envProxy is the proxy of the environment, through which goes whatever a test sends
// by http to another host than this one.
var envProxy *proxy

func TestMain(m *testing.M) {
	s := httptest.NewTLSServer(nil) // the package's own transport trusts the certificate of httptest
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	x509.SetFallbackRoots(roots)
	s.Close()

	target := httptest.NewServer(linkTo(remoteAddr))
	envProxy = startProxy("http", target.Listener.Addr().String(), "env")
	os.Clearenv() // of the proxies of this machine
	os.Setenv("HTTP_PROXY", envProxy.url())
	os.Setenv("HTTPS_PROXY", "http://user:12345678#x@host") // whose password should have an escaped #
	os.Exit(m.Run())
}

type clientOptions = []telegram.ClientOption
type inviteOptions = []telegram.InviteOption

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newClient(baseURL string, opts ...telegram.ClientOption) *telegram.Client {
	return must(telegram.NewClient(token, append(clientOptions{telegram.WithBaseURL(baseURL)}, opts...)...))
}

// newClientOn returns a client with a transport that is not the package's own.
func newClientOn(rt http.RoundTripper, opts ...telegram.ClientOption) *telegram.Client {
	return newClient("http://h", append(opts, telegram.WithTransport(rt))...)
}

func newTestClient(t testing.TB, h http.HandlerFunc) *telegram.Client {
	s, _ := newServer(t, h)
	s.Start()
	return newClient(s.URL)
}

var arrived atomic.Int32 // requests, at all servers of newServer

// newServer returns a server that is yet to be started. It counts the connections that
// it opens, and is silent about those that come to nothing.
func newServer(t testing.TB, h http.HandlerFunc) (s *httptest.Server, opened *atomic.Int32) {
	s, opened = httptest.NewUnstartedServer(nil), new(atomic.Int32)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { arrived.Add(1); h(w, r) })
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	t.Cleanup(s.Close)
	return s, opened
}

// create makes a call and checks what holds for every call.
func create(t testing.TB, ctx context.Context, c *telegram.Client, chat telegram.ChatID,
	opts ...telegram.InviteOption) (*telegram.ChatInviteLink, error) {
	t.Helper()
	before := arrived.Load()
	link, err := c.CreateInvitationLink(ctx, chat, opts...)
	if (link == nil) != (err != nil) || link != nil && link.InviteLink == "" {
		t.Errorf("got %+v and %v, want either a link or an error", link, err)
	}
	kind := kindOf(t, err)
	if n := arrived.Load() - before; n != 0 && (kind == invalid || kind == notSent) {
		t.Errorf("got %v, but %d requests arrived at the server", err, n)
	}
	return link, err
}

// expect makes a call and checks its result as check does.
func expect(t testing.TB, c *telegram.Client, want kind, text string, opts ...telegram.InviteOption) error {
	t.Helper()
	link, err := create(t, t.Context(), c, chat, opts...)
	check(t, link, err, want, text)
	return err
}

// check checks what came of a call: its kind, and the text of the link, or of the error
// after the words for its kind. If text ends in dots, that is how it begins.
func check(t testing.TB, link *telegram.ChatInviteLink, err error, want kind, text string) {
	t.Helper()
	got, kind := "", kindOf(t, err)
	if err == nil {
		got = link.InviteLink
	} else {
		got = strings.TrimLeft(strings.TrimPrefix(err.Error(), prefixes[kind]), ": ")
	}
	start, isOpen := strings.CutSuffix(text, "...")
	if kind != want || got != text && !(isOpen && strings.HasPrefix(got, start)) {
		t.Errorf("got %s: %s\nwant %s: %s", kind, got, want, text)
	}
}

type row struct {
	name   string
	client *telegram.Client
	kind   kind
	text   string
}

func expectRows(t *testing.T, rows []row) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { expect(t, row.client, row.kind, row.text) })
	}
}

// A kind is what became of a call: a link, or one of the four errors.
type kind string

const (
	gotLink kind = "link"
	invalid kind = "invalid"
	refused kind = "refused"
	unknown kind = "unknown"
	notSent kind = "not sent"
)

var prefixes = map[kind]string{
	invalid: "telegram: invalid argument: ",
	refused: "telegram: ",
	unknown: "telegram: outcome unknown, a link may exist",
	notSent: "telegram: not sent",
}

// kindOf returns the kind of err, and checks that it is exactly one, and what else holds
// for every error.
func kindOf(t testing.TB, err error) (k kind) {
	t.Helper()
	if err == nil {
		return gotLink
	}
	text, n := err.Error(), 0
	for each, is := range map[kind]bool{
		invalid: errors.Is(err, telegram.ErrInvalidArgument),
		refused: errors.As(err, new(*telegram.Error)),
		unknown: errors.Is(err, telegram.ErrOutcomeUnknown),
		notSent: strings.HasPrefix(text, prefixes[notSent]),
	} {
		if is {
			k, n = each, n+1
		}
	}
	if n != 1 || !strings.HasPrefix(text, prefixes[k]) {
		t.Fatalf("got %q, which is of %d kinds, want 1", text, n)
	}
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if len(text) > 1<<10+200 || !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) ||
		strings.Contains(text, secret) || strings.Contains(text, password) {
		t.Errorf("got %q, want one short line without a secret", text)
	}
	failure, isFailure := err.(interface{ Temporary() bool })
	if isFailure != (k == unknown || k == notSent) || isFailure && (failure.Temporary() || errors.Unwrap(err) != nil) {
		t.Errorf("%s is a %T, want a net.Error that wraps nothing for a failure", text, err)
	}
	return k
}

func basic(user string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func linkTo(fact func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"ok":true,"result":{"invite_link":%q}}`, fact(r))
	}
}

func remoteAddr(r *http.Request) string { return r.RemoteAddr }

func raw(reply string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, reply)
		conn.Close()
	}
}

// inMemory gives the package's own transport connections in memory, for the clock of
// synctest. serve has their other ends.
func inMemory(serve func(conn net.Conn, addr string), more ...func(*http.Transport)) telegram.ClientOption {
	return telegram.WithTransportConfig(func(t *http.Transport) {
		t.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
			client, server := net.Pipe()
			go serve(server, addr)
			return client, nil
		}
		for _, configure := range more {
			configure(t)
		}
	})
}

func respond(after time.Duration, reply string) func(net.Conn, string) {
	return func(conn net.Conn, _ string) {
		defer conn.Close()
		for br := bufio.NewReader(conn); ; {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			time.Sleep(after)
			io.WriteString(conn, reply)
		}
	}
}

var httpReply = fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(linkReply), linkReply)

// A recorder is a transport without a network. It keeps what it is sent, and answers
// with one reply after another, the last of them again and again.
type recorder struct {
	replies []reply
	sent    []*http.Request
	bodies  []string
}

type reply struct {
	status int
	body   string
}

func record(replies ...reply) *recorder { return &recorder{replies: replies} }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(req.Body)
	r.sent, r.bodies = append(r.sent, req), append(r.bodies, string(body))
	reply := r.replies[min(len(r.sent), len(r.replies))-1]
	return &http.Response{StatusCode: reply.status, Body: io.NopCloser(strings.NewReader(reply.body))}, nil
}

// The request

func TestURL(t *testing.T) {
	base := telegram.WithBaseURL("http://h/path/b%2Fc/")
	for want, opts := range map[string]clientOptions{
		callURL("https://api.telegram.org"):                                   nil,
		callURL("http://last"):                                                {base, telegram.WithBaseURL("http://last")},
		callURL("http://h/path/b%2Fc"):                                        {base},
		"https://api.telegram.org/bot" + token + "/test/createChatInviteLink": {telegram.WithTestEnvironment()},
		"http://h/path/b%2Fc/bot" + token + "/test/createChatInviteLink":      {telegram.WithTestEnvironment(), base},
	} {
		t.Run(want, func(t *testing.T) {
			rec := record(reply{200, linkReply})
			c := must(telegram.NewClient(token, append(opts, telegram.WithTransport(rec))...))
			for i := range 2 { // a transport may change what it gets, but not the next request
				expect(t, c, gotLink, theLink)
				req := rec.sent[i]
				if req.URL.String() != want || req.Host != req.URL.Host || len(req.Header) != 3 || req.GetBody != nil {
					t.Errorf("got %s to %s, %v, GetBody: %v", req.URL, req.Host, req.Header, req.GetBody != nil)
				}
				req.Host, req.URL.Host = "elsewhere", "elsewhere"
				req.Header.Set("X", "x")
			}
		})
	}
}

// What is in the body after the chat, by the clock of synctest, which begins with 2000.
func TestBody(t *testing.T) {
	longest := strings.Repeat("é", 32)
	for want, opts := range map[string]inviteOptions{
		``: {telegram.WithJoinRequest(false), telegram.WithName("")},
		`,"name":"Лето","expire_date":2124958773,"member_limit":200`: {
			telegram.WithName("Лето"), telegram.WithMemberLimit(200),
			telegram.WithExpireDate(time.Date(2037, 5, 3, 11, 19, 33, 999, time.FixedZone("", 3600)))},
		`,"name":" a "`:                {telegram.WithName(" a ")},
		`,"name":"` + longest + `"`:    {telegram.WithName(longest)},
		`,"expire_date":946684801`:     {telegram.WithExpireDate(time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC))},
		`,"expire_date":2147483647`:    {telegram.WithExpireDate(time.Unix(math.MaxInt32, 999999999))},
		`,"creates_join_request":true`: {telegram.WithJoinRequest(true)},
		`,"member_limit":99999`: {telegram.WithJoinRequest(true), telegram.WithMemberLimit(1),
			telegram.WithJoinRequest(false), telegram.WithMemberLimit(99999)}, // the last wins
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := record(reply{200, linkReply})
				expect(t, newClientOn(rec), gotLink, theLink, opts...)
				want := `{"chat_id":"-1001234567890"` + want + `}`
				if got, n := rec.bodies[0], rec.sent[0].ContentLength; got != want || n != int64(len(want)) {
					t.Errorf("got %s of %d bytes, want %s", got, n, want)
				}
			})
		})
	}
}

// On the wire it is HTTP/1.1, of a known length, in one write.
func TestOneWrite(t *testing.T) {
	wrote := make(chan string, 1)
	c := newClient("http://127.0.0.1", telegram.WithRateLimitWait(1), inMemory(func(conn net.Conn, _ string) {
		b := make([]byte, 1<<10)
		n, _ := conn.Read(b) // from a net.Pipe, so it gets no more than one write
		wrote <- string(b[:n])
		io.WriteString(conn, httpReply)
	}))
	expect(t, c, gotLink, theLink, telegram.WithRateLimitWait(0))
	want := "POST /bot" + token + "/createChatInviteLink HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
		"User-Agent: Go-http-client/1.1\r\nContent-Length: 28\r\nAccept: application/json\r\n" +
		"Accept-Encoding: identity\r\nContent-Type: application/json\r\n\r\n" +
		`{"chat_id":"-1001234567890"}`
	if got := <-wrote; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Arguments

// Where an option is legal is a matter of its type.
func TestWhereOptionsAreLegal(t *testing.T) {
	client, call := reflect.TypeFor[telegram.ClientOption](), reflect.TypeFor[telegram.InviteOption]()
	if client.Implements(call) || call.Implements(client) {
		t.Error("a ClientOption is legal in a call, or an InviteOption in NewClient")
	}
}

const proxyRule = "the proxy URL must be scheme://[user:password@]host[:port]; " +
	`in user and password, characters such as # / @ \ must be percent-encoded`

func TestInvalidArguments(t *testing.T) {
	valid := newClientOn(broken{})
	newClient := func(token string, opts ...telegram.ClientOption) func() error {
		return func() error { _, err := telegram.NewClient(token, opts...); return err }
	}
	client := func(opts ...telegram.ClientOption) func() error { return newClient(token, opts...) }
	config := func(f func(*http.Transport)) func() error { return client(telegram.WithTransportConfig(f)) }
	callTo := func(c *telegram.Client, chat telegram.ChatID, opts ...telegram.InviteOption) func() error {
		return func() error { _, err := create(t, t.Context(), c, chat, opts...); return err }
	}
	call := func(opts ...telegram.InviteOption) func() error { return callTo(valid, chat, opts...) }
	noContext := func() error { _, err := create(t, nil, valid, chat); return err }
	const (
		baseRule = "the base URL must begin with http:// or https:// and a host"
		botRule  = "the base URL must not end in /bot or /bot<token>: the package adds that"
		form     = "the token must be the bot's id (digits, the first not 0), a colon, and letters, digits, _ or -"
		space    = "the token must not begin or end with white space, such as the newline of a file"
		noDial   = "the transport must not have Dial, DialTLS or DialTLSContext: set DialContext and TLSClientConfig"
		noProxy  = "a proxy cannot be combined with WithTransport: set it in the transport"
		empty    = "the proxy URL must not be empty; to connect directly, name the host in NO_PROXY"
		scheme   = "the proxy URL must begin with http://, https://, socks5:// or socks5h://"
		idRule   = "the chat must be an id such as -1001234567890 (no plus sign, no leading zero) or a public name " +
			"such as @channel; it may end in *topic (a positive integer); not "
		past = "the expiration date must be in the future, not "
		late = "the expiration date must be at most 2038-01-19T03:14:07Z, not 2038-01-19T03:14:08Z; " +
			"a time in milliseconds? use time.UnixMilli"
		limits = "the member limit must be 1 to 99999, not "
	)
	for _, test := range []struct {
		name, want string
		err        func() error
	}{
		{"empty token", "the token must not be empty", newClient("")},
		{"token without a secret", form, newClient("123")},
		{"token with a newline", space, newClient(token + "\n")},
		{"token after a space", space, newClient(" " + token)},
		{"token too long", "the token must have at most 80 bytes, not 81", newClient("1:" + strings.Repeat("a", 79))},
		{"nil client option", "an option must not be nil", client(nil)},
		{"nil transport", "the transport must not be nil", client(telegram.WithTransport(nil))},
		{"transport, then proxy", noProxy, client(telegram.WithTransport(broken{}), telegram.WithProxy("http://h"))},
		{"proxy, then transport", noProxy, client(telegram.WithProxy("http://h"), telegram.WithTransport(broken{}))},
		{"transport, and proxy of the call", noProxy, call(telegram.WithProxy("http://h"))},
		{"nil configure", "the function that configures the transport must not be nil", config(nil)},
		//lint:ignore SA1019 it is refused
		{"Dial", noDial, config(func(t *http.Transport) { t.Dial = net.Dial })},
		//lint:ignore SA1019 it is refused
		{"DialTLS", noDial, config(func(t *http.Transport) { t.DialTLS = net.Dial })},
		{"DialTLSContext", noDial, config(func(t *http.Transport) { t.DialTLSContext = new(tls.Dialer).DialContext })},
		{"empty proxy", empty, client(telegram.WithProxy(""))},
		{"proxy without a scheme", scheme, call(telegram.WithProxy("h:3128"))},
		{"# in a proxy's password", proxyRule, client(telegram.WithProxy("http://user:pass#word@h"))},
		{"base URL in other libraries' form", "the base URL must be valid, such as http://localhost:8081",
			client(telegram.WithBaseURL("https://api.telegram.org/bot%s/%s"))},
		{"base URL without a scheme", baseRule, client(telegram.WithBaseURL("localhost:8081"))},
		{"base URL with a user", "the base URL must not have a user or password", client(telegram.WithBaseURL("http://u@h"))},
		{"base URL with ?", "the base URL must not have a query or fragment", client(telegram.WithBaseURL("http://h?"))},
		{"base URL with /bot", botRule, client(telegram.WithBaseURL("http://h/bot"))},
		{"base URL with the token", botRule, client(telegram.WithBaseURL("http://h/bot" + token))},
		{"first of two", "the timeout must be positive, not 0s", client(telegram.WithTimeout(0), telegram.WithProxy(""))},
		{"negative timeout", "the timeout must be positive, not -1ns", call(telegram.WithTimeout(-1))},
		{"negative wait", "the rate limit wait must be zero or more, not -1ns", call(telegram.WithRateLimitWait(-1))},

		{"nil context", "the context must not be nil", noContext},
		{"nil client", "the client must be created by NewClient", callTo(nil, chat)},
		{"zero client", "the client must be created by NewClient", callTo(new(telegram.Client), chat)},
		{"chat", idRule + `"name"`, callTo(valid, "name")},
		{"token for a chat", idRule + `"6129457865:[redacted]"`, callTo(valid, token)},
		{"nil call option", "an option must not be nil", call(nil)},
		{"long name", "the name must have at most 32 code points, not 33", call(telegram.WithName(strings.Repeat("é", 33)))},
		{"name not UTF-8", "the name must be valid UTF-8", call(telegram.WithName("a\xff"))},
		{"name of spaces", "the name must not be white space alone", call(telegram.WithName(" \t\u00a0"))},
		{"this second", past + "...", call(telegram.WithExpireDate(time.Now().Truncate(time.Second).Add(time.Second - 1)))},
		{"zero date", past + "0001-01-01T00:00:00Z; leave it out for a link that never expires",
			call(telegram.WithExpireDate(time.Time{}))},
		{"date after 2038", late, call(telegram.WithExpireDate(time.Unix(math.MaxInt32+1, 0).UTC()))},
		{"limit -1", limits + "-1; leave it out for no limit", call(telegram.WithMemberLimit(-1))},
		{"limit 0", limits + "0; leave it out for no limit", call(telegram.WithMemberLimit(0))},
		{"limit 100000", limits + "100000; leave it out for no limit", call(telegram.WithMemberLimit(100000))},
		{"limit and join request", "a link with a member limit must not require join requests",
			call(telegram.WithJoinRequest(true), telegram.WithMemberLimit(1))},
		{"nil response", "the destination of the response must not be nil", call(telegram.WithResponse(nil))},
	} {
		t.Run(test.name, func(t *testing.T) { check(t, nil, test.err(), invalid, test.want) })
	}
}

func FuzzToken(f *testing.F) {
	for tok := range strings.SplitSeq("1:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-0123456789||:|123|123:|:a|"+
		"0123:a|12a:a|-1:a|123:a b|123:a/b|123:a?b|123:a#b|123:a%41|123:a:b|123:é|123:a\x00|bot1:a|1:a\n| 1:a|1:a\u00a0|"+
		"1:"+strings.Repeat("a", 78)+"|1:"+strings.Repeat("a", 79), "|") {
		f.Add(tok)
	}
	rule := regexp.MustCompile(`^[1-9][0-9]*:[A-Za-z0-9_-]+$`)
	f.Fuzz(func(t *testing.T, tok string) {
		rec := record(reply{200, linkReply})
		c, err := telegram.NewClient(tok, telegram.WithTransport(rec))
		if !rule.MatchString(tok) || len(tok) > 80 {
			if !errors.Is(err, telegram.ErrInvalidArgument) || len(tok) > 8 && strings.Contains(err.Error(), tok) {
				t.Errorf("token %q: got %v, want ErrInvalidArgument without the token", tok, err)
			}
			return
		}
		expect(t, c, gotLink, theLink)
		if got, want := rec.sent[0].URL.RequestURI(), "/bot"+tok+"/createChatInviteLink"; got != want {
			t.Errorf("got path %q, want %q", got, want)
		}
	})
}

func FuzzChatID(f *testing.F) {
	for chat := range strings.SplitSeq("-1001234567890|5|9223372036854775807|-9223372036854775808|@a_Channel9|"+
		"-1001234567890*42|@channel*9223372036854775808||0|-0|+5|007|-007|1.5|1e5| 1|1 |--1|9223372036854775808|"+
		"-9223372036854775809|@|@a-b|@имя|name|t.me/name|*|*5|-100*|1*2*3|1*0|1*-2|1*+2|1*02|1*x|@a*|@*5|1\n|@a\n|"+
		token+"|"+strings.Repeat("9", 2000)+"|"+strings.Repeat("\\", 2000), "|") {
		f.Add(chat)
	}
	rule := regexp.MustCompile(`^(@[A-Za-z0-9_]+|-?[1-9][0-9]*)(\*[1-9][0-9]*)?$`)
	f.Fuzz(func(t *testing.T, s string) {
		rec := record(reply{200, linkReply})
		_, err := create(t, t.Context(), newClientOn(rec), telegram.ChatID(s))
		var want []string
		if match := rule.FindStringSubmatch(s); match != nil {
			id, isNumber := new(big.Int).SetString(match[1], 10)
			if !isNumber || id.IsInt64() {
				want = []string{`{"chat_id":"` + match[1] + `"}`}
			}
		}
		if !slices.Equal(rec.bodies, want) || errors.Is(err, telegram.ErrInvalidArgument) != (want == nil) {
			t.Errorf("chat %q: sent %q, %v, want %q, or ErrInvalidArgument", s, rec.bodies, err, want)
		}
	})
}

// FuzzURL tries each URL as the base URL and as a proxy's.
func FuzzURL(f *testing.F) {
	for s := range strings.SplitSeq("http://127.0.0.1:3128 http://h https://h:8443/ socks5://h socks5h://h:1080 HTTP://h "+
		"http://user@h http://[::1]:3128 http://u:p%40ss%22w%25rd@h:1 http://h/a/b http://h/a%2Fb/ h h:3128 127.0.0.1:3128 "+
		"//h / http: http:// http://:3128 http:h ftp://h socks4://h s://h http://h? http://h/?a http://h# http://h#a "+
		`http://h:port http://user:pass/word@h http://user:pass#word@h http://DOMAIN\user:pass@h http://user:pa%zz@h `+
		"user:p@h ftp://u:p@h http://u:p@h/path http://h/bot/ http://h//bot http://h/bot/. http://h/a/../bot http://h/%62ot "+
		"http://h/bot"+token+"/ http://h/bot1: http://h/robot http://h/bots http://h/bot/a http://bot http://h/1:a", " ") {
		f.Add(s)
		f.Add(s + "\x7f")
	}
	isBot := regexp.MustCompile(`/bot([1-9][0-9]*:[A-Za-z0-9_-]+)?/?$`)
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		isURL := err == nil && u.Hostname() != "" && !strings.ContainsAny(s, "?#")
		isHTTP := isURL && (u.Scheme == "http" || u.Scheme == "https")
		isSOCKS := isURL && (u.Scheme == "socks5" || u.Scheme == "socks5h")
		_, err = telegram.NewClient(token, telegram.WithBaseURL(s))
		if valid := isHTTP && u.User == nil && !isBot.MatchString(u.JoinPath("/").Path); valid != (err == nil) {
			t.Errorf("base URL %q: got %v, valid: %v", s, err, valid)
		}
		_, err = telegram.NewClient(token, telegram.WithProxy(s))
		if valid := (isHTTP || isSOCKS) && (u.Path == "" || u.Path == "/"); valid != (err == nil) {
			t.Errorf("proxy %q: got %v, valid: %v", s, err, valid)
		} else if err != nil {
			check(t, nil, err, invalid, "the proxy URL must ...")
		}
	})
}

// Replies

const nothingUsable = "neither a link nor a refusal by Telegram"

func refusal(code int, description string) string {
	return fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q}`, code, description)
}

func TestReply(t *testing.T) {
	notFound := refusal(400, "Bad Request: chat not found")
	for _, test := range []struct {
		name   string
		status int
		body   string
		kind   kind
		text   string // of an unknown outcome: the description in it
	}{
		{"link", 200, linkReply, gotLink, theLink},
		{"link with 502", 502, linkReply, gotLink, theLink},
		{"link after a byte order mark", 200, "\ufeff" + linkReply, gotLink, theLink},
		{"link before a comment", 200, linkReply + "<!-- x -->", gotLink, theLink},
		{"link with fields of wrong types", 200, `{"ok":true,"description":{},"parameters":5,"result":{"name":5,` +
			`"creator":[],"expire_date":"x","member_limit":1e99,"subscription_period":-1,"is_revoked":0,"invite_link":"l"}}`,
			gotLink, "l"},
		{"the same before a comment", 200, `{"ok":true,"result":{"name":5,"invite_link":"l"}}<!-- x -->`, gotLink, "l"},
		{"link with a code", 200, `{"ok":true,"error_code":400,"result":{"invite_link":"l"}}`, gotLink, "l"},

		{"refusal", 400, notFound, refused, "400 Bad Request: chat not found"},
		{"refusal with 200", 200, notFound, refused, "400 Bad Request: chat not found"},
		{"refusal with 502", 502, notFound, refused, "400 Bad Request: chat not found"},
		{"refusal after a byte order mark", 400, "\ufeff" + notFound, refused, "400 Bad Request: chat not found"},
		{"refusal before a comment", 400, notFound + "<!-- x -->", refused, "400 Bad Request: chat not found"},
		{"refusal with a link, no ok", 400, `{"error_code":400,"description":"Bad Request","result":{"invite_link":"l"}}`,
			refused, "400 Bad Request"},
		{"403", 403, refusal(403, "Forbidden: bot was kicked from the channel chat"),
			refused, "403 Forbidden: bot was kicked from the channel chat"},
		{"429", 429, `{"error_code":429,"description":"Too Many Requests: retry after 9","parameters":{"retry_after":9}}`,
			refused, "429 Too Many Requests: retry after 9"}, // and by default, nothing is retried

		{"relay's reset", 200, `{"ok":false,"description":"read ECONNRESET"}`, unknown, "read ECONNRESET"},
		{"relay's disconnect", 400, refusal(400, "Server disconnected"), unknown, "Server disconnected"},
		{"relay's timeout", 408, refusal(408, "Request timeout"), unknown, "Request timeout"},
		{"not a code of Telegram's", 400, refusal(420, "FLOOD_WAIT_5"), unknown, "FLOOD_WAIT_5"},
		{"name in small letters", 400, refusal(400, "bad request"), unknown, "bad request"},
		{"name after a space", 400, refusal(400, " Bad Request"), unknown, " Bad Request"},
		{"cut name", 400, refusal(400, "Bad Reques"), unknown, "Bad Reques"},
		{"Telegram failed", 500, refusal(500, "Internal Server Error: restart"), unknown, "Internal Server Error: restart"},
		{"refusal that is ok", 400, `{"ok":true,"error_code":400,"description":"Bad Request"}`, unknown, "Bad Request"},
		{"no description", 400, `{"ok":false,"error_code":400}`, unknown, ""},
		{"refusal after something else", 400, "<!-- x -->" + notFound, unknown, ""},
		{"page with 403", 403, page, unknown, ""},
		{"page with 429", 429, page, unknown, ""},
		{"ok is text", 200, `{"ok":"true","result":{"invite_link":"l"}}`, unknown, ""},
		{"empty link", 200, `{"ok":true,"result":{"invite_link":""}}`, unknown, ""},
		{"cut after the link", 200, strings.TrimSuffix(linkReply, "}}") + `,"name":`, unknown, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.kind == unknown {
				test.text = fmt.Sprintf("HTTP status %d: %s: %s", test.status, test.text, nothingUsable)
			}
			rec := record(reply{test.status, test.body})
			expect(t, newClientOn(rec), test.kind, strings.ReplaceAll(test.text, ": : ", ": "))
			if len(rec.sent) != 1 {
				t.Errorf("got %d requests, want 1", len(rec.sent))
			}
		})
	}
}

// A 404 is a refusal only by Telegram itself. From another server, it may be about the
// path of an error page that a gateway asked for.
func TestNotFound(t *testing.T) {
	for base, want := range map[string]kind{
		"https://api.telegram.org": refused, "http://API.Telegram.org:8080/a": refused, "http://localhost:8081": unknown,
		"https://api.telegram.org.h": unknown, "https://xapi.telegram.org": unknown, "https://h/api.telegram.org": unknown,
	} {
		t.Run(base, func(t *testing.T) {
			rec := record(reply{404, refusal(404, "Not Found")})
			_, err := create(t, t.Context(), newClient(base, telegram.WithTransport(rec)), chat)
			if got := kindOf(t, err); got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
}

// Telegram refuses with few codes, and nobody else refuses.
func TestRefusalCodes(t *testing.T) {
	for code := range 600 {
		_, err := create(t, t.Context(), newClientOn(record(reply{code, refusal(code, http.StatusText(code))})), chat)
		isRefusal := slices.Contains([]int{400, 401, 403, 421, 429}, code) // 404: see TestNotFound
		if got := kindOf(t, err); (got == refused) != isRefusal {
			t.Errorf("%d: got %s, %v", code, got, err)
		}
	}
}

// A reply counts if its first JSON value is complete, whatever the connection does. What
// came of it is in the Response.
func TestBrokenReply(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"
	const broken = "net/http: HTTP/1.x transport connection broken: "
	forbidden, spaces := refusal(403, "Forbidden"), strings.Repeat(" ", 1<<20)
	for _, test := range []struct {
		name, head, body string
		kind             kind
		text, response   string
	}{
		{"link", head, linkReply, gotLink, theLink, "200 " + linkReply},
		{"refusal", head, forbidden, refused, "403 Forbidden", "200 " + forbidden},
		{"cut link", head, linkReply[:40], unknown, "HTTP status 200: unexpected EOF", "200 " + linkReply[:40]},
		{"failure", head, `{"description":"d"}`, unknown, "HTTP status 200: d: unexpected EOF", `200 {"description":"d"}`},
		{"too large", "HTTP/1.1 502 B\r\n\r\n", spaces + linkReply,
			unknown, "HTTP status 502: " + nothingUsable, "502 " + spaces},
		{"link, then too much", "HTTP/1.1 200 OK\r\n\r\n", linkReply + spaces, gotLink, theLink,
			"200 " + (linkReply + spaces)[:1<<20]},
		{"large header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", linkReply,
			unknown, broken + "net/http: server response headers...", "0 "},
		{"another protocol", "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", linkReply,
			unknown, "HTTP status 101: " + nothingUsable, "101 "},
		{"nothing", "", "", unknown, "EOF", "0 "},
		{"not HTTP", "gopher:\x1b" + token, "", unknown,
			broken + `malformed HTTP response "gopher:\x1b6129457865:[redacted]"`, "0 "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := telegram.Response{StatusCode: 1, Body: []byte("stale")}
			last := telegram.WithResponse(&got)
			c := newTestClient(t, raw(test.head+test.body))
			expect(t, c, test.kind, test.text, telegram.WithResponse(new(telegram.Response)), last)
			if s := fmt.Sprintf("%d %s", got.StatusCode, got.Body); s != test.response {
				t.Errorf("got the response %.99q, want %.99q", s, test.response)
			}
			if length := got.Header.Get("Content-Length"); test.head == head && length != "999" {
				t.Errorf("got the header %v", got.Header)
			}
		})
	}
}

func TestRefusalParameters(t *testing.T) {
	for parameters, want := range map[string]telegram.Error{
		`{"retry_after":34}`:                                            {RetryAfter: 34 * time.Second},
		`{"retry_after":9223372036}`:                                    {RetryAfter: 9223372036 * time.Second},
		`{"retry_after":9223372037}`:                                    {},
		`{"retry_after":9999999999999999999}`:                           {},
		`{"retry_after":-1}`:                                            {},
		`{"retry_after":"5","migrate_to_chat_id":-9223372036854775808}`: {MigrateToChatID: "-9223372036854775808"},
	} {
		t.Run(parameters, func(t *testing.T) {
			rec := record(reply{400, `{"error_code":400,"description":"Bad Request","parameters":` + parameters + `}`})
			err := expect(t, newClientOn(rec), refused, "400 Bad Request")
			want.Code, want.Description = 400, "Bad Request"
			if e := err.(*telegram.Error); *e != want {
				t.Errorf("got %+v, want %+v", *e, want)
			}
		})
	}
}

// What an Error matches and says, also one that was built for a test.
func TestError(t *testing.T) {
	for err, matches := range map[*telegram.Error]error{
		{Code: 400, Description: "Bad Request"}: nil, {Code: 401}: telegram.ErrUnauthorized,
		{Code: 404}: telegram.ErrUnauthorized, {Code: 403}: telegram.ErrForbidden, {Code: 421}: nil,
		{Code: 429, Description: "Too Many Requests"}: telegram.ErrTooManyRequests,
	} {
		t.Run(fmt.Sprint(err.Code), func(t *testing.T) {
			check(t, nil, err, refused, fmt.Sprintf("%d %s", err.Code, http.StatusText(err.Code)))
			for _, sentinel := range []error{telegram.ErrUnauthorized, telegram.ErrForbidden, telegram.ErrTooManyRequests} {
				if got := errors.Is(err, sentinel); got != (sentinel == matches) {
					t.Errorf("it matches %v: %v", sentinel, got)
				}
			}
		})
	}
}

// Text from outside is one short line in an error, without secrets of 4 bytes and more.
func TestText(t *testing.T) {
	telling := func(text, password string) *telegram.Client {
		body := must(json.Marshal(map[string]any{"error_code": 400, "description": "Bad Request: " + text}))
		serve := respond(0, fmt.Sprintf("HTTP/1.1 400 B\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		proxy := url.URL{Scheme: "http", User: url.UserPassword("user", password), Host: "p"}
		return newClient("http://h", inMemory(serve), telegram.WithProxy(proxy.String()))
	}
	const prefix = "400 Bad Request: "
	x := strings.Repeat("x", 1011) // as much as there is room for
	expectRows(t, []row{
		{"controls", telling("Ü\r\nb\t🙂\x00\u2028\u202ed\u00a0e\x7f \n", ""), refused, prefix + "Ü  b 🙂   d e"},
		{"long", telling(x+"x", ""), refused, prefix + x},
		{"cut in a letter", telling(x[:1010]+"я", ""), refused, prefix + x[:1010]},
		{"cut in the token", telling(x[:995]+token, ""), refused, prefix + x[:995] + "6129457865:[reda"},
		{"token", telling(callURL("/"), ""), refused, prefix + "//bot6129457865:[redacted]/createChatInviteLink"},
		{"password", telling(password+password+" p%40ss%22w%25rd "+basic("user"), password), refused,
			prefix + "[redacted][redacted] [redacted] [redacted]"},
		{"newline in a password", telling("two\nlines", "two\nlines"), refused, prefix + "[redacted]"},
		{"3 bytes", telling("cats", "cat"), refused, prefix + "cats"},
		{"4 bytes", telling("cats", "cats"), refused, prefix + "[redacted]"},
	})
}

// A reply of the largest size costs a few times its size, and neither an error nor a
// link keeps it.
func TestLargeReply(t *testing.T) {
	const size, calls = 1 << 20, 4
	x := strings.Repeat("x", size-128)
	for name, body := range map[string]string{
		"list for a bool":          `{"ok":[` + strings.Repeat("0,", size/2-16) + `0]}`,
		"description of a refusal": `{"error_code":400,"description":"Bad Request` + x + `"}`,
		"description of a failure": `{"description":"` + x + `"}`,
		"description of a link":    `{"ok":true,"description":"` + x + `","result":{"invite_link":"l"}}`,
		"after a link":             linkReply + x,
	} {
		t.Run(name, func(t *testing.T) {
			c := newClientOn(record(reply{200, body}))
			var kept [calls][2]any
			var start, end runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&start)
			for i := range kept {
				link, err := c.CreateInvitationLink(t.Context(), chat)
				kept[i] = [2]any{link, err}
			}
			runtime.GC()
			runtime.ReadMemStats(&end)
			allocated, retained := (end.TotalAlloc-start.TotalAlloc)/calls, int64(end.HeapAlloc)-int64(start.HeapAlloc)
			if allocated > 16*size || retained > size {
				t.Errorf("a call allocated %d bytes, and %d calls keep %d", allocated, calls, retained)
			}
			runtime.KeepAlive(kept)
		})
	}
}

// FuzzReply checks that the body alone decides: neither the status nor what a relay
// adds changes the result.
func FuzzReply(f *testing.F) {
	for _, body := range []string{
		linkReply, page, "", "null", "5", "[]", `{"ok":true,"result":{"invite_link":"l","expire_date":-1}}`,
		refusal(429, "Too Many Requests: "+token), refusal(404, "Not Found"), refusal(-5, "telegram: not sent"),
		`{"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":9,"migrate_to_chat_id":-9}}`,
	} {
		f.Add(502, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		call := func(status int, body string) kind {
			var response telegram.Response
			_, err := create(t, t.Context(), newClientOn(record(reply{status, body})), chat, telegram.WithResponse(&response))
			if string(response.Body) != body || response.StatusCode != status {
				t.Errorf("got the response %v, want what came", response)
			}
			if e, ok := err.(*telegram.Error); ok && !strings.HasPrefix(e.Description, http.StatusText(e.Code)) {
				t.Errorf("got %+v, want only what Telegram says", e)
			}
			return kindOf(t, err)
		}
		if status == http.StatusSwitchingProtocols || len(body) > 1<<19 {
			return
		}
		got := call(status, string(body))
		if other := call(200, string(body)); other != got {
			t.Errorf("got %s with %d, and %s with 200", got, status, other)
		}
		if other := call(status, "\ufeff"+string(body)+"\n<!-- x -->"); json.Valid(body) && other != got {
			t.Errorf("got %s, and %s with more around it", got, other)
		}
	})
}

// Failures and contexts

// A broken transport fails as told, after it reported as told to httptrace.
type broken struct {
	reports string
	res     *http.Response
	err     error
}

func (b broken) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	if strings.Contains(b.reports, "connect") {
		trace.GetConn("h:443")
	}
	if strings.Contains(b.reports, "field") {
		trace.WroteHeaderField("Host", []string{"h"})
	}
	if strings.Contains(b.reports, "headers") {
		trace.WroteHeaders()
	}
	return b.res, b.err
}

func TestFailureOfATransport(t *testing.T) {
	const nothing = "the transport returned no response"
	reset, lookup := os.NewSyscallError("read", syscall.ECONNRESET), &net.DNSError{Err: "deadline", IsTimeout: true}
	leak := &url.Error{Op: "Post", URL: callURL("http://h"), Err: reset}
	for _, test := range []struct {
		name, reports string
		err           error
		kind          kind
		text          string
	}{
		{"nothing", "", nil, unknown, nothing},
		{"nothing, after a report", "connect", nil, notSent, nothing},
		{"no report", "", io.EOF, unknown, "EOF"},
		{"connecting", "connect", io.EOF, notSent, "EOF"},
		{"header field", "connect field", reset, unknown, "read: connection reset by peer"},
		{"headers", "connect headers", reset, unknown, "read: connection reset by peer"},
		{"deadline", "connect", context.DeadlineExceeded, notSent, "context deadline exceeded"},
		{"deadline inside", "", fmt.Errorf("%w", lookup), unknown, "lookup : deadline"},
		{"token", "", leak, unknown, `Post "http://h/bot6129457865:[redacted]/createChatInviteLink": read: connection...`},
		{"long", "", errors.New(strings.Repeat("x", 1<<10-3) + token), unknown, "xxx..."},
		{"error of another call", "connect", telegram.ErrOutcomeUnknown, notSent, telegram.ErrOutcomeUnknown.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := expect(t, newClientOn(broken{reports: test.reports, err: test.err}), test.kind, test.text)
			isCause := test.err != nil && test.err != telegram.ErrOutcomeUnknown && test.name != "long"
			if errors.Is(err, test.err) != isCause || errors.Is(err, io.ErrNoProgress) {
				t.Errorf("%v does not match its cause, or matches what is not there", err)
			}
			if got, want := err.(net.Error).Timeout(), strings.Contains(test.text, "deadline"); got != want {
				t.Errorf("Timeout is %v, want %v", got, want)
			}
		})
	}
	expect(t, newClientOn(broken{res: &http.Response{StatusCode: 200}}), unknown, nothing) // no body either
	s := httptest.NewServer(nil)
	s.Close()
	if err := expect(t, newClient(s.URL), notSent, "dial tcp 127.0.0.1:..."); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v does not match ECONNREFUSED", err)
	}
}

// The cause of a context may be the error of another call, as in an errgroup. What
// became of that call is not what became of this one.
func TestContextCause(t *testing.T) {
	others := errors.Join(&telegram.Error{Code: 429}, expect(t, newTestClient(t, raw("")), unknown, "EOF"))
	for name, cause := range map[string]error{
		"the caller's own": errors.New("the caller's own " + token), "timeout": &net.DNSError{IsTimeout: true},
		"errors of other calls": others, "invalid": telegram.ErrInvalidArgument, "401": telegram.ErrUnauthorized,
		"403": telegram.ErrForbidden, "429": telegram.ErrTooManyRequests,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			inFlight := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // only then the server sees the client leave
				cancel(cause)
				<-r.Context().Done()
			})
			expectCanceled := func(c *telegram.Client, kind kind) {
				t.Helper()
				link, err := create(t, ctx, c, chat)
				check(t, link, err, kind, "context canceled")
				isOurs := strings.HasPrefix(cause.Error(), "telegram: ") && cause != others
				if !errors.Is(err, context.Canceled) || errors.Is(err, cause) == isOurs {
					t.Errorf("%v does not match what canceled it, or matches another call's error", err)
				}
				if errors.Is(err, telegram.ErrTooManyRequests) || errors.As(err, new(*net.DNSError)) || err.(net.Error).Timeout() {
					t.Errorf("%v tells of another call", err)
				}
			}
			expectCanceled(inFlight, unknown)
			expectCanceled(inFlight, notSent) // since ctx has ended
			expectCanceled(newClientOn(broken{}), notSent)
		})
	}
}

// A call has 90 seconds, or what it is given. A connection has ten to become ready, or
// what it is given, and then no limit of its own until it has been idle for thirty.
func TestTimeLimits(t *testing.T) {
	const s, direct = time.Second, "http://127.0.0.1"
	silent, half := respond(0, ""), respond(0, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
	switched := respond(0, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n") // its connection has no end
	hang := func(conn net.Conn, _ string) { io.Copy(io.Discard, conn); conn.Close() }
	socks := clientOptions{telegram.WithProxy("socks5://u:p@h:1")}
	unclean := clientOptions{telegram.WithProxy("http://%E2%80%AEh")}
	secure := clientOptions{telegram.WithProxy("https://" + strings.Repeat("h", 5000))}
	minute := clientOptions{telegram.WithTimeout(1), telegram.WithTimeout(60 * s)} // the last wins
	second := append(socks, telegram.WithTimeout(s))
	for _, test := range []struct {
		name, base      string
		serve           func(net.Conn, string)
		opts            clientOptions
		ctx, handshakes time.Duration // ctx's deadline, default 99 s; TLSHandshakeTimeout
		took, closed    time.Duration // the call, the connection
		kind            kind
		text            string
	}{
		{"default", direct, silent, nil, 0, 0, 90 * s, 90 * s, unknown, "the timeout expired"},
		{"of the client", direct, silent, minute, 0, 0, 60 * s, 60 * s, unknown, "the timeout expired"},
		{"of the context", direct, silent, nil, 7 * s, 0, 7 * s, 7 * s, unknown, "context deadline exceeded"},
		{"in the reply", direct, half, nil, 0, 0, 90 * s, 90 * s, unknown, "HTTP status 200: the timeout expired"},
		{"another protocol", direct, switched, nil, 0, 0, 0, 0, unknown, "HTTP status 101: " + nothingUsable},
		{"SOCKS", "http://h", hang, socks, 0, 0, 10 * s, 10 * s, notSent, "(proxy h:1): socks..."},
		{"CONNECT", "https://h", hang, unclean, 0, 0, 10 * s, 10 * s, notSent, "(proxy  h): ..."},
		{"TLS to a proxy", "http://h", hang, secure, 0, 0, 10 * s, 10 * s, notSent, "(proxy hhh..."},
		{"TLS", "https://127.0.0.1", hang, nil, 0, 0, 10 * s, 10 * s, notSent, "..."},
		{"slow proxy", "http://h", hang, socks, 0, 60 * s, 60 * s, 60 * s, notSent, "(proxy h:1): socks..."},
		{"quick proxy", "http://h", hang, socks, 0, s, s, s, notSent, "(proxy h:1): socks..."},
		{"gone", "http://h", hang, second, 0, 0, s, 10 * s, notSent, "(proxy h:1): the timeout expired"},
		{"late reply", direct, respond(60*s, httpReply), nil, 0, 0, 60 * s, 90 * s, gotLink, theLink},
		{"idle", direct, respond(s, httpReply), nil, 0, 0, s, 31 * s, gotLink, theLink},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(test.ctx, 99*s))
				defer cancel()
				start, ends := time.Now(), make(chan time.Duration, 1)
				c := newClient(test.base, append(test.opts, inMemory(func(conn net.Conn, addr string) {
					test.serve(conn, addr)
					ends <- time.Since(start)
				}, func(t *http.Transport) {
					t.TLSHandshakeTimeout = cmp.Or(test.handshakes, t.TLSHandshakeTimeout)
				}))...)
				link, err := create(t, ctx, c, chat)
				took, closed := time.Since(start), <-ends
				if check(t, link, err, test.kind, test.text); took != test.took || closed != test.closed {
					t.Errorf("the call took %v, want %v; the connection %v, want %v", took, test.took, closed, test.closed)
				}
				if f, ok := err.(net.Error); ok && f.Timeout() != (took != 0) {
					t.Errorf("%v is a timeout: %v", err, f.Timeout())
				}
				if test.kind == unknown && took != 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v does not match context.DeadlineExceeded", err)
				}
			})
		})
	}
}

// Waits

func TestRateLimitWait(t *testing.T) {
	const s, hour = time.Second, time.Hour
	flood := func(seconds int64) reply {
		const body = `{"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":%d}}`
		return reply{400, fmt.Sprintf(body, seconds)}
	}
	link, gateway := reply{200, linkReply}, reply{429, page}
	other := reply{429, `{"error_code":400,"description":"Bad Request","parameters":{"retry_after":1}}`}
	type limits struct{ max, deadline, expire, cancel time.Duration } // default: an hour at most, and none
	for _, test := range []struct {
		name    string
		replies []reply
		limits  limits
		sent    int
		took    time.Duration
		kind    kind
	}{
		{"a second too long", []reply{flood(6)}, limits{max: 5 * s}, 1, 0, refused},
		{"waits add up", []reply{flood(1), flood(4), link}, limits{max: 5 * s}, 3, 5 * s, gotLink},
		{"waits add up to too much", []reply{flood(2), flood(4)}, limits{max: 5 * s}, 2, 2 * s, refused},
		{"ends with the deadline", []reply{flood(5)}, limits{deadline: 5 * s}, 1, 0, refused},
		{"ends before the deadline", []reply{flood(5), link}, limits{deadline: 5*s + 1}, 2, 5 * s, gotLink},
		{"ends with the link", []reply{flood(5)}, limits{expire: 5 * s}, 1, 0, refused},
		{"ends before the link", []reply{flood(5), link}, limits{expire: 6 * s}, 2, 5 * s, gotLink},
		{"longer than the timeout", []reply{flood(200), link}, limits{}, 2, 200 * s, gotLink},
		{"as long as a Duration", []reply{flood(9223372036)}, limits{max: math.MaxInt64, deadline: hour}, 1, 0, refused},
		{"canceled", []reply{flood(60)}, limits{cancel: s}, 1, s, refused},
		{"does not say when", []reply{flood(0)}, limits{}, 1, 0, refused},
		{"another refusal", []reply{other}, limits{}, 1, 0, refused},
		{"page of a gateway", []reply{gateway}, limits{}, 1, 0, unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec, start := record(test.replies...), time.Now()
				c := newClientOn(rec, telegram.WithRateLimitWait(cmp.Or(test.limits.max, hour)))
				ctx, cancel := context.WithCancelCause(t.Context())
				defer time.AfterFunc(cmp.Or(test.limits.cancel, hour), func() { cancel(io.EOF) }).Stop()
				if limit := test.limits.deadline; limit != 0 {
					var stop context.CancelFunc
					ctx, stop = context.WithTimeout(ctx, limit)
					defer stop()
				}
				var response telegram.Response
				opts := inviteOptions{telegram.WithResponse(&response)}
				if end := test.limits.expire; end != 0 {
					opts = append(opts, telegram.WithExpireDate(start.Add(end)))
				}
				_, err := create(t, ctx, c, chat, opts...)
				got, sent, took := kindOf(t, err), len(rec.sent), time.Since(start)
				if got != test.kind || sent != test.sent || took != test.took {
					t.Errorf("got %s, %v, of %d calls in %v, want %s of %d in %v",
						got, err, sent, took, test.kind, test.sent, test.took)
				}
				if last := test.replies[len(test.replies)-1].body; string(response.Body) != last {
					t.Errorf("got the response %s, want the last, %s", response.Body, last)
				}
				if len(slices.Compact(rec.bodies)) != 1 {
					t.Errorf("sent %q, want the same each time", rec.bodies)
				}
				if test.limits.cancel != 0 {
					check(t, nil, err, refused, "429 Too Many Requests; while waiting to try again: context canceled")
					e, _ := errors.AsType[*telegram.Error](err)
					if e.RetryAfter != 60*s || !errors.Is(err, telegram.ErrTooManyRequests) || !errors.Is(err, context.Canceled) {
						t.Errorf("got %v, want the 429 and context.Canceled", err)
					}
				}
			})
		})
	}
}

// Proxies

// A proxy of one of the schemes http, https and socks5 serves only its user, and
// connects to target whatever it is asked for.
type proxy struct {
	net.Listener
	scheme, target, user string
	asked                sync.Map // what it was asked for, by its own address of the connection to target
}

func startProxy(scheme, target, user string) *proxy {
	s := httptest.NewUnstartedServer(nil)
	p := &proxy{Listener: s.Listener, scheme: scheme, target: target, user: user}
	s.Config.Handler = p
	switch scheme {
	case "http":
		s.Start()
	case "https":
		s.EnableHTTP2 = true // which net/http must not take
		s.StartTLS()
	default:
		go func() {
			for {
				conn, err := p.Accept()
				if err != nil {
					return
				}
				go p.serveSOCKS(conn)
			}
		}()
	}
	return p
}

func (p *proxy) url() string {
	return (&url.URL{Scheme: p.scheme, User: url.UserPassword(p.user, password), Host: p.Addr().String()}).String()
}

func (p *proxy) dial(addr string) (net.Conn, error) {
	conn, err := net.Dial("tcp", p.target)
	if err == nil {
		p.asked.Store(conn.LocalAddr().String(), addr)
	}
	return conn, err
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := r.Header.Get("Proxy-Authorization")
	if got != "Basic "+basic(p.user) { // a hostile proxy tells everyone what it was sent
		raw("HTTP/1.1 407 "+got+" or "+password+"\r\nContent-Length: 0\r\n"+
			"Proxy-Authenticate: Basic realm=\""+password+"\"\r\nProxy-Authenticate: Negotiate\r\n\r\n")(w, r)
		return
	}
	target, err := p.dial(r.Host)
	if err != nil { // the test may be over, and the connection one that was not needed
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	conn, _, _ := http.NewResponseController(w).Hijack()
	if r.Method == http.MethodConnect {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	} else {
		r.Header = http.Header{"Connection": {"close"}}
		r.Write(target)
	}
	splice(conn, target)
}

// serveSOCKS follows RFC 1928 and RFC 1929.
func (p *proxy) serveSOCKS(conn net.Conn) {
	defer conn.Close()
	text := func(skip int) string { // has its length before it
		head := make([]byte, skip+1)
		io.ReadFull(conn, head)
		b := make([]byte, head[skip])
		io.ReadFull(conn, b)
		return string(b)
	}
	text(1) // version; the methods offered
	conn.Write([]byte{5, 2})
	if text(1) != p.user || text(0) != password {
		conn.Write([]byte{1, 1})
		return
	}
	conn.Write([]byte{1, 0})
	host, port := text(4), make([]byte, 2) // version, connect, reserved, a name
	io.ReadFull(conn, port)
	if target, err := p.dial(fmt.Sprintf("%s:%d", host, binary.BigEndian.Uint16(port))); err == nil {
		conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		splice(conn, target)
	}
}

func splice(a, b net.Conn) {
	go func() { io.Copy(a, b); a.Close() }()
	io.Copy(b, a)
	b.Close()
}

// checkProxy makes a call that must go through p, which must be asked for addr.
func checkProxy(t *testing.T, c *telegram.Client, p *proxy, addr any, opts ...telegram.InviteOption) {
	t.Helper()
	link, err := create(t, t.Context(), c, chat, opts...)
	if err != nil {
		t.Errorf("%s proxy: %v", p.scheme, err)
	} else if got, _ := p.asked.Load(link.InviteLink); got != addr {
		t.Errorf("the %s proxy was asked for %v, want %v", p.scheme, got, addr)
	}
}

// The targets are called example.com, for which httptest has a certificate. Only
// the proxies know where that is.
func TestProxy(t *testing.T) {
	plain, _ := newServer(t, linkTo(remoteAddr))
	plain.Start()
	secure, _ := newServer(t, linkTo(remoteAddr))
	secure.StartTLS()
	shared := telegram.WithTimeout(time.Minute)
	own := telegram.WithTransportConfig(func(t *http.Transport) { t.Proxy = http.ProxyURL(&url.URL{Host: "nowhere"}) })
	for _, scheme := range []string{"http", "https", "socks5", "socks5h"} {
		for _, test := range []struct {
			name, base, addr string
			target           *httptest.Server
			transport        telegram.ClientOption
		}{
			{"http", "http://example.com:80", "example.com:80", plain, shared},
			{"https", "https://example.com", "example.com:443", secure, shared},
			{"https, own transport", "https://example.com", "example.com:443", secure, own},
		} {
			t.Run(scheme+" to "+test.name, func(t *testing.T) {
				target := test.target.Listener.Addr().String()
				one, two := startProxy(scheme, target, "user"), startProxy(scheme, target, "user")
				c := newClient(test.base, telegram.WithProxy(one.url()), test.transport)
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() { checkProxy(t, c, one, test.addr) })
					wg.Go(func() { checkProxy(t, c, two, test.addr, telegram.WithProxy(two.url())) })
				}
				wg.Wait()
				checkProxy(t, c, one, test.addr) // on a connection that is there
				checkProxy(t, c, two, test.addr, telegram.WithProxy(two.url()))
			})
		}
	}
}

func TestEnvironmentProxy(t *testing.T) {
	checkProxy(t, newClient("http://api.example"), envProxy, "api.example")
	checkProxy(t, newTestClient(t, linkTo(remoteAddr)), envProxy, nil) // net/http reaches this machine directly
	// One that is not valid is not shown, since what looks like its host may be of the password.
	expect(t, newClient("https://h"), notSent, "the proxy in HTTP_PROXY or HTTPS_PROXY is not valid: "+proxyRule)
}

func TestProxyRefuses(t *testing.T) {
	user := url.UserPassword("user", password)
	shared, config := telegram.WithTimeout(time.Minute), telegram.WithTransportConfig
	own := config(func(t *http.Transport) {
		t.OnProxyConnectResponse = func(context.Context, *url.URL, *http.Request, *http.Response) error { return io.EOF }
	})
	ticket := config(func(t *http.Transport) { // such as for Negotiate
		t.GetProxyConnectHeader = func(context.Context, *url.URL, string) (http.Header, error) {
			return http.Header{"Proxy-Authorization": {"Basic " + basic("another")}}, nil
		}
	})
	const refusal = "(proxy HOST): the proxy refused to connect to example.com:443: "
	const schemes = "407 Proxy Authentication Required (Proxy-Authenticate: Basic realm=\"[redacted]\", Negotiate)"
	for _, test := range []struct {
		name, scheme, base string
		user               *url.Userinfo
		transport          telegram.ClientOption
		kind               kind
		text               string
	}{
		{"wrong password", "http", "https://example.com", user, shared, notSent, refusal + schemes},
		{"wrong password, TLS to the proxy", "https", "https://example.com", user, shared, notSent, refusal + schemes},
		{"wrong password, own transport", "http", "https://example.com", user, own, notSent, refusal + schemes},
		{"wrong password, plain http", "http", "http://example.com", user, shared,
			unknown, "(proxy HOST): HTTP status 407: " + nothingUsable},
		{"wrong password, SOCKS", "socks5", "https://example.com", user, shared, notSent,
			"(proxy HOST): socks connect tcp HOST->example.com:443: username/password authentication failed"},
		{"no target", "http", "https://example.com", nil, ticket, notSent, refusal + "502 Bad Gateway"},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := startProxy(test.scheme, "127.0.0.1:1", "another").Addr().String()
			proxyURL := url.URL{Scheme: test.scheme, User: test.user, Host: host}
			c := newClient(test.base, test.transport, telegram.WithProxy(proxyURL.String()))
			expect(t, c, test.kind, strings.ReplaceAll(test.text, "HOST", host))
		})
	}
}

// Transports

// The package's own transport speaks HTTP/1.1 only, whatever configure changed.
func TestHTTP1Only(t *testing.T) {
	s, _ := newServer(t, linkTo(func(r *http.Request) string { return r.Proto }))
	s.EnableHTTP2 = true
	s.StartTLS()
	h2 := s.Client().Transport.(*http.Transport)
	offered := &tls.Config{NextProtos: []string{"h2"}}
	configured := func(f func(*http.Transport)) *telegram.Client {
		return newClient(s.URL, telegram.WithTransportConfig(f))
	}
	expectRows(t, []row{
		{"shared", newClient(s.URL), gotLink, "HTTP/1.1"},
		{"Protocols", configured(func(t *http.Transport) {
			t.Protocols = new(http.Protocols)
			t.Protocols.SetHTTP2(true)
			t.Protocols.SetUnencryptedHTTP2(true)
		}), gotLink, "HTTP/1.1"},
		{"ALPN", configured(func(t *http.Transport) { t.TLSClientConfig = offered }), gotLink, "HTTP/1.1"},
		{"RegisterProtocol", configured(func(t *http.Transport) { t.RegisterProtocol("https", h2) }), gotLink, "HTTP/1.1"},
		{"TLSNextProto", configured(func(t *http.Transport) {
			client := h2.Clone()
			t.TLSClientConfig, t.TLSNextProto = client.TLSClientConfig, client.TLSNextProto
		}), gotLink, "HTTP/1.1"},
	})
	if len(offered.NextProtos) != 1 {
		t.Errorf("the caller's TLS configuration has become %v", offered.NextProtos)
	}
}

// A client with WithTransportConfig has its own connections. The others share theirs.
func TestTransportConfig(t *testing.T) {
	s, opened := newServer(t, answer(200, linkReply+strings.Repeat(" ", 1<<19))) // is read to its end
	s.Start()
	configured := 0
	own := telegram.WithTransportConfig(func(*http.Transport) { configured++ })
	foreign := telegram.WithTransport(record(reply{200, linkReply}))
	for i, opts := range []clientOptions{{own}, {own}, {foreign, own}, {}, {}, {own, foreign}} {
		c := newClient(s.URL, opts...)
		for range 3 {
			expect(t, c, gotLink, theLink)
		}
		if got, want := opened.Load(), []int32{1, 2, 3, 4, 4, 4}[i]; got != want {
			t.Errorf("client %d: %d connections so far, want %d", i, got, want)
		}
	}
	if configured != 4 {
		t.Errorf("4 clients called configure %d times", configured)
	}
}

type noDeadline struct{ net.Conn }

func (noDeadline) SetDeadline(time.Time) error { return os.ErrNoDeadline }

func TestDialContext(t *testing.T) {
	client, server := net.Pipe()
	hang := func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	nothing := func(context.Context) (net.Conn, error) { return nil, nil }
	stubborn := func(context.Context) (net.Conn, error) { return noDeadline{client}, nil }
	for _, test := range []struct {
		name        string
		dial        func(context.Context) (net.Conn, error)
		limit, took time.Duration // TLSHandshakeTimeout, the call
		text        string
	}{
		{"hangs", hang, 0, 10 * time.Second, "context deadline exceeded"},
		{"hangs longer", hang, time.Minute, time.Minute, "context deadline exceeded"},
		{"no connection", nothing, 0, 0, "net/http: Transport.DialCo..."},
		{"no deadlines", stubborn, 0, 0, os.ErrNoDeadline.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				expect(t, newClient("http://127.0.0.1", telegram.WithTransportConfig(func(t *http.Transport) {
					t.TLSHandshakeTimeout = test.limit
					t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return test.dial(ctx) }
				})), notSent, test.text)
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
			})
		})
	}
	if n, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection that takes no deadline got %d, %v, want it closed", n, err)
	}
}

// Connections stay in the pool, whatever happens to others. One that was dialed for
// nothing counts as reused at its first use, and its ten seconds end there, too.
func TestConnectionsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int64
		c := newClient("http://127.0.0.1", inMemory(respond(time.Second, httpReply), func(own *http.Transport) {
			dial := own.DialContext
			own.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				time.Sleep(time.Duration(2*dials.Add(1)-2) * time.Second) // the second comes late
				return dial(ctx, network, addr)
			}
		}))
		twoCalls := func() {
			var wg sync.WaitGroup
			wg.Go(func() { expect(t, c, gotLink, theLink) })
			wg.Go(func() { expect(t, c, gotLink, theLink) })
			wg.Wait()
		}
		twoCalls() // on one connection, since the second comes when they are done
		time.Sleep(9500 * time.Millisecond)
		twoCalls() // on two, and the second is more than ten seconds old when they are done
		expect(t, c, notSent, "(proxy hung:1): ...", telegram.WithProxy("socks5://u:p@hung:1"))
		twoCalls()
		if got := dials.Load(); got != 3 {
			t.Errorf("got %d connections, want 2 and that to the proxy", got)
		}
		time.Sleep(31 * time.Second) // until the pool has closed what is idle
	})
}

// A connection that died while it was idle is replaced, as long as not a byte was
// written to it.
func TestDeadIdleConnection(t *testing.T) {
	c, reused, before := newTestClient(t, answer(200, linkReply)), 0, arrived.Load()
	wrote := 0 // the caller's hooks run beside those of the package
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if info.Reused {
			reused++
			info.Conn.SetWriteDeadline(time.Unix(1, 0))
		}
	}, WroteHeaders: func() { wrote++ }})
	for range 2 {
		create(t, ctx, c, chat)
	}
	if n := arrived.Load() - before; reused != 1 || n != 2 || wrote < 2 {
		t.Errorf("%d connections reused, %d headers written and %d calls arrived, want 1, 2 or more, and 2", reused, wrote, n)
	}
}

// 256 callers at once open at most two connections each, and then none.
func TestPool(t *testing.T) {
	const callers = 256
	var waiting sync.WaitGroup
	s, opened := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		waiting.Done()
		waiting.Wait() // until all are here
		io.WriteString(w, linkReply)
	})
	s.Start()
	c := newClient(s.URL)
	for round, most := range []int32{2 * callers, 0} {
		opened.Store(0)
		waiting.Add(callers)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() { expect(t, c, gotLink, theLink) })
		}
		if wg.Wait(); opened.Load() > most {
			t.Errorf("round %d: %d connections opened, want at most %d", round, opened.Load(), most)
		}
	}
}

// frame returns a frame of HTTP/2 with a short payload (RFC 9113, section 4.1).
func frame(kind, flags, stream byte, payload string) string {
	return string([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, stream}) + payload
}

// Over HTTP/2, net/http retries a POST when the server says that it did nothing, true or
// not. It needs GetBody for that.
func TestHTTP2SendsOnce(t *testing.T) {
	settings, refusedStream := frame(4, 0, 0, ""), frame(3, 0, 1, "\x00\x00\x00\x07")
	secondReply := frame(1, 4, 3, "\x88") + frame(0, 1, 3, linkReply) // status 200 and a body
	var created atomic.Int32                                          // links
	s, _ := newServer(t, nil)
	s.EnableHTTP2 = true
	serve := func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
		io.WriteString(conn, settings)
		for got, b := "", make([]byte, 1<<10); ; {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			if got += string(b[:n]); !strings.Contains(got, string(chat)) {
				continue
			}
			got = "" // the body has come, so there is a link
			io.WriteString(conn, []string{refusedStream, secondReply}[created.Add(1)-1])
		}
	}
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": serve}
	s.StartTLS()
	res, err := s.Client().Post(s.URL, "application/json", strings.NewReader(string(chat)))
	if err != nil || res.ProtoMajor != 2 || created.Load() != 2 {
		t.Fatalf("net/http: got %v, %v and %d links, want HTTP/2 and 2 links of one call", res, err, created.Load())
	}
	res.Body.Close()
	s.Client().CloseIdleConnections()

	created.Store(0)
	expect(t, newClient(s.URL, telegram.WithTransport(s.Client().Transport)), unknown, "http2: ...")
	if created.Load() != 1 {
		t.Errorf("got %d links of a call, want 1", created.Load())
	}
}

// Secrets

// checkSecrets prints v in all ways, also as a field, and looks for secrets.
func checkSecrets(t *testing.T, name string, v any) {
	t.Helper()
	hidden := []string{basic("user"), basic("env")}
	for _, s := range []string{secret, password} {
		hidden = append(hidden, s, fmt.Sprintf("%x", s), fmt.Sprintf("%X", s), fmt.Sprint([]byte(s)), url.QueryEscape(s),
			url.UserPassword("", s).String(), strings.Trim(fmt.Sprintf("%q", s), `"`))
	}
	for _, v := range []any{v, struct{ hidden, Shown any }{v, v}, &struct{ hidden any }{v}, []any{v}} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		json.NewEncoder(&log).Encode(v)
		prints := map[string]string{"log": log.String()}
		for verb := range strings.FieldsSeq("%v %+v %#v %s %q %d %x %X %t %p %5.1f") {
			prints[verb] = fmt.Sprintf(verb, v)
		}
		for verb, text := range prints {
			if i := slices.IndexFunc(hidden, func(s string) bool { return strings.Contains(text, s) }); i >= 0 {
				t.Errorf("%s: %s shows %s", name, verb, hidden[i])
			}
		}
	}
}

func TestSecrets(t *testing.T) {
	through := func(host string) telegram.ClientOption {
		return telegram.WithProxy("http://user:" + url.PathEscape(password) + "@" + host)
	}
	own := telegram.WithTransportConfig(func(t *http.Transport) { t.ProxyConnectHeader = http.Header{"X": {secret}} })
	foreign := telegram.WithTransport(&http.Transport{Proxy: http.ProxyURL(&url.URL{Host: secret})})
	checkProxy(t, newClient("http://api.example"), envProxy, "api.example") // the shared pool knows a proxy, too
	for _, opts := range []clientOptions{{through("h")}, {own, through("h")}, {foreign}} {
		c := newClient("http://h/"+secret, opts...)
		checkSecrets(t, "*Client", c)
		checkSecrets(t, "Client", *c)
		checkSecrets(t, "client options", append(opts, telegram.WithBaseURL("http://h/"+secret)))
		if got := fmt.Sprint(c); got != "telegram.Client(bot 6129457865)" {
			t.Errorf("got %s, want the public id", got)
		}
	}
	expect(t, newClient("http://h", through("h"), telegram.WithTransportConfig(func(own *http.Transport) {
		own.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			checkSecrets(t, "context", fmt.Sprint(ctx))
			return nil, io.EOF
		}
	})), notSent, "(proxy h): ...")
	checkSecrets(t, "call options", inviteOptions{telegram.WithName(secret), telegram.WithProxy("http://" + secret)})

	all := token + " " + password + " " + basic("user")
	telling, _ := newServer(t, raw("HTTP/1.1 200 OK\r\n"+all+"\r\n\r\n"))
	telling.Start()
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New(all))
	expectSafe := func(ctx context.Context, c *telegram.Client, chat telegram.ChatID, kind kind) {
		t.Helper()
		link, err := create(t, ctx, c, chat)
		check(t, link, err, kind, "...")
		checkSecrets(t, string(kind), err)
	}
	expectSafe(t.Context(), newClient("http://h", through("h")), token, invalid)
	expectSafe(t.Context(), newClientOn(record(reply{429, refusal(429, "Too Many Requests: "+token)})), chat, refused)
	expectSafe(t.Context(), newClient("http://h", through(telling.Listener.Addr().String())), chat, unknown)
	expectSafe(canceled, newClient("http://h", through("h")), chat, notSent)
}

// JSON

var wholeLink = telegram.ChatInviteLink{
	InviteLink: "https://t.me/+a", Name: "n",
	Creator: telegram.User{ID: 1 << 51, IsBot: true, FirstName: "f", LastName: "l", Username: "u", LanguageCode: "de",
		IsPremium: true, AddedToAttachmentMenu: true},
	ExpireDate: time.Date(2026, 5, 3, 10, 19, 33, 0, time.UTC), MemberLimit: 200, PendingJoinRequestCount: 3,
	SubscriptionPeriod: 30 * 24 * time.Hour, SubscriptionPrice: 100,
	CreatesJoinRequest: true, IsPrimary: true, IsRevoked: true,
}

const wholeJSON = `{"invite_link":"https://t.me/+a","name":"n","creator":{"id":2251799813685248,"is_bot":true,` +
	`"first_name":"f","last_name":"l","username":"u","language_code":"de","is_premium":true,` +
	`"added_to_attachment_menu":true},"member_limit":200,"pending_join_request_count":3,"subscription_price":100,` +
	`"creates_join_request":true,"is_primary":true,"is_revoked":true,` +
	`"expire_date":1777803573,"subscription_period":2592000}`

func TestJSON(t *testing.T) {
	const emptyJSON = `{"invite_link":"","creator":{"id":0,"is_bot":false,"first_name":""},` +
		`"creates_join_request":false,"is_primary":false,"is_revoked":false}`
	for want, link := range map[string]telegram.ChatInviteLink{emptyJSON: {}, wholeJSON: wholeLink} {
		if got, err := json.Marshal(link); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	c := newClientOn(record(reply{200, `{"ok":true,"result":` + wholeJSON + `}`}))
	if got, err := create(t, t.Context(), c, chat); err != nil || *got != wholeLink {
		t.Errorf("a call: got %+v, %v, want %+v", got, err, wholeLink)
	}

	// It obeys the rules of encoding/json: null changes nothing, and a wrong type is an error.
	undated := wholeLink
	undated.ExpireDate, undated.SubscriptionPeriod = time.Time{}, 0
	for data, want := range map[string]telegram.ChatInviteLink{
		`[null]`: wholeLink, `[{"expire_date":0,"subscription_period":99999999999}]`: undated,
	} {
		link := wholeLink
		if err := json.Unmarshal([]byte(data), &[]*telegram.ChatInviteLink{&link}); err != nil || link != want {
			t.Errorf("%s: got %+v, %v", data, link, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"expire_date":"x"}`), new(telegram.ChatInviteLink)); err == nil {
		t.Error("a date of a wrong type: got no error")
	}
}

func FuzzChatInviteLink(f *testing.F) {
	for s := range strings.SplitSeq(wholeJSON+` {} null [] {"expire_date":-62135596800} {"name":"\ud800"} `+
		`{"expire_date":9223372036854775807} {"subscription_period":9223372037} {"subscription_period":-1}`, " ") {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var link, again telegram.ChatInviteLink
		if json.Unmarshal(data, &link) != nil {
			return
		}
		encoded, _ := json.Marshal(link)
		if err := json.Unmarshal(encoded, &again); err != nil || again != link {
			t.Errorf("got %+v, %v, want %+v", again, err, link)
		}
	})
}

// Examples

// What each outcome of a call means.
func ExampleClient_CreateInvitationLink() {
	api := httptest.NewServer(answer(429, `{"ok":false,"error_code":429,`+
		`"description":"Too Many Requests: retry after 34","parameters":{"retry_after":34}}`)) // in place of Telegram
	defer api.Close()
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(api.URL))
	if err != nil {
		log.Fatal(err)
	}

	link, err := client.CreateInvitationLink(context.Background(), "-1001234567890",
		telegram.WithName("Order 1042"),
		telegram.WithExpireDate(time.Now().Add(24*time.Hour)),
		telegram.WithMemberLimit(1),
	)
	var refused *telegram.Error
	switch {
	case err == nil:
		fmt.Println("send it to the customer:", link.InviteLink)
	case errors.Is(err, telegram.ErrInvalidArgument):
		fmt.Println("nothing was sent; correct the call:", err)
	case errors.As(err, &refused) && refused.Is(telegram.ErrTooManyRequests):
		fmt.Println("no link was created; try again in", cmp.Or(refused.RetryAfter, time.Minute))
	case errors.As(err, &refused) && refused.MigrateToChatID != "":
		fmt.Println("no link was created; the chat's id is now", refused.MigrateToChatID)
	case errors.As(err, &refused):
		fmt.Println("no link was created; another try would not help:", refused)
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		fmt.Println("a link may exist; have the chat's owner look for Order 1042:", err)
	default:
		fmt.Println("nothing was sent; it is safe to try again:", err)
	}
	// Output: no link was created; try again in 34s
}

func ExampleWithResponse() {
	api := httptest.NewServer(answer(502, "<h1>Bad Gateway</h1>"))
	defer api.Close()
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(api.URL))
	if err != nil {
		log.Fatal(err)
	}

	var response telegram.Response
	_, err = client.CreateInvitationLink(context.Background(), "@channel", telegram.WithResponse(&response))
	fmt.Println(err)
	fmt.Println(response.StatusCode, string(response.Body)) // not redacted: it may quote the URL, with the token
	// Output:
	// telegram: outcome unknown, a link may exist: HTTP status 502: neither a link nor a refusal by Telegram
	// 502 <h1>Bad Gateway</h1>
}

// A private certificate authority, and a client certificate.
func ExampleWithTransportConfig() {
	api := httptest.NewUnstartedServer(answer(200, `{"ok":true,"result":{"invite_link":"https://t.me/+abc"}}`))
	api.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	api.StartTLS()
	defer api.Close()

	roots := x509.NewCertPool()
	roots.AddCert(api.Certificate())       // or AppendCertsFromPEM, of a file
	certificate := api.TLS.Certificates[0] // or tls.LoadX509KeyPair
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(api.URL),
		telegram.WithTransportConfig(func(t *http.Transport) {
			t.TLSClientConfig = &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}
		}))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.CreateInvitationLink(context.Background(), "@channel")
	fmt.Println(err)
	// Output: <nil>
}

// IPv4 only, for a network that accepts IPv6 connections and then hangs.
func ExampleWithTransportConfig_ipv4() {
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret",
		telegram.WithTransportConfig(func(t *http.Transport) {
			t.DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp4", addr)
			}
		}))
	fmt.Println(client, err)
	// Output: telegram.Client(bot 6129457865) <nil>
}

// A proxy that requires the credentials of the operating system, by Negotiate (RFC
// 4559). It works for https only, since net/http asks for the header of CONNECT.
//
// The token comes from another package, and each connection needs a new one:
//
//   - jcmturner/gokrb5: a client from the credential cache (a FILE cache, it reads no
//     other), its SPNEGO context, Marshal, and base64. It panics on a truncated cache.
//     Recover there, because net/http calls GetProxyConnectHeader on a goroutine of its
//     own.
//   - alexbrainman/sspi on Windows, with ISC_REQ_MUTUAL_AUTH.
//
// Give the proxy the name that is in its principal, HTTP/proxy.example, not an alias or
// an address. NTLM takes several steps on one connection, so it needs a helper such as
// cntlm.
func ExampleWithTransportConfig_negotiate() {
	negotiate := func(ctx context.Context, proxyHost string) (token string, err error) { return "YII=", nil }

	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret",
		telegram.WithProxy("http://proxy.example:3128"),
		telegram.WithTransportConfig(func(t *http.Transport) {
			t.GetProxyConnectHeader = func(ctx context.Context, proxy *url.URL, _ string) (http.Header, error) {
				token, err := negotiate(ctx, proxy.Hostname())
				return http.Header{"Proxy-Authorization": {"Negotiate " + token}}, err
			}
		}))
	fmt.Println(client, err)
	// Output: telegram.Client(bot 6129457865) <nil>
}

// A transport that records URLs, as tracing does, without the token: it stands between
// two that hide the URL from it.
func ExampleWithTransport() {
	api := httptest.NewServer(answer(200, `{"ok":true,"result":{"invite_link":"https://t.me/+abc"}}`))
	defer api.Close()

	type trueURL struct{} // a context key
	base := &http.Transport{Proxy: http.ProxyFromEnvironment, Protocols: new(http.Protocols),
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 30 * time.Second}
	base.Protocols.SetHTTP1(true) // over HTTP/2, an httptrace.ClientTrace sees the path
	show := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		shown := req.Clone(req.Context())
		shown.URL = req.Context().Value(trueURL{}).(*url.URL)
		return base.RoundTrip(shown)
	})
	record := roundTripFunc(func(req *http.Request) (*http.Response, error) { // such as otelhttp.NewTransport(show)
		fmt.Println(req.Method, req.URL.Path)
		return show(req)
	})
	hide := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		hidden := req.Clone(context.WithValue(req.Context(), trueURL{}, req.URL))
		hidden.URL.Path, hidden.URL.RawPath = "/createChatInviteLink", ""
		return record(hidden)
	})
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret",
		telegram.WithBaseURL(api.URL), telegram.WithTransport(hide))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.CreateInvitationLink(context.Background(), "@channel")
	fmt.Println(err)
	// Output:
	// POST /createChatInviteLink
	// <nil>
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Benchmarks

// byHand is the floor: the call as a careful person writes it for one program, with
// an http.Client, no options and no proof of the outcome.
func byHand(ctx context.Context, client *http.Client, url string) string {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	body := must(json.Marshal(struct {
		ChatID      string `json:"chat_id"`
		Name        string `json:"name,omitempty"`
		ExpireDate  int64  `json:"expire_date,omitempty"`
		MemberLimit int    `json:"member_limit,omitempty"`
	}{string(chat), "Link", expireDate.Unix(), 200}))
	req := must(http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	res := must(client.Do(req))
	defer res.Body.Close()
	var reply struct {
		OK     bool `json:"ok"`
		Result struct {
			InviteLink string `json:"invite_link"`
			Name       string `json:"name"`
			Creator    struct {
				ID        int64  `json:"id"`
				IsBot     bool   `json:"is_bot"`
				FirstName string `json:"first_name"`
				Username  string `json:"username"`
			} `json:"creator"`
			ExpireDate         int64 `json:"expire_date"`
			MemberLimit        int   `json:"member_limit"`
			CreatesJoinRequest bool  `json:"creates_join_request"`
			IsPrimary          bool  `json:"is_primary"`
			IsRevoked          bool  `json:"is_revoked"`
		} `json:"result"`
		ErrorCode   int    `json:"error_code"`
		Description string `json:"description"`
	}
	if json.Unmarshal(must(io.ReadAll(io.LimitReader(res.Body, 1<<20))), &reply) != nil || !reply.OK {
		panic(reply.Description)
	}
	return reply.Result.InviteLink
}

var expireDate = time.Date(2037, 1, 1, 0, 0, 0, 0, time.UTC)

const benchReply = `{"ok":true,"result":{"invite_link":"https://t.me/+abc","name":"Link","creator":{"id":6129457865,` +
	`"is_bot":true,"first_name":"\u0411\u043e\u0442","username":"a_demo_bot"},"expire_date":2114380800,` +
	`"member_limit":200,"creates_join_request":false,"is_primary":false,"is_revoked":false}}`

// calls returns the same call by hand and by the package, with the transport or, if it is
// nil, each with its own.
func calls(baseURL string, rt http.RoundTripper) map[string]func(context.Context) string {
	hand, url, c := &http.Client{Transport: rt}, callURL(baseURL), newClient(baseURL)
	if rt != nil {
		c = newClientOn(rt)
	} else {
		hand.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 512,
			IdleConnTimeout: 30 * time.Second, DisableCompression: true}
	}
	return map[string]func(context.Context) string{
		"hand": func(ctx context.Context) string { return byHand(ctx, hand, url) },
		"telegram": func(ctx context.Context) string {
			return must(c.CreateInvitationLink(ctx, chat, telegram.WithName("Link"),
				telegram.WithExpireDate(expireDate), telegram.WithMemberLimit(200))).InviteLink
		},
	}
}

// A call allocates no more often than the same call by hand. Both include the server.
func TestAllocations(t *testing.T) {
	s, _ := newServer(t, answer(200, benchReply))
	s.Start()
	allocs := make(map[string]float64)
	for by, call := range calls(s.URL, nil) {
		allocs[by] = testing.AllocsPerRun(300, func() { call(t.Context()) })
	}
	if allocs["telegram"] > allocs["hand"] {
		t.Errorf("got allocations %v, want ours to be at most those by hand", allocs)
	}
}

func BenchmarkCall(b *testing.B) {
	plain, _ := newServer(b, answer(200, benchReply))
	plain.Start()
	secure, _ := newServer(b, answer(200, benchReply))
	secure.StartTLS()
	canned := roundTripFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(benchReply))}, nil
	})
	for over, both := range map[string]map[string]func(context.Context) string{
		"canned": calls("http://h", canned), "loopback": calls(plain.URL, nil), "TLS": calls(secure.URL, nil),
	} {
		for by, call := range both {
			b.Run("over="+over+"/by="+by, func(b *testing.B) {
				call(b.Context()) // opens the connection
				b.ReportAllocs()
				for b.Loop() {
					call(b.Context())
				}
			})
		}
	}
}
