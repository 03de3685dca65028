//go:debug x509usefallbackroots=1

package telegram_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/pprof"
	"strconv"
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

const (
	secret = "AAHnot-a-real_secret0123456789abcde"
	token  = "6129457865:" + secret
	chat   = telegram.ChatID("-1001234567890")

	// A password that looks different wherever it is escaped.
	password = `p@ss"w%rd`

	linkReply   = `{"ok":true,"result":{"invite_link":"https://t.me/+AAAAAAAAAAAAAAAA","creator":{"id":6129457865,"is_bot":true,"first_name":"Bot","username":"a_bot"},"creates_join_request":false,"is_primary":false,"is_revoked":false}}`
	refusal     = `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`
	gatewayPage = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n</html>\r\n"
)

// envProxy is the proxy of the environment. What a test sends to any other
// place than loopback arrives there.
var envProxy *proxy

// TestMain lets the package's own transport trust the certificate of httptest.
func TestMain(m *testing.M) {
	s := httptest.NewTLSServer(nil)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	x509.SetFallbackRoots(roots)
	s.Close()

	envProxy = &proxy{user: url.UserPassword("env", password)}
	envProxy.listen("http")
	for _, name := range []string{"NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
		os.Unsetenv(name)
	}
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		os.Setenv(name, envProxy.url())
	}
	os.Exit(m.Run())
}

func newTestClient(t testing.TB, h http.Handler, opts ...telegram.ClientOption) *telegram.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return newClient(t, s.URL, opts...)
}

func newClient(t testing.TB, baseURL string, opts ...telegram.ClientOption) *telegram.Client {
	t.Helper()
	c, err := telegram.NewClient(token, append([]telegram.ClientOption{telegram.WithBaseURL(baseURL)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newCountingServer also counts the connections that are opened to it.
func newCountingServer(t testing.TB, h http.Handler) (baseURL string, opened *atomic.Int32) {
	t.Helper()
	opened = new(atomic.Int32)
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, opened
}

// answer is a handler that always answers the same.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// raw is a handler that answers with bytes of its own and hangs up.
func raw(reply string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, reply)
		conn.Close()
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// canned is a transport without a network.
func canned(status int, body string) roundTripFunc {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

// kinds lists the sentinels that err matches.
func kinds(err error) string {
	var s []string
	for _, k := range []struct {
		err  error
		name string
	}{
		{telegram.ErrInvalidArgument, "invalid"}, {telegram.ErrUnauthorized, "unauthorized"},
		{telegram.ErrForbidden, "forbidden"}, {telegram.ErrTooManyRequests, "rate"},
		{telegram.ErrOutcomeUnknown, "unknown"},
	} {
		if errors.Is(err, k.err) {
			s = append(s, k.name)
		}
	}
	return strings.Join(s, " ")
}

// Arguments

var badTokens = []string{
	"", ":", "123", "123:", ":" + secret, "0123:" + secret, "12a:" + secret, "-1:" + secret, "123:a b", "123:a/b",
	"123:a?b", "123:a#b", "123:a%41", "123:a:b", "123:é", "123:a\x00", "bot" + token, token + "\n", " " + token,
	token + "\u00a0", "1:" + strings.Repeat("a", 79),
}

func TestToken(t *testing.T) {
	for _, tok := range []string{token, "1:a", "1:" + strings.Repeat("a", 78)} {
		if _, err := telegram.NewClient(tok); err != nil {
			t.Errorf("token %q: %v", tok, err)
		}
	}
	for _, tok := range badTokens {
		c, err := telegram.NewClient(tok)
		if c != nil || kinds(err) != "invalid" {
			t.Errorf("token %q: got %v, %v, want ErrInvalidArgument", tok, c, err)
		}
		if got, want := strings.Contains(err.Error(), "white space"), strings.TrimSpace(tok) != tok; got != want {
			t.Errorf("token %q: error names white space: %v, want %v: %v", tok, got, want, err)
		}
	}
}

var badChats = []telegram.ChatID{
	"", "0", "-0", "+5", "007", "-007", "1.5", "1e5", " 1", "1 ", "--1", "9223372036854775808", "-9223372036854775809",
	"@", "@a-b", "@имя", "name", "t.me/name", "*", "*5", "-100*", "1*2*3", "1*0", "1*-2", "1*+2", "1*02", "1*x", "@a*", "@*5",
	"1\n", "@a\n", token, telegram.ChatID(strings.Repeat("9", 2000)), telegram.ChatID(strings.Repeat("\\", 2000)),
}

func TestChatID(t *testing.T) {
	for _, test := range []struct {
		chat telegram.ChatID
		want string
	}{
		{"-1001234567890", "-1001234567890"},
		{"5", "5"},
		{"9223372036854775807", "9223372036854775807"},
		{"-9223372036854775808", "-9223372036854775808"},
		{"@a_Channel9", "@a_Channel9"},
		{"-1001234567890*42", "-1001234567890"},
		{"@channel*9223372036854775807", "@channel"},
		{telegram.NumericChatID(-1001234567890), "-1001234567890"},
		{telegram.NumericChatID(math.MinInt64), "-9223372036854775808"},
	} {
		var got struct {
			ChatID string `json:"chat_id"`
		}
		c := newClient(t, "http://bot.example", telegram.WithTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if err := json.NewDecoder(req.Body).Decode(&got); err != nil {
				t.Error(err)
			}
			return canned(200, linkReply)(req)
		})))
		if _, err := c.CreateInvitationLink(t.Context(), test.chat); err != nil || got.ChatID != test.want {
			t.Errorf("chat %q: sent %q, %v, want %q", test.chat, got.ChatID, err, test.want)
		}
	}
}

var (
	goodProxies = []string{
		"http://127.0.0.1:3128", "http://proxy", "https://proxy:8443/", "socks5://proxy", "socks5h://proxy:1080",
		"HTTP://proxy", "http://user@proxy", "http://[::1]:3128", (&proxy{scheme: "http", addr: "h:1", user: url.UserPassword("u", password)}).url(),
	}
	badProxies = []string{
		"", "proxy", "proxy:3128", "127.0.0.1:3128", "//proxy", "http:", "http://", "http://:3128", "http:proxy",
		"ftp://proxy", "socks4://proxy", "socks://proxy", "http://proxy/path", "http://proxy?", "http://proxy/?a",
		"http://proxy#", "http://proxy#a", "http://proxy:port", "http://pro xy", "http://user:pass/word@proxy",
		"http://user:" + password + "@proxy", "http://proxy\n", "http://user:pa%zz" + secret + "@proxy", " http://proxy",
		"user:" + secret + "@proxy", "ftp://user:" + secret + "@proxy",
	}
	goodBaseURLs = []string{
		"http://localhost:8081", "https://api.example", "https://api.example/", "http://h/a/b", "http://h/a%2Fb/", "HTTP://h", "http://[::1]:8081",
	}
	badBaseURLs = []string{
		"", "localhost", "localhost:8081", "/", "//h", "ftp://h", "http:", "http://", "http://:8081", "http:h", "http://u:p@h",
		"http://u@h", "http://h?", "http://h/?a=b", "http://h#", "http://h/#a", "http://h:port", "http://h\x7f", "http://u:" + secret + "@h",
	}
)

// badCalls are calls with arguments that no call may have.
var badCalls = []struct {
	name string
	chat telegram.ChatID
	opts []telegram.InviteOption
	want string // in the text
}{
	{"name of 33 code points", chat, opts(telegram.WithName(strings.Repeat("é", 33))), "33 code points"},
	{"name that is not UTF-8", chat, opts(telegram.WithName("a\xff")), "UTF-8"},
	{"expired", chat, opts(telegram.WithExpireDate(time.Now().Add(-time.Hour))), "not in the future"},
	{"expires this second", chat, opts(telegram.WithExpireDate(time.Unix(time.Now().Unix(), 999999999))), "not in the future"},
	{"zero expire date", chat, opts(telegram.WithExpireDate(time.Time{})), "leave it out"},
	{"expires after 2038", chat, opts(telegram.WithExpireDate(time.Unix(math.MaxInt32+1, 0))), "2038-01-19T03:14:07Z"},
	{"milliseconds as seconds", chat, opts(telegram.WithExpireDate(time.Unix(time.Now().UnixMilli(), 0))), "milliseconds"},
	{"limit 0", chat, opts(telegram.WithMemberLimit(0)), "leave it out"},
	{"limit below 0", chat, opts(telegram.WithMemberLimit(-1)), "99999"},
	{"limit 100000", chat, opts(telegram.WithMemberLimit(100000)), "99999"},
	{"limit and join request", chat, opts(telegram.WithMemberLimit(1), telegram.WithJoinRequest(true)), "exclude"},
	{"join request and limit", chat, opts(telegram.WithJoinRequest(true), telegram.WithMemberLimit(1)), "exclude"},
	{"timeout 0", chat, opts(telegram.WithTimeout(0)), "above zero"},
	{"timeout below 0", chat, opts(telegram.WithTimeout(-time.Second)), "above zero"},
	{"wait below 0", chat, opts(telegram.WithRateLimitWait(-1)), "below zero"},
	{"nil response", chat, opts(telegram.WithResponse(nil)), "nil"},
	{"nil option", chat, opts(nil), "nil"},
	{"bad option, then a good one", chat, opts(telegram.WithMemberLimit(0), telegram.WithMemberLimit(1)), "member limit 0"},
	{"two bad options: the first", chat, opts(telegram.WithMemberLimit(0), telegram.WithTimeout(0)), "member limit 0"},
	{"the token as the chat", token, nil, `"6129457865:[redacted]"`},
	{"the proxy as the chat", "http://user:secret@proxy", opts(telegram.WithProxy("http://user:secret@proxy")), `"http://user:[redacted]@proxy"`},
}

func opts(o ...telegram.InviteOption) []telegram.InviteOption { return o }

func TestArguments(t *testing.T) {
	var calls atomic.Int32
	c := newTestClient(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	check := func(name, want string, chat telegram.ChatID, opts ...telegram.InviteOption) {
		t.Helper()
		link, err := c.CreateInvitationLink(t.Context(), chat, opts...)
		if link != nil || kinds(err) != "invalid" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v, want ErrInvalidArgument with %q", name, link, err, want)
		}
	}
	for _, test := range badCalls {
		check(test.name, test.want, test.chat, test.opts...)
	}
	for _, chat := range badChats {
		check(fmt.Sprintf("chat %.40q", chat), "-1001234567890", chat)
	}
	for _, u := range badProxies {
		check(fmt.Sprintf("proxy %q", u), "socks5h", chat, telegram.WithProxy(u))
	}
	for _, nobody := range []*telegram.Client{nil, {}} {
		response := telegram.Response{StatusCode: 1}
		if _, err := nobody.CreateInvitationLink(t.Context(), chat, telegram.WithResponse(&response)); kinds(err) != "invalid" || response.StatusCode != 0 {
			t.Errorf("client %#v: got %v and %v, want ErrInvalidArgument and no response", nobody, err, response)
		}
	}
	var noContext context.Context
	if _, err := c.CreateInvitationLink(noContext, chat); kinds(err) != "invalid" {
		t.Errorf("nil context: got %v, want ErrInvalidArgument", err)
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls were sent, want 0", n)
	}
}

func TestClientOptions(t *testing.T) {
	tr := http.DefaultTransport
	var typedNil *http.Transport
	for name, opts := range map[string][]telegram.ClientOption{
		"nil option":                 {nil},
		"nil transport":              {telegram.WithTransport(nil)},
		"nil *http.Transport":        {telegram.WithTransport(typedNil)},
		"transport, then proxy":      {telegram.WithTransport(tr), telegram.WithProxy("http://proxy")},
		"proxy, then transport":      {telegram.WithProxy("http://proxy"), telegram.WithTransport(tr)},
		"timeout 0":                  {telegram.WithTimeout(0)},
		"wait below 0":               {telegram.WithRateLimitWait(-1)},
		"bad base URL, then a good":  {telegram.WithBaseURL(""), telegram.WithBaseURL("http://h")},
		"no scheme in the proxy URL": {telegram.WithProxy("proxy:3128")},
	} {
		if c, err := telegram.NewClient(token, opts...); c != nil || kinds(err) != "invalid" {
			t.Errorf("%s: got %v, %v, want ErrInvalidArgument", name, c, err)
		}
	}
	for _, u := range badBaseURLs {
		if _, err := telegram.NewClient(token, telegram.WithBaseURL(u)); kinds(err) != "invalid" || !strings.Contains(err.Error(), "base URL") {
			t.Errorf("base URL %q: got %v, want ErrInvalidArgument", u, err)
		}
	}
	for _, u := range goodBaseURLs {
		newClient(t, u)
	}
	for _, u := range goodProxies {
		newClient(t, "http://h", telegram.WithProxy(u))
	}
	newClient(t, "http://h", telegram.WithRateLimitWait(0), telegram.WithTimeout(1))

	c := newClient(t, "http://h", telegram.WithTransport(canned(200, linkReply)))
	if _, err := c.CreateInvitationLink(t.Context(), chat, telegram.WithProxy("http://proxy")); kinds(err) != "invalid" {
		t.Errorf("proxy of a call beside WithTransport: got %v, want ErrInvalidArgument", err)
	}
}

// Where an option is legal is a matter of its type.
func TestWhereOptionsAreLegal(t *testing.T) {
	client, call, both := reflect.TypeFor[telegram.ClientOption](), reflect.TypeFor[telegram.InviteOption](), reflect.TypeFor[telegram.Option]()
	for _, test := range []struct {
		with any // a With function
		want reflect.Type
	}{
		{telegram.WithBaseURL, client}, {telegram.WithTransport, client},
		{telegram.WithProxy, both}, {telegram.WithTimeout, both}, {telegram.WithRateLimitWait, both},
		{telegram.WithName, call}, {telegram.WithExpireDate, call}, {telegram.WithMemberLimit, call},
		{telegram.WithJoinRequest, call}, {telegram.WithResponse, call},
	} {
		if got := reflect.TypeOf(test.with).Out(0); got != test.want {
			t.Errorf("got a %v, want a %v", got, test.want)
		}
	}
	if client.Implements(call) || call.Implements(client) || !both.Implements(client) || !both.Implements(call) {
		t.Error("a ClientOption and an InviteOption must differ, and an Option must be both")
	}
}

func TestExpireDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "http://h", telegram.WithTransport(canned(200, linkReply)))
		now := time.Now() // a whole second
		for _, test := range []struct {
			date time.Time
			ok   bool
		}{
			{now, false},
			{now.Add(time.Second - 1), false},
			{now.Add(time.Second), true},
			{time.Unix(math.MaxInt32, 999999999), true},
			{time.Unix(math.MaxInt32+1, 0), false},
		} {
			_, err := c.CreateInvitationLink(t.Context(), chat, telegram.WithExpireDate(test.date))
			if (err == nil) != test.ok {
				t.Errorf("expire date %v: got %v, want accepted: %v", test.date, err, test.ok)
			}
		}
	})
}

// The wire

func TestRequest(t *testing.T) {
	date := time.Date(2037, 5, 3, 11, 19, 33, 999, time.FixedZone("", 3600))
	for _, test := range []struct {
		name string
		opts []telegram.InviteOption
		want string
	}{
		{"nothing set", nil, `{"chat_id":"-1001234567890"}`},
		{"all", opts(telegram.WithName("Лето"), telegram.WithExpireDate(date), telegram.WithMemberLimit(200)),
			`{"chat_id":"-1001234567890","name":"Лето","expire_date":2124958773,"member_limit":200}`},
		{"join request", opts(telegram.WithJoinRequest(true)), `{"chat_id":"-1001234567890","creates_join_request":true}`},
		{"zero values", opts(telegram.WithJoinRequest(false), telegram.WithName("")), `{"chat_id":"-1001234567890"}`},
		{"name of 32 code points", opts(telegram.WithName(strings.Repeat("é", 32))),
			`{"chat_id":"-1001234567890","name":"` + strings.Repeat("é", 32) + `"}`},
		{"limits", opts(telegram.WithMemberLimit(1)), `{"chat_id":"-1001234567890","member_limit":1}`},
		{"the last wins", opts(telegram.WithMemberLimit(1), telegram.WithMemberLimit(99999)), `{"chat_id":"-1001234567890","member_limit":99999}`},
		{"a join request taken back", opts(telegram.WithJoinRequest(true), telegram.WithMemberLimit(5), telegram.WithJoinRequest(false)),
			`{"chat_id":"-1001234567890","member_limit":5}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if got, want := r.Method+" "+r.RequestURI+" "+r.Proto, "POST /bot"+token+"/createChatInviteLink HTTP/1.1"; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				if string(body) != test.want || err != nil {
					t.Errorf("body: got %s, %v, want %s", body, err, test.want)
				}
				r.Header.Del("User-Agent")
				want := http.Header{"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(test.want))}}
				if !reflect.DeepEqual(r.Header, want) {
					t.Errorf("header: got %v, want %v", r.Header, want)
				}
				io.WriteString(w, linkReply)
			}))
			if _, err := c.CreateInvitationLink(t.Context(), chat, test.opts...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBaseURL(t *testing.T) {
	for _, test := range []struct{ base, want string }{
		{"", "https://api.telegram.org/bot" + token + "/createChatInviteLink"},
		{"http://localhost:8081", "http://localhost:8081/bot" + token + "/createChatInviteLink"},
		{"http://h/", "http://h/bot" + token + "/createChatInviteLink"},
		{"https://h/a/b%2Fc/", "https://h/a/b%2Fc/bot" + token + "/createChatInviteLink"},
	} {
		var got string
		options := []telegram.ClientOption{telegram.WithTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
			got = req.URL.String()
			return canned(200, linkReply)(req)
		}))}
		if test.base != "" {
			options = append(options, telegram.WithBaseURL("http://other"), telegram.WithBaseURL(test.base))
		}
		c, err := telegram.NewClient(token, options...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateInvitationLink(t.Context(), chat); err != nil || got != test.want {
			t.Errorf("base URL %q: got %s, %v, want %s", test.base, got, err, test.want)
		}
	}
}

// A foreign transport may spoil what it gets, and a Client still never changes.
func TestTransportThatChangesTheRequest(t *testing.T) {
	var urls []string
	c := newClient(t, "http://h", telegram.WithTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
		if req.GetBody != nil {
			t.Error("a foreign transport got GetBody")
		}
		urls = append(urls, req.URL.Host+req.Header.Get("X"))
		req.URL.Host, req.URL.Path = "elsewhere", "/"
		req.Header.Set("X", "x")
		return canned(200, linkReply)(req)
	})))
	for range 2 {
		if _, err := c.CreateInvitationLink(t.Context(), chat); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"h", "h"}; !reflect.DeepEqual(urls, want) {
		t.Errorf("got %q, want %q", urls, want)
	}
}

type countingConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

func TestOneWrite(t *testing.T) {
	var writes atomic.Int32
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return countingConn{conn, &writes}, err
	}}
	defer tr.CloseIdleConnections()
	c := newTestClient(t, answer(200, linkReply), telegram.WithTransport(tr))
	for range 3 {
		if _, err := c.CreateInvitationLink(t.Context(), chat, telegram.WithName("name")); err != nil {
			t.Fatal(err)
		}
	}
	if got := writes.Load(); got != 3 {
		t.Errorf("3 calls took %d writes, want 3", got)
	}
}

func TestNoRedirect(t *testing.T) {
	var strangers atomic.Int32
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		strangers.Add(1)
		io.WriteString(w, linkReply)
	}))
	defer stranger.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := newTestClient(t, http.RedirectHandler(stranger.URL, status))
		link, err := c.CreateInvitationLink(t.Context(), chat)
		var e *telegram.Error
		if link != nil || !errors.As(err, &e) || e.Code != status || kinds(err) != "" {
			t.Errorf("%d: got %v, %v, want an *Error with this code", status, link, err)
		}
	}
	if n := strangers.Load(); n != 0 {
		t.Errorf("%d calls went to a stranger, want 0", n)
	}
}

// Over TLS, too, the package's own transport speaks HTTP/1.1 only.
func TestHTTP1Only(t *testing.T) {
	var proto atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		io.WriteString(w, linkReply)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	if _, err := newClient(t, s.URL).CreateInvitationLink(t.Context(), chat); err != nil || proto.Load() != "HTTP/1.1" {
		t.Errorf("got %v, %v, want HTTP/1.1", proto.Load(), err)
	}
}

// disown serves HTTP/2 by hand. It reads each request to its end, as if the
// work were done, but disowns the first in the way named, and answers the rest.
func disown(way string, made *atomic.Int32) func(*http.Server, *tls.Conn, http.Handler) {
	return func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
		defer conn.Close()
		frame := func(kind, flags byte, stream [4]byte, payload string) {
			conn.Write(append([]byte{0, byte(len(payload) >> 8), byte(len(payload)), kind, flags, stream[0], stream[1], stream[2], stream[3]}, payload...))
		}
		const data, headers, reset, settings, goAway = 0, 1, 3, 4, 7
		frame(settings, 0, [4]byte{}, "")
		br := bufio.NewReader(conn)
		br.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
		for {
			var h [9]byte
			if _, err := io.ReadFull(br, h[:]); err != nil {
				return
			}
			br.Discard(int(h[0])<<16 | int(h[1])<<8 | int(h[2]))
			kind, flag, stream := h[3], h[4]&1 != 0, [4]byte(h[5:])
			switch {
			case kind == settings && !flag:
				frame(settings, 1, [4]byte{}, "")
			case (kind == data || kind == headers) && !flag:
			case kind != data && kind != headers:
			case made.Add(1) > 1:
				frame(headers, 4, stream, "\x88") // :status 200
				frame(data, 1, stream, linkReply)
			case way == "REFUSED_STREAM":
				frame(reset, 0, stream, "\x00\x00\x00\x07")
			case way == "GOAWAY":
				frame(goAway, 0, [4]byte{}, "\x00\x00\x00\x00\x00\x00\x00\x00")
				return
			}
		}
	}
}

// net/http sends a POST again over HTTP/2 when the server says that it did
// nothing, true or not. What makes it so is GetBody.
func TestHTTP2SendsOnce(t *testing.T) {
	for _, way := range []string{"REFUSED_STREAM", "GOAWAY"} {
		t.Run(way, func(t *testing.T) {
			var made atomic.Int32
			s := httptest.NewUnstartedServer(nil)
			s.EnableHTTP2 = true
			s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": disown(way, &made)}
			s.StartTLS()
			defer s.Close()
			tr := s.Client().Transport.(*http.Transport)

			res, err := s.Client().Post(s.URL, "application/json", strings.NewReader("{}"))
			if err != nil || res.ProtoMajor != 2 || made.Load() != 2 {
				t.Fatalf("net/http: got %v, %v and %d links, want HTTP/2 and 2 links of one call", res, err, made.Load())
			}
			res.Body.Close()

			made.Store(0)
			link, err := newClient(t, s.URL, telegram.WithTransport(tr)).CreateInvitationLink(t.Context(), chat)
			if link != nil || kinds(err) != "unknown" || made.Load() != 1 {
				t.Errorf("got %v, %v and %d links, want ErrOutcomeUnknown and 1 link", link, err, made.Load())
			}
		})
	}
}

// A connection that died while it was idle is replaced, as long as not a byte
// was written to it.
func TestDeadIdleConnection(t *testing.T) {
	var calls atomic.Int32
	c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		io.WriteString(w, linkReply)
	}))
	var reused atomic.Bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if info.Reused {
			reused.Store(true)
			info.Conn.SetWriteDeadline(time.Unix(1, 0))
		}
	}})
	for range 2 {
		if _, err := c.CreateInvitationLink(ctx, chat); err != nil {
			t.Error(err)
		}
	}
	if !reused.Load() || calls.Load() != 2 {
		t.Errorf("reused %v and %d calls arrived, want true and 2", reused.Load(), calls.Load())
	}
}

// 256 callers at once open at most two connections each, and then none. Their
// last calls of a round wait for each other, so that 256 connections are in use.
func TestPool(t *testing.T) {
	const callers, each = 256, 20
	var last sync.WaitGroup
	baseURL, opened := newCountingServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); bytes.Contains(body, []byte("last")) {
			last.Done()
			last.Wait()
		}
		io.WriteString(w, linkReply)
	}))
	c := newClient(t, baseURL)
	for round, most := range []int32{2 * callers, 0} {
		opened.Store(0)
		last.Add(callers)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for i := range each {
					name := ""
					if i == each-1 {
						name = "last"
					}
					if _, err := c.CreateInvitationLink(t.Context(), chat, telegram.WithName(name)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if got := opened.Load(); got > most {
			t.Errorf("round %d: %d connections opened, want at most %d", round, got, most)
		}
	}
}

// Proxies

// A proxy of one of the schemes http, https and socks5. It connects to target
// whatever it is asked for and, if user is set, serves only that user.
type proxy struct {
	user         *url.Userinfo
	target       string
	scheme, addr string
	dialed       sync.Map // its own addresses of its connections to target
	asked        sync.Map // what it was asked to connect to
}

func newProxy(t testing.TB, scheme, target string) *proxy {
	t.Helper()
	p := &proxy{user: url.UserPassword("user", password), target: target}
	l := p.listen(scheme)
	t.Cleanup(func() { l.Close() })
	return p
}

func (p *proxy) url() string {
	return (&url.URL{Scheme: p.scheme, User: p.user, Host: p.addr}).String()
}

func (p *proxy) listen(scheme string) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	p.scheme, p.addr = scheme, l.Addr().String()
	switch scheme {
	case "http":
		go http.Serve(l, p)
	case "https":
		s := httptest.NewTLSServer(nil)
		defer s.Close()
		go http.Serve(tls.NewListener(l, &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}), p)
	default:
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go p.serveSOCKS(conn)
			}
		}()
	}
	return l
}

func (p *proxy) dial(addr string) (net.Conn, error) {
	p.asked.Store(addr, true)
	conn, err := net.Dial("tcp", p.target)
	if err == nil {
		p.dialed.Store(conn.LocalAddr().String(), true)
	}
	return conn, err
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pass, _ := p.user.Password()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.user.Username()+":"+pass))
	if got := r.Header.Get("Proxy-Authorization"); got != want {
		// A hostile proxy would tell everyone what it was sent.
		conn, _, _ := http.NewResponseController(w).Hijack()
		fmt.Fprintf(conn, "HTTP/1.1 407 %s or %s\r\nContent-Length: 0\r\n\r\n", got, password)
		conn.Close()
		return
	}
	if p.target == "" {
		p.asked.Store(r.Host, true)
		io.WriteString(w, linkReply)
		return
	}
	if r.Method != http.MethodConnect {
		r.RequestURI = ""
		r.Header.Del("Proxy-Authorization")
		tr := &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, _, addr string) (net.Conn, error) { return p.dial(addr) }}
		res, err := tr.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
		return
	}
	target, err := p.dial(r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		target.Close()
		return
	}
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	splice(conn, target)
}

func splice(a, b net.Conn) {
	go func() { io.Copy(a, b); a.Close() }()
	io.Copy(b, a)
	b.Close()
}

// serveSOCKS follows RFC 1928 and RFC 1929.
func (p *proxy) serveSOCKS(conn net.Conn) {
	br := bufio.NewReader(conn)
	text := func() string {
		n, _ := br.ReadByte()
		b := make([]byte, n)
		io.ReadFull(br, b)
		return string(b)
	}
	br.Discard(1)
	text() // the methods offered
	conn.Write([]byte{5, 2})
	br.Discard(1)
	user, pass := text(), text()
	if want, _ := p.user.Password(); user != p.user.Username() || pass != want {
		conn.Write([]byte{1, 1})
		conn.Close()
		return
	}
	conn.Write([]byte{1, 0})
	br.Discard(4) // version, connect, reserved, a name
	host := text()
	port := make([]byte, 2)
	io.ReadFull(br, port)
	target, err := p.dial(net.JoinHostPort(host, strconv.Itoa(int(port[0])<<8|int(port[1]))))
	if err != nil { // the test may be over, and the connection one that was not needed
		conn.Close()
		return
	}
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	splice(conn, target)
}

// remoteAddr answers with a link named like the address that the call came from.
func remoteAddr(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, `{"ok":true,"result":{"invite_link":"https://t.me/+a","name":%q}}`, r.RemoteAddr)
}

// The targets are called example.com, for which httptest has a certificate. Only
// the proxy knows where that is.
func TestProxy(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(remoteAddr))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(remoteAddr))
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // of connections that were not needed in the end
	secure.StartTLS()
	defer secure.Close()
	for _, scheme := range []string{"http", "https", "socks5", "socks5h"} {
		for base, s := range map[string]*httptest.Server{"http://example.com": plain, "https://example.com": secure} {
			one := newProxy(t, scheme, s.Listener.Addr().String())
			two := newProxy(t, scheme, s.Listener.Addr().String())
			c := newClient(t, base, telegram.WithProxy(one.url()))
			call := func(want *proxy, opts ...telegram.InviteOption) {
				link, err := c.CreateInvitationLink(t.Context(), chat, opts...)
				if err != nil {
					t.Errorf("%s to %s: %v", scheme, base, err)
				} else if _, ok := want.dialed.Load(link.Name); !ok {
					t.Errorf("%s to %s: the call went through the wrong proxy", scheme, base)
				}
			}
			for range 3 {
				call(one)
				call(two, telegram.WithProxy(two.url()))
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { call(one) })
				wg.Go(func() { call(two, telegram.WithProxy(two.url())) })
			}
			wg.Wait()
			if _, ok := one.asked.Load("example.com:" + map[bool]string{true: "443", false: "80"}[s == secure]); !ok {
				t.Errorf("%s to %s: the proxy was not asked for example.com", scheme, base)
			}
		}
	}
}

func TestEnvironmentProxy(t *testing.T) {
	if _, err := newClient(t, "http://api.example").CreateInvitationLink(t.Context(), chat); err != nil {
		t.Error(err)
	}
	if _, ok := envProxy.asked.Load("api.example"); !ok {
		t.Error("the call did not go through the proxy of the environment")
	}
}

func TestProxyRefuses(t *testing.T) {
	wrong, none := url.UserPassword("user", password), (*url.Userinfo)(nil)
	const refused = "the proxy refused to connect to example.com:443: 407 Proxy Authentication Required"
	for _, test := range []struct {
		scheme, base string
		user         *url.Userinfo
		want         string
	}{
		{"http", "https://example.com", wrong, refused},
		{"http", "https://example.com", none, refused},
		{"https", "https://example.com", wrong, refused},
		{"http", "http://example.com", wrong, "not an answer of the Bot API, but HTTP status 407 Proxy Authentication Required"},
		{"socks5", "https://example.com", wrong, "username/password authentication failed"},
	} {
		p := newProxy(t, test.scheme, "127.0.0.1:1")
		u := url.URL{Scheme: test.scheme, User: test.user, Host: p.addr}
		p.user = url.UserPassword("user", "not "+password)
		link, err := newClient(t, test.base, telegram.WithProxy(u.String())).CreateInvitationLink(t.Context(), chat)
		if link != nil || kinds(err) != "" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s to %s: got %v, %v, want an error with %q that matches nothing", test.scheme, test.base, link, err, test.want)
		}
		if where := "not sent (proxy " + p.addr + "): "; strings.Contains(err.Error(), where) == (test.base == "http://example.com") {
			t.Errorf("%s to %s: got %v, want %q if, and only if, nothing was sent", test.scheme, test.base, err, where)
		}
		checkSecrets(t, err)
	}
}

// hung accepts connections and never answers. It reports the end of each.
func hung(t *testing.T) (addr string, accepted, ended <-chan error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a, e := make(chan error, 9), make(chan error, 9)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			a <- nil
			go func() {
				_, err := io.Copy(io.Discard, conn)
				conn.Close()
				e <- err
			}()
		}
	}()
	return l.Addr().String(), a, e
}

// A peer that hangs before the connection is ready leaves nothing behind after
// ten seconds, also if the call is long gone.
func TestHungSetup(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the ten seconds of the limit")
	}
	t.Parallel()
	var wg sync.WaitGroup
	for _, scheme := range []string{"http", "https", "socks5", ""} {
		addr, accepted, ended := hung(t)
		base, options := "https://example.com", opts(telegram.WithProxy(scheme+"://user:pass@"+addr))
		if scheme == "" {
			base, options = "https://"+addr, nil
		}
		c := newClient(t, base)
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			label := "hung setup " + scheme + "."
			var gone, waiting error
			pprof.Do(ctx, pprof.Labels("test", label), func(ctx context.Context) {
				go func() { <-accepted; cancel() }()
				_, gone = c.CreateInvitationLink(ctx, chat, options...)
				_, waiting = c.CreateInvitationLink(t.Context(), chat, options...)
			})
			if kinds(gone) != "" || !errors.Is(gone, context.Canceled) {
				t.Errorf("%q: canceled call: got %v, want context.Canceled and nothing else", scheme, gone)
			}
			var timeout net.Error
			if kinds(waiting) != "" || !errors.As(waiting, &timeout) || !timeout.Timeout() {
				t.Errorf("%q: waiting call: got %v, want a timeout and nothing else", scheme, waiting)
			}
			for range 2 {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
			for profile := label; strings.Contains(profile, label); runtime.Gosched() {
				var b strings.Builder
				pprof.Lookup("goroutine").WriteTo(&b, 1)
				profile = b.String()
			}
		})
	}
	wg.Wait()
}

// The deadline of the setup ends with the setup: a connection serves on.
func TestHungProxyCostsOthersNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the ten seconds of the limit")
	}
	t.Parallel()
	baseURL, opened := newCountingServer(t, answer(200, linkReply))
	c := newClient(t, baseURL)
	call := func(opts ...telegram.InviteOption) error {
		_, err := c.CreateInvitationLink(t.Context(), chat, opts...)
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	addr, _, _ := hung(t)
	if err := call(telegram.WithProxy("socks5://" + addr)); err == nil {
		t.Error("got a link through a hung proxy")
	}
	if err := call(); err != nil || opened.Load() != 1 {
		t.Errorf("after ten seconds: got %v and %d connections, want one in all", err, opened.Load())
	}
}

// The reply

// replies are all kinds of answers. In link, "" is a failed call; kind lists
// what the error matches; err is the *Error, if it is one.
var replies = []struct {
	name    string
	handler http.HandlerFunc
	link    string
	kind    string
	err     *telegram.Error
}{
	{"link", answer(200, linkReply), "https://t.me/+AAAAAAAAAAAAAAAA", "", nil},
	{"201", answer(201, `{"ok":true,"result":{"invite_link":"l"}}`), "l", "", nil},
	{"unknown fields", answer(200, `{"ok":true,"new":[{}],"result":{"invite_link":"l","new":{}}}`), "l", "", nil},
	{"white space around", answer(200, " \r\n"+linkReply+"\n"), "https://t.me/+AAAAAAAAAAAAAAAA", "", nil},
	{"optional fields of wrong types", answer(200, `{"ok":true,"result":{"name":5,"creator":[],"expire_date":"x","member_limit":1e99,"subscription_period":-1,"is_revoked":0,"invite_link":"l"},"parameters":5,"description":{}}`), "l", "", nil},
	{"cut after the last brace", raw("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + `{"ok":true,"result":{"invite_link":"l"}}`), "l", "", nil},
	{"chunked and cut after the last brace", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n" + `{"ok":true,"result":{"invite_link":"l"}}` + "\r\n"), "l", "", nil},

	{"400", answer(400, refusal), "", "", &telegram.Error{StatusCode: 400, Code: 400, Description: "Bad Request: chat not found"}},
	{"401", answer(401, `{"ok":false,"error_code":401,"description":"Unauthorized"}`), "", "unauthorized", &telegram.Error{StatusCode: 401, Code: 401, Description: "Unauthorized"}},
	{"404", answer(404, `{"ok":false,"error_code":404,"description":"Not Found"}`), "", "unauthorized", &telegram.Error{StatusCode: 404, Code: 404, Description: "Not Found"}},
	{"403", answer(403, `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}`), "", "forbidden", &telegram.Error{StatusCode: 403, Code: 403, Description: "Forbidden: bot was kicked"}},
	{"429", answer(429, `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 34","parameters":{"retry_after":34}}`), "", "rate", &telegram.Error{StatusCode: 429, Code: 429, Description: "Too Many Requests: retry after 34", RetryAfter: 34 * time.Second}},
	{"migrated", answer(400, `{"ok":false,"error_code":400,"description":"upgraded","parameters":{"migrate_to_chat_id":-1009876543210}}`), "", "", &telegram.Error{StatusCode: 400, Code: 400, Description: "upgraded", MigrateToChatID: "-1009876543210"}},
	{"500 of Telegram", answer(500, `{"ok":false,"error_code":500,"description":"Internal Server Error: restart"}`), "", "unknown", &telegram.Error{StatusCode: 500, Code: 500, Description: "Internal Server Error: restart"}},
	{"code 500 in a 400", answer(400, `{"ok":false,"error_code":500,"description":"d"}`), "", "unknown", &telegram.Error{StatusCode: 400, Code: 500, Description: "d"}},
	{"code 400 in a 502", answer(502, `{"ok":false,"error_code":400,"description":"d"}`), "", "unknown", &telegram.Error{StatusCode: 502, Code: 400, Description: "d"}},
	{"code 199", answer(400, `{"ok":false,"error_code":199,"description":"d"}`), "", "unknown", &telegram.Error{StatusCode: 400, Code: 199, Description: "d"}},
	{"code 499", answer(499, `{"ok":false,"error_code":499,"description":"d"}`), "", "", &telegram.Error{StatusCode: 499, Code: 499, Description: "d"}},
	{"code below zero", answer(400, `{"ok":false,"error_code":-1,"description":"d"}`), "", "unknown", &telegram.Error{StatusCode: 400, Code: -1, Description: "d"}},
	{"refused with 200 and no code", answer(200, `{"ok":false,"description":"Bad Request: chat not found"}`), "", "", &telegram.Error{StatusCode: 200, Code: 200, Description: "Bad Request: chat not found"}},
	{"refused without a description", answer(401, `{"ok":false,"error_code":401}`), "", "", &telegram.Error{StatusCode: 401, Code: 401}},
	{"refused with a link beside", answer(400, `{"ok":false,"description":"d","result":{"invite_link":"l"}}`), "", "", &telegram.Error{StatusCode: 400, Code: 400, Description: "d"}},
	{"refused with 200 and a link beside", answer(200, `{"ok":false,"description":"d","result":{"invite_link":"l"}}`), "", "", &telegram.Error{StatusCode: 200, Code: 200, Description: "d"}},
	{"refusal of wrong types", answer(400, `{"ok":false,"error_code":"x","description":5,"parameters":[1]}`), "", "", &telegram.Error{StatusCode: 400, Code: 400}},
	{"parameters of wrong types", answer(429, `{"ok":false,"error_code":429,"description":"d","parameters":{"retry_after":"5","migrate_to_chat_id":1.5}}`), "", "rate", &telegram.Error{StatusCode: 429, Code: 429, Description: "d"}},
	{"retry_after 0", answer(429, `{"ok":false,"error_code":429,"description":"d","parameters":{"retry_after":0}}`), "", "rate", &telegram.Error{StatusCode: 429, Code: 429, Description: "d"}},
	{"retry_after below zero", answer(429, `{"ok":false,"error_code":429,"description":"d","parameters":{"retry_after":-5}}`), "", "rate", &telegram.Error{StatusCode: 429, Code: 429, Description: "d"}},
	{"longest retry_after", answer(429, `{"ok":false,"error_code":429,"description":"d","parameters":{"retry_after":9223372036}}`), "", "rate", &telegram.Error{StatusCode: 429, Code: 429, Description: "d", RetryAfter: 9223372036 * time.Second}},
	{"retry_after too long", answer(429, `{"ok":false,"error_code":429,"description":"d","parameters":{"retry_after":9223372037}}`), "", "rate", &telegram.Error{StatusCode: 429, Code: 429, Description: "d"}},
	{"retry_after and header", header("Retry-After", "7", answer(429, `{"ok":false,"error_code":429,"description":"d","parameters":{"retry_after":5}}`)), "", "rate", &telegram.Error{StatusCode: 429, Code: 429, Description: "d", RetryAfter: 5 * time.Second}},
	{"header alone", header("Retry-After", "7", answer(429, gatewayPage)), "", "rate", &telegram.Error{StatusCode: 429, Code: 429, RetryAfter: 7 * time.Second}},
	{"header too long", header("Retry-After", "9999999999999999999", answer(429, "")), "", "rate", &telegram.Error{StatusCode: 429, Code: 429}},
	{"header below zero", header("Retry-After", "-7", answer(429, "")), "", "rate", &telegram.Error{StatusCode: 429, Code: 429}},
	{"header with a date", header("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT", answer(429, "")), "", "rate", &telegram.Error{StatusCode: 429, Code: 429}},

	{"502 page", answer(502, gatewayPage), "", "unknown", &telegram.Error{StatusCode: 502, Code: 502}},
	{"504 without a body", answer(504, ""), "", "unknown", &telegram.Error{StatusCode: 504, Code: 504}},
	{"401 page of a proxy", answer(401, "<html>"), "", "", &telegram.Error{StatusCode: 401, Code: 401}},
	{"403 page of a proxy", answer(403, "<html>"), "", "", &telegram.Error{StatusCode: 403, Code: 403}},
	{"404 of another API", answer(404, `{"error_code":5,"description":"no such page"}`), "", "", &telegram.Error{StatusCode: 404, Code: 404}},
	{"413 without a body", answer(413, ""), "", "", &telegram.Error{StatusCode: 413, Code: 413}},
	{"refusal with garbage after it", answer(403, `{"ok":false,"error_code":403,"description":"d"}x`), "", "", &telegram.Error{StatusCode: 403, Code: 403}},
	{"refusal cut", raw("HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n" + `{"ok":false,"descr`), "", "", &telegram.Error{StatusCode: 403, Code: 403}},
	{"refusal cut after the last brace", raw("HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n" + `{"ok":false,"description":"d"}`), "", "forbidden", &telegram.Error{StatusCode: 403, Code: 403, Description: "d"}},
	{"ok of a wrong type in a 403", answer(403, `{"ok":"false","error_code":403,"description":"d"}`), "", "", &telegram.Error{StatusCode: 403, Code: 403}},
	{"304", answer(304, ""), "", "", &telegram.Error{StatusCode: 304, Code: 304}},
	{"101", raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), "", "unknown", &telegram.Error{StatusCode: 101, Code: 101}},
	{"an endless page", endless(502), "", "unknown", &telegram.Error{StatusCode: 502, Code: 502}},

	{"ok with 400", answer(400, linkReply), "", "unknown", nil},
	{"ok with 302", answer(302, linkReply), "", "unknown", nil},
	{"null", answer(200, "null"), "", "unknown", nil},
	{"empty", answer(200, ""), "", "unknown", nil},
	{"no content", answer(204, ""), "", "unknown", nil},
	{"a page", answer(200, gatewayPage), "", "unknown", nil},
	{"an array", answer(200, "[]"), "", "unknown", nil},
	{"an empty object", answer(200, "{}"), "", "unknown", nil},
	{"no result", answer(200, `{"ok":true}`), "", "unknown", nil},
	{"null result", answer(200, `{"ok":true,"result":null}`), "", "unknown", nil},
	{"empty result", answer(200, `{"ok":true,"result":{}}`), "", "unknown", nil},
	{"true as result", answer(200, `{"ok":true,"result":true}`), "", "unknown", nil},
	{"a bare link as result", answer(200, `{"ok":true,"result":"https://t.me/+abc"}`), "", "unknown", nil},
	{"an empty link", answer(200, `{"ok":true,"result":{"invite_link":""}}`), "", "unknown", nil},
	{"a link of a wrong type", answer(200, `{"ok":true,"result":{"invite_link":5}}`), "", "unknown", nil},
	{"a link without ok", answer(200, `{"result":{"invite_link":"l"}}`), "", "unknown", nil},
	{"ok of a wrong type", answer(200, `{"ok":"true","result":{"invite_link":"l"}}`), "", "unknown", nil},
	{"ok is an object", answer(200, `{"ok":{},"result":{"invite_link":"l"}}`), "", "unknown", nil},
	{"ok is null", answer(200, `{"ok":null,"result":{"invite_link":"l"}}`), "", "unknown", nil},
	{"garbage after it", answer(200, linkReply+"x"), "", "unknown", nil},
	{"two answers", answer(200, linkReply+linkReply), "", "unknown", nil},
	{"cut", raw("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + linkReply[:100]), "", "unknown", nil},
	{"too large", endless(200), "", "unknown", nil},
}

func header(name, value string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(name, value)
		h(w, r)
	}
}

// endless is white space, then a link that comes too late.
func endless(status int) http.HandlerFunc {
	return answer(status, strings.Repeat(" ", 1<<20)+linkReply)
}

func TestReplies(t *testing.T) {
	for _, test := range replies {
		t.Run(test.name, func(t *testing.T) {
			c := newTestClient(t, test.handler)
			link, err := c.CreateInvitationLink(t.Context(), chat)
			if (link == nil) != (err != nil) || link != nil && link.InviteLink != test.link || link == nil && test.link != "" {
				t.Fatalf("got %v, %v, want link %q", link, err, test.link)
			}
			if got := kinds(err); got != test.kind {
				t.Errorf("got an error of kind %q, want %q: %v", got, test.kind, err)
			}
			if got, _ := err.(*telegram.Error); !reflect.DeepEqual(got, test.err) {
				t.Errorf("got %+v, want %+v", got, test.err)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	for _, test := range []struct {
		err  *telegram.Error
		want string
	}{
		{&telegram.Error{StatusCode: 400, Code: 400, Description: "Bad Request: chat not found"}, "telegram: 400 Bad Request: chat not found"},
		{&telegram.Error{StatusCode: 200, Code: 403, Description: "Forbidden"}, "telegram: 403 Forbidden"},
		{&telegram.Error{StatusCode: 407, Code: 407}, "telegram: not an answer of the Bot API, but HTTP status 407 Proxy Authentication Required"},
		{&telegram.Error{StatusCode: 502, Code: 502}, "telegram: outcome unknown, a link may exist: not an answer of the Bot API, but HTTP status 502 Bad Gateway"},
		{&telegram.Error{StatusCode: 599, Code: 599}, "telegram: outcome unknown, a link may exist: not an answer of the Bot API, but HTTP status 599"},
		{&telegram.Error{StatusCode: 500, Code: 500, Description: "restart"}, "telegram: outcome unknown, a link may exist: 500 restart"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

// What comes from outside is one short line in an error.
func TestForeignText(t *testing.T) {
	for _, test := range []struct{ description, want string }{
		{"a\r\nb\tc\x00\u2028\u202ed\x7f", "a  b c   d"},
		{"Ünïcode 🙂", "Ünïcode 🙂"},
		{"POST https://api.telegram.org/bot" + token + "/x", "POST https://api.telegram.org/bot6129457865:[redacted]/x"},
		{strings.Repeat("я", 600), strings.Repeat("я", 512)},
		{"x" + strings.Repeat("я", 600), "x" + strings.Repeat("я", 511)},
		{strings.Repeat("x", 1020) + token, (strings.Repeat("x", 1020) + "6129457865:")[:1024]},
	} {
		body, _ := json.Marshal(map[string]any{"ok": false, "description": test.description})
		c := newTestClient(t, answer(400, string(body)))
		_, err := c.CreateInvitationLink(t.Context(), chat)
		var e *telegram.Error
		if !errors.As(err, &e) || e.Description != test.want {
			t.Errorf("got %+q, want description %+q", err, test.want)
		}
	}
}

func TestResponse(t *testing.T) {
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		chat    telegram.ChatID
		want    string // status, header X and body
	}{
		{"link", header("X", "y", answer(200, linkReply)), chat, "200 y " + linkReply},
		{"refusal", answer(400, refusal), chat, "400  " + refusal},
		{"page", answer(502, gatewayPage), chat, "502  " + gatewayPage},
		{"cut", raw("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 99\r\n\r\n{"), chat, "200 y {"},
		{"too large", endless(200), chat, "200  " + strings.Repeat(" ", 1<<20)},
		{"101", raw("HTTP/1.1 101 Switching Protocols\r\nX: y\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nbytes"), chat, "101 y "},
		{"no reply", raw(""), chat, "0  "},
		{"bad argument", answer(200, linkReply), "bad", "0  "},
	} {
		stale := telegram.Response{StatusCode: 1, Header: http.Header{"X": {"stale"}}, Body: []byte("stale")}
		got := stale
		c := newTestClient(t, test.handler)
		c.CreateInvitationLink(t.Context(), test.chat, telegram.WithResponse(&stale), telegram.WithResponse(&got))
		if s := fmt.Sprintf("%d %s %s", got.StatusCode, got.Header.Get("X"), got.Body); s != test.want {
			t.Errorf("%s: got %.99q, want %.99q", test.name, s, test.want)
		}
	}
	got := telegram.Response{StatusCode: 1}
	c := newTestClient(t, answer(200, linkReply))
	if c.CreateInvitationLink(t.Context(), chat, telegram.WithMemberLimit(0), telegram.WithResponse(&got)); got.StatusCode != 0 {
		t.Errorf("after an option that is refused: got %v, want zero", got)
	}
}

// A reply is read to its end, so that the connection serves on, and a connection
// that another protocol took over does not hang the call.
func TestReplyIsReadToItsEnd(t *testing.T) {
	var addrs sync.Map
	var calls atomic.Int32
	c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		addrs.Store(r.RemoteAddr, true)
		test := []http.HandlerFunc{answer(200, linkReply), answer(400, refusal), answer(502, gatewayPage), answer(200, "")}[calls.Add(1)-1]
		test(w, r)
	}))
	for range 4 {
		c.CreateInvitationLink(t.Context(), chat)
	}
	n := 0
	addrs.Range(func(_, _ any) bool { n++; return true })
	if n != 1 || calls.Load() != 4 {
		t.Errorf("%d calls used %d connections, want 4 and 1", calls.Load(), n)
	}

	hungUp := make(chan error)
	c = newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, err := io.Copy(io.Discard, conn)
		conn.Close()
		hungUp <- err
	}))
	if _, err := c.CreateInvitationLink(t.Context(), chat); kinds(err) != "unknown" {
		t.Errorf("101 on a connection that stays open: got %v, want ErrOutcomeUnknown", err)
	}
	if err := <-hungUp; err != nil {
		t.Error(err)
	}
}

// Without an answer

// A customError is an error with more inside than it says.
type customError struct {
	text  string
	extra string
	inner []error
}

func (e customError) Error() string   { return e.text }
func (e customError) Unwrap() []error { return e.inner }

type urlError struct{ u *url.URL }

func (urlError) Error() string { return "a" }

type bytesError struct{ b []byte }

func (bytesError) Error() string { return "a" }

var errCause = errors.New("the caller's own cause")

// trace is what a foreign transport reports.
func trace(req *http.Request, connecting, field, headers bool) {
	t := httptrace.ContextClientTrace(req.Context())
	if connecting {
		t.GetConn("h:443")
	}
	if field {
		t.WroteHeaderField("Host", []string{"h"})
	}
	if headers {
		t.WroteHeaders()
	}
}

// failures are calls that end without an answer: each with what the error
// matches, of the package's sentinels and else.
var failures = []struct {
	name string
	kind string
	is   []error
	text string
	call func(t *testing.T) error
}{
	{"nobody listens", "", []error{syscall.ECONNREFUSED}, "not sent: dial tcp", func(t *testing.T) error {
		s := httptest.NewServer(nil)
		s.Close()
		_, err := newClient(t, s.URL).CreateInvitationLink(t.Context(), chat)
		return err
	}},
	{"no proxy listens", "", []error{syscall.ECONNREFUSED}, "not sent (proxy 127.0.0.1:", func(t *testing.T) error {
		s := httptest.NewServer(nil)
		s.Close()
		u := url.URL{Scheme: "http", User: url.UserPassword("user", password), Host: s.Listener.Addr().String()}
		_, err := newClient(t, "https://example.com", telegram.WithProxy(u.String())).CreateInvitationLink(t.Context(), chat)
		return err
	}},
	{"certificate of another host", "", nil, "not sent: tls: failed to verify certificate: x509: certificate is valid for", func(t *testing.T) error {
		s := httptest.NewUnstartedServer(nil)
		s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		s.StartTLS()
		defer s.Close()
		_, err := newClient(t, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)).CreateInvitationLink(t.Context(), chat)
		if !errors.As(err, new(x509.HostnameError)) {
			t.Errorf("got %v, want an x509.HostnameError", err)
		}
		return err
	}},
	{"context ended before", "", []error{context.Canceled, errCause}, "not sent: the caller's own cause", func(t *testing.T) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		c := newClient(t, "http://h", telegram.WithTransport(roundTripFunc(func(*http.Request) (*http.Response, error) {
			t.Error("the transport was called")
			return nil, io.EOF
		})))
		_, err := c.CreateInvitationLink(ctx, chat)
		return err
	}},
	{"context ended in flight", "unknown", []error{context.Canceled, errCause}, "a link may exist: the caller's own cause", func(t *testing.T) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then the server sees the client leave
			cancel(errCause)
			<-r.Context().Done()
		}))
		_, err := c.CreateInvitationLink(ctx, chat)
		return err
	}},
	{"context ended in the reply", "unknown", []error{context.Canceled, errCause}, "HTTP status 200 without a usable result", func(t *testing.T) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "{")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { cancel(errCause) }})
		_, err := c.CreateInvitationLink(ctx, chat)
		if err != nil && !strings.Contains(err.Error(), "HTTP status 200") { // the cancellation may win
			err = fmt.Errorf("%w (HTTP status 200 without a usable result)", err)
		}
		return err
	}},
	{"no reply", "unknown", []error{io.EOF}, "closed without a reply (EOF)", func(t *testing.T) error {
		_, err := newTestClient(t, raw("")).CreateInvitationLink(t.Context(), chat)
		return err
	}},
	{"malformed reply", "unknown", nil, "malformed HTTP", func(t *testing.T) error {
		_, err := newTestClient(t, raw("gopher:"+token+"\x1b\r\n\r\n")).CreateInvitationLink(t.Context(), chat)
		return err
	}},
	{"malformed reply of a plain proxy", "unknown", nil, `malformed HTTP response "[redacted]|http://example.com/bot6129457865:[redacted]/createChatInviteLink|[redacted]|user:[redacted]"`, func(t *testing.T) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		u := url.URL{Scheme: "http", User: url.UserPassword("user", password), Host: l.Addr().String()}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(conn))
			if err == nil {
				fmt.Fprintf(conn, "%s|%s|%s|%s\r\n\r\n", strings.TrimPrefix(req.Header.Get("Proxy-Authorization"), "Basic "), req.RequestURI, password, u.User)
			}
			conn.Close()
		}()
		_, err = newClient(t, "http://example.com", telegram.WithProxy(u.String())).CreateInvitationLink(t.Context(), chat)
		return err
	}},
	{"header too large", "unknown", nil, "exceeded 65536 bytes", func(t *testing.T) error {
		_, err := newTestClient(t, header("X", strings.Repeat("x", 65<<10), answer(200, linkReply))).CreateInvitationLink(t.Context(), chat)
		return err
	}},
	{"nil, nil", "unknown", nil, "no response", foreign(func(*http.Request) (*http.Response, error) { return nil, nil })},
	{"nil, nil before it was sent", "", nil, "no response", foreign(func(req *http.Request) (*http.Response, error) {
		trace(req, true, false, false)
		return nil, nil
	})},
	{"nil body", "unknown", nil, "no response", foreign(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil })},
	{"foreign transport that reports nothing", "unknown", []error{io.EOF}, "EOF", foreign(func(*http.Request) (*http.Response, error) { return nil, io.EOF })},
	{"foreign transport that only connected", "", []error{io.EOF}, "not sent: the connection was closed without a reply (EOF)", foreign(func(req *http.Request) (*http.Response, error) {
		trace(req, true, false, false)
		return nil, io.EOF
	})},
	{"foreign transport that sent a header field", "unknown", []error{io.EOF}, "EOF", foreign(func(req *http.Request) (*http.Response, error) {
		trace(req, true, true, false)
		return nil, io.EOF
	})},
	{"foreign transport that sent the header", "unknown", []error{io.EOF}, "EOF", foreign(func(req *http.Request) (*http.Response, error) {
		trace(req, true, false, true)
		return nil, io.EOF
	})},
	{"foreign transport that connected twice", "unknown", []error{io.EOF}, "EOF", foreign(func(req *http.Request) (*http.Response, error) {
		trace(req, true, true, true)
		trace(req, true, false, false)
		return nil, io.EOF
	})},
	{"foreign *url.Error", "unknown", []error{syscall.ECONNRESET}, `Post "http://h/bot6129457865:[redacted]/createChatInviteLink": read: ` + syscall.ECONNRESET.Error(), foreign(func(req *http.Request) (*http.Response, error) {
		return nil, &url.Error{Op: "Post", URL: req.URL.String(), Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	})},
	{"foreign error with a secret deep inside", "unknown", []error{io.EOF, io.ErrClosedPipe}, "a b", foreign(func(req *http.Request) (*http.Response, error) {
		return nil, customError{"a\nb", "", []error{fmt.Errorf("c: %w", io.EOF), nil, customError{"d", "", []error{&url.Error{Op: "Post", URL: req.URL.String(), Err: io.ErrClosedPipe}}}}}
	})},
	{"foreign error with a secret that only %#v shows", "unknown", []error{io.EOF}, "a", foreign(func(req *http.Request) (*http.Response, error) {
		return nil, customError{"a", req.URL.String(), []error{io.EOF}}
	})},
	{"foreign error with a URL that fmt finds behind a pointer", "unknown", nil, "a", foreign(func(req *http.Request) (*http.Response, error) {
		return nil, urlError{req.URL}
	})},
	{"foreign error with bytes", "unknown", nil, "a", foreign(func(req *http.Request) (*http.Response, error) {
		return nil, bytesError{[]byte(req.URL.String())}
	})},
	{"foreign error that wraps nil", "unknown", []error{io.EOF}, "a", func(t *testing.T) error {
		err := foreign(func(*http.Request) (*http.Response, error) {
			return nil, customError{"a", "", []error{nil, io.EOF}}
		})(t)
		if e := (customError{}); !errors.As(err, &e) {
			t.Errorf("%v does not match its cause, in which there is no secret", err)
		}
		return err
	}},
	{"foreign error that wraps nothing", "unknown", nil, "a", foreign(func(req *http.Request) (*http.Response, error) { return nil, &url.Error{Op: "a", URL: token} })},
	{"foreign error that is long", "unknown", nil, "xxx", foreign(func(req *http.Request) (*http.Response, error) {
		return nil, errors.New(strings.Repeat("x", 1022) + token)
	})},
	{"foreign transport without a network", "unknown", []error{context.DeadlineExceeded}, "context deadline exceeded", foreign(func(req *http.Request) (*http.Response, error) {
		return nil, context.DeadlineExceeded
	})},
}

func foreign(f roundTripFunc) func(*testing.T) error {
	return func(t *testing.T) error {
		link, err := newClient(t, "http://h", telegram.WithTransport(f)).CreateInvitationLink(t.Context(), chat)
		if link != nil {
			t.Errorf("got link %v beside an error", link)
		}
		return err
	}
}

func TestFailures(t *testing.T) {
	for _, test := range failures {
		t.Run(test.name, func(t *testing.T) {
			err := test.call(t)
			if err == nil {
				t.Fatal("got no error")
			}
			if got := kinds(err); got != test.kind {
				t.Errorf("got an error of kind %q, want %q: %v", got, test.kind, err)
			}
			for _, target := range test.is {
				if !errors.Is(err, target) {
					t.Errorf("%v does not match %v", err, target)
				}
			}
			if !strings.Contains(err.Error(), test.text) || strings.Count(err.Error(), "telegram: ") != 1 {
				t.Errorf("got %v, want one prefix and %q", err, test.text)
			}
			if e := (*telegram.Error)(nil); errors.As(err, &e) {
				t.Errorf("got %v, want no *Error", e)
			}
		})
	}
}

// The cause of a context may be the error of another call, as in an errgroup.
// What became of that call is not what became of this one.
func TestContextCauseIsNoVerdict(t *testing.T) {
	for _, cause := range []error{
		telegram.ErrInvalidArgument, telegram.ErrOutcomeUnknown, fmt.Errorf("other: %w", telegram.ErrForbidden),
		&telegram.Error{StatusCode: 429, Code: 429}, fmt.Errorf("other: %w", &telegram.Error{StatusCode: 502, Code: 502}),
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := newTestClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			cancel(cause)
			<-r.Context().Done()
		}))
		for _, want := range []string{"unknown", ""} { // in flight, then before
			_, err := c.CreateInvitationLink(ctx, chat)
			if e := (*telegram.Error)(nil); kinds(err) != want || !errors.Is(err, context.Canceled) || errors.As(err, &e) {
				t.Errorf("cause %v: got %v of kind %q, want %q", cause, err, kinds(err), want)
			}
		}
	}
}

// pipe is a transport over connections in memory, for the clock of synctest.
func pipe(t *testing.T, serve func(net.Conn)) *http.Transport {
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serve(server)
		return client, nil
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func TestTimeout(t *testing.T) {
	hang := func(reply string) func(net.Conn) {
		return func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, reply)
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}
	for _, test := range []struct {
		name   string
		reply  string
		client []telegram.ClientOption
		call   []telegram.InviteOption
		ctx    time.Duration
		want   time.Duration
		text   string
	}{
		{"default", "", nil, nil, 0, 90 * time.Second, "a link may exist: the timeout expired"},
		{"of the client", "", []telegram.ClientOption{telegram.WithTimeout(5 * time.Second)}, nil, 0, 5 * time.Second, "the timeout expired"},
		{"of the call", "", []telegram.ClientOption{telegram.WithTimeout(5 * time.Second)}, opts(telegram.WithTimeout(100 * time.Second)), 0, 100 * time.Second, "the timeout expired"},
		{"of the context", "", nil, nil, 7 * time.Second, 7 * time.Second, "context deadline exceeded"},
		{"in the reply", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", nil, nil, 0, 90 * time.Second, "the timeout expired"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.ctx)
					defer cancel()
				}
				start := time.Now()
				c := newClient(t, "http://h", append(test.client, telegram.WithTransport(pipe(t, hang(test.reply))))...)
				_, err := c.CreateInvitationLink(ctx, chat, test.call...)
				var timeout net.Error
				if kinds(err) != "unknown" || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("got %v, want ErrOutcomeUnknown and a timeout", err)
				}
				if !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %v, want %q", err, test.text)
				}
				if got := time.Since(start); got != test.want {
					t.Errorf("took %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A refusal whose page never ends is a refusal.
func TestTimeoutInRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "http://h", telegram.WithTransport(pipe(t, func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 99\r\n\r\n<html>")
			io.Copy(io.Discard, conn)
			conn.Close()
		})))
		_, err := c.CreateInvitationLink(t.Context(), chat)
		if e, _ := err.(*telegram.Error); e == nil || e.Code != 403 || kinds(err) != "" {
			t.Errorf("got %v, want an *Error with code 403", err)
		}
	})
}

func TestRateLimitWait(t *testing.T) {
	limited := func(seconds int) string {
		return fmt.Sprintf(`429 {"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":%d}}`, seconds)
	}
	const link = "200 " + linkReply
	for _, test := range []struct {
		name    string
		replies []string
		client  time.Duration // WithRateLimitWait of the client
		call    time.Duration // of the call, if not zero
		ctx     time.Duration // deadline, if not zero
		sent    int
		took    time.Duration
		kind    string
	}{
		{"off by default", []string{limited(1)}, 0, 0, 0, 1, 0, "rate"},
		{"once", []string{limited(5), link}, 5 * time.Second, 0, 0, 2, 5 * time.Second, ""},
		{"a second too long", []string{limited(6)}, 5 * time.Second, 0, 0, 1, 0, "rate"},
		{"waits add up", []string{limited(2), limited(3), link}, 5 * time.Second, 0, 0, 3, 5 * time.Second, ""},
		{"waits add up to too much", []string{limited(2), limited(4)}, 5 * time.Second, 0, 0, 2, 2 * time.Second, "rate"},
		{"the call's wins", []string{limited(5), link}, time.Second, 5 * time.Second, 0, 2, 5 * time.Second, ""},
		{"ends with the deadline", []string{limited(5)}, time.Hour, 0, 5 * time.Second, 1, 0, "rate"},
		{"ends before the deadline", []string{limited(5), link}, time.Hour, 0, 5*time.Second + 1, 2, 5 * time.Second, ""},
		{"longer than the timeout", []string{limited(200), link}, time.Hour, 0, 0, 2, 200 * time.Second, ""},
		{"does not say when", []string{limited(0)}, time.Hour, 0, 0, 1, 0, "rate"},
		{"page of a gateway", []string{"429 <html>"}, time.Hour, 0, 0, 1, 0, "rate"},
		{"another refusal", []string{"400 " + strings.Replace(refusal, "}", `,"parameters":{"retry_after":1}}`, 1)}, time.Hour, 0, 0, 1, 0, ""},
		{"then another refusal", []string{limited(1), "400 " + refusal}, time.Hour, 0, 0, 2, time.Second, ""},
		{"then an unknown outcome", []string{limited(1), "502 "}, time.Hour, 0, 0, 2, time.Second, "unknown"},
		{"429 in a 500", []string{"500" + limited(1)[3:]}, time.Hour, 0, 0, 1, 0, "rate unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				c := newClient(t, "http://h", telegram.WithRateLimitWait(test.client), telegram.WithTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
					body, _ := io.ReadAll(req.Body)
					if want := `{"chat_id":"-1001234567890","member_limit":1}`; string(body) != want {
						t.Errorf("sent %s, want %s", body, want)
					}
					status, reply, _ := strings.Cut(test.replies[sent], " ")
					sent++
					code, _ := strconv.Atoi(status)
					return canned(code, reply)(req)
				})))
				ctx, options := t.Context(), opts(telegram.WithMemberLimit(1))
				if test.call != 0 {
					options = append(options, telegram.WithRateLimitWait(test.call))
				}
				if test.ctx != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.ctx)
					defer cancel()
				}
				start := time.Now()
				var res telegram.Response
				_, err := c.CreateInvitationLink(ctx, chat, append(options, telegram.WithResponse(&res))...)
				if kinds(err) != test.kind || sent != test.sent || time.Since(start) != test.took {
					t.Errorf("got %v after %d calls and %v, want %q, %d and %v", err, sent, time.Since(start), test.kind, test.sent, test.took)
				}
				if last := test.replies[sent-1]; strconv.Itoa(res.StatusCode)+" "+string(res.Body) != last {
					t.Errorf("response: got %v, want the last, %s", res, last)
				}
			})
		})
	}
}

func TestContextEndsRateLimitWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "http://h", telegram.WithRateLimitWait(time.Hour),
			telegram.WithTransport(canned(429, `{"ok":false,"error_code":429,"description":"d","parameters":{"retry_after":60}}`)))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		link, err := c.CreateInvitationLink(ctx, chat)
		var e *telegram.Error
		if link != nil || kinds(err) != "rate" || !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.RetryAfter != time.Minute {
			t.Errorf("got %v, %v, want the 429 and context.Canceled", link, err)
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("took %v, want 1s", got)
		}
	})
}

// Secrets

// forms are what no error and no print may contain.
var forms = []string{
	secret, password, url.QueryEscape(password), url.PathEscape(password), url.UserPassword("", password).String()[1:],
	strings.Trim(strconv.Quote(password), `"`), base64.StdEncoding.EncodeToString([]byte("user:" + password)), base64.StdEncoding.EncodeToString([]byte("env:" + password)),
	fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret),
}

func checkText(t *testing.T, what, text string) {
	t.Helper()
	for _, form := range forms {
		if strings.Contains(text, form) {
			t.Errorf("%s shows a secret: %s", what, text)
		}
	}
}

// checkSecrets searches an error and all that can be reached from it.
func checkSecrets(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if len(text) > 1<<10+200 || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("got %q, want one short line", text)
	}
	var visit func(error)
	visit = func(err error) {
		if err == nil {
			return
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
			checkText(t, fmt.Sprintf("%T printed with %s", err, verb), fmt.Sprintf(verb, err))
			checkText(t, fmt.Sprintf("a field of type %T printed with %s", err, verb), fmt.Sprintf(verb, struct{ field error }{err}))
		}
		text, _ := json.Marshal(err)
		checkText(t, fmt.Sprintf("%T as JSON", err), string(text))
		switch err := err.(type) {
		case interface{ Unwrap() error }:
			visit(err.Unwrap())
		case interface{ Unwrap() []error }:
			for _, err := range err.Unwrap() {
				visit(err)
			}
		}
	}
	visit(err)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		visit(e)
	}
}

// TestErrorsKeepSecrets has every failure that the other tests know.
func TestErrorsKeepSecrets(t *testing.T) {
	for _, tok := range badTokens {
		_, err := telegram.NewClient(tok)
		checkSecrets(t, err)
	}
	for _, u := range badBaseURLs {
		_, err := telegram.NewClient(token, telegram.WithBaseURL(u))
		checkSecrets(t, err)
	}
	c := newTestClient(t, answer(200, linkReply))
	for _, test := range badCalls {
		_, err := c.CreateInvitationLink(t.Context(), test.chat, test.opts...)
		checkSecrets(t, err)
	}
	for _, u := range badProxies {
		_, err := c.CreateInvitationLink(t.Context(), chat, telegram.WithProxy(u))
		checkSecrets(t, err)
	}
	for _, chat := range badChats {
		_, err := c.CreateInvitationLink(t.Context(), chat)
		checkSecrets(t, err)
	}
	for _, test := range failures {
		checkSecrets(t, test.call(t))
	}
	for _, test := range replies {
		if _, err := newTestClient(t, test.handler).CreateInvitationLink(t.Context(), chat); err != nil {
			checkSecrets(t, err)
		}
	}
	// Answers that say whatever the way knows.
	for _, status := range []int{200, 302, 400, 404, 429, 502} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text := fmt.Sprintf("%s\r\n%s %s", r.RequestURI, password, url.UserPassword("user", password))
			w.Header().Set("Location", r.RequestURI)
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]any{"ok": false, "description": text, "parameters": map[string]string{"retry_after": text}})
		}))
		defer s.Close()
		p := newProxy(t, "http", s.Listener.Addr().String())
		_, err := newClient(t, "http://example.com", telegram.WithProxy(p.url())).CreateInvitationLink(t.Context(), chat)
		if want := "/bot6129457865:[redacted]/createChatInviteLink  [redacted] user:[redacted]"; !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		checkSecrets(t, err)
	}
}

// Secrets of less than four bytes would garble the words.
func TestShortSecretsStay(t *testing.T) {
	s := httptest.NewServer(answer(400, `{"ok":false,"description":"to a cat or a bird"}`))
	defer s.Close()
	for _, test := range []struct{ secret, password, want string }{
		{"a", "cat", "telegram: 400 to a cat or a bird"},
		{"bird", "cat ", "telegram: 400 to a [redacted]or a [redacted]"},
	} {
		p := newProxy(t, "http", s.Listener.Addr().String())
		p.user = url.UserPassword("user", test.password)
		c, err := telegram.NewClient("1:"+test.secret, telegram.WithBaseURL("http://example.com"), telegram.WithProxy(p.url()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.CreateInvitationLink(t.Context(), chat); err == nil || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestPrintsKeepSecrets(t *testing.T) {
	proxyURL := (&url.URL{Scheme: "http", User: url.UserPassword("user", password), Host: "proxy"}).String()
	c := newClient(t, "http://h", telegram.WithProxy(proxyURL))
	// The pool of the shared transport knows the proxy too.
	s := httptest.NewServer(answer(200, linkReply))
	defer s.Close()
	p := newProxy(t, "http", s.Listener.Addr().String())
	if _, err := newClient(t, "http://example.com").CreateInvitationLink(t.Context(), chat, telegram.WithProxy(p.url())); err != nil {
		t.Fatal(err)
	}
	type holder struct {
		p *telegram.Client
		v telegram.Client
		a any
		X *telegram.Client
		Y telegram.Client
	}
	values := map[string]any{
		"*Client": c, "Client": *c, "holder": holder{c, *c, c, c, *c}, "*holder": &holder{c, *c, *c, c, *c},
		"WithProxy": telegram.WithProxy(proxyURL), "options": []any{telegram.WithProxy(proxyURL), telegram.WithBaseURL("http://user:" + secret + "@h")},
		"map": map[string]telegram.Option{"x": telegram.WithProxy(proxyURL)},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%p", "%5.1f"} {
			checkText(t, name+" printed with "+verb, fmt.Sprintf(verb, v))
		}
		text, _ := json.Marshal(v)
		checkText(t, name+" as JSON", string(text))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		checkText(t, name+" in a log", log.String())
	}
	if got, want := fmt.Sprint(c), "telegram.Client(bot 6129457865)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Types

var wholeLink = telegram.ChatInviteLink{
	InviteLink: "https://t.me/+a", Name: "n",
	Creator:    telegram.User{ID: 1 << 51, IsBot: true, FirstName: "f", LastName: "l", Username: "u", LanguageCode: "de", IsPremium: true, AddedToAttachmentMenu: true},
	ExpireDate: time.Date(2026, 5, 3, 10, 19, 33, 0, time.UTC), MemberLimit: 200, PendingJoinRequestCount: 3,
	SubscriptionPeriod: 30 * 24 * time.Hour, SubscriptionPrice: 100, CreatesJoinRequest: true, IsPrimary: true, IsRevoked: true,
}

func TestJSON(t *testing.T) {
	for _, test := range []struct {
		link telegram.ChatInviteLink
		json string
	}{
		{telegram.ChatInviteLink{}, `{"invite_link":"","creator":{"id":0,"is_bot":false,"first_name":""},"creates_join_request":false,"is_primary":false,"is_revoked":false}`},
		{wholeLink, `{"invite_link":"https://t.me/+a","name":"n","creator":{"id":2251799813685248,"is_bot":true,"first_name":"f","last_name":"l","username":"u","language_code":"de","is_premium":true,"added_to_attachment_menu":true},"member_limit":200,"pending_join_request_count":3,"subscription_price":100,"creates_join_request":true,"is_primary":true,"is_revoked":true,"expire_date":1777803573,"subscription_period":2592000}`},
	} {
		got, err := json.Marshal(test.link)
		if err != nil || string(got) != test.json {
			t.Errorf("got %s, %v, want %s", got, err, test.json)
		}
		var link telegram.ChatInviteLink
		if err := json.Unmarshal(got, &link); err != nil || link != test.link {
			t.Errorf("got %+v, %v, want %+v", link, err, test.link)
		}
	}

	// A call returns all of it, too.
	whole, _ := json.Marshal(wholeLink)
	c := newTestClient(t, answer(200, `{"ok":true,"result":`+string(whole)+`}`))
	if got, err := c.CreateInvitationLink(t.Context(), chat); err != nil || *got != wholeLink {
		t.Errorf("got %+v, %v, want %+v", got, err, wholeLink)
	}

	// As a part of something else it obeys the rules of encoding/json.
	update := struct {
		Link  telegram.ChatInviteLink
		Other *telegram.ChatInviteLink
	}{Link: wholeLink}
	if err := json.Unmarshal([]byte(`{"Link":null,"Other":{"invite_link":"o"}}`), &update); err != nil || update.Link != wholeLink || update.Other.InviteLink != "o" {
		t.Errorf("got %+v, %v, want null to change nothing", update, err)
	}
	if err := json.Unmarshal([]byte(`{"Link":{"expire_date":0,"subscription_period":99999999999}}`), &update); err != nil || !update.Link.ExpireDate.IsZero() || update.Link.SubscriptionPeriod != 0 {
		t.Errorf("got %+v, %v, want no date and no period", update, err)
	}
	if err := json.Unmarshal([]byte(`{"Link":{"expire_date":"x"}}`), &update); err == nil {
		t.Error("a date of a wrong type: got no error")
	}
}

// Foreign bytes

func FuzzReply(f *testing.F) {
	for _, status := range []int{200, 400, 429, 502, 101, 302, 0, -1} {
		for _, body := range []string{linkReply, refusal, gatewayPage, "", "null", `{"ok":true,"result":{"invite_link":"l","expire_date":-1}}`,
			`{"ok":false,"description":"` + token + `","parameters":{"retry_after":9,"migrate_to_chat_id":-9}}`, `{"ok":false,"error_code":-5}`} {
			f.Add(status, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		var response telegram.Response
		c := newClient(t, "http://h", telegram.WithTransport(canned(status, string(body))))
		link, err := c.CreateInvitationLink(t.Context(), chat, telegram.WithResponse(&response))
		if status != 101 && !bytes.Equal(response.Body, body) || response.StatusCode != status {
			t.Errorf("response: got %v, want what came", response)
		}
		success := status >= 200 && status <= 299
		if err == nil {
			if link == nil || link.InviteLink == "" || !success || !json.Valid(body) {
				t.Errorf("got link %v of a %d", link, status)
			}
			return
		}
		if link != nil {
			t.Errorf("got %v beside %v", link, err)
		}
		checkSecrets(t, err)
		unclear := func(code int) bool { return code < 200 || code > 499 }
		want := true
		if e, ok := err.(*telegram.Error); ok {
			want = unclear(status) || unclear(e.Code)
			if e.StatusCode != status || e.Code != status && !json.Valid(body) || e.RetryAfter < 0 {
				t.Errorf("got %+v of a %d", e, status)
			}
		}
		if got := errors.Is(err, telegram.ErrOutcomeUnknown); got != want {
			t.Errorf("got %v: outcome unknown is %v, want %v", err, got, want)
		}
	})
}

func FuzzChatID(f *testing.F) {
	for _, chat := range append(badChats, "-1001234567890*42", "@a_Channel9*1", "9223372036854775807") {
		f.Add(string(chat))
	}
	f.Fuzz(func(t *testing.T, s string) {
		var sent struct {
			ChatID string `json:"chat_id"`
		}
		c := newClient(t, "http://h", telegram.WithTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
			if err := json.NewDecoder(req.Body).Decode(&sent); err != nil {
				t.Error(err)
			}
			return canned(200, linkReply)(req)
		})))
		_, err := c.CreateInvitationLink(t.Context(), telegram.ChatID(s))

		of := func(set, s string) bool { return s != "" && strings.Trim(s, set) == "" }
		want, topic, hasTopic := strings.Cut(s, "*")
		n, numErr := strconv.ParseInt(want, 10, 64)
		name, isName := strings.CutPrefix(want, "@")
		ok := numErr == nil && n != 0 && strconv.FormatInt(n, 10) == want ||
			isName && of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", name)
		ok = ok && (!hasTopic || of("0123456789", topic) && topic[0] != '0')
		if !ok {
			want = ""
		}
		if (err == nil) != ok || sent.ChatID != want {
			t.Errorf("chat %q: sent %q, %v, want %q", s, sent.ChatID, err, want)
		}
		if err != nil && kinds(err) != "invalid" {
			t.Errorf("chat %q: got %v, want ErrInvalidArgument", s, err)
		}
		if err != nil {
			checkSecrets(t, err)
		}
	})
}

func FuzzToken(f *testing.F) {
	for _, tok := range append(badTokens, token, "1:a") {
		f.Add(tok)
	}
	f.Fuzz(func(t *testing.T, tok string) {
		var path string
		c, err := telegram.NewClient(tok, telegram.WithTransport(roundTripFunc(func(req *http.Request) (*http.Response, error) {
			path = req.URL.RequestURI()
			return canned(200, linkReply)(req)
		})))
		if err != nil {
			if kinds(err) != "invalid" || len(tok) > 8 && strings.Contains(err.Error(), tok) {
				t.Errorf("token %q: got %v, want ErrInvalidArgument without the token", tok, err)
			}
			return
		}
		if _, err := c.CreateInvitationLink(t.Context(), chat); err != nil {
			t.Error(err)
		}
		if want := "/bot" + tok + "/createChatInviteLink"; path != want {
			t.Errorf("got path %q, want %q", path, want)
		}
	})
}

func FuzzProxyURL(f *testing.F) {
	for _, u := range append(goodProxies, badProxies...) {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := telegram.NewClient(token, telegram.WithProxy(s))
		u, parseErr := url.Parse(s)
		if err == nil {
			if parseErr != nil || u.Hostname() == "" || strings.ContainsAny(s, "?#") || !strings.Contains("http https socks5 socks5h", u.Scheme) {
				t.Errorf("proxy %q was accepted", s)
			}
			return
		}
		if kinds(err) != "invalid" || len(s) > 6 && strings.Contains(err.Error(), s) {
			t.Errorf("proxy %q: got %v, want ErrInvalidArgument without the URL", s, err)
		}
		if parseErr == nil && u.Scheme == "http" && u.Host == "proxy:1" && u.Path == "" && !strings.ContainsAny(s, "?#") {
			t.Errorf("proxy %q was refused", s)
		}
	})
}

func FuzzChatInviteLink(f *testing.F) {
	whole, _ := json.Marshal(wholeLink)
	for _, s := range []string{string(whole), "{}", "null", "[]", `{"expire_date":-62135596800}`, `{"expire_date":9223372036854775807}`,
		`{"subscription_period":9223372037}`, `{"subscription_period":-1}`, `{"name":"\ud800"}`, `{"INVITE_LINK":"l","invite_link":"m"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var link, again telegram.ChatInviteLink
		if json.Unmarshal(data, &link) != nil {
			return
		}
		encoded, err := json.Marshal(link)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(encoded, &again); err != nil || again != link {
			t.Errorf("got %+v, %v, want %+v", again, err, link)
		}
	})
}

// Examples

// standIn is a server that answers every call with the same link.
func standIn(status int, body string) *httptest.Server {
	return httptest.NewServer(answer(status, body))
}

func Example() {
	server := standIn(200, linkReply) // in the place of Telegram
	defer server.Close()

	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	link, err := client.CreateInvitationLink(context.Background(), "-1001234567890",
		telegram.WithName("Order 1042"),
		telegram.WithExpireDate(time.Now().Add(24*time.Hour)),
		telegram.WithMemberLimit(1),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(link.InviteLink)
	// Output: https://t.me/+AAAAAAAAAAAAAAAA
}

func ExampleError() {
	server := standIn(400, `{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1009876543210}}`)
	defer server.Close()
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	ctx, chat := context.Background(), telegram.ChatID("-1557912345")

	link, err := client.CreateInvitationLink(ctx, chat)
	var refused *telegram.Error
	switch {
	case err == nil:
		fmt.Println(link.InviteLink)
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		fmt.Println("a link may exist; someone has to look at the chat's links before another try")
	case errors.Is(err, telegram.ErrTooManyRequests) && errors.As(err, &refused):
		fmt.Println("refused for now; wait", refused.RetryAfter) // 0: it does not say
	case errors.As(err, &refused) && refused.MigrateToChatID != "":
		fmt.Println("the group is now", refused.MigrateToChatID)
	case errors.As(err, &refused):
		fmt.Println("no link was made, and another try will not help:", refused)
	case errors.Is(err, telegram.ErrInvalidArgument):
		fmt.Println("nothing was sent; correct the call:", err)
	default:
		fmt.Println("nothing was sent; another try is safe:", err)
	}
	// Output: the group is now -1009876543210
}

func ExampleWithResponse() {
	server := standIn(400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`)
	defer server.Close()
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()

	var response telegram.Response
	_, err = client.CreateInvitationLink(ctx, "@nobody", telegram.WithResponse(&response))
	fmt.Println(err)
	fmt.Println(response.StatusCode, response.Header.Get("Content-Length"))
	fmt.Printf("%s\n", response.Body)
	// Output:
	// telegram: 400 Bad Request: chat not found
	// 400 73
	// {"ok":false,"error_code":400,"description":"Bad Request: chat not found"}
}

func ExampleWithProxy() {
	proxyURL := url.URL{
		Scheme: "socks5",
		User:   url.UserPassword("user", `p@ss/w"rd`),
		Host:   "proxy.example:1080",
	}
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithProxy(proxyURL.String()))
	fmt.Println(client, err)
	// Output: telegram.Client(bot 6129457865) <nil>
}

// A proxy that wants the operating system's credentials asks for Negotiate
// (RFC 4559). spnego stands for a package that obtains them.
func ExampleWithTransport() {
	spnego := func(proxyHost string) (string, error) { return "TlRMTVNTUAAB", nil }

	transport := &http.Transport{
		Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example:3128"}),
		GetProxyConnectHeader: func(ctx context.Context, proxy *url.URL, target string) (http.Header, error) {
			credentials, err := spnego(proxy.Hostname())
			if err != nil {
				return nil, err
			}
			return http.Header{"Proxy-Authorization": {"Negotiate " + credentials}}, nil
		},
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
	}
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithTransport(transport))
	fmt.Println(client, err)
	// Output: telegram.Client(bot 6129457865) <nil>
}

func ExampleWithBaseURL() {
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL("http://localhost:8081"))
	fmt.Println(client, err)
	// Output: telegram.Client(bot 6129457865) <nil>
}

func ExampleChatInviteLink() {
	link := telegram.ChatInviteLink{InviteLink: "https://t.me/+abc", ExpireDate: time.Unix(1777803573, 0), MemberLimit: 1}
	stored, err := json.Marshal(link)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", stored)
	// Output: {"invite_link":"https://t.me/+abc","creator":{"id":0,"is_bot":false,"first_name":""},"member_limit":1,"creates_join_request":false,"is_primary":false,"is_revoked":false,"expire_date":1777803573}
}

// TestInvite is the one in the README.
func TestInvite(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"ok":true,"result":{"invite_link":"https://t.me/+test"}}`)
	}))
	defer api.Close()
	client, err := telegram.NewClient("1:test", telegram.WithBaseURL(api.URL))
	if err != nil {
		t.Fatal(err)
	}
	link, err := client.CreateInvitationLink(t.Context(), "@channel")
	if err != nil || link.InviteLink != "https://t.me/+test" {
		t.Errorf("got %v, %v", link, err)
	}
}

// Each piece of Go in the README is code that was compiled.
func TestREADME(t *testing.T) {
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("examples/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range append(files, "invite_test.go") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.WriteString(words(string(b)) + "\n")
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) < 5 {
		t.Errorf("got %d pieces of Go in the README, want more", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(code.String(), words(block)) {
			t.Errorf("this is in the README, but in no Go file:\n%s", block)
		}
	}
}

// Benchmarks

// A byHand is the floor: the same call as a careful person writes it for one
// program, with an http.Client, no options and no proof of the outcome.
type byHand struct {
	client http.Client
	url    string
}

func newByHand(baseURL string, tlsConfig *tls.Config) *byHand {
	return &byHand{url: baseURL + "/bot" + token + "/createChatInviteLink", client: http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     30 * time.Second,
		DisableCompression:  true,
		TLSClientConfig:     tlsConfig,
	}}}
}

func (h *byHand) call(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	body, err := json.Marshal(struct {
		ChatID      string `json:"chat_id"`
		Name        string `json:"name,omitempty"`
		ExpireDate  int64  `json:"expire_date,omitempty"`
		MemberLimit int    `json:"member_limit,omitempty"`
	}{string(chat), "Link", expireDate.Unix(), 200})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := h.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", err
	}
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
		Parameters  struct {
			RetryAfter int `json:"retry_after"`
		} `json:"parameters"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		return "", err
	}
	if !reply.OK {
		return "", fmt.Errorf("%d %s", reply.ErrorCode, reply.Description)
	}
	return reply.Result.InviteLink, nil
}

var (
	expireDate = time.Date(2037, 1, 1, 0, 0, 0, 0, time.UTC)
	benchReply = `{"ok":true,"result":{"invite_link":"https://t.me/+AAAAAAAAAAAAAAAA","name":"Link","creator":{"id":6129457865,"is_bot":true,"first_name":"\u0411\u043e\u0442","username":"a_demo_bot"},"expire_date":2114380800,"member_limit":200,"creates_join_request":false,"is_primary":false,"is_revoked":false}}`
)

func ours(c *telegram.Client) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		link, err := c.CreateInvitationLink(ctx, chat, telegram.WithName("Link"), telegram.WithExpireDate(expireDate), telegram.WithMemberLimit(200))
		if err != nil {
			return "", err
		}
		return link.InviteLink, nil
	}
}

func run(b *testing.B, call func(context.Context) (string, error)) {
	if _, err := call(b.Context()); err != nil { // opens the connection
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if link, err := call(b.Context()); err != nil || link != "https://t.me/+AAAAAAAAAAAAAAAA" {
			b.Fatal(link, err)
		}
	}
}

func BenchmarkCanned(b *testing.B) {
	hand := newByHand("http://h", nil)
	hand.client.Transport = canned(200, benchReply)
	b.Run("by=hand", func(b *testing.B) { run(b, hand.call) })
	b.Run("by=telegram", func(b *testing.B) {
		run(b, ours(newClient(b, "http://h", telegram.WithTransport(canned(200, benchReply)))))
	})
}

func BenchmarkLoopback(b *testing.B) {
	s := httptest.NewServer(answer(200, benchReply))
	defer s.Close()
	b.Run("by=hand", func(b *testing.B) { run(b, newByHand(s.URL, nil).call) })
	b.Run("by=telegram", func(b *testing.B) { run(b, ours(newClient(b, s.URL))) })
}

func BenchmarkTLS(b *testing.B) {
	s := httptest.NewTLSServer(answer(200, benchReply))
	defer s.Close()
	b.Run("by=hand", func(b *testing.B) { run(b, newByHand(s.URL, &tls.Config{}).call) })
	b.Run("by=telegram", func(b *testing.B) { run(b, ours(newClient(b, s.URL))) })
}

// BenchmarkCallers has many callers at once, each of which makes its next call
// when it has the answer to the last. It counts the connections of all its runs.
func BenchmarkCallers(b *testing.B) {
	for _, callers := range []int{64, 256} {
		for _, by := range []string{"hand", "telegram"} {
			baseURL, opened := newCountingServer(b, answer(200, benchReply))
			call := newByHand(baseURL, nil).call
			if by == "telegram" {
				call = ours(newClient(b, baseURL))
			}
			b.Run(fmt.Sprintf("callers=%d/by=%s", callers, by), func(b *testing.B) {
				b.SetParallelism(callers / runtime.GOMAXPROCS(0))
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := call(b.Context()); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(opened.Load())/float64(callers), "conns/caller")
			})
		}
	}
}
