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

// Helpers

const (
	secret   = "AAHnot-a-real_secret0123456789abcde"
	token    = "6129457865:" + secret
	tokenURL = "http://h/bot" + token + "/createChatInviteLink"
	chat     = telegram.ChatID("-1001234567890")

	// A password that looks different wherever it is escaped.
	password = `p@ss"w%rd`

	linkReply = `{"ok":true,"result":{"invite_link":"https://t.me/+abc"}}`
	gotLink   = "link https://t.me/+abc" // what told says of it
	page      = "<html>\r\n<head><title>Gateway</title></head>\r\n</html>\r\n"
	proxyRule = "the proxy URL must be scheme://[user:password@]host[:port] with scheme http, https, socks5 or socks5h"
)

// envProxy is the proxy of the environment, through which goes whatever a test
// sends to another host than this one.
var envProxy *proxy

func TestMain(m *testing.M) {
	s := httptest.NewTLSServer(nil) // the package's own transport trusts the certificate of httptest
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	x509.SetFallbackRoots(roots)
	s.Close()

	target := httptest.NewServer(linkTo(func(r *http.Request) string {
		if r.Host == "broken.example" {
			panic(http.ErrAbortHandler)
		}
		return r.RemoteAddr
	}))
	envProxy = startProxy("http", target.Listener.Addr().String(), "env")
	for _, name := range []string{"NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
		os.Unsetenv(name)
	}
	os.Setenv("HTTP_PROXY", envProxy.url())
	os.Setenv("HTTPS_PROXY", "http://user:12345678#x@host") // whose password should have an escaped #
	os.Exit(m.Run())
}

type (
	clientOptions = []telegram.ClientOption
	inviteOptions = []telegram.InviteOption
)

// must returns v, where nothing fails.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newClient(t testing.TB, baseURL string, opts ...telegram.ClientOption) *telegram.Client {
	t.Helper()
	return must(telegram.NewClient(token, append(clientOptions{telegram.WithBaseURL(baseURL)}, opts...)...))
}

func newClientOn(t testing.TB, rt http.RoundTripper, opts ...telegram.ClientOption) *telegram.Client {
	t.Helper()
	return newClient(t, "http://h", append(opts, telegram.WithTransport(rt))...)
}

func newTestClient(t testing.TB, h http.HandlerFunc, opts ...telegram.ClientOption) *telegram.Client {
	t.Helper()
	s, _ := newServer(t, h)
	s.Start()
	return newClient(t, s.URL, opts...)
}

var arrived atomic.Int32 // requests, at all servers of newServer

// newServer returns a server that is yet to be started. It counts the connections
// that it opens, and is silent about those that come to nothing.
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
func create(t testing.TB, c *telegram.Client, ctx context.Context, chat telegram.ChatID,
	opts ...telegram.InviteOption) (*telegram.ChatInviteLink, error) {
	t.Helper()
	before := arrived.Load()
	link, err := c.CreateInvitationLink(ctx, chat, opts...)
	if (link == nil) != (err != nil) || link != nil && link.InviteLink == "" {
		t.Errorf("got %+v and %v, want either a link or an error", link, err)
	}
	if err == nil {
		return link, nil
	}
	checkError(t, err)
	notSent := errors.Is(err, telegram.ErrInvalidArgument) || strings.Contains(err.Error(), "not sent")
	if n := arrived.Load() - before; n != 0 && notSent {
		t.Errorf("got %v, and %d requests arrived at the server", err, n)
	}
	return nil, err
}

// expect makes a call, checks what is told of it, and returns its error.
func expect(t testing.TB, name string, c *telegram.Client, want string, opts ...telegram.InviteOption) error {
	t.Helper()
	link, err := create(t, c, t.Context(), chat, opts...)
	if got := told(link, err); !matches(got, want) {
		t.Errorf("%s: got %s, want %s", name, got, want)
	}
	return err
}

// told tells in one line what came of a call. Since create checks that the words
// of an error agree with what it matches, that is enough for most tests.
func told(link *telegram.ChatInviteLink, err error) string {
	e, ok := err.(*telegram.Error)
	switch {
	case err == nil:
		return "link " + link.InviteLink
	case !ok:
		return strings.NewReplacer("telegram: ", "", "outcome unknown, a link may exist", "unknown").Replace(err.Error())
	}
	text := fmt.Sprintf("refused %d/%d", e.StatusCode, e.Code)
	if e.Is(telegram.ErrOutcomeUnknown) {
		text = strings.Replace(text, "refused", "unknown", 1)
	}
	if e.Description != "" {
		text += " " + e.Description
	}
	if e.RetryAfter != 0 || e.MigrateToChatID != "" {
		text += fmt.Sprintf(" wait %v now %q", e.RetryAfter, e.MigrateToChatID)
	}
	return text
}

// matches reports whether got is want, or begins with it if want ends in dots.
func matches(got, want string) bool {
	prefix, isOpen := strings.CutSuffix(want, "...")
	return got == want || isOpen && strings.HasPrefix(got, prefix)
}

// kinds lists the Err variables that err matches.
func kinds(err error) string {
	var s []string
	for _, kind := range []error{telegram.ErrInvalidArgument, telegram.ErrUnauthorized, telegram.ErrForbidden,
		telegram.ErrTooManyRequests, telegram.ErrOutcomeUnknown} {
		if errors.Is(err, kind) {
			s = append(s, strings.TrimPrefix(kind.Error(), "telegram: "))
		}
	}
	return strings.Join(s, "; ")
}

// checkError checks what holds for every error of the package.
func checkError(t testing.TB, err error) {
	t.Helper()
	text, unknown := err.Error(), errors.Is(err, telegram.ErrOutcomeUnknown)
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if !strings.HasPrefix(text, "telegram: ") || strings.Count(text, "telegram: ") != 1 ||
		len(text) > 1<<10+200 || !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) {
		t.Errorf("got %q, want one short line with one prefix", text)
	}
	_, isReply := errors.AsType[*telegram.Error](err)
	failed := !isReply && !errors.Is(err, telegram.ErrInvalidArgument)
	mayExist, notSent := strings.Contains(text, "a link may exist"), strings.Contains(text, "not sent")
	if mayExist != unknown || notSent != (failed && !unknown) {
		t.Errorf("got %q, which matches ErrOutcomeUnknown: %v", text, unknown)
	}
	if _, ok := err.(net.Error); failed && (!ok || errors.Unwrap(err) != nil) {
		t.Errorf("got a %T, want a net.Error that wraps nothing", err)
	}
	checkSecrets(t, err)
}

// checkSecrets prints v in all ways, also as a field, and looks for secrets.
func checkSecrets(t testing.TB, v any) {
	t.Helper()
	var prints bytes.Buffer
	for _, v := range []any{v, struct{ hidden, Shown any }{v, v}, &struct{ hidden any }{v}, []any{v}} {
		for verb := range strings.FieldsSeq("%v %+v %#v %s %q %d %x %X %t %p %5.1f") {
			fmt.Fprintf(&prints, verb+"\n", v)
		}
		json.NewEncoder(&prints).Encode(v)
		slog.New(slog.NewTextHandler(&prints, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&prints, nil)).Info("m", "v", v)
	}
	for _, form := range []string{
		secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("%d", []byte(secret)),
		password, url.QueryEscape(password), url.PathEscape(password), url.UserPassword("", password).String(),
		strings.Trim(strconv.Quote(password), `"`), fmt.Sprintf("%x", password), basic("user"), basic("env"),
	} {
		if strings.Contains(prints.String(), form) {
			t.Errorf("a %T shows %s:\n%s", v, form, &prints)
		}
	}
}

// basic returns the user's credentials as HTTP sends them.
func basic(user string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// linkTo answers with a link that is a fact of the request.
func linkTo(fact func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"ok":true,"result":{"invite_link":%q}}`, fact(r))
	}
}

func remoteAddr(r *http.Request) string { return r.RemoteAddr }

// raw answers with bytes of its own and hangs up.
func raw(reply string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn := hijack(w)
		io.WriteString(conn, reply)
		conn.Close()
	}
}

func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

// inMemory gives the package's own transport connections in memory, for the
// clock of synctest. serve has their other ends.
func inMemory(serve func(conn net.Conn, addr string)) telegram.ClientOption {
	return telegram.WithTransportConfig(func(t *http.Transport) {
		t.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
			client, server := net.Pipe()
			go serve(server, addr)
			return client, nil
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

// A recorder is a transport without a network. It keeps what it is sent, and
// answers with one reply after another, the last of them again and again.
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
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.sent, r.bodies = append(r.sent, req), append(r.bodies, string(body))
	reply := r.replies[min(len(r.sent), len(r.replies))-1]
	return &http.Response{StatusCode: reply.status, Body: io.NopCloser(strings.NewReader(reply.body))}, nil
}

// The request

func TestRequest(t *testing.T) {
	base, environment, timeout := telegram.WithBaseURL, telegram.WithTestEnvironment(), telegram.WithTimeout(time.Minute)
	name, limit, approval := telegram.WithName, telegram.WithMemberLimit, telegram.WithJoinRequest
	date := telegram.WithExpireDate(time.Date(2037, 5, 3, 11, 19, 33, 999, time.FixedZone("", 3600)))
	lastDate := telegram.WithExpireDate(time.Unix(math.MaxInt32, 999999999))
	long := strings.Repeat("é", 32)
	const api = "https://api.telegram.org/"
	for _, test := range []struct {
		before, after string // of the URL, around bot<token>
		client        clientOptions
		body          string // after the chat_id
		call          inviteOptions
	}{
		{api, "", nil, ``, nil},
		{api, "/test", clientOptions{environment}, ``, nil},
		{"http://localhost:8081/", "", clientOptions{base("http://localhost:8081")}, ``, nil},
		{"http://h/", "", clientOptions{base("http://h/")}, ``, nil},
		{"https://h/a/b%2Fc/", "", clientOptions{base("https://h/a/b%2Fc/")}, ``, nil},
		{"http://b/", "", clientOptions{base("http://a"), base("http://b")}, ``, nil},
		{"http://h/a/", "/test", clientOptions{base("http://h/a"), environment}, ``, nil},
		{"http://h/a/", "/test", clientOptions{environment, base("http://h/a")}, ``, nil},

		{api, "", nil, `,"name":"Лето","expire_date":2124958773,"member_limit":200`,
			inviteOptions{name("Лето"), date, limit(200)}},
		{api, "", nil, `,"expire_date":2147483647`, inviteOptions{lastDate, timeout}},
		{api, "", nil, `,"creates_join_request":true`, inviteOptions{approval(true)}},
		{api, "", nil, ``, inviteOptions{approval(false), name("")}}, // zero values are left out
		{api, "", nil, `,"name":"` + long + `"`, inviteOptions{name(long)}},
		{api, "", nil, `,"member_limit":1`, inviteOptions{limit(1)}},
		{api, "", nil, `,"member_limit":99999`, inviteOptions{limit(1), limit(99999)}}, // the last wins
		{api, "", nil, `,"member_limit":5`, inviteOptions{approval(true), limit(5), approval(false)}},
	} {
		rec := record(reply{200, linkReply})
		c := must(telegram.NewClient(token, append(test.client, telegram.WithTransport(rec))...))
		for i := range 2 {
			create(t, c, t.Context(), chat, test.call...)
			req, body := rec.sent[i], `{"chat_id":"-1001234567890"`+test.body+`}`
			got := fmt.Sprintf("%s %s to %s, %v, %d bytes: %s, GetBody: %t",
				req.Method, req.URL, req.Host, req.Header, req.ContentLength, rec.bodies[i], req.GetBody != nil)
			want := fmt.Sprintf("POST %sbot%s%s/createChatInviteLink to %s, %v, %d bytes: %s, GetBody: false",
				test.before, token, test.after, req.URL.Host, "map[Content-Type:[application/json]]", len(body), body)
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			// A transport may change what it gets, and a Client still never does.
			req.URL.Host = "elsewhere"
			req.Header.Set("X", "x")
		}
	}
}

// On the wire it is HTTP/1.1, of a known length, in one write.
func TestOneWrite(t *testing.T) {
	wrote := make(chan string, 1)
	c := newClient(t, "http://127.0.0.1", inMemory(func(conn net.Conn, _ string) {
		b := make([]byte, 1<<10)
		n, _ := conn.Read(b) // from a net.Pipe, so it gets no more than one write
		wrote <- string(b[:n])
		io.WriteString(conn, httpReply)
	}))
	expect(t, "in memory", c, gotLink)
	want := "POST /bot" + token + "/createChatInviteLink HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
		"User-Agent: Go-http-client/1.1\r\nContent-Length: 28\r\nContent-Type: application/json\r\n\r\n" +
		`{"chat_id":"-1001234567890"}`
	if got := <-wrote; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// Arguments

// Where an option is legal is a matter of its type.
var (
	_ func(string) telegram.ClientOption                = telegram.WithBaseURL
	_ func() telegram.ClientOption                      = telegram.WithTestEnvironment
	_ func(http.RoundTripper) telegram.ClientOption     = telegram.WithTransport
	_ func(func(*http.Transport)) telegram.ClientOption = telegram.WithTransportConfig
	_ func(string) telegram.Option                      = telegram.WithProxy
	_ func(time.Duration) telegram.Option               = telegram.WithTimeout
	_ func(time.Duration) telegram.Option               = telegram.WithRateLimitWait
	_ func(string) telegram.InviteOption                = telegram.WithName
	_ func(time.Time) telegram.InviteOption             = telegram.WithExpireDate
	_ func(int) telegram.InviteOption                   = telegram.WithMemberLimit
	_ func(bool) telegram.InviteOption                  = telegram.WithJoinRequest
	_ func(*telegram.Response) telegram.InviteOption    = telegram.WithResponse
)

func TestOptionsOfCallsAndClientsDiffer(t *testing.T) {
	client, call := reflect.TypeFor[telegram.ClientOption](), reflect.TypeFor[telegram.InviteOption]()
	if client.Implements(call) || call.Implements(client) {
		t.Error("a ClientOption is legal in a call, or an InviteOption in NewClient")
	}
}

// Each rule, with what breaks it, by the clock of synctest, which stands at a
// whole second.
func TestInvalidArguments(t *testing.T) { synctest.Test(t, testInvalidArguments) }

func testInvalidArguments(t *testing.T) {
	rec, stale := record(reply{200, linkReply}), telegram.Response{StatusCode: 1}
	c := newClientOn(t, rec)
	callTo := func(c *telegram.Client, ctx context.Context, chat telegram.ChatID, opts ...telegram.InviteOption) error {
		_, err := create(t, c, ctx, chat, opts...)
		return err
	}
	call := func(opts ...telegram.InviteOption) error { return callTo(c, t.Context(), chat, opts...) }
	client := func(token string, opts ...telegram.ClientOption) error {
		c, err := telegram.NewClient(token, opts...)
		if c != nil {
			t.Errorf("got %v and %v, want no client", c, err)
		}
		return err
	}
	var (
		ctx, noContext    = t.Context(), context.Context(nil)
		name, limit       = telegram.WithName, telegram.WithMemberLimit
		date, now         = telegram.WithExpireDate, time.Now().UTC()
		timeout, approval = telegram.WithTimeout, telegram.WithJoinRequest(true)
		transport, proxy  = telegram.WithTransport, telegram.WithProxy("http://proxy")
		base, config      = telegram.WithBaseURL, telegram.WithTransportConfig
		response          = telegram.WithResponse
		typedNil          *http.Transport
		dial              = func(t *http.Transport) { t.Dial = new(net.Dialer).Dial }    //lint:ignore SA1019 it is refused
		dialTLS           = func(t *http.Transport) { t.DialTLS = new(net.Dialer).Dial } //lint:ignore SA1019 it is refused
		dialTLSContext    = func(t *http.Transport) { t.DialTLSContext = new(tls.Dialer).DialContext }
	)
	const chatRule = "the chat must be an id such as -1001234567890 or a public name such as @channel, " +
		"and may end in *topic: "
	const dates, limits = "the expire date must be ", "the member limit must be 1 to 99999, not "
	for _, test := range []struct {
		want string
		errs []error
	}{
		{"the token must not be empty", []error{client("")}},
		{"the token must be a bot's id, a colon, and letters, digits, _ or -", []error{client("123")}},
		{"the token must not begin or end with white space...", []error{client(token + "\n"), client(" " + token)}},
		{"the token must have at most 80 bytes, not 81", []error{client("1:" + strings.Repeat("a", 79))}},
		{"an option must not be nil", []error{client(token, nil), call(nil)}},
		{"the transport must not be nil", []error{client(token, transport(nil)), client(token, transport(typedNil))}},
		{"a proxy does not go with WithTransport...", []error{
			client(token, transport(rec), proxy), client(token, proxy, transport(rec)), call(proxy)}},
		{"the function that configures the transport must not be nil", []error{client(token, config(nil))}},
		{"the transport must not have Dial, DialTLS or DialTLSContext...", []error{
			client(token, config(dial)), client(token, config(dialTLS)), client(token, config(dialTLSContext))}},
		{"the base URL must be...", []error{client(token, base(""), base("http://h"))}},

		{"the context must not be nil", []error{callTo(c, noContext, chat)}},
		{"the client must be made by NewClient", []error{callTo(nil, ctx, chat), callTo(new(telegram.Client), ctx, chat)}},
		{chatRule + `"name"`, []error{callTo(c, ctx, "name")}},
		{chatRule + `"6129457865:[redacted]"`, []error{callTo(c, ctx, token)}},
		{chatRule + `"http://user:[redacted]"`, []error{callTo(c, ctx, "http://user:"+password)}},
		{"the name must have at most 32 code points, not 33", []error{call(name(strings.Repeat("é", 33)))}},
		{"the name must be valid UTF-8", []error{call(name("a\xff"))}},
		{dates + "in the future, not 2000-01-01T00:00:00Z; leave it out for a link that never expires", []error{
			call(date(now)), call(date(now.Add(time.Second - 1)))}},
		{dates + "in the future, not 0001-01-01T00:00:00Z...", []error{call(date(time.Time{}))}},
		{dates + "at most 2038-01-19T03:14:07Z, not...", []error{
			call(date(time.Unix(math.MaxInt32+1, 0))), call(date(time.Unix(now.UnixMilli(), 0)))}},
		{limits + "0; leave it out for no limit", []error{ // the first of several errors
			call(limit(0)), call(limit(0), limit(1)), call(limit(0), timeout(0), response(&stale))}},
		{limits + "100000; leave it out for no limit", []error{call(limit(100000))}},
		{"a link with a member limit must not require join requests", []error{
			call(limit(1), approval), call(approval, limit(1))}},
		{"the timeout must be positive, not 0s", []error{client(token, timeout(0)), call(timeout(0))}},
		{"the timeout must be positive, not -1s", []error{call(timeout(-time.Second))}},
		{"the rate limit wait must be zero or more, not -1ns", []error{call(telegram.WithRateLimitWait(-1))}},
		{"the destination of the response must not be nil", []error{call(response(nil))}},
	} {
		for _, err := range test.errs {
			if kinds(err) != "invalid argument" || !matches(err.Error(), "telegram: invalid argument: "+test.want) {
				t.Fatalf("got %v, want ErrInvalidArgument with %q", err, test.want)
			}
			checkError(t, err)
		}
	}
	if err := call(date(now.Add(time.Second))); err != nil || len(rec.sent) != 1 || stale.StatusCode != 0 {
		t.Errorf("the earliest expire date: got %v; %d calls sent, want 1; %v, want zero", err, len(rec.sent), stale)
	}
}

func FuzzToken(f *testing.F) {
	for _, tok := range []string{
		token, "1:a", "1:_-zZ09", "1:" + strings.Repeat("a", 78), "1:" + strings.Repeat("a", 79), "", ":", "123", "123:",
		":" + secret, "0123:" + secret, "12a:" + secret, "-1:" + secret, "123:a b", "123:a/b", "123:a?b", "123:a#b",
		"123:a%41", "123:a:b", "123:é", "123:a\x00", "bot" + token, token + "\n", " " + token, token + "\u00a0",
	} {
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
		expect(t, tok, c, gotLink)
		if got, want := rec.sent[0].URL.RequestURI(), "/bot"+tok+"/createChatInviteLink"; got != want {
			t.Errorf("got path %q, want %q", got, want)
		}
	})
}

func FuzzChatID(f *testing.F) {
	for _, chat := range []string{
		"-1001234567890", "5", "9223372036854775807", "-9223372036854775808", "@a_Channel9", "-1001234567890*42",
		"@channel*9223372036854775808", "", "0", "-0", "+5", "007", "-007", "1.5", "1e5", " 1", "1 ", "--1",
		"9223372036854775808", "-9223372036854775809", "@", "@a-b", "@имя", "name", "t.me/name", "*", "*5", "-100*",
		"1*2*3", "1*0", "1*-2", "1*+2", "1*02", "1*x", "@a*", "@*5", "1\n", "@a\n", token, "telegram: not sent",
		strings.Repeat("9", 2000), strings.Repeat("\\", 2000),
	} {
		f.Add(chat)
	}
	rule := regexp.MustCompile(`^(@[A-Za-z0-9_]+|-?[1-9][0-9]*)(\*[1-9][0-9]*)?$`)
	f.Fuzz(func(t *testing.T, s string) {
		rec := record(reply{200, linkReply})
		_, err := create(t, newClientOn(t, rec), t.Context(), telegram.ChatID(s))
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
	for _, u := range []string{
		"http://127.0.0.1:3128", "http://h", "https://h:8443/", "socks5://h", "socks5h://h:1080", "HTTP://h", "http://user@h",
		"http://[::1]:3128", "http://u:" + url.PathEscape(password) + "@h:1", "http://h/a/b", "http://h/a%2Fb/", "", "h",
		"h:3128", "127.0.0.1:3128", "/", "//h", "http:", "http://", "http://:3128", "http:h", "ftp://h", "socks4://h",
		"socks://h", "s://h", "http://h?", "http://h/?a", "http://h#", "http://h#a", "http://h:port", "http://h h",
		"http://h\n", "http://h\x7f", " http://h", "http://user:pass/word@h", "http://user:" + password + "@h",
		"http://user:pa%zz" + secret + "@h", "user:" + secret + "@h", "ftp://user:" + secret + "@h",
		"http://user:" + secret + "@h/path",
	} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, s string) {
		check := func(opt telegram.ClientOption, valid bool, rule string) {
			_, err := telegram.NewClient(token, opt)
			if (err == nil) != valid || err != nil && err.Error() != "telegram: invalid argument: "+rule {
				t.Errorf("%q: got %v, want accepted: %v, or: %s", s, err, valid, rule)
			}
		}
		u, err := url.Parse(s)
		hasHost := err == nil && u.Hostname() != "" && !strings.ContainsAny(s, "?#")
		isHTTP := hasHost && (u.Scheme == "http" || u.Scheme == "https")
		isSOCKS := hasHost && (u.Scheme == "socks5" || u.Scheme == "socks5h")
		check(telegram.WithBaseURL(s), isHTTP && u.User == nil,
			"the base URL must be scheme://host[:port][/path] with scheme http or https")
		check(telegram.WithProxy(s), (isHTTP || isSOCKS) && (u.Path == "" || u.Path == "/"), proxyRule)
	})
}

// Replies

// refusal is one as Telegram words it.
func refusal(code int, more string) string {
	return fmt.Sprintf(`{"ok":false,"error_code":%d,"description":"d"%s}`, code, more)
}

func parameters(p string) string { return refusal(429, `,"parameters":{`+p+`}`) }

// Replies that are complete. Each is read to its end: one connection serves for all.
func TestReply(t *testing.T) {
	const retryAfter = "429 Retry-After: "
	var header, body string
	addrs := make(map[string]bool)
	c := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
		addrs[r.RemoteAddr] = true
		name, value, _ := strings.Cut(header[3:], ": ")
		w.Header().Set(cmp.Or(strings.TrimSpace(name), "X"), value)
		status, _ := strconv.Atoi(header[:3])
		answer(status, body)(w, r)
	})
	type row struct{ name, header, body, want string }
	rows := []row{
		{"link", "200", linkReply, gotLink},
		{"299", "299", linkReply, gotLink},
		{"new fields, white space", "200", ` {"ok":true,"new":[{}],"result":{"invite_link":"l","new":{}}} `, "link l"},
		{"fields of wrong types", "200", `{"ok":true,"description":{},"parameters":5,"result":{"name":5,"creator":[],` +
			`"expire_date":"x","member_limit":1e99,"subscription_period":-1,"is_revoked":0,"invite_link":"l"}}`, "link l"},

		// A refusal of Telegram's.
		{"bad request", "400", `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`,
			"refused 400/400 Bad Request: chat not found"},
		{"lowest status and code", "200", refusal(200, ""), "refused 200/200 d"},
		{"highest status and code", "499", refusal(499, ""), "refused 499/499 d"},
		{"no code", "403", `{"ok":false,"description":"d"}`, "refused 403/403 d"},
		{"code of a wrong type", "403", `{"ok":false,"error_code":"x","description":"d"}`, "refused 403/403 d"},
		{"link beside", "400", refusal(400, `,"result":{"invite_link":"l"}`), "refused 400/400 d"},
		{"link beside, with 200", "200", refusal(400, `,"result":{"invite_link":"l"}`), "refused 200/400 d"},
		{"retry_after", "429", parameters(`"retry_after":34`), `refused 429/429 d wait 34s now ""`},
		{"longest wait", "429", parameters(`"retry_after":9223372036`), `refused 429/429 d wait 2562047h47m16s now ""`},
		{"one good parameter", "400", parameters(`"retry_after":"5","migrate_to_chat_id":-9223372036854775808`),
			`refused 400/429 d wait 0s now "-9223372036854775808"`},
		{"no good parameter", "429", refusal(429, `,"parameters":[1]`), "refused 429/429 d"},
		{"header instead", retryAfter + "7", parameters(``), `refused 429/429 d wait 7s now ""`},
		{"header beside", retryAfter + "7", parameters(`"retry_after":5`), `refused 429/429 d wait 5s now ""`},

		// A refusal of a gateway's, of which FuzzReply has all.
		{"page", "429", page, "refused 429/429"},
		{"Retry-After", retryAfter + "7", page, `refused 429/429 wait 7s now ""`},
		{"no description", "403", `{"ok":false,"error_code":403}`, "refused 403/403"},
		{"description of a wrong type", "403", `{"ok":false,"error_code":403,"description":5}`, "refused 403/403"},
		{"ok of a wrong type", "403", `{"ok":"false","error_code":400,"description":"d"}`, "refused 403/403"},
		{"garbage after a refusal", "403", refusal(400, "") + "x", "refused 403/403"},

		// Neither a link nor a refusal. A redirect is not followed.
		{"500", "500", refusal(500, ""), "unknown 500/500 d"},
		{"code 500", "400", refusal(500, ""), "unknown 400/500 d"},
		{"code 199", "400", refusal(199, ""), "unknown 400/199 d"},
		{"negative code", "400", refusal(-1, ""), "unknown 400/-1 d"},
		{"status 502", "502", refusal(400, ""), "unknown 502/400 d"},
		{"no description, 400", "400", `{"ok":false,"error_code":400}`, "unknown 400/400"},
		{"no description, code 429", "400", `{"ok":false,"error_code":429}`, "unknown 400/429"},
		{"ok with 400", "400", linkReply, "unknown: HTTP status 400 without a usable result: not a success with an..."},
		{"ok, but no link", "403", `{"ok":true}`, "unknown: HTTP status 403 without a usable result: not a success..."},
		{"redirect", "307 Location: /elsewhere", "", "unknown 307/307"},
	}
	for _, body := range []string{
		"null", "", page, "[]", "{}", `{"ok":true}`, `{"ok":true,"result":null}`, `{"ok":true,"result":{}}`,
		`{"ok":true,"result":true}`, `{"ok":true,"result":"https://t.me/+abc"}`, `{"ok":true,"result":{"invite_link":""}}`,
		`{"ok":true,"result":{"invite_link":5}}`, `{"result":{"invite_link":"l"}}`,
		`{"ok":"true","result":{"invite_link":"l"}}`, `{"ok":{},"result":{"invite_link":"l"}}`,
		`{"ok":null,"result":{"invite_link":"l"}}`, linkReply + "x", linkReply + linkReply,
	} {
		rows = append(rows, row{body, "200", body, "unknown: HTTP status 200 without a usable result: ..."})
	}
	for _, wait := range []string{"-5", "7.5", "1e30", "9223372037", "9999999999999999999", `"Fri, 31 Dec 1999"`} {
		rows = append(rows, row{wait, retryAfter + wait, parameters(`"retry_after":` + wait), "refused 429/429 d"})
	}
	for _, test := range rows {
		header, body = test.header, test.body
		before, got := arrived.Load(), telegram.Response{StatusCode: 1, Body: []byte("stale")}
		overridden := got
		expect(t, test.name, c, test.want, telegram.WithResponse(&overridden), telegram.WithResponse(&got))
		if s := fmt.Sprintf("%d %s", got.StatusCode, got.Body); s != header[:3]+" "+body || got.Header["Date"] == nil {
			t.Errorf("%s: got the response %s and %v", test.name, s, got.Header)
		}
		if n := arrived.Load() - before; n != 1 || len(addrs) != 1 || overridden.StatusCode != 0 {
			t.Errorf("%s: got %d requests, %d connections, and %v", test.name, n, len(addrs), overridden)
		}
	}
}

// A reply counts if its JSON is complete, whatever the connection does.
func TestBrokenReply(t *testing.T) {
	const lost = "unknown: HTTP status 200 without a usable result: "
	const broken = "unknown: net/http: HTTP/1.x transport connection broken: "
	const length, refusal = "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", `{"ok":false,"description":"d"}`
	spaces, x := strings.Repeat(" ", 1<<20), strings.Repeat("x", 64<<10)
	for _, test := range []struct{ head, body, response, want string }{
		{length, linkReply, "200 " + linkReply, gotLink},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n38\r\n", linkReply, "200 " + linkReply, gotLink},
		{length, linkReply[:40], "200 " + linkReply[:40], lost + "unexpected EOF"},
		{strings.Replace(length, "200", "400", 1), refusal, "400 " + refusal, "refused 400/400 d"},
		{strings.Replace(length, "200", "403", 1), refusal[:20], "403 " + refusal[:20], "refused 403/403"},
		{"HTTP/1.1 200 OK\r\n\r\n" + spaces, linkReply, "200 " + spaces, lost + "..."},
		{"HTTP/1.1 200 OK\r\nX: " + x + "\r\n\r\n", linkReply, "0 ", broken + "net/http: server response headers..."},
		{"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "bytes", "101 ", "unknown 101/101"},
		{"", "", "0 ", "unknown: the connection was closed without a reply (EOF)"},
		{"gopher:\x1b" + token, "", "0 ", broken + `malformed HTTP response "gopher:\x1b6129457865:[redacted]"`},
	} {
		got := telegram.Response{StatusCode: 1, Body: []byte("stale")}
		expect(t, test.head, newTestClient(t, raw(test.head+test.body)), test.want, telegram.WithResponse(&got))
		if s := fmt.Sprintf("%d %s", got.StatusCode, got.Body); s != test.response {
			t.Errorf("%.99q: got the response %.99q, want %.99q", test.head, s, test.response)
		}
	}
}

// What an Error matches and says. One that is made for a test needs only one of
// its two codes.
func TestError(t *testing.T) {
	const foreign, unknown = "not an answer of the Bot API, but HTTP status ", "outcome unknown, a link may exist"
	for _, test := range []struct {
		status, code             int
		description, kinds, text string
	}{
		{400, 400, "d", "", "400 d"}, {401, 401, "d", "unauthorized", "401 d"}, {404, 404, "d", "unauthorized", "404 d"},
		{200, 403, "d", "forbidden", "403 d"}, {429, 429, "d", "too many requests", "429 d"},
		{500, 429, "d", "too many requests; " + unknown, unknown + ": 429 d"},
		{401, 401, "", "", foreign + "401 Unauthorized"}, {403, 403, "", "", foreign + "403 Forbidden"},
		{429, 429, "", "too many requests", foreign + "429 Too Many Requests"},
		{599, 599, "", unknown, unknown + ": " + foreign + "599"},
		{429, 0, "", "too many requests", foreign + "429 Too Many Requests"},
		{0, 429, "", "too many requests", foreign + "429 Too Many Requests"},
		{401, 0, "d", "unauthorized", "401 d"}, {0, 403, "d", "forbidden", "403 d"},
		{0, 502, "d", unknown, unknown + ": 502 d"}, {0, 0, "d", unknown, unknown + ": 0 d"},
	} {
		err := &telegram.Error{StatusCode: test.status, Code: test.code, Description: test.description}
		if got := kinds(err); got != test.kinds || err.Error() != "telegram: "+test.text {
			t.Errorf("got %q and %s, want %q and %s", got, err, test.kinds, test.text)
		}
		checkError(t, err)
	}
}

// What Telegram says is one short line in an error, and no verdict of ours.
func TestDescription(t *testing.T) {
	for description, want := range map[string]string{
		"a\r\nb\tc\x00\u2028\u202ed\x7f \n":                 "a  b c   d",
		"Ünïcode 🙂":                                         "Ünïcode 🙂",
		"POST https://api.telegram.org/bot" + token + "/x":  "POST https://api.telegram.org/bot6129457865:[redacted]/x",
		strings.Repeat("x", 1025):                           strings.Repeat("x", 1024),
		"x" + strings.Repeat("я", 600):                      "x" + strings.Repeat("я", 511),
		strings.Repeat("x", 1020) + token:                   strings.Repeat("x", 1020) + "6129",
		"telegram: not sent":                                "telegram, unsent",
		"telegram:\x01outcome unknown,\ra link\tmay\nexist": "telegram, outcome unknown, a link might exist",
	} {
		body, _ := json.Marshal(map[string]any{"ok": false, "description": description})
		expect(t, "description", newClientOn(t, record(reply{400, string(body)})), "refused 400/400 "+want)
	}
}

// A reply of the largest size costs a few times its size, and neither an error nor
// a link keeps it.
func TestLargeReply(t *testing.T) {
	const size, calls = 1 << 20, 4
	x := strings.Repeat("x", size-128)
	for _, large := range []reply{
		{403, `{"ok":[` + strings.Repeat("0,", size/2-16) + `0]}`},
		{403, `{"ok":false,"description":"` + x + `"}`},
		{200, `{"ok":true,"description":"` + x + `","result":{"invite_link":"l"}}`},
		{200, `{"ok":"` + x + `","ok":true,"result":{"invite_link":"l"}}`},
	} {
		c := newClientOn(t, record(large))
		var kept [calls]struct {
			link *telegram.ChatInviteLink
			err  error
		}
		var start, end runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&start)
		for i := range kept {
			kept[i].link, kept[i].err = c.CreateInvitationLink(t.Context(), chat)
		}
		runtime.GC()
		runtime.ReadMemStats(&end)
		allocated, retained := (end.TotalAlloc-start.TotalAlloc)/calls, int64(end.HeapAlloc)-int64(start.HeapAlloc)
		if allocated > 16*size || retained > size {
			t.Errorf("%.30s: a call allocated %d bytes, and %d calls keep %d", large.body, allocated, calls, retained)
		}
		runtime.KeepAlive(kept)
	}
}

// A page is a refusal if its status says that it did not pass the request on. Any
// other may come after the link was made, when Telegram takes too long: haproxy
// can answer 302, nginx 302 and 404, and fasthttp's TimeoutHandler 408.
func FuzzReply(f *testing.F) {
	for status := 300; status < 600; status++ {
		f.Add(status, []byte(page))
		f.Add(status, []byte(`{"error_code":5,"description":"no such page"}`))
	}
	for _, status := range []int{200, 400, 429, 502, 101, 302, 404, 0, -1} {
		for _, body := range []string{
			linkReply, refusal(400, ""), "", "null", `{"ok":true,"result":{"invite_link":"l","expire_date":-1}}`,
			`{"ok":false,"description":"` + token + `","parameters":{"retry_after":9,"migrate_to_chat_id":-9}}`,
			`{"ok":false,"error_code":-5}`, `{"ok":false,"description":"telegram: not sent"}`,
		} {
			f.Add(status, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		var response telegram.Response
		c := newClientOn(t, record(reply{status, string(body)}))
		link, err := create(t, c, t.Context(), chat, telegram.WithResponse(&response))
		if status != 101 && !bytes.Equal(response.Body, body) || response.StatusCode != status {
			t.Errorf("response: got %v, want what came", response)
		}
		if err == nil && (status < 200 || status > 299 || !json.Valid(body)) {
			t.Errorf("got %v of a %d", link, status)
		}
		refused := false
		if e, ok := err.(*telegram.Error); ok {
			if e.StatusCode != status || e.Code != status && !json.Valid(body) || e.RetryAfter < 0 {
				t.Errorf("got %+v of a %d", e, status)
			}
			clear := e.Description != "" || slices.Contains([]int{401, 403, 407, 413, 429}, status)
			refused = clear && min(status, e.Code) >= 200 && max(status, e.Code) <= 499
		}
		if got, want := errors.Is(err, telegram.ErrOutcomeUnknown), err != nil && !refused; got != want {
			t.Errorf("got %v: outcome unknown is %v, want %v", err, got, want)
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

// A foreignError has more inside than it says, and counts what is asked of it.
type foreignError struct {
	text           string
	inside         []any
	parts          []error
	texts, unwraps int
}

func (e *foreignError) Error() string   { e.texts++; return e.text }
func (e *foreignError) Unwrap() []error { e.unwraps++; return e.parts }

type panickingError struct{}

func (e panickingError) Error() string { panic(e) }

func TestFailureOfATransport(t *testing.T) {
	var typedNil *url.Error
	reset := os.NewSyscallError("read", syscall.ECONNRESET)
	leak := &url.Error{Op: "Post", URL: tokenURL, Err: reset}
	deep := &foreignError{text: "a\nb", parts: []error{nil, leak}}
	deep.inside = []any{tokenURL, []byte(tokenURL), &url.URL{Path: token}, deep}
	const nothing, eof = "the transport returned no response", "the connection was closed without a reply (EOF)"
	for _, test := range []struct {
		name, reports string
		err           error
		want          string
	}{
		{"nothing", "", nil, "unknown: " + nothing},
		{"nothing, after a report", "connect", nil, "not sent: " + nothing},
		{"no report", "", io.EOF, "unknown: " + eof},
		{"connecting", "connect", io.EOF, "not sent: " + eof},
		{"header field", "connect field", reset, "unknown: " + reset.Error()},
		{"headers", "connect headers", reset, "unknown: " + reset.Error()},
		{"its own deadline", "", context.DeadlineExceeded, "unknown: context deadline exceeded"},
		{"deadline inside", "", fmt.Errorf("deadline: %w", &net.DNSError{IsTimeout: true}), "unknown: deadline: lookup..."},

		{"token", "", leak, `unknown: Post "http://h/bot6129457865:[redacted]/createChatInviteLink": ` + reset.Error()},
		{"token inside", "", deep, "unknown: a b"},
		{"token at the cut", "", errors.New(strings.Repeat("x", 1<<10-3) + token), "unknown: xxx..."},
		{"password of the environment", "", errors.New(password + "|" + envProxy.url()),
			"unknown: [redacted]|http://env:[redacted]@127.0.0.1:..."},

		{"nil pointer", "", typedNil, "unknown: an error of type *url.Error"},
		{"Error panics", "", panickingError{}, "unknown: an error of type telegram_test.panickingError"},
		{"words of another call", "connect", telegram.ErrOutcomeUnknown,
			"not sent: telegram, outcome unknown, a link might exist"},
		{"words of not sent", "", errors.New("telegram: not sent: x"), "unknown: telegram, unsent: x"},
	} {
		err := expect(t, test.name, newClientOn(t, broken{reports: test.reports, err: test.err}), test.want)
		if test.err == error(deep) && (deep.texts != 1 || deep.unwraps != 0) {
			t.Errorf("got %d texts and %d unwraps of an error of the caller's, want one text", deep.texts, deep.unwraps)
		}
		isCause := test.err != nil && test.err != telegram.ErrOutcomeUnknown
		if errors.Is(err, test.err) != isCause || errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%s: %v does not match its cause, or matches what is not there", test.name, err)
		}
		timeout, temporary := err.(interface{ Timeout() bool }), err.(interface{ Temporary() bool })
		if timeout.Timeout() != strings.Contains(test.want, "deadline") || temporary.Temporary() {
			t.Errorf("%s: Timeout is %v, and Temporary %v", test.name, timeout.Timeout(), temporary.Temporary())
		}
	}
}

// A response without a body is none, and one beside an error is closed.
func TestResponseOfATransport(t *testing.T) {
	c := newClientOn(t, broken{res: &http.Response{StatusCode: 200}})
	expect(t, "no body", c, "unknown: the transport returned no response")
	body := must(os.Open("README.md"))
	c = newClientOn(t, broken{reports: "connect", res: &http.Response{Body: body}, err: io.ErrNoProgress})
	expect(t, "response and error", c, "unknown: "+io.ErrNoProgress.Error())
	if err := body.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("response and error: closing the body gives %v, want it closed before", err)
	}
}

// errors.As finds what the network said, unless it shows a secret.
func TestFailureHandsOutTheNetwork(t *testing.T) {
	leak := errors.New(tokenURL)
	for _, test := range []struct {
		cause error
		want  bool
	}{
		{&net.OpError{Op: "read", Err: io.EOF}, true}, {&net.OpError{Op: "read", Err: leak}, false},
		{&net.DNSError{Err: "no such host"}, true}, {&net.DNSError{Err: "no such host", Name: token}, false},
		{tls.RecordHeaderError{Msg: "m"}, true}, {tls.RecordHeaderError{Msg: token}, false},
		{&tls.CertificateVerificationError{Err: io.EOF}, true}, {&tls.CertificateVerificationError{Err: leak}, false},
		{(*tls.CertificateVerificationError)(nil), false}, {syscall.ECONNRESET, true},
		{x509.CertificateInvalidError{Reason: x509.Expired}, true}, {x509.ConstraintViolationError{}, true},
		{x509.HostnameError{Certificate: new(x509.Certificate), Host: "h"}, true}, {x509.InsecureAlgorithmError(1), true},
		{x509.SystemRootsError{Err: io.EOF}, true}, {x509.UnhandledCriticalExtension{}, true},
		{x509.UnknownAuthorityError{}, true},
		{&url.Error{Err: io.EOF}, false}, {&telegram.Error{Code: 429}, false}, {&foreignError{text: "a"}, false},
		// What these wrap may be of another call.
		{&net.OpError{Op: "dial", Err: &telegram.Error{Code: 429}}, true},
		{&net.OpError{Op: "dial", Err: &foreignError{text: "a", inside: []any{tokenURL}}}, true},
		{&tls.CertificateVerificationError{Err: &telegram.Error{Code: 429}}, true},
		{x509.SystemRootsError{Err: &telegram.Error{Code: 429}}, true}, {(*net.OpError)(nil), false},
	} {
		_, err := create(t, newClientOn(t, broken{err: fmt.Errorf("cause: %w", test.cause)}), t.Context(), chat)
		target := reflect.New(reflect.TypeOf(test.cause))
		found, got := errors.As(err, target.Interface()), target.Elem()
		if found != test.want || !found && !got.IsZero() {
			t.Errorf("%T: got %v, found: %v, want %v", test.cause, got, found, test.want)
		} else if found {
			handedOut, want := got.Interface().(error), strings.Replace(test.cause.Error(), "telegram: ", "telegram, ", 1)
			if handedOut.Error() != want || kinds(handedOut) != "" || errors.As(handedOut, new(*telegram.Error)) {
				t.Errorf("%T: got %v, want its words and nothing of another call", test.cause, got)
			}
			if strings.Contains(want, "429") != errors.As(test.cause, new(*telegram.Error)) {
				t.Errorf("the caller's own error has become %v", test.cause)
			}
			checkSecrets(t, handedOut)
		}
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	err := expect(t, "no server", newClient(t, closed.URL), "not sent: dial tcp "+closed.Listener.Addr().String()+"...")
	op, _ := errors.AsType[*net.OpError](err)
	if e, ok := errors.AsType[syscall.Errno](err); !ok || e != syscall.ECONNREFUSED || !errors.Is(op, e) || op.Timeout() {
		t.Errorf("no server: got %v and %v, want ECONNREFUSED", e, op)
	}
}

// opaque shows its part only by its own methods, as hashicorp/go-multierror does.
type opaque struct{ part error }

func (o opaque) Error() string        { return o.part.Error() }
func (o opaque) Is(target error) bool { return errors.Is(o.part, target) }
func (o opaque) As(target any) bool   { return errors.As(o.part, target) }

// The cause of a context may be the error of another call, as in an errgroup.
// What became of that call is not what became of this one.
func TestContextCause(t *testing.T) {
	refused := &telegram.Error{StatusCode: 429, Code: 429}
	unknown := expect(t, "the other call", newTestClient(t, raw("")), "unknown: ...")
	for _, cause := range []error{
		nil, errors.New("the caller's own"), telegram.ErrInvalidArgument, telegram.ErrUnauthorized, telegram.ErrForbidden,
		fmt.Errorf("other: %w", telegram.ErrOutcomeUnknown), refused, unknown, fmt.Errorf("other: %w", refused),
		opaque{refused}, opaque{telegram.ErrOutcomeUnknown}, errors.Join(refused, unknown), errors.New(tokenURL),
		panickingError{}, &net.OpError{Op: "dial", Err: refused}, &net.DNSError{IsTimeout: true},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		inFlight := newTestClient(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // only then the server sees the client leave
			cancel(cause)
			<-r.Context().Done()
		})
		for _, test := range []struct {
			client      *telegram.Client
			want, kinds string
		}{
			{inFlight, "unknown: context canceled", "outcome unknown, a link may exist"},
			{inFlight, "not sent: context canceled", ""}, // as ctx has ended now
			{newClientOn(t, broken{}), "not sent: context canceled", ""},
		} {
			_, err := create(t, test.client, ctx, chat)
			if got := told(nil, err); got != test.want || kinds(err) != test.kinds || !errors.Is(err, context.Canceled) {
				t.Errorf("cause %v: got %s, which matches %q, want %s", cause, got, kinds(err), test.want)
			}
			if cause != nil && kinds(cause) == "" && !errors.Is(err, cause) {
				t.Errorf("cause %v: %v does not match it", cause, err)
			}
			if e := err.(net.Error); e.Timeout() || errors.As(err, new(*net.OpError)) || errors.As(err, new(*net.DNSError)) {
				t.Errorf("cause %v: %v tells of the network of another call", cause, err)
			}
		}
	}
}

// Of calls that are each canceled with the error of the one before, the last looks
// at each error once, not at 2 to the power of their number.
func TestContextCauses(t *testing.T) {
	cause := io.EOF
	for range 64 {
		ctx, cancel := context.WithCancelCause(t.Context())
		_, cause = newClientOn(t, roundTripFunc(func(req *http.Request) (*http.Response, error) {
			cancel(cause)
			return nil, context.Cause(req.Context())
		})).CreateInvitationLink(ctx, chat)
	}
	if !errors.Is(cause, io.EOF) || errors.Is(cause, io.ErrNoProgress) {
		t.Errorf("%v does not match the first cause, or matches what is not there", cause)
	}
}

// A call has 90 seconds, or what it is given. A connection has ten to become ready,
// and then no limit of its own until it has been idle for thirty.
func TestTimeLimits(t *testing.T) {
	const s, direct, begun = time.Second, "http://127.0.0.1", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
	const expired, ended = "the timeout expired", "context deadline exceeded"
	const unusable = "unknown: HTTP status 200 without a usable result: "
	silent, half, forbidden := respond(0, ""), respond(0, begun), respond(0, strings.Replace(begun, "200", "403", 1))
	switched := respond(0, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n") // its connection has no end
	hang := func(conn net.Conn, _ string) { io.Copy(io.Discard, conn); conn.Close() }
	of, via := telegram.WithTimeout, telegram.WithProxy
	socks, longName := via("socks5://u:p@h:1"), via("https://"+strings.Repeat("h", 5000))
	unclean := via("http://%E2%80%AEh") // a name that turns the text around
	for _, test := range []struct {
		name, base        string
		serve             func(net.Conn, string)
		client            clientOptions
		call              inviteOptions
		ctx, took, closed time.Duration // until ctx's deadline (0: none), the end of the call, of the connection
		want              string
	}{
		{"default", direct, silent, nil, nil, 0, 90 * s, 90 * s, "unknown: " + expired},
		{"of the client", direct, silent, clientOptions{of(60 * s)}, nil, 0, 60 * s, 60 * s, "unknown: " + expired},
		{"last", direct, silent, clientOptions{of(1)}, inviteOptions{of(95 * s)}, 0, 95 * s, 95 * s, "unknown: " + expired},
		{"of the context", direct, silent, nil, nil, 7 * s, 7 * s, 7 * s, "unknown: " + ended},
		{"in the reply", direct, half, nil, nil, 0, 90 * s, 90 * s, unusable + expired},
		{"of the context in the reply", direct, half, nil, nil, 7 * s, 7 * s, 7 * s, unusable + ended},
		{"in a refusal", direct, forbidden, nil, nil, 0, 90 * s, 90 * s, "refused 403/403"},
		{"another protocol", direct, switched, nil, nil, 0, 0, 0, "unknown 101/101"},

		{"SOCKS", "http://h", hang, clientOptions{socks}, nil, 0, 10 * s, 10 * s, "not sent (proxy h:1): socks..."},
		{"CONNECT", "https://h", hang, clientOptions{unclean}, nil, 0, 10 * s, 10 * s, "not sent (proxy  h): ..."},
		{"TLS to a proxy", "http://h", hang, clientOptions{longName}, nil, 0, 10 * s, 10 * s, "not sent (proxy hhh..."},
		{"TLS", "https://127.0.0.1", hang, nil, nil, 0, 10 * s, 10 * s, "not sent: ..."},
		{"gone", "http://h", hang, clientOptions{socks, of(s)}, nil, 0, s, 10 * s, "not sent (proxy h:1): " + expired},
		{"a late reply", direct, respond(60*s, httpReply), nil, nil, 0, 60 * s, 90 * s, gotLink},
		{"idle", direct, respond(s, httpReply), nil, nil, 0, s, 31 * s, gotLink},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(test.ctx, 99*s))
			defer cancel()
			start, closed := time.Now(), make(chan time.Duration, 1)
			c := newClient(t, test.base, append(test.client, inMemory(func(conn net.Conn, addr string) {
				test.serve(conn, addr)
				closed <- time.Since(start)
			}))...)
			link, err := create(t, c, ctx, chat, test.call...)
			got, took, end := told(link, err), time.Since(start), <-closed
			if !matches(got, test.want) || took != test.took || end != test.closed {
				t.Errorf("%s: got %s after %v, and %v of the connection, want %s after %v and %v",
					test.name, got, took, end, test.want, test.took, test.closed)
			}
			unknown := errors.Is(err, telegram.ErrOutcomeUnknown)
			if e, ok := err.(net.Error); ok && (!e.Timeout() || unknown && !errors.Is(err, context.DeadlineExceeded)) {
				t.Errorf("%s: %v is no timeout", test.name, err)
			}
		})
	}
}

// Waits

func TestRateLimitWait(t *testing.T) {
	const s, hour = time.Second, time.Hour
	limited := func(seconds int64) reply { return reply{429, parameters(fmt.Sprintf(`"retry_after":%d`, seconds))} }
	link, other := reply{200, linkReply}, reply{400, refusal(400, `,"parameters":{"retry_after":1}`)}
	const cutShort = "429 d; the wait of 1m0s before another try was cut short: context canceled"
	for _, test := range []struct {
		name                     string
		replies                  []reply
		max, ctx, expire, cancel time.Duration // of the wait; until ctx's deadline, the expire date, ctx's end
		sent                     int
		took                     time.Duration
		want                     string
	}{
		{"off by default", []reply{limited(1)}, 0, 0, 0, 0, 1, 0, "refused 429/429..."},
		{"a second too long", []reply{limited(6)}, 5 * s, 0, 0, 0, 1, 0, "refused 429/429..."},
		{"waits add up", []reply{limited(2), limited(3), link}, 5 * s, 0, 0, 0, 3, 5 * s, gotLink},
		{"waits add up to too much", []reply{limited(2), limited(4)}, 5 * s, 0, 0, 0, 2, 2 * s, "refused 429/429..."},
		{"ends with the deadline", []reply{limited(5)}, hour, 5 * s, 0, 0, 1, 0, "refused 429/429..."},
		{"ends before the deadline", []reply{limited(5), link}, hour, 5*s + 1, 0, 0, 2, 5 * s, gotLink},
		{"ends with the link", []reply{limited(5)}, hour, 0, 5 * s, 0, 1, 0, "refused 429/429..."},
		{"ends before the link", []reply{limited(5), link}, hour, 0, 6 * s, 0, 2, 5 * s, gotLink},
		{"longer than the timeout", []reply{limited(200), link}, hour, 0, 0, 0, 2, 200 * s, gotLink},
		{"as long as a Duration", []reply{limited(9223372036)}, math.MaxInt64, 0, 0, 0, 1, 0, "refused 429/429..."},
		{"ctx ends in the wait", []reply{limited(60)}, hour, 0, 0, s, 1, s, cutShort},
		{"does not say when", []reply{limited(0)}, hour, 0, 0, 0, 1, 0, "refused 429/429 d"},
		{"page of a gateway", []reply{{429, page}}, hour, 0, 0, 0, 1, 0, "refused 429/429"},
		{"another refusal", []reply{other}, hour, 0, 0, 0, 1, 0, "refused 400/400 d wait 1s..."},
		{"then another refusal", []reply{limited(1), other}, hour, 0, 0, 0, 2, s, "refused 400/400 d wait 1s..."},
		{"then an unknown outcome", []reply{limited(1), {502, ""}}, hour, 0, 0, 0, 2, s, "unknown 502/502"},
		{"429 in a 500", []reply{{500, limited(1).body}}, hour, 0, 0, 0, 1, 0, "unknown 500/429 d wait 1s..."},
	} {
		synctest.Test(t, func(t *testing.T) {
			rec, start := record(test.replies...), time.Now()
			c := newClientOn(t, rec, telegram.WithRateLimitWait(test.max))
			ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(test.ctx, hour))
			defer cancel()
			defer time.AfterFunc(cmp.Or(test.cancel, hour), cancel).Stop()
			var response telegram.Response
			expire := telegram.WithExpireDate(start.Add(cmp.Or(test.expire, hour)))
			link, err := create(t, c, ctx, chat, expire, telegram.WithResponse(&response))
			got, took := told(link, err), time.Since(start)
			if !matches(got, test.want) || len(rec.sent) != test.sent || took != test.took {
				t.Errorf("%s: got %s after %d calls and %v, want %s, %d and %v",
					test.name, got, len(rec.sent), took, test.want, test.sent, test.took)
			}
			if last := test.replies[min(len(rec.sent), len(test.replies))-1]; string(response.Body) != last.body {
				t.Errorf("%s: got the response %s, want the last, %s", test.name, response.Body, last.body)
			}
			if first, last := rec.bodies[0], rec.bodies[len(rec.bodies)-1]; first != last || first == "" {
				t.Errorf("%s: sent %q, want the same each time", test.name, rec.bodies)
			}
			e, ok := errors.AsType[*telegram.Error](err)
			if test.cancel != 0 && (!ok || e.RetryAfter != 60*s || kinds(err) != kinds(e) || !errors.Is(err, context.Canceled)) {
				t.Errorf("%s: got %v, want the 429 and context.Canceled", test.name, err)
			}
		})
	}
}

// A context of the caller's making may have no deadline to tell, or end with any error.
type oddContext struct {
	context.Context
	errs map[error]error
}

func (oddContext) Deadline() (deadline time.Time, ok bool) { return }
func (c oddContext) Err() error                            { return c.errs[c.Context.Err()] }

func TestOddContextEndsRateLimitWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClientOn(t, record(reply{429, parameters(`"retry_after":60`)}), telegram.WithRateLimitWait(time.Hour))
		odd, ended := errors.New("telegram: not sent\n"+token), context.DeadlineExceeded
		for err, want := range map[error]error{odd: context.Canceled, ended: ended} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, got := create(t, c, oddContext{ctx, map[error]error{ended: err}}, chat)
			if cancel(); !errors.Is(got, want) || kinds(got) != "too many requests" {
				t.Errorf("got %v, want the 429 and %v", got, want)
			}
		}
	})
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
		raw("HTTP/1.1 407 "+got+" or "+password+"\r\nContent-Length: 0\r\n\r\n")(w, r)
		return
	}
	target, err := p.dial(r.Host)
	if err != nil { // the test may be over, and the connection one that was not needed
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	conn := hijack(w)
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
	link, err := create(t, c, t.Context(), chat, opts...)
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
			base, addr string
			target     *httptest.Server
			transport  telegram.ClientOption
		}{
			{"http://example.com:80", "example.com:80", plain, shared},
			{"https://example.com", "example.com:443", secure, shared},
			{"https://example.com", "example.com:443", secure, own},
		} {
			target := test.target.Listener.Addr().String()
			one, two := startProxy(scheme, target, "user"), startProxy(scheme, target, "user")
			c := newClient(t, test.base, telegram.WithProxy(one.url()), test.transport)
			var wg sync.WaitGroup
			for range 8 {
				checkProxy(t, c, one, test.addr)
				checkProxy(t, c, two, test.addr, telegram.WithProxy(two.url()))
				wg.Go(func() { checkProxy(t, c, one, test.addr) })
				wg.Go(func() { checkProxy(t, c, two, test.addr, telegram.WithProxy(two.url())) })
			}
			wg.Wait()
		}
	}
}

func TestEnvironmentProxy(t *testing.T) {
	checkProxy(t, newClient(t, "http://api.example"), envProxy, "api.example")
	checkProxy(t, newTestClient(t, linkTo(remoteAddr)), envProxy, nil) // net/http reaches this machine directly
	eof := "unknown (proxy " + envProxy.Addr().String() + "): the connection was closed without a reply (EOF)"
	expect(t, "closed", newClient(t, "http://broken.example"), eof)
	// Nothing is shown of one that WithProxy would refuse: it may be of the password.
	expect(t, "not valid", newClient(t, "https://h"), "not sent: the proxy of the environment is not valid: "+proxyRule)
	foreign := newClient(t, "https://h", telegram.WithTransport(broken{err: errors.New("address 12345678: invalid port")}))
	expect(t, "not valid, and not ours", foreign, "unknown: address [redacted]: invalid port")
}

func TestProxyRefuses(t *testing.T) {
	user, noTicket := url.UserPassword("user", password), errors.New("no ticket for "+secret)
	const refused = "not sent (proxy HOST): the proxy refused to connect to example.com:443: "
	const socks = "not sent (proxy HOST): socks connect tcp HOST->example.com:443: username/password authentication failed"
	shared, config := telegram.WithTimeout(time.Minute), telegram.WithTransportConfig
	own := config(func(t *http.Transport) {
		t.OnProxyConnectResponse = func(context.Context, *url.URL, *http.Request, *http.Response) error { return io.EOF }
	})
	ticket := func(err error) telegram.ClientOption { // such as for Negotiate
		return config(func(t *http.Transport) {
			t.GetProxyConnectHeader = func(context.Context, *url.URL, string) (http.Header, error) {
				return http.Header{"Proxy-Authorization": {"Basic " + basic("another")}}, err
			}
		})
	}
	for _, test := range []struct {
		scheme, base string
		user         *url.Userinfo
		transport    telegram.ClientOption
		want         string
	}{
		{"http", "https://example.com", user, shared, refused + "407 Proxy Authentication Required"},
		{"http", "https://example.com", nil, shared, refused + "407 Proxy Authentication Required"},
		{"https", "https://example.com", user, shared, refused + "407 Proxy Authentication Required"},
		{"http", "https://example.com", user, own, refused + "407 Proxy Authentication Required"},
		{"http", "https://example.com", nil, ticket(nil), refused + "502 Bad Gateway"}, // since it has no target
		{"http", "https://example.com", nil, ticket(noTicket), "not sent (proxy HOST): no ticket for [redacted]"},
		{"http", "http://example.com", user, shared, "refused 407/407"},
		{"socks5", "https://example.com", user, shared, socks},
	} {
		host := startProxy(test.scheme, "127.0.0.1:1", "another").Addr().String()
		proxyURL := url.URL{Scheme: test.scheme, User: test.user, Host: host}
		c := newClient(t, test.base, test.transport, telegram.WithProxy(proxyURL.String()))
		err := expect(t, test.scheme, c, strings.ReplaceAll(test.want, "HOST", host))
		if errors.Is(err, noTicket) != strings.Contains(test.want, "ticket") {
			t.Errorf("%v matches another cause than its own", err)
		}
	}
}

// A proxy may tell what it knows. Of less than four bytes it may: to redact them
// would garble the words.
func TestProxyThatTells(t *testing.T) {
	const words = `{"ok":false,"description":"to a cat or a bird"}`
	all := token + "\r\n" + password + " p%40ss%22w%25rd"
	api, _ := json.Marshal(map[string]any{"ok": false, "description": all})
	for _, test := range []struct {
		secret, password string
		tells            http.HandlerFunc
		want             string
	}{
		{secret, password, answer(200, string(api)), "refused 200/200 6129457865:[redacted]  [redacted] [redacted]"},
		{secret, password, raw(basic("user") + "|" + token + "|" + password + "\r\n"), "unknown (proxy HOST): net/http: " +
			`HTTP/1.x transport connection broken: malformed HTTP response "[redacted]|6129457865:[redacted]|[redacted]"`},
		{secret, "two\nlines", answer(400, `{"ok":false,"description":"two\nlines"}`), "refused 400/400 [redacted]"},
		{"a", "cat", answer(400, words), "refused 400/400 to a cat or a bird"},
		{"bird", "cat ", answer(400, words), "refused 400/400 to a [redacted]or a [redacted]"},
	} {
		s, _ := newServer(t, test.tells)
		s.Start()
		host := s.Listener.Addr().String()
		proxyURL := url.URL{Scheme: "http", User: url.UserPassword("user", test.password), Host: host}
		opts := clientOptions{telegram.WithBaseURL("http://example.com"), telegram.WithProxy(proxyURL.String())}
		c := must(telegram.NewClient("6129457865:"+test.secret, opts...))
		expect(t, "proxy", c, strings.ReplaceAll(test.want, "HOST", host))
	}
}

// A proxy may answer to CONNECT without end, which Go limits since 1.26.
func TestEndlessAnswerToConnect(t *testing.T) {
	written := make(chan int64, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn := hijack(w)
		header := "X: " + strings.Repeat("x", 1<<10) + "\r\n"
		n, _ := io.Copy(conn, strings.NewReader("HTTP/1.1 200 OK\r\n"+strings.Repeat(header, 64<<10)))
		conn.Close()
		written <- n
	}))
	defer s.Close()
	err := expect(t, "endless", newClient(t, "https://example.com", telegram.WithProxy(s.URL)), "not sent (proxy...")
	if n := <-written; n > 16<<20 {
		t.Errorf("got %v after %d bytes, want an end after 64 KiB and what sockets buffer", err, n)
	}
}

// Transports

// The package's own transport speaks HTTP/1.1 only, whatever it was made to do.
func TestHTTP1Only(t *testing.T) {
	s, _ := newServer(t, linkTo(func(r *http.Request) string { return r.Proto }))
	s.EnableHTTP2 = true
	s.StartTLS()
	h2 := s.Client().Transport.(*http.Transport)
	offered := &tls.Config{NextProtos: []string{"h2"}}
	for name, configure := range map[string]func(*http.Transport){
		"DialContext":       func(t *http.Transport) { t.DialContext = nil },
		"ForceAttemptHTTP2": func(t *http.Transport) { t.ForceAttemptHTTP2 = true },
		"Protocols": func(t *http.Transport) {
			t.Protocols = new(http.Protocols)
			t.Protocols.SetHTTP2(true)
			t.Protocols.SetUnencryptedHTTP2(true)
		},
		"ALPN":             func(t *http.Transport) { t.TLSClientConfig = offered },
		"RegisterProtocol": func(t *http.Transport) { t.RegisterProtocol("https", h2) },
		"TLSNextProto": func(t *http.Transport) {
			client := h2.Clone()
			t.TLSClientConfig, t.TLSNextProto = client.TLSClientConfig, client.TLSNextProto
		},
	} {
		c := newClient(t, s.URL, telegram.WithTransportConfig(configure))
		expect(t, name, c, "link HTTP/1.1")
		expect(t, name+", again", c, "link HTTP/1.1")
	}
	expect(t, "shared", newClient(t, s.URL), "link HTTP/1.1")
	if len(offered.NextProtos) != 1 {
		t.Errorf("the caller's TLS configuration has become %v", offered.NextProtos)
	}
}

// A client with WithTransportConfig has its own certificates and connections.
func TestTransportConfig(t *testing.T) {
	s, opened := newServer(t, linkTo(func(r *http.Request) string {
		return fmt.Sprintf("with %d certificates", len(r.TLS.PeerCertificates))
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	configured := 0
	own := telegram.WithTransportConfig(func(t *http.Transport) {
		if configured++; t.DialContext == nil {
			panic("there is no DialContext to wrap")
		}
		t.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		t.TLSClientConfig.Certificates = s.TLS.Certificates
	})
	for _, test := range []struct {
		client *telegram.Client
		want   string
		opened int32
	}{
		{newClient(t, s.URL, own), "link with 1 certificates", 1},
		{newClient(t, s.URL, own), "link with 1 certificates", 1},
		{newClient(t, s.URL, telegram.WithTransport(broken{}), own), "link with 1 certificates", 1}, // the last wins
		{newClient(t, s.URL), "link with 0 certificates", 1},
		{newClient(t, s.URL), "link with 0 certificates", 0}, // on a connection of the other
		{newClient(t, s.URL, own, telegram.WithTransport(record(reply{200, linkReply}))), gotLink, 0},
	} {
		opened.Store(0)
		for range 3 {
			expect(t, "transport", test.client, test.want)
		}
		if got := opened.Load(); got != test.opened {
			t.Errorf("3 calls for %s opened %d connections, want %d", test.want, got, test.opened)
		}
	}
	if configured != 4 {
		t.Errorf("4 clients called configure %d times", configured)
	}
}

type noDeadline struct{ net.Conn }

func (noDeadline) SetDeadline(time.Time) error { return os.ErrNoDeadline }

func TestDialContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		start := time.Now()
		for want, dial := range map[string]func(context.Context) (net.Conn, error){
			"context deadline exceeded":     func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
			"net/http: Transport.DialCo...": func(context.Context) (net.Conn, error) { return nil, nil },
			os.ErrNoDeadline.Error():        func(context.Context) (net.Conn, error) { return noDeadline{client}, nil },
		} {
			expect(t, "dial", newClient(t, "http://127.0.0.1", telegram.WithTransportConfig(func(t *http.Transport) {
				t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
			})), "not sent: "+want)
		}
		n, err := server.Read(make([]byte, 1))
		if took := time.Since(start); took != 10*time.Second || err != io.EOF {
			t.Errorf("the dial that hangs took %v, want 10s; the other connection got %d, %v, want it closed", took, n, err)
		}
	})
}

// A proxy that hangs costs others nothing: the connections of a pool stay.
func TestHungProxyCostsOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dialed []string
		c := newClient(t, "http://127.0.0.1", inMemory(func(conn net.Conn, addr string) {
			dialed = append(dialed, addr)
			respond(0, httpReply)(conn, addr)
		}))
		expect(t, "before", c, gotLink)
		expect(t, "hung", c, "not sent (proxy hung:1): ...", telegram.WithProxy("socks5://u:p@hung:1"))
		expect(t, "after", c, gotLink)
		if want := []string{"127.0.0.1:80", "hung:1"}; !reflect.DeepEqual(dialed, want) {
			t.Errorf("got connections to %q, want %q", dialed, want)
		}
		time.Sleep(31 * time.Second) // until the pool has closed what is idle
	})
}

// A connection that died while it was idle is replaced, as long as not a byte
// was written to it.
func TestDeadIdleConnection(t *testing.T) {
	c, reused, before := newTestClient(t, answer(200, linkReply)), 0, arrived.Load()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if info.Reused {
			reused++
			info.Conn.SetWriteDeadline(time.Unix(1, 0))
		}
	}})
	for range 2 {
		create(t, c, ctx, chat)
	}
	if n := arrived.Load() - before; reused != 1 || n != 2 {
		t.Errorf("%d connections reused and %d calls arrived, want 1 and 2", reused, n)
	}
}

// 256 callers at once open at most two connections each, and then none. Their
// last calls of a round wait for each other, so that 256 connections are in use.
func TestPool(t *testing.T) {
	const callers, last = 256, "call 9"
	var waiting sync.WaitGroup
	s, opened := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); bytes.Contains(body, []byte(last)) {
			waiting.Done()
			waiting.Wait()
		}
		io.WriteString(w, linkReply)
	})
	s.Start()
	c := newClient(t, s.URL)
	for round, most := range []int32{2 * callers, 0} {
		opened.Store(0)
		waiting.Add(callers)
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for i := range 10 {
					name := telegram.WithName(fmt.Sprint("call ", i))
					if _, err := c.CreateInvitationLink(t.Context(), chat, name); err != nil {
						t.Error(err)
					}
				}
			})
		}
		if wg.Wait(); opened.Load() > most {
			t.Errorf("round %d: %d connections opened, want at most %d", round, opened.Load(), most)
		}
	}
}

// frame is one of HTTP/2, with a short payload (RFC 9113, section 4.1).
func frame(kind, flags, stream byte, payload string) string {
	return string([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, stream}) + payload
}

// net/http sends a POST again over HTTP/2 when the server says that it did
// nothing, true or not. What lets it is GetBody.
func TestHTTP2SendsOnce(t *testing.T) {
	const data, headers, reset, settings, goAway, endStream, endHeaders = 0, 1, 3, 4, 7, 1, 4 // sections 6.1 to 6.8
	const refusedStream, stream0, status200 = "\x00\x00\x00\x07", "\x00\x00\x00\x00\x00\x00\x00\x00", "\x88"
	for disowned, again := range map[string]byte{ // what the server says of stream 1, and the stream of the second try
		frame(reset, 0, 1, refusedStream): 3,
		frame(goAway, 0, 0, stream0):      1, // of another connection
	} {
		var made atomic.Int32
		s, _ := newServer(t, nil)
		s.EnableHTTP2 = true
		serve := func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
			defer conn.Close()
			io.WriteString(conn, frame(settings, 0, 0, ""))
			for got, b := "", make([]byte, 1<<10); ; {
				n, err := conn.Read(b)
				if err != nil {
					return
				}
				if got += string(b[:n]); !strings.Contains(got, string(chat)) {
					continue
				}
				got = "" // the body has come, so there is a link
				if made.Add(1) == 1 {
					io.WriteString(conn, disowned)
				} else {
					io.WriteString(conn, frame(headers, endHeaders, again, status200)+frame(data, endStream, again, linkReply))
				}
			}
		}
		s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){"h2": serve}
		s.StartTLS()
		res, err := s.Client().Post(s.URL, "application/json", strings.NewReader(string(chat)))
		if err != nil || res.ProtoMajor != 2 || made.Load() != 2 {
			t.Fatalf("net/http: got %v, %v and %d links, want HTTP/2 and 2 links of one call", res, err, made.Load())
		}
		res.Body.Close()

		made.Store(0)
		unused := s.Client().Transport.(*http.Transport).Clone() // on a connection of its own, whose first stream is 1
		expect(t, "HTTP/2", newClient(t, s.URL, telegram.WithTransport(unused)), "unknown: http2: ...")
		if made.Load() != 1 {
			t.Errorf("%q: got %d links of a call, want 1", disowned, made.Load())
		}
	}
}

// Secrets

func TestPrints(t *testing.T) {
	withProxy := telegram.WithProxy("http://user:" + url.PathEscape(password) + "@proxy")
	own := telegram.WithTransportConfig(func(t *http.Transport) { t.ProxyConnectHeader = http.Header{"X": {secret}} })
	foreign := telegram.WithTransport(&http.Transport{Proxy: http.ProxyURL(&url.URL{Host: secret})})
	checkProxy(t, newClient(t, "http://api.example"), envProxy, "api.example") // the shared pool knows a proxy, too
	for _, opts := range []clientOptions{{withProxy}, {own, withProxy}, {foreign}} {
		c := newClient(t, "http://h/"+secret, opts...)
		for _, v := range []any{c, *c, opts, telegram.WithName(secret), telegram.WithBaseURL("http://h/" + secret)} {
			checkSecrets(t, v)
		}
		if got := fmt.Sprint(c); got != "telegram.Client(bot 6129457865)" {
			t.Errorf("got %s, want the public id", got)
		}
	}
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
		got, err := json.Marshal(link)
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	c := newTestClient(t, answer(200, `{"ok":true,"result":`+wholeJSON+`}`))
	if got, err := create(t, c, t.Context(), chat); err != nil || *got != wholeLink {
		t.Errorf("a call: got %+v, %v, want %+v", got, err, wholeLink)
	}

	// It obeys the rules of encoding/json: null changes nothing, and a wrong type is an error.
	link, undated := wholeLink, wholeLink
	undated.ExpireDate, undated.SubscriptionPeriod = time.Time{}, 0
	unmarshal := func(data string) error { return json.Unmarshal([]byte(data), &[]*telegram.ChatInviteLink{&link}) }
	if err := unmarshal(`[null]`); err != nil || link != wholeLink {
		t.Errorf("null: got %+v, %v", link, err)
	}
	if err := unmarshal(`[{"expire_date":0,"subscription_period":99999999999}]`); err != nil || link != undated {
		t.Errorf("got %+v, %v, want no date and no period", link, err)
	}
	if err := unmarshal(`[{"expire_date":"x"}]`); err == nil {
		t.Error("a date of a wrong type: got no error")
	}
}

func FuzzChatInviteLink(f *testing.F) {
	for _, s := range []string{
		wholeJSON, "{}", "null", "[]", `{"expire_date":-62135596800}`, `{"expire_date":9223372036854775807}`,
		`{"subscription_period":9223372037}`, `{"subscription_period":-1}`, `{"name":"\ud800"}`,
		`{"INVITE_LINK":"l","invite_link":"m"}`,
	} {
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

// The whole life of a call: what it asks for, and what each outcome means.
func ExampleClient_CreateInvitationLink() {
	server := httptest.NewServer(answer(429, `{"ok":false,"error_code":429,`+
		`"description":"Too Many Requests: retry after 34","parameters":{"retry_after":34}}`)) // in place of Telegram
	defer server.Close()
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	ctx, chat := context.Background(), telegram.ChatID("-1001234567890")

	link, err := client.CreateInvitationLink(ctx, chat,
		telegram.WithName("Order 1042"),
		telegram.WithExpireDate(time.Now().Add(24*time.Hour)),
		telegram.WithMemberLimit(1),
	)
	var refused *telegram.Error
	switch {
	case err == nil:
		fmt.Println("send it to the customer:", link.InviteLink)
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		fmt.Println("a link may exist; have the chat's owner look for Order 1042 before another try")
	case errors.Is(err, telegram.ErrTooManyRequests) && errors.As(err, &refused):
		fmt.Println("refused for now; try again in", refused.RetryAfter) // 0: it does not say
	case errors.As(err, &refused) && refused.MigrateToChatID != "":
		fmt.Println("the chat's id from now on:", refused.MigrateToChatID)
	case errors.As(err, &refused):
		fmt.Println("no link was made, and another try would not help:", refused)
	case errors.Is(err, telegram.ErrInvalidArgument):
		fmt.Println("nothing was sent; correct the call:", err)
	default:
		fmt.Println("nothing was sent; another try is safe:", err)
	}
	// Output: refused for now; try again in 34s
}

func ExampleWithResponse() {
	server := httptest.NewServer(answer(400, `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`))
	defer server.Close()
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(server.URL))
	if err != nil {
		log.Fatal(err)
	}
	ctx, token := context.Background(), "6129457865:AAHnot-a-real_secret"

	var response telegram.Response
	_, err = client.CreateInvitationLink(ctx, "@nobody", telegram.WithResponse(&response))
	_, secret, _ := strings.Cut(token, ":")
	fmt.Println(response.StatusCode, strings.ReplaceAll(string(response.Body), secret, "[secret]"))
	fmt.Println(err)
	// Output:
	// 400 {"ok":false,"error_code":400,"description":"Bad Request: chat not found"}
	// telegram: 400 Bad Request: chat not found
}

// A private certificate authority, and a proxy that wants the credentials of the
// operating system by Negotiate (RFC 4559). A package makes the token.
func ExampleWithTransportConfig() {
	roots := x509.NewCertPool()
	negotiate := func(ctx context.Context, proxyHost string) (string, error) { return "YII=", nil }

	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret",
		telegram.WithProxy("http://proxy.example:3128"),
		telegram.WithTransportConfig(func(t *http.Transport) {
			t.TLSClientConfig = &tls.Config{RootCAs: roots}
			t.GetProxyConnectHeader = func(ctx context.Context, proxy *url.URL, _ string) (http.Header, error) {
				token, err := negotiate(ctx, proxy.Hostname())
				return http.Header{"Proxy-Authorization": {"Negotiate " + token}}, err
			}
		}))
	fmt.Println(client, err)
	// Output: telegram.Client(bot 6129457865) <nil>
}

// The URL of a request, which has the token, is hidden from what is between two
// transports, here one that prints it as tracing would record it.
func ExampleWithTransport() {
	server := httptest.NewServer(answer(200, linkReply))
	defer server.Close()

	printing := func(next http.RoundTripper) http.RoundTripper {
		return roundTripFunc(func(req *http.Request) (*http.Response, error) {
			fmt.Println(req.Method, req.URL.Path)
			return next.RoundTrip(req)
		})
	}
	base := &http.Transport{Proxy: http.ProxyFromEnvironment, Protocols: new(http.Protocols)}
	base.Protocols.SetHTTP1(true) // over HTTP/2, an httptrace.ClientTrace sees the path
	client, err := telegram.NewClient("6129457865:AAHnot-a-real_secret", telegram.WithBaseURL(server.URL),
		telegram.WithTransport(hideURL(printing(showURL(base)))))
	if err != nil {
		log.Fatal(err)
	}
	_, err = client.CreateInvitationLink(context.Background(), "-1001234567890")
	fmt.Println(err)
	// Output:
	// POST /createChatInviteLink
	// <nil>
}

type urlKey struct{}

// hideURL gives next a URL without the token, and keeps the true one in the context.
func hideURL(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		hidden := req.Clone(context.WithValue(req.Context(), urlKey{}, req.URL))
		hidden.URL.Path, hidden.URL.RawPath = "/createChatInviteLink", ""
		return next.RoundTrip(hidden)
	})
}

// showURL gives next the URL that hideURL kept.
func showURL(next http.RoundTripper) http.RoundTripper {
	return roundTripFunc(func(req *http.Request) (*http.Response, error) {
		shown := req.Clone(req.Context())
		shown.URL = req.Context().Value(urlKey{}).(*url.URL)
		return next.RoundTrip(shown)
	})
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
		Parameters  struct {
			RetryAfter int `json:"retry_after"`
		} `json:"parameters"`
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

// calls returns the same call by hand and by the package, on a transport or, if rt
// is nil, each on its own.
func calls(t testing.TB, baseURL string, rt http.RoundTripper) map[string]func(context.Context) string {
	hand, c := &http.Client{Transport: rt}, newClient(t, baseURL)
	url := baseURL + "/bot" + token + "/createChatInviteLink"
	if rt != nil {
		c = newClientOn(t, rt)
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
	for by, call := range calls(t, s.URL, nil) {
		allocs[by] = testing.AllocsPerRun(300, func() { call(t.Context()) })
	}
	if allocs["telegram"] > allocs["hand"] {
		t.Errorf("got allocations %v, want ours to be at most those by hand", allocs)
	}
}

// canned is a transport without a network, and without a memory.
type canned struct{}

func (canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(benchReply))}, nil
}

func BenchmarkCall(b *testing.B) {
	plain, _ := newServer(b, answer(200, benchReply))
	plain.Start()
	secure, _ := newServer(b, answer(200, benchReply))
	secure.StartTLS()
	for _, test := range []struct {
		over, url string
		rt        http.RoundTripper
	}{{"canned", "http://h", canned{}}, {"loopback", plain.URL, nil}, {"TLS", secure.URL, nil}} {
		for _, by := range []string{"hand", "telegram"} {
			call := calls(b, test.url, test.rt)[by]
			b.Run("over="+test.over+"/by="+by, func(b *testing.B) {
				call(b.Context()) // opens the connection
				b.ReportAllocs()
				for b.Loop() {
					if link := call(b.Context()); link != "https://t.me/+abc" {
						b.Fatal(link)
					}
				}
			})
		}
	}
}

// BenchmarkCallers has many callers at once, each of which makes its next call
// when it has the answer to the last. It counts the connections of all its runs.
func BenchmarkCallers(b *testing.B) {
	for _, callers := range []int{64, 256} {
		for _, by := range []string{"hand", "telegram"} {
			s, opened := newServer(b, answer(200, benchReply))
			s.Start()
			call := calls(b, s.URL, nil)[by]
			b.Run(fmt.Sprintf("callers=%d/by=%s", callers, by), func(b *testing.B) {
				b.SetParallelism(callers / runtime.GOMAXPROCS(0))
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						call(b.Context())
					}
				})
				b.ReportMetric(float64(opened.Load())/float64(callers), "conns/caller")
			})
		}
	}
}
