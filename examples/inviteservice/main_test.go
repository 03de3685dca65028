package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"example.com/telegram"
	"example.com/telegram/examples/internal/standin"
)

const (
	testSecret = "not-a-secret-but-has-the-form-of-one"
	testToken  = "6129457865:" + testSecret
	testKey    = "key-of-the-test"
	testLink   = "https://t.me/+AAAAAAAAAAAAAAAA"
	linkReply  = `{"ok":true,"result":{"invite_link":"` + testLink + `"}}`
)

// telegramAt starts a server that answers in the place of Telegram.
func telegramAt(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// reply answers with a status and a body.
func reply(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

type testService struct {
	*httptest.Server
	log bytes.Buffer // to be read when the server is closed
}

// newService starts the service. No secret may get into its log.
func newService(t *testing.T, apiURL string, opts ...telegram.ClientOption) *testService {
	t.Helper()
	client, err := telegram.NewClient(testToken, append(opts, telegram.WithBaseURL(apiURL))...)
	if err != nil {
		t.Fatal(err)
	}
	s := new(testService)
	s.Server = httptest.NewServer(newHandler(client, testKey, slog.New(slog.NewJSONHandler(&s.log, nil))))
	t.Cleanup(func() {
		s.Close()
		for _, secret := range []string{testSecret, testKey, testLink} {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("the log shows %q:\n%s", secret, &s.log)
			}
		}
	})
	return s
}

// send sends a request and returns the answer with its body, which must be JSON.
func send(t *testing.T, method, url, authorization, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" || !json.Valid(answer) {
		t.Errorf("Content-Type %q and body %q, want JSON", got, answer)
	}
	return res, strings.TrimSuffix(string(answer), "\n")
}

// post asks for a link, with the right key.
func post(t *testing.T, url, body string) (*http.Response, string) {
	t.Helper()
	return send(t, http.MethodPost, url+"/invites", "Bearer "+testKey, body)
}

func TestArgumentsReachTelegram(t *testing.T) {
	sent := make(chan string, 1)
	s := newService(t, telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent <- string(body)
		io.WriteString(w, linkReply)
	}))
	tests := []struct{ name, body, want string }{
		{"what is left out is not sent", `{"chat":"@a"}`, `{"chat_id":"@a"}`},
		{"the topic of a chat is not sent", `{"chat":"-1001234567890*5"}`, `{"chat_id":"-1001234567890"}`},
		{"name", `{"chat":"@a","name":"Order 1"}`, `{"chat_id":"@a","name":"Order 1"}`},
		{"members", `{"chat":"@a","members":1}`, `{"chat_id":"@a","member_limit":1}`},
		{"join request", `{"chat":"@a","join_request":true}`, `{"chat_id":"@a","creates_join_request":true}`},
		{"false is a value like any other", `{"chat":"@a","join_request":false}`, `{"chat_id":"@a"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, answer := post(t, s.URL, test.body)
			if want := `{"link":"` + testLink + `"}`; res.StatusCode != 201 || answer != want {
				t.Errorf("%d %s, want 201 %s", res.StatusCode, answer, want)
			}
			select {
			case got := <-sent:
				if got != test.want {
					t.Errorf("sent %s, want %s", got, test.want)
				}
			default:
				t.Error("nothing was sent")
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	s := newService(t, telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			ExpireDate int64 `json:"expire_date"`
		}
		json.NewDecoder(r.Body).Decode(&in)
		fmt.Fprintf(w, `{"ok":true,"result":{"invite_link":"%s","expire_date":%d}}`, testLink, in.ExpireDate)
	}))
	want := time.Now().Add(24 * time.Hour).Truncate(time.Second)
	res, body := post(t, s.URL, `{"chat":"@a","ttl":"24h"}`)
	var answer struct{ Link, Expires string }
	json.Unmarshal([]byte(body), &answer)
	expires, err := time.Parse(time.RFC3339, answer.Expires)
	if res.StatusCode != 201 || answer.Link != testLink || err != nil {
		t.Fatalf("%d %s, want 201, the link and when it expires", res.StatusCode, body)
	}
	if late := expires.Sub(want); late < 0 || late > time.Minute {
		t.Errorf("expires %v, want %v", expires, want)
	}
}

func TestBadRequest(t *testing.T) {
	s := newService(t, telegramAt(t, func(http.ResponseWriter, *http.Request) {
		t.Error("a bad request reached Telegram")
	}))
	const (
		noObject = "bad request: the body must be a JSON object and nothing else"
		badChat  = `bad request: chat must be a string such as "-1001234567890" or "@channel"`
		badName  = "bad request: name must be a string that is not empty; leave it out for no name"
		badTTL   = `bad request: ttl must be a duration such as "24h"; leave it out for a link that never expires`
		badLimit = "bad request: members must be a whole number from 1 to 99999; leave it out for no limit"
		badJoin  = "bad request: join_request must be true or false"
	)
	tests := []struct {
		name, body string
		code       int
		want       string // a part of the error
	}{
		{"no JSON", `chat=@a`, 400, noObject},
		{"nothing", ``, 400, noObject},
		{"null", `null`, 400, noObject},
		{"array", `["@a"]`, 400, noObject},
		{"cut", `{"chat":"@a"`, 400, noObject},
		{"second value", `{"chat":"@a"} {"chat":"@b"}`, 400, noObject},
		{"garbage after it", `{"chat":"@a"}}`, 400, noObject},
		{"too large", `{"name":"` + strings.Repeat("a", maxBody) + `"}`, 413, "too large"},
		{"too much white space", `{"chat":"@a"}` + strings.Repeat(" ", maxBody), 413, "too large"},
		{"no chat", `{}`, 400, "the chat must be"},
		{"chat that is none", `{"chat":"a"}`, 400, "the chat must be"},
		{"number for a chat", `{"chat":-1001234567890}`, 400, badChat},
		{"number for a name", `{"chat":"@a","name":1042}`, 400, badName},
		{"number for a ttl", `{"chat":"@a","ttl":24}`, 400, badTTL},
		{"ttl without a unit", `{"chat":"@a","ttl":"24"}`, 400, badTTL},
		{"ttl that overflows", `{"chat":"@a","ttl":"9999999h"}`, 400, badTTL},
		{"ttl of a century", `{"chat":"@a","ttl":"876000h"}`, 400, "expire date"},
		{"ttl below zero", `{"chat":"@a","ttl":"-24h"}`, 400, "expire date"},
		{"null after another value", `{"chat":"@a","ttl":"24h","ttl":null}`, 400, badTTL},
		{"string for members", `{"chat":"@a","members":"1"}`, 400, badLimit},
		{"fraction of a member", `{"chat":"@a","members":1.5}`, 400, badLimit},
		{"members below zero", `{"chat":"@a","members":-1}`, 400, "the member limit must be 1 to 99999, not -1"},
		{"string for a join request", `{"chat":"@a","join_request":"true"}`, 400, badJoin},
		{"join request with members", `{"chat":"@a","members":1,"join_request":true}`, 400, "join request"},
		{"unknown key", `{"chat":"@a","limit":1}`, 400,
			`bad request: there is no key "limit"; the keys are chat, join_request, members, name, ttl`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, body := post(t, s.URL, test.body)
			var got response
			json.Unmarshal([]byte(body), &got)
			if res.StatusCode != test.code || !strings.Contains(got.Error, test.want) || got.Outcome != "not sent" {
				t.Errorf("%d %s, want %d, outcome not sent and %q", res.StatusCode, body, test.code, test.want)
			}
		})
	}
}

func TestBodyThatDoesNotArrive(t *testing.T) {
	s := newService(t, telegramAt(t, reply(200, linkReply)))
	req := httptest.NewRequest(http.MethodPost, "/invites", iotest.ErrReader(os.ErrDeadlineExceeded))
	req.Header.Set("Authorization", "Bearer "+testKey)
	got := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(got, req)
	if got.Code != 400 || !strings.Contains(got.Body.String(), "cannot read the body") {
		t.Errorf("%d %s, want 400 and the reason, not a timeout of Telegram", got.Code, got.Body)
	}
}

// TestUnsetVariable proves that no link is made of what a template makes of a
// variable that is not set, in whatever case the key is written.
func TestUnsetVariable(t *testing.T) {
	s := newService(t, telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("sent %s", body)
		io.WriteString(w, linkReply)
	}))
	tests := []struct {
		key    string
		values []string
	}{
		{"chat", []string{`null`, `""`}},
		{"name", []string{`null`, `""`}},
		{"ttl", []string{`null`, `""`, `"0"`, `"0s"`, `"-0h"`, `0`}},
		{"members", []string{`null`, `""`, `0`, `-0`}},
		{"join_request", []string{`null`, `""`, `0`}},
	}
	for _, test := range tests {
		title := strings.ToUpper(test.key[:1]) + test.key[1:]
		for _, key := range []string{test.key, title, strings.ToUpper(test.key)} {
			for _, value := range test.values {
				body := fmt.Sprintf(`{"chat":"@a",%q:%s}`, key, value)
				res, answer := post(t, s.URL, body)
				if res.StatusCode != 400 || !strings.Contains(answer, key) {
					t.Errorf("%s: %d %s, want 400 and an error about %s", body, res.StatusCode, answer, key)
				}
			}
		}
	}
}

func TestKey(t *testing.T) {
	s := newService(t, telegramAt(t, reply(200, linkReply)))
	tests := []struct {
		name, authorization string
		right               bool
	}{
		{"right", "Bearer " + testKey, true},
		{"scheme in other case", "bearer " + testKey, true},
		{"missing", "", false},
		{"empty", "Bearer ", false},
		{"wrong", "Bearer wrong", false},
		{"only the beginning", "Bearer " + testKey[:5], false},
		{"with more after it", "Bearer " + testKey + "x", false},
		{"other scheme", "Basic " + testKey, false},
		{"no scheme", testKey, false},
		{"that of the demo", "Bearer " + demoKey, false},
	}
	for _, test := range tests {
		for path, request := range map[string]struct {
			method string
			code   int
		}{"/invites": {"POST", 201}, "/metrics": {"GET", 200}} {
			t.Run(test.name+path, func(t *testing.T) {
				res, body := send(t, request.method, s.URL+path, test.authorization, `{"chat":"@a"}`)
				asked := res.Header.Get("WWW-Authenticate")
				switch {
				case test.right && (res.StatusCode != request.code || asked != ""):
					t.Errorf("%d %s, want %d", res.StatusCode, body, request.code)
				case !test.right && (res.StatusCode != 401 || body != `{"error":"the key is missing or wrong"}`):
					t.Errorf("%d %s, want 401 and the reason", res.StatusCode, body)
				case !test.right && asked != "Bearer":
					t.Errorf("WWW-Authenticate %q, want Bearer", asked)
				}
			})
		}
	}
}

func TestNoSuchPathOrMethod(t *testing.T) {
	s := newService(t, telegramAt(t, func(http.ResponseWriter, *http.Request) {
		t.Error("the request reached Telegram")
	}))
	tests := []struct {
		method, path string
		code         int
		allow, body  string
	}{
		{"GET", "/invites", 405, "POST", `{"error":"this path takes only POST"}`},
		{"PUT", "/invites", 405, "POST", `{"error":"this path takes only POST"}`},
		{"POST", "/metrics", 405, "GET, HEAD", `{"error":"this path takes only GET, HEAD"}`},
		{"POST", "/", 404, "", `{"error":"there is only /invites and /metrics"}`},
		{"POST", "/invites/", 404, "", `{"error":"there is only /invites and /metrics"}`},
		{"GET", "/debug/vars", 404, "", `{"error":"there is only /invites and /metrics"}`},
	}
	for _, test := range tests {
		t.Run(test.method+test.path, func(t *testing.T) {
			res, body := send(t, test.method, s.URL+test.path, "Bearer "+testKey, `{"chat":"@a"}`)
			if allow := res.Header.Get("Allow"); res.StatusCode != test.code || allow != test.allow || body != test.body {
				t.Errorf("%d %s, Allow %q, want %d %s, %q", res.StatusCode, body, allow, test.code, test.body, test.allow)
			}
		})
	}
}

func TestFailure(t *testing.T) {
	refusal := func(code int, rest string) http.HandlerFunc {
		return reply(code, fmt.Sprintf(`{"ok":false,"error_code":%d,%s}`, code, rest))
	}
	tests := []struct {
		name       string
		telegram   http.HandlerFunc
		code       int
		retryAfter string
		want       response // its Error is a part of the text
	}{
		{"Telegram's words for a refusal", refusal(400, `"description":"Bad Request: chat not found"`),
			422, "", response{Outcome: "refused", Error: "Bad Request: chat not found"}},
		{"the new id of a chat", refusal(400, `"description":"migrated","parameters":{"migrate_to_chat_id":-1009876543210}`),
			422, "", response{Outcome: "refused", Error: "migrated", MigrateTo: "-1009876543210"}},
		{"unknown token", refusal(401, `"description":"Unauthorized"`),
			502, "", response{Outcome: "refused", Error: "does not know the service's bot: Unauthorized"}},
		{"not in the chat", refusal(403, `"description":"Forbidden: bot was kicked"`),
			502, "", response{Outcome: "refused", Error: "out of the chat: Forbidden: bot was kicked"}},
		{"how long to wait", refusal(429, `"description":"Too Many Requests","parameters":{"retry_after":34}`),
			429, "34", response{Outcome: "rate limited", Error: "Too Many Requests"}},
		{"too many requests, without a time", refusal(429, `"description":"Too Many Requests"`),
			429, "", response{Outcome: "rate limited", Error: "Too Many Requests"}},
		{"page of a proxy", reply(403, `<h1>Forbidden</h1>`),
			502, "", response{Outcome: "refused", Error: "403"}},
		{"page of a gateway", reply(502, `<h1>Bad Gateway</h1>`),
			502, "", response{Outcome: "unknown", Error: "502"}},
		{"too many requests, and yet a 500", reply(500, `{"ok":false,"error_code":429,"description":"Too Many"}`),
			502, "", response{Outcome: "unknown", Error: "Too Many"}},
		{"Telegram failed", refusal(500, `"description":"Internal Server Error"`),
			502, "", response{Outcome: "unknown", Error: "Internal Server Error"}},
		{"connection broken after the request", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			502, "", response{Outcome: "unknown", Error: "a link may exist"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t, telegramAt(t, test.telegram))
			res, body := post(t, s.URL, `{"chat":"@a"}`)
			var got response
			json.Unmarshal([]byte(body), &got)
			text := got.Error
			got.Error = test.want.Error
			if got != test.want || !strings.Contains(text, test.want.Error) {
				t.Errorf("%s, want %+v", body, test.want)
			}
			retryAfter := res.Header.Get("Retry-After")
			if res.StatusCode != test.code || retryAfter != test.retryAfter {
				t.Errorf("status %d, Retry-After %q, want %d, %q", res.StatusCode, retryAfter, test.code, test.retryAfter)
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	res, body := post(t, newService(t, closed.URL).URL, `{"chat":"@a"}`)
	if res.StatusCode != 502 || !strings.Contains(body, `"outcome":"not sent"`) {
		t.Errorf("%d %s, want 502 and outcome not sent", res.StatusCode, body)
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	got := failure(&telegram.Error{StatusCode: 429, Code: 429, RetryAfter: 1100 * time.Millisecond})
	if got.retryAfter != 2 {
		t.Errorf("Retry-After %d, want 2", got.retryAfter)
	}
}

// hang is a transport that connects, and sends the request or not, until the
// call ends.
type hang struct{ sent bool }

func (h hang) RoundTrip(req *http.Request) (*http.Response, error) {
	trace := httptrace.ContextClientTrace(req.Context())
	trace.GetConn("")
	if h.sent {
		trace.WroteHeaders()
	}
	<-req.Context().Done()
	return nil, req.Context().Err()
}

func TestTimeout(t *testing.T) {
	for sent, want := range map[bool]string{true: "unknown", false: "not sent"} {
		synctest.Test(t, func(t *testing.T) {
			client, err := telegram.NewClient(testToken,
				telegram.WithTransport(hang{sent}), telegram.WithTimeout(callTimeout))
			if err != nil {
				t.Fatal(err)
			}
			req := httptest.NewRequest(http.MethodPost, "/invites", strings.NewReader(`{"chat":"@a"}`))
			req.Header.Set("Authorization", "Bearer "+testKey)
			got, start := httptest.NewRecorder(), time.Now()
			newHandler(client, testKey, slog.New(slog.DiscardHandler)).ServeHTTP(got, req)
			var answer struct{ Outcome string }
			json.Unmarshal(got.Body.Bytes(), &answer)
			if took := time.Since(start); got.Code != 504 || answer.Outcome != want || took != callTimeout {
				t.Errorf("%d %s after %v, want 504 and outcome %q after %v", got.Code, got.Body, took, want, callTimeout)
			}
		})
	}
}

// TestOutcome has the errors that no server can provoke here; for the others see
// TestFailure.
func TestOutcome(t *testing.T) {
	_, invalid := telegram.NewClient("")
	refused := &telegram.Error{StatusCode: 400, Description: "Bad Request: chat not found"}
	flooded := &telegram.Error{StatusCode: 429, Description: "Too Many Requests: retry after 34"}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"no error is a link", nil, "link"},
		{"an invalid argument was not sent", invalid, "not sent"},
		{"a refusal", refused, "refused"},
		{"a refusal that is wrapped", fmt.Errorf("order 1042: %w", refused), "refused"},
		{"a wait for a rate limit that was cut short", fmt.Errorf("%w; %w", flooded, context.Canceled), "rate limited"},
		{"an unknown outcome that is wrapped", fmt.Errorf("order 1042: %w", telegram.ErrOutcomeUnknown), "unknown"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := outcome(test.err); got != test.want {
				t.Errorf("outcome(%v) = %q, want %q", test.err, got, test.want)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	s := newService(t, telegramAt(t, new(standin.Server).ServeHTTP))
	for _, chat := range []string{"@a", "@b", "@notfound", "@flood", "@badgateway", "none"} {
		post(t, s.URL, `{"chat":"`+chat+`"}`)
	}
	post(t, s.URL, `{"ttl":null}`)
	send(t, http.MethodPost, s.URL+"/invites", "Bearer wrong", `{"chat":"@a"}`)
	_, got := send(t, http.MethodGet, s.URL+"/metrics", "Bearer "+testKey, "")
	if want := `{"link": 2, "not sent": 2, "rate limited": 1, "refused": 1, "unknown": 1}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestLog(t *testing.T) {
	tests := []struct {
		name     string
		telegram http.HandlerFunc
		status   int
		outcome  string
	}{
		{"the link is not in it", reply(200, linkReply), 201, "link"},
		{"the name of a link that may exist is", reply(502, "<h1>Bad Gateway</h1>"), 502, "unknown"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t, telegramAt(t, test.telegram))
			post(t, s.URL, `{"chat":"@a","name":"Order 1042"}`)
			s.Close()
			var line struct {
				Status              int
				Outcome, Chat, Name string
				Seconds             float64
				ClientGone          *bool `json:"client_gone"`
			}
			if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
				t.Fatalf("%v in %s", err, &s.log)
			}
			if line.Status != test.status || line.Outcome != test.outcome || line.Chat != "@a" || line.Name != "Order 1042" {
				t.Errorf("log %s, want status %d, outcome %s, the chat and the name", &s.log, test.status, test.outcome)
			}
			if line.Seconds <= 0 || line.ClientGone == nil || *line.ClientGone {
				t.Errorf("log %s, want the seconds and that the client was there", &s.log)
			}
		})
	}
}

// TestClientGone proves that the call goes on when the client of the service
// has hung up.
func TestClientGone(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	s := newService(t, telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(arrived)
		select {
		case <-gone:
			io.WriteString(w, linkReply)
		case <-r.Context().Done():
		}
	}))
	handler := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer context.AfterFunc(r.Context(), func() { close(gone) })()
		handler.ServeHTTP(w, r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/invites", strings.NewReader(`{"chat":"@a"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := http.DefaultClient.Do(req); err == nil {
		t.Fatal("the client did not hang up")
	}
	s.Close()
	if log := s.log.String(); !strings.Contains(log, `"status":201,`) || !strings.Contains(log, `"client_gone":true`) {
		t.Errorf("log %s, want status 201 and that the client has gone", log)
	}
}

func TestRunRefusesToStart(t *testing.T) {
	tests := []struct {
		name             string
		demo             bool
		key, token, addr string
		apiURL           string
		want             string
	}{
		{"without a key", false, "", testToken, "127.0.0.1:0", "", "INVITE_API_KEY"},
		{"with white space in the key's place", false, " ", testToken, "127.0.0.1:0", "", "INVITE_API_KEY"},
		{"with a line end after the key", false, testKey + "\n", testToken, "127.0.0.1:0", "", "INVITE_API_KEY"},
		{"without a token, which is no demo", false, testKey, "", "127.0.0.1:0", "", "TELEGRAM_BOT_TOKEN"},
		{"with a bad API URL", false, testKey, testToken, "127.0.0.1:0", "localhost:8081", "TELEGRAM_API_URL"},
		{"with a bad address", false, testKey, testToken, "127.0.0.1:x", "", "listen"},
		{"with a demo of another server", true, "", "", "127.0.0.1:0", "http://127.0.0.1:8081", "TELEGRAM_API_URL"},
		{"with white space after the key of a demo", true, testKey + " ", "", "127.0.0.1:0", "", "INVITE_API_KEY"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := map[string]string{
				"INVITE_API_KEY": test.key, "TELEGRAM_BOT_TOKEN": test.token,
				"ADDR": test.addr, "TELEGRAM_API_URL": test.apiURL,
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a service that starts stops at once
			err := run(ctx, test.demo, func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %s", err, test.want)
			}
		})
	}
}

func TestArgumentsAreRefused(t *testing.T) {
	out, err := exec.Command(build(t), testToken).CombinedOutput()
	exit, _ := errors.AsType[*exec.ExitError](err)
	if exit.ExitCode() != 2 || !strings.Contains(string(out), "-demo") || strings.Contains(string(out), testSecret) {
		t.Errorf("%v and %s, want status 2 and the usage, without the token", err, out)
	}
}

// TestDemo runs the demo as a program.
func TestDemo(t *testing.T) {
	tests := []struct {
		name, key string
		env       []string
	}{
		{"it needs no variables", demoKey, nil},
		{"it takes the key of the environment, but not the token", testKey,
			[]string{"INVITE_API_KEY=" + testKey, "TELEGRAM_BOT_TOKEN=not a token"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, build(t), "--demo")
			cmd.Env = append(test.env, "ADDR=127.0.0.1:0")
			url, log := start(t, cmd)
			if !strings.Contains(log, "a stand-in answers, not Telegram") {
				t.Errorf("log %s, want it to say that this is a demo", log)
			}
			if strings.Contains(log, testKey) {
				t.Errorf("log %s, want no key in it", log)
			}
			if said := strings.Contains(log, "the key is "+demoKey); said != (test.key == demoKey) {
				t.Errorf("log %s, want it to name the key if and only if that is the demo's own", log)
			}
			res, body := send(t, "POST", url+"/invites", "Bearer "+test.key, `{"chat":"-1001234567890"}`)
			if res.StatusCode != 201 || !strings.Contains(body, `"link":"https://t.me/+`) {
				t.Errorf("%d %s, want 201 and a link", res.StatusCode, body)
			}
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
}

// TestShutdown runs the service as a program and stops it during a call.
func TestShutdown(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send SIGTERM")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	arrived, release := make(chan struct{}), make(chan struct{})
	apiURL := telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-release:
			io.WriteString(w, linkReply)
		case <-ctx.Done():
		}
	})
	cmd := exec.CommandContext(ctx, build(t))
	cmd.Env = append(os.Environ(), "INVITE_API_KEY="+testKey, "TELEGRAM_BOT_TOKEN="+testToken,
		"TELEGRAM_API_URL="+apiURL, "ADDR=127.0.0.1:0")
	url, _ := start(t, cmd)
	go func() {
		select {
		case <-arrived:
		case <-ctx.Done():
		}
		cmd.Process.Signal(syscall.SIGTERM)
		for dialer := new(net.Dialer); ; { // until the service takes no connections
			conn, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				break
			}
			conn.Close()
		}
		close(release)
	}()
	if res, body := post(t, url, `{"chat":"@a"}`); res.StatusCode != 201 {
		t.Errorf("%d %s, want 201", res.StatusCode, body)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the service ended with %v, want status 0", err)
	}
}

// build builds the service.
func build(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "inviteservice.exe")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// start starts the service, and returns where it listens and its log up to that.
func start(t *testing.T, cmd *exec.Cmd) (url, log string) {
	t.Helper()
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		log += lines.Text() + "\n"
		var line struct{ Addr string }
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Addr != "" {
			return "http://" + line.Addr, log
		}
	}
	t.Fatalf("log %s, want the address", log)
	return "", ""
}
