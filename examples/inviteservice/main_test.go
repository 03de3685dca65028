package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
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

	order = `{"chat": "-1001234567890", "name": "Order 1042", "ttl": "24h", "members": 1}` // of the package comment
)

// TestMain lets a test run the service as a program.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_THE_SERVICE") != "" {
		main()
		return
	}
	m.Run()
}

// newRequest returns a request of a client that has the right key.
func newRequest(ctx context.Context, url, body string) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/invites", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+testKey)
	return r
}

// post asks s for a link, without a network.
func post(ctx context.Context, s *service, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, newRequest(ctx, "", body))
	return w
}

// A roundTripper answers in the place of Telegram, without a network.
type roundTripper func(*http.Request) (reply string, err error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := f(r)
	return &http.Response{Body: io.NopCloser(strings.NewReader(reply))}, err
}

// newService returns a service that sends its requests to telegram.
func newService(t *testing.T, log io.Writer, api roundTripper) *service {
	t.Helper()
	client, err := telegram.NewClient(testToken, telegram.WithTransport(api))
	if err != nil {
		t.Fatal(err)
	}
	return &service{client, testKey, slog.New(slog.NewJSONHandler(log, nil))}
}

// giveLink is a fake that always returns a link.
func giveLink(context.Context) (*telegram.ChatInviteLink, error) {
	return &telegram.ChatInviteLink{InviteLink: testLink}, nil
}

func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that the time is 2000-01-01T00:00:00Z
		var sent []byte
		s := newService(t, io.Discard, func(r *http.Request) (string, error) {
			sent, _ = io.ReadAll(r.Body)
			return `{"ok":true,"result":{"invite_link":"` + testLink + `","expire_date":946771200}}`, nil
		})
		got := post(t.Context(), s, order)
		want := `{"link":"` + testLink + `","expires":"2000-01-02T00:00:00Z"}`
		if body := got.Body.String(); got.Code != 201 || body != want {
			t.Errorf("got %d %s, want 201 %s", got.Code, body, want)
		}
		want = `{"chat_id":"-1001234567890","name":"Order 1042","expire_date":946771200,"member_limit":1}`
		if string(sent) != want {
			t.Errorf("sent %s, want %s", sent, want)
		}
	})
}

func TestInvalidRequest(t *testing.T) {
	s := newService(t, io.Discard, func(r *http.Request) (string, error) {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("sent %s", body)
		return "", errors.New("it must not be sent")
	})
	const (
		noObject = "the body must be a JSON object"
		more     = "the body must end after the JSON object"
		missing  = "chat, name, ttl and members are required"
		badTTL   = "ttl must be a positive duration such as 24h"
		badLimit = "the member limit must be 1 to 99999"
	)
	change := func(old, new string) string { return strings.Replace(order, old, new, 1) }
	tests := []struct{ name, body, want string }{
		{"no body", ``, noObject},
		{"no JSON", `chat=@a`, noObject},
		{"null", `null`, missing},
		{"unknown key", change(`members`, `limit`), `unknown field "limit"`},
		{"more than one object", order + order, more},
		{"more than 4 KiB", order + strings.Repeat(" ", 4<<10), more},
		{"chat missing", change(`"chat": "-1001234567890", `, ``), missing},
		{"chat null", change(`"-1001234567890"`, `null`), missing},
		{"chat a number", change(`"-1001234567890"`, `-1001234567890`), noObject},
		{"name missing", change(`"name": "Order 1042", `, ``), missing},
		{"name null", change(`"Order 1042"`, `null`), missing},
		{"name empty", change(`Order 1042`, ``), missing},
		{"name too long", change(`Order 1042`, strings.Repeat("x", 33)), "the name must have at most 32 code points"},
		{"ttl missing", change(`"ttl": "24h", `, ``), missing},
		{"ttl null", change(`"24h"`, `null`), missing},
		{"ttl empty", change(`24h`, ``), missing},
		{"ttl zero", change(`24h`, `0`), badTTL},
		{"ttl negative", change(`24h`, `-24h`), badTTL},
		{"ttl a number", change(`"24h"`, `24`), noObject},
		{"ttl without a unit", change(`24h`, `24`), badTTL},
		{"members missing", change(`, "members": 1`, ``), missing},
		{"members null", change(`1}`, `null}`), missing},
		{"members zero", change(`1}`, `0}`), missing},
		{"members negative", change(`1}`, `-1}`), badLimit},
		{"members a string", change(`1}`, `""}`), noObject},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := post(t.Context(), s, test.body)
			var body struct{ Error, Outcome string }
			json.Unmarshal(got.Body.Bytes(), &body)
			if got.Code != 400 || body.Outcome != "invalid" || !strings.Contains(body.Error, test.want) {
				t.Errorf("got %d %s, want 400, outcome invalid and %q", got.Code, got.Body, test.want)
			}
		})
	}
}

func TestKey(t *testing.T) {
	s := &service{fake(giveLink), testKey, slog.New(slog.DiscardHandler)}
	tests := []struct {
		name, authorization string
		status              int
	}{
		{"right", "Bearer " + testKey, 201},
		{"missing", "", 401},
		{"empty", "Bearer ", 401},
		{"wrong", "Bearer " + strings.ToUpper(testKey), 401},
		{"cut", "Bearer " + testKey[:5], 401},
		{"too long", "Bearer " + testKey + "x", 401},
		{"without Bearer", testKey, 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRequest(t.Context(), "", order)
			r.Header.Set("Authorization", test.authorization)
			got := httptest.NewRecorder()
			s.ServeHTTP(got, r)
			if got.Code != test.status {
				t.Errorf("got %d %s, want %d", got.Code, got.Body, test.status)
			}
		})
	}
}

func TestLog(t *testing.T) {
	tests := []struct {
		name           string
		api            roundTripper
		outcome, level string
	}{
		{"without the link", func(*http.Request) (string, error) {
			return `{"ok":true,"result":{"invite_link":"` + testLink + `"}}`, nil
		}, "link", "INFO"},
		{"without the token", func(r *http.Request) (string, error) {
			return "", errors.New("failed: " + r.URL.String())
		}, "unknown", "WARN"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			post(t.Context(), newService(t, &log, test.api), order)
			var line struct{ Level, Outcome, Chat, Name string }
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if line.Outcome != test.outcome || line.Level != test.level || line.Chat != "-1001234567890" ||
				line.Name != "Order 1042" {
				t.Errorf("got %s, want outcome %s, level %s, the chat and the name", &log, test.outcome, test.level)
			}
			for _, secret := range []string{testLink, testKey, testSecret} {
				if strings.Contains(log.String(), secret) {
					t.Errorf("the log shows %s: %s", secret, &log)
				}
			}
		})
	}
}

// A client that hangs up during a call does not cancel it.
func TestClientGone(t *testing.T) {
	var log bytes.Buffer
	ctx, hangUp := context.WithCancel(t.Context())
	client := fake(func(ctx context.Context) (*telegram.ChatInviteLink, error) {
		hangUp()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return giveLink(ctx)
	})
	post(ctx, &service{client, testKey, slog.New(slog.NewJSONHandler(&log, nil))}, order)
	if got := log.String(); !strings.Contains(got, `"outcome":"link"`) || !strings.Contains(got, `"client_gone":true`) {
		t.Errorf("got %s, want a link and that the client has gone", got)
	}
}

// A blockedLog does not return from Write before it is closed.
type blockedLog chan struct{}

func (l blockedLog) Write(p []byte) (int, error) {
	<-l
	return len(p), nil
}

// A client gets the whole answer before the log does.
func TestAnswerBeforeLog(t *testing.T) {
	log := make(blockedLog)
	server := httptest.NewServer(&service{fake(giveLink), testKey, slog.New(slog.NewJSONHandler(log, nil))})
	defer server.Close()
	defer close(log)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	res, err := http.DefaultClient.Do(newRequest(ctx, server.URL, order))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), testLink) {
		t.Errorf("got %s, %v, want the link", body, err)
	}
}

func TestEnvironment(t *testing.T) {
	tests := []struct{ name, key, token, url, addr, want string }{
		{"no key", "", testToken, "", "127.0.0.1:0", "INVITE_API_KEY must be set"},
		{"key with the newline of a file", testKey + "\n", testToken, "", "127.0.0.1:0", "INVITE_API_KEY must be set"},
		{"no token", testKey, "", "", "127.0.0.1:0", "TELEGRAM_BOT_TOKEN"},
		{"URL without a scheme", testKey, testToken, "localhost:8081", "127.0.0.1:0", "TELEGRAM_API_URL"},
		{"address that is not valid", testKey, testToken, "", "127.0.0.1:x", "listen"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("INVITE_API_KEY", test.key)
			t.Setenv("TELEGRAM_BOT_TOKEN", test.token)
			t.Setenv("TELEGRAM_API_URL", test.url)
			t.Setenv("ADDR", test.addr)
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a service that starts ends at once
			err := run(ctx, false, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error about %s", err, test.want)
			}
		})
	}
}

// start runs the service as a program on a free port. It returns where the service
// listens, its log up to then, and the rest of it.
func start(t *testing.T, args []string, env ...string) (cmd *exec.Cmd, url, log string, rest io.ReadCloser) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(env, "RUN_THE_SERVICE=1", "ADDR=127.0.0.1:0")
	rest, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for lines := bufio.NewScanner(rest); lines.Scan(); {
		log += lines.Text() + "\n"
		var line struct{ Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Addr != "" {
			return cmd, "http://" + line.Addr, log, rest
		}
	}
	t.Fatalf("got log %s, want the address", log)
	return
}

// The demo needs no account, says which chats get no link, and goes on when the
// reader of its log goes away.
func TestDemo(t *testing.T) {
	_, url, log, rest := start(t, []string{"--demo"}, "INVITE_API_KEY="+testKey, "TELEGRAM_API_URL=no URL")
	if chats, _ := json.Marshal(standin.Chats()); !strings.Contains(log, string(chats)) {
		t.Errorf("got log %s, want the chats %s", log, chats)
	}
	rest.Close()
	for range 2 { // the first answer is sent before its line of the log
		r := newRequest(t.Context(), url, order)
		r.Header.Set("Authorization", "Bearer demo")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); res.StatusCode != 201 || !strings.Contains(string(body), `"https://t.me/+`) {
			t.Errorf("got %d %s, want 201 and a link", res.StatusCode, body)
		}
	}
}

// After SIGTERM, the service finishes the call in flight.
func TestShutdown(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send SIGTERM")
	}
	var stop func()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stop()
		io.WriteString(w, `{"ok":true,"result":{"invite_link":"`+testLink+`"}}`)
	}))
	defer api.Close()
	cmd, url, _, rest := start(t, nil,
		"INVITE_API_KEY="+testKey, "TELEGRAM_BOT_TOKEN="+testToken, "TELEGRAM_API_URL="+api.URL)
	go io.Copy(io.Discard, rest)
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		// Until the service takes no connections.
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				return
			}
			conn.Close()
		}
	}
	res, err := http.DefaultClient.Do(newRequest(t.Context(), url, order))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 201 {
		t.Errorf("got %d, want 201", res.StatusCode)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the service ended with %v, want status 0", err)
	}
}
