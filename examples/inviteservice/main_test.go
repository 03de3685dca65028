package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
	"testing/synctest"
	"time"

	"example.com/telegram"
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

type service struct {
	*httptest.Server
	log bytes.Buffer // to be read when the server is closed
}

// newService starts the service. No secret may get into its log.
func newService(t *testing.T, apiURL string, opts ...telegram.ClientOption) *service {
	t.Helper()
	client, err := telegram.NewClient(testToken, append(opts, telegram.WithBaseURL(apiURL))...)
	if err != nil {
		t.Fatal(err)
	}
	s := new(service)
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

// post asks for a link and returns the answer with its body.
func post(t *testing.T, url, authorization, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/invites", strings.NewReader(body))
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
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q, want application/json", got)
	}
	return res, strings.TrimSuffix(string(answer), "\n")
}

func TestArgumentsReachTelegram(t *testing.T) {
	sent := make(chan string, 1)
	s := newService(t, telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent <- string(body)
		io.WriteString(w, linkReply)
	}))
	tests := []struct{ name, body, want string }{
		{"chat alone", `{"chat":"@a"}`, `{"chat_id":"@a"}`},
		{"zero values", `{"chat":"@a","name":"","ttl":null,"members":0,"join_request":false}`, `{"chat_id":"@a"}`},
		{"name and members", `{"chat":"-1001234567890*5","name":"Order 1","members":1}`, `{"chat_id":"-1001234567890","name":"Order 1","member_limit":1}`},
		{"join request", `{"chat":"@a","join_request":true}`, `{"chat_id":"@a","creates_join_request":true}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, answer := post(t, s.URL, "Bearer "+testKey, test.body)
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
	res, body := post(t, s.URL, "Bearer "+testKey, `{"chat":"@a","ttl":"24h"}`)
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
	tests := []struct {
		name, body string
		code       int
		want       string // a part of the error
	}{
		{"no JSON", `chat=@a`, 400, "the body is not the JSON expected"},
		{"nothing", ``, 400, "the body is not the JSON expected"},
		{"wrong type", `{"chat":5}`, 400, "the body is not the JSON expected"},
		{"unknown field", `{"chat":"@a","limit":1}`, 400, "limit"},
		{"second value", `{"chat":"@a"} {"chat":"@b"}`, 400, "the body is not the JSON expected"},
		{"garbage after it", `{"chat":"@a"}}`, 400, "the body is not the JSON expected"},
		{"too large", `{"name":"` + strings.Repeat("a", maxBody) + `"}`, 413, "too large"},
		{"too much white space", `{"chat":"@a"}` + strings.Repeat(" ", maxBody), 413, "too large"},
		{"no chat", `{}`, 400, "chat"},
		{"chat that is none", `{"chat":"a"}`, 400, "chat"},
		{"members below zero", `{"chat":"@a","members":-1}`, 400, "member limit -1"},
		{"join request with members", `{"chat":"@a","members":1,"join_request":true}`, 400, "join request"},
		{"ttl without a unit", `{"chat":"@a","ttl":"24"}`, 400, "ttl"},
		{"empty ttl", `{"chat":"@a","ttl":""}`, 400, "ttl"},
		{"zero ttl", `{"chat":"@a","ttl":"0s"}`, 400, "expire date"},
		{"ttl of a century", `{"chat":"@a","ttl":"876000h"}`, 400, "expire date"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, body := post(t, s.URL, "Bearer "+testKey, test.body)
			var answer map[string]string
			json.Unmarshal([]byte(body), &answer)
			if res.StatusCode != test.code || len(answer) != 1 || !strings.Contains(answer["error"], test.want) {
				t.Errorf("%d %s, want %d and an error with %q", res.StatusCode, body, test.code, test.want)
			}
		})
	}
}

func TestKey(t *testing.T) {
	s := newService(t, telegramAt(t, reply(200, linkReply)))
	tests := []struct {
		name, authorization string
		code                int
	}{
		{"right", "Bearer " + testKey, 201},
		{"scheme in other case", "bearer " + testKey, 201},
		{"missing", "", 401},
		{"empty", "Bearer ", 401},
		{"wrong", "Bearer wrong", 401},
		{"only the beginning", "Bearer " + testKey[:5], 401},
		{"with more after it", "Bearer " + testKey + "x", 401},
		{"other scheme", "Basic " + testKey, 401},
		{"no scheme", testKey, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, body := post(t, s.URL, test.authorization, `{"chat":"@a"}`)
			if res.StatusCode != test.code {
				t.Errorf("%d %s, want %d", res.StatusCode, body, test.code)
			}
			if got := res.Header.Get("WWW-Authenticate"); test.code == 401 && (got != "Bearer" || body != `{"error":"the key is missing or wrong"}`) {
				t.Errorf("WWW-Authenticate %q, %s, want Bearer and the reason", got, body)
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	tests := []struct {
		name, telegram string
		telegramCode   int
		code           int
		retryAfter     string
		want           response // its Error is a part of the text
	}{
		{"chat not found", `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`, 400,
			422, "", response{Error: "Bad Request: chat not found"}},
		{"migrated", `{"ok":false,"error_code":400,"description":"Bad Request: upgraded","parameters":{"migrate_to_chat_id":-1009876543210}}`, 400,
			422, "", response{Error: "Bad Request: upgraded", MigrateTo: "-1009876543210"}},
		{"unknown token", `{"ok":false,"error_code":401,"description":"Unauthorized"}`, 401,
			502, "", response{Error: "does not know the service's bot: Unauthorized"}},
		{"not in the chat", `{"ok":false,"error_code":403,"description":"Forbidden: bot was kicked"}`, 403,
			502, "", response{Error: "keeps the service's bot out of the chat: Forbidden: bot was kicked"}},
		{"too many requests", `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 34","parameters":{"retry_after":34}}`, 429,
			429, "34", response{Error: "Too Many Requests: retry after 34"}},
		{"too many requests, without a time", `{"ok":false,"error_code":429,"description":"Too Many Requests"}`, 429,
			429, "", response{Error: "Too Many Requests"}},
		{"page of a proxy", `<h1>Forbidden</h1>`, 403,
			502, "", response{Error: "403"}},
		{"page of a gateway", `<h1>Bad Gateway</h1>`, 502,
			502, "", response{Error: "502", Outcome: "unknown"}},
		{"Telegram failed", `{"ok":false,"error_code":500,"description":"Internal Server Error"}`, 500,
			502, "", response{Error: "Internal Server Error", Outcome: "unknown"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t, telegramAt(t, reply(test.telegramCode, test.telegram)))
			res, body := post(t, s.URL, "Bearer "+testKey, `{"chat":"@a"}`)
			var got response
			json.Unmarshal([]byte(body), &got)
			if !strings.Contains(got.Error, test.want.Error) || got.Outcome != test.want.Outcome || got.MigrateTo != test.want.MigrateTo {
				t.Errorf("%s, want %+v", body, test.want)
			}
			retryAfter := res.Header.Get("Retry-After")
			if res.StatusCode != test.code || retryAfter != test.retryAfter {
				t.Errorf("status %d, Retry-After %q, want %d, %q", res.StatusCode, retryAfter, test.code, test.retryAfter)
			}
		})
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	got := failure(&telegram.Error{StatusCode: 429, Code: 429, RetryAfter: 1100 * time.Millisecond})
	if got.retryAfter != 2 {
		t.Errorf("Retry-After %d, want 2", got.retryAfter)
	}
}

func TestNoReply(t *testing.T) {
	broken := telegramAt(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	closed := httptest.NewServer(nil)
	closed.Close()
	tests := []struct {
		name, url string
		code      int
		outcome   string
	}{
		{"connection broken after the request", broken, 502, "unknown"},
		{"no connection", closed.URL, 502, "not sent"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newService(t, test.url)
			res, body := post(t, s.URL, "Bearer "+testKey, `{"chat":"@a"}`)
			var answer struct{ Error, Outcome string }
			json.Unmarshal([]byte(body), &answer)
			if res.StatusCode != test.code || answer.Outcome != test.outcome || answer.Error == "" {
				t.Errorf("%d %s, want %d and outcome %q", res.StatusCode, body, test.code, test.outcome)
			}
		})
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
			client, err := telegram.NewClient(testToken, telegram.WithTransport(hang{sent}), telegram.WithTimeout(callTimeout))
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

func TestLog(t *testing.T) {
	s := newService(t, telegramAt(t, reply(200, linkReply)))
	post(t, s.URL, "Bearer "+testKey, `{"chat":"@a"}`)
	s.Close()
	var line struct {
		Status     int
		Chat       string
		Seconds    float64
		ClientGone *bool `json:"client_gone"`
	}
	if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, &s.log)
	}
	if line.Status != 201 || line.Chat != "@a" || line.Seconds <= 0 || line.ClientGone == nil || *line.ClientGone {
		t.Errorf("log %s, want status, chat, seconds and that the client was there", &s.log)
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
		name, key, token, addr string
		want                   string
	}{
		{"without a key", "", testToken, "127.0.0.1:0", "INVITE_API_KEY"},
		{"with white space in the key's place", " ", testToken, "127.0.0.1:0", "INVITE_API_KEY"},
		{"with a line end after the key", testKey + "\n", testToken, "127.0.0.1:0", "INVITE_API_KEY"},
		{"without a token", testKey, "", "127.0.0.1:0", "token"},
		{"with a bad address", testKey, testToken, "127.0.0.1:x", "listen"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := map[string]string{"INVITE_API_KEY": test.key, "TELEGRAM_BOT_TOKEN": test.token, "ADDR": test.addr}
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a service that starts stops at once
			err := run(ctx, func(name string) string { return env[name] }, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one about %s", err, test.want)
			}
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
	cmd, addr := start(ctx, t, telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-release:
			io.WriteString(w, linkReply)
		case <-ctx.Done():
		}
	}))
	go func() {
		select {
		case <-arrived:
		case <-ctx.Done():
		}
		cmd.Process.Signal(syscall.SIGTERM)
		for dialer := new(net.Dialer); ; { // until the service takes no connections
			conn, err := dialer.DialContext(ctx, "tcp", addr)
			if err != nil {
				break
			}
			conn.Close()
		}
		close(release)
	}()
	if res, body := post(t, "http://"+addr, "Bearer "+testKey, `{"chat":"@a"}`); res.StatusCode != 201 {
		t.Errorf("%d %s, want 201", res.StatusCode, body)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the service ended with %v, want status 0", err)
	}
}

// start builds the service, starts it, and returns the address it listens at.
func start(ctx context.Context, t *testing.T, apiURL string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "inviteservice.exe")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd = exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), "INVITE_API_KEY="+testKey, "TELEGRAM_BOT_TOKEN="+testToken,
		"TELEGRAM_API_URL="+apiURL, "ADDR=127.0.0.1:0")
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var first struct{ Addr string }
	line, err := bufio.NewReader(logs).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &first); err != nil || first.Addr == "" {
		t.Fatalf("log %s, want the address", line)
	}
	return cmd, first.Addr
}
