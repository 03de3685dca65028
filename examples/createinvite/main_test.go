package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/telegram"
)

const (
	testSecret = "not-a-secret-but-has-the-form-of-one"
	testToken  = "6129457865:" + testSecret
)

// Local time is not UTC, so that the tests see a difference.
func init() { time.Local = time.FixedZone("", 3*60*60) }

type result struct {
	status         int
	stdout, stderr string
}

// execute runs the command with testToken in its environment. In no case may it
// show the secret, or print anything but one JSON value.
func execute(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	getenv := func(name string) string {
		if name == "TELEGRAM_BOT_TOKEN" {
			return testToken
		}
		return ""
	}
	got := result{status: run(t.Context(), args, getenv, &stdout, &stderr)}
	got.stdout, got.stderr = stdout.String(), stderr.String()
	if strings.Contains(got.stdout+got.stderr, testSecret) {
		t.Errorf("the output shows the token:\n%s%s", got.stdout, got.stderr)
	}
	if got.stdout != "" && got.stdout != help && !json.Valid(stdout.Bytes()) {
		t.Errorf("stdout is not JSON:\n%s", got.stdout)
	}
	return got
}

// telegramAt starts a server that answers in the place of Telegram.
func telegramAt(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestLink(t *testing.T) {
	got := execute(t, "--demo", "--chat", "@testsichee", "--title", `R&D <"1">`, "--limit", "200")
	stdout := linkPattern.ReplaceAllString(got.stdout, "LINK")
	want := `{
  "ok": true,
  "result": {
    "invite_link": "LINK",
    "name": "R&D <\"1\">",
    "creator": {
      "id": 6129457865,
      "is_bot": true,
      "first_name": "Demo Bot",
      "username": "demo_bot"
    },
    "member_limit": 200,
    "creates_join_request": false,
    "is_primary": false,
    "is_revoked": false
  }
}
`
	if got.status != 0 || stdout != want {
		t.Errorf("status %d, stdout:\n%s\nwant 0 and:\n%s", got.status, stdout, want)
	}
	if strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, "not Telegram") {
		t.Errorf("stderr %q, want one line that says who answers", got.stderr)
	}
}

func TestArgumentsReachTelegram(t *testing.T) {
	var path, body string
	url := telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		path, body = r.URL.Path, string(b)
		fmt.Fprint(w, `{"ok":true,"result":{"invite_link":"https://t.me/+a"}}`)
	})
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"long names", []string{"--chat", "-1001234567890*42", "--title", "a", "--limit", "5"}, `{"chat_id":"-1001234567890","name":"a","member_limit":5}`},
		{"short names", []string{"-c", "@a", "-l", "b", "-m", "6", "-e", "2037-01-01T00:00:00Z"}, `{"chat_id":"@a","name":"b","expire_date":2114380800,"member_limit":6}`},
		{"one dash", []string{"-chat=@a", "-join-request"}, `{"chat_id":"@a","creates_join_request":true}`},
		{"limit 0 is none", []string{"-c", "@a", "--limit", "0"}, `{"chat_id":"@a"}`},
		{"the last of a flag wins", []string{"-c", "@a", "-e", "1h", "-e", "2037-01-01T00:00:00Z"}, `{"chat_id":"@a","expire_date":2114380800}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := execute(t, append(test.args, "--api", url+"/prefix")...)
			if got.status != 0 || got.stderr != "" {
				t.Errorf("status %d, stderr %q, want 0 and nothing", got.status, got.stderr)
			}
			if body != test.want {
				t.Errorf("body %s, want %s", body, test.want)
			}
			if want := "/prefix/bot" + testToken + "/createChatInviteLink"; path != want {
				t.Errorf("path %s, want %s", path, want)
			}
		})
	}
}

func TestTokenFromFlagWins(t *testing.T) {
	for _, name := range []string{"--token", "-t"} {
		got := execute(t, "--demo", "-c", "@a", name, "42:"+testSecret)
		if !strings.Contains(got.stdout, `"id": 42,`) {
			t.Errorf("%s: the link is not bot 42's:\n%s", name, got.stdout)
		}
	}
}

func TestExpire(t *testing.T) {
	now := time.Now()
	tests := []struct {
		value string
		want  time.Time
	}{
		{"2037-05-03T11:19:33", time.Date(2037, 5, 3, 8, 19, 33, 0, time.UTC)},
		{"2037-05-03T11:19:33Z", time.Date(2037, 5, 3, 11, 19, 33, 0, time.UTC)},
		{"2037-05-03T11:19:33-02:00", time.Date(2037, 5, 3, 13, 19, 33, 0, time.UTC)},
		{"24h", now.Add(24 * time.Hour)},
		{"1h30m", now.Add(90 * time.Minute)},
	}
	for _, test := range tests {
		got := execute(t, "--demo", "-c", "@a", "--expire", test.value)
		var reply struct{ Result telegram.ChatInviteLink }
		if err := json.Unmarshal([]byte(got.stdout), &reply); err != nil {
			t.Fatal(err)
		}
		// A duration counts from a moment later than now.
		late := reply.Result.ExpireDate.Sub(test.want.Truncate(time.Second))
		if late < 0 || late > time.Minute || late != 0 && !strings.HasSuffix(test.value, "h") && !strings.HasSuffix(test.value, "m") {
			t.Errorf("%s: the link ends at %v, want %v", test.value, reply.Result.ExpireDate, test.want)
		}
	}
}

func TestRefusal(t *testing.T) {
	tests := []struct {
		chat   string
		status int
		stdout string // a part; none at all if empty
		stderr string // a part
	}{
		{"@notfound", 1, `"description": "Bad Request: chat not found"`, "add the bot to the chat"},
		{"@norights", 1, `"description": "Bad Request: not enough rights`, "administrator of the chat with the right to invite users"},
		{"@forbidden", 1, `"error_code": 403`, "administrator of the chat with the right to invite users"},
		{"@migrated", 1, `"migrate_to_chat_id": -1009876543210`, "use --chat -1009876543210"},
		{"@flood", 1, `"retry_after": 34`, "try again in 34s"},
		{"@floodonce", 1, `"retry_after": 1`, "try again in 1s"},
		{"@badgateway", 3, "", "look at the links in the chat's settings before trying again"},
	}
	for _, test := range tests {
		t.Run(test.chat, func(t *testing.T) {
			got := execute(t, "--demo", "--chat", test.chat)
			if got.status != test.status {
				t.Errorf("status %d, want %d", got.status, test.status)
			}
			if !strings.Contains(got.stdout, test.stdout) || (got.stdout == "") != (test.stdout == "") {
				t.Errorf("stdout %q, want %q in it", got.stdout, test.stdout)
			}
			if !strings.Contains(got.stderr, test.stderr) || strings.Count(got.stderr, "\n") != 2 {
				t.Errorf("stderr %q, want %q in the second of two lines", got.stderr, test.stderr)
			}
		})
	}
}

// TestWait waits one second: no synthetic clock covers sockets.
func TestWait(t *testing.T) {
	got := execute(t, "--demo", "--chat", "@floodonce", "--wait", "5s")
	if got.status != 0 || !strings.Contains(got.stdout, `"invite_link": "https://t.me/+`) {
		t.Errorf("status %d, stdout %s, want 0 and a link", got.status, got.stdout)
	}
}

func TestExplain(t *testing.T) {
	answer := func(code int, description string) *telegram.Error {
		return &telegram.Error{StatusCode: code, Code: code, Description: description}
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"unknown token", answer(401, "Unauthorized"), "; check the token, which @BotFather shows"},
		{"no rights, in MTProto's words", answer(400, "Bad Request: CHAT_ADMIN_REQUIRED"), "; make the bot an administrator of the chat with the right to invite users"},
		{"no time to wait given", answer(429, "Too Many Requests"), "; try again in some minutes"},
		{"gateway refused", answer(403, ""), "; something on the way answered, not Telegram: check --proxy and --api"},
		{"telegram failed", answer(500, "Internal Server Error: restart"), "; look at the links in the chat's settings before trying again"},
		{"wait interrupted", fmt.Errorf("%w; cut: %w", answer(429, "Too Many Requests"), context.Canceled), "; no link was made"},
		{"nothing to advise", answer(400, "Bad Request: group is deactivated"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := "createinvite: " + strings.TrimPrefix(test.err.Error(), "telegram: ") + test.want
			if got := explain(test.err); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestNotSent(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	for _, flag := range []string{"--api", "--proxy"} {
		got := execute(t, "--chat", "@a", flag, server.URL)
		if got.status != 1 || got.stdout != "" || !strings.Contains(got.stderr, "no link was made: check the network") {
			t.Errorf("%s: %+v, want status 1 and advice", flag, got)
		}
	}
}

func TestTimeout(t *testing.T) {
	url := telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	got := execute(t, "--chat", "@a", "--api", url, "--timeout", "250ms", "--adv-response")
	// On a busy machine it may run out before the request left.
	if got.status != 3 && got.status != 1 || got.stdout != "" || !strings.Contains(got.stderr, "the timeout expired") {
		t.Errorf("%+v, want status 3 or 1, no output and the timeout named", got)
	}
}

func TestAdvResponse(t *testing.T) {
	tests := []struct {
		name, body   string
		code, status int
		want         any // the body in the output
	}{
		{"link", `{"ok":true,"result":{"invite_link":"https://t.me/+a"}}`, 200, 0, map[string]any{"ok": true, "result": map[string]any{"invite_link": "https://t.me/+a"}}},
		{"refusal", `{"ok":false,"description":"Forbidden"}`, 403, 1, map[string]any{"ok": false, "description": "Forbidden"}},
		{"page", "<h1>R&D</h1>\r\n", 404, 1, "<h1>R&D</h1>\r\n"},
		{"nothing", "", 502, 3, ""},
		{"page that quotes the token", "no " + testToken, 404, 1, "no 6129457865:[redacted]"},
		{"JSON that quotes the token", `{"ok":false,"description":"no ` + testToken + `"}`, 400, 1, map[string]any{"ok": false, "description": "no 6129457865:[redacted]"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["X-Test"] = []string{"a", "b"}
				w.WriteHeader(test.code)
				io.WriteString(w, test.body)
			})
			got := execute(t, "--chat", "@a", "--api", url, "--adv-response")
			var out struct {
				Code    int
				Body    any
				Headers map[string]string
			}
			json.Unmarshal([]byte(got.stdout), &out)
			if got.status != test.status || out.Code != test.code {
				t.Errorf("exit status %d, code %d, want %d, %d", got.status, out.Code, test.status, test.code)
			}
			if got, want := fmt.Sprintf("%#v", out.Body), fmt.Sprintf("%#v", test.want); got != want {
				t.Errorf("body %s, want %s", got, want)
			}
			if out.Headers["X-Test"] != "a, b" {
				t.Errorf("headers %v, want X-Test: a, b", out.Headers)
			}
			if strings.Contains(got.stdout, `\u00`) || !strings.HasPrefix(got.stdout, "{\n  \"code\": ") {
				t.Errorf("stdout is escaped for HTML or not indented:\n%s", got.stdout)
			}
		})
	}
}

func TestWrongUse(t *testing.T) {
	tests := []struct {
		name string
		args string
		want string // a part of the line
	}{
		{"no chat", "--demo", "--chat is missing"},
		{"unknown flag", "--frobnicate", "-frobnicate"},
		{"token stuck to its flag", "-t" + testToken, "[token]"},
		{"token without a flag", "-c @a " + testToken, `"[token]" follows no flag`},
		{"value for a flag without one", "-c @a --join-request true", `"true" follows no flag`},
		{"bad limit", "-c @a -m x", `"x" for flag -m`},
		{"negative limit", "-c @a -m -1", "member limit -1"},
		{"limit too high", "-c @a -m 100000", "member limit 100000"},
		{"join request with limit", "-c @a -m 1 --join-request", "join request"},
		{"bad chat", "-c a", "chat"},
		{"bad token", "-c @a -t x", "token"},
		{"bad timeout", "-c @a --timeout 0", "timeout 0s"},
		{"bad wait", "-c @a --wait -1s", "wait -1s"},
		{"bad proxy", "-c @a --proxy host:3128", "proxy URL"},
		{"empty proxy", "-c @a --proxy=", "proxy URL"},
		{"bad API", "-c @a --api host", "base URL"},
		{"expire in words", "-c @a -e tomorrow", "neither a time like 2026-05-03T11:19:33"},
		{"expire is empty", "-c @a --expire=", "neither a time like 2026-05-03T11:19:33"},
		{"expire is past", "-c @a -e 2020-01-01T00:00:00", "expire date"},
		{"expire before now", "-c @a -e -1h", "expire date"},
		{"demo with proxy", "-c @a --demo --proxy http://p", "--demo goes with neither"},
		{"demo with API", "-c @a --demo --api http://a", "--demo goes with neither"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := execute(t, strings.Fields(test.args)...)
			if got.status != 2 || got.stdout != "" {
				t.Errorf("status %d, stdout %q, want 2 and nothing", got.status, got.stdout)
			}
			if !strings.Contains(got.stderr, test.want) || !strings.HasSuffix(got.stderr, "; see createinvite -h\n") || strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("stderr %q, want one line with %q and a hint at -h", got.stderr, test.want)
			}
		})
	}
}

func emptyEnv(string) string { return "" }

func TestNoToken(t *testing.T) {
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-c", "@a"}, emptyEnv, &stdout, &stderr)
	if status != 2 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "TELEGRAM_BOT_TOKEN") {
		t.Errorf("status %d, stdout %q, stderr %q, want 2, nothing, where to set it", status, &stdout, &stderr)
	}
	stderr.Reset()
	status = run(t.Context(), []string{"-c", "@a", "--demo"}, emptyEnv, &stdout, &stderr)
	if status != 0 || !json.Valid(stdout.Bytes()) {
		t.Errorf("with --demo: status %d, stdout %q, want 0 and JSON", status, &stdout)
	}
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"-h", "--help"} {
		if got := execute(t, arg); got != (result{0, help, ""}) {
			t.Errorf("%s: %+v, want the help on stdout alone", arg, got)
		}
	}
	new(command).flags().VisitAll(func(f *flag.Flag) {
		pattern := `(?m)^(  -\w, |      )--` + f.Name + `\b`
		if len(f.Name) == 1 {
			pattern = `(?m)^  -` + f.Name + `, `
		}
		if !regexp.MustCompile(pattern).MatchString(help) {
			t.Errorf("the help does not tell of -%s", f.Name)
		}
	})
	for chat := range refusals {
		if !strings.Contains(help, chat+" ") {
			t.Errorf("the help does not tell of %s", chat)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestLinkIsNotLostWithStdout(t *testing.T) {
	var stderr bytes.Buffer
	status := run(t.Context(), []string{"--demo", "-c", "@a"}, emptyEnv, brokenWriter{}, &stderr)
	if status != 1 || !strings.Contains(stderr.String(), "no space left") || !strings.Contains(stderr.String(), "https://t.me/+") {
		t.Errorf("status %d, stderr %q, want 1, the cause and the link", status, &stderr)
	}
}

func TestStandIn(t *testing.T) {
	url := telegramAt(t, new(standIn).ServeHTTP)
	const (
		path     = "/bot42:abc/createChatInviteLink"
		notFound = `{"ok":false,"error_code":404,"description":"Not Found"}`
		flood    = `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 34","parameters":{"retry_after":34}}`
	)
	tests := []struct {
		name, method, path, body string
		code                     int
		want                     string
	}{
		{"all fields", "POST", path, `{"chat_id":"@a","name":" <b> ","expire_date":2114380800,"member_limit":5,"creates_join_request":true}`, 200,
			`{"ok":true,"result":{"invite_link":"LINK","name":"<b>","creator":{"id":42,"is_bot":true,"first_name":"Demo Bot","username":"demo_bot"},"expire_date":2114380800,"member_limit":5,"creates_join_request":true,"is_primary":false,"is_revoked":false}}`},
		{"no optional field, chat is a number", "POST", path, `{"chat_id":-1001234567890}`, 200,
			`{"ok":true,"result":{"invite_link":"LINK","creator":{"id":42,"is_bot":true,"first_name":"Demo Bot","username":"demo_bot"},"creates_join_request":false,"is_primary":false,"is_revoked":false}}`},
		{"no chat", "POST", path, `{}`, 400, `{"ok":false,"error_code":400,"description":"Bad Request: chat_id is empty"}`},
		{"not JSON", "POST", path, `chat_id=1`, 400, `{"ok":false,"error_code":400,"description":"Bad Request: can't parse the JSON object"}`},
		{"migrated", "POST", path, `{"chat_id":"@migrated"}`, 400,
			`{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1009876543210}}`},
		{"flood", "POST", path, `{"chat_id":"@flood"}`, 429, flood},
		{"flood again", "POST", path, `{"chat_id":"@flood"}`, 429, flood},
		{"other verb", "GET", path, ``, 404, notFound},
		{"other method", "POST", "/bot42:abc/getMe", ``, 404, notFound},
		{"no bot", "POST", "/createChatInviteLink", ``, 404, notFound},
		{"no token", "POST", "/bot/createChatInviteLink", ``, 404, notFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, body := send(t, test.method, url+test.path, test.body)
			if got := linkPattern.ReplaceAllString(body, "LINK"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			wantRetry := ""
			if test.code == 429 {
				wantRetry = "34"
			}
			contentType, retry := res.Header.Get("Content-Type"), res.Header.Get("Retry-After")
			if res.StatusCode != test.code || contentType != "application/json" || retry != wantRetry {
				t.Errorf("status %d, %s, Retry-After %q, want %d, JSON, %q", res.StatusCode, contentType, retry, test.code, wantRetry)
			}
		})
	}
}

func TestStandInMakesNewLinks(t *testing.T) {
	if one, two := execute(t, "--demo", "-c", "@a"), execute(t, "--demo", "-c", "@a"); one.stdout == two.stdout {
		t.Errorf("the same link twice:\n%s", one.stdout)
	}
}

var linkPattern = regexp.MustCompile(`https://t\.me/\+[A-Za-z0-9_-]{16}`)

func send(t *testing.T, method, url, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(reply)
}

// build builds the program, for what only a process of its own has: signals, a
// status, and the proxy's environment, which net/http reads once.
func build(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "createinvite.exe")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func TestDemoGoesPastTheProxy(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), build(t), "--demo", "--chat", "@a")
	cmd.Env = append(os.Environ(), "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=", "TELEGRAM_BOT_TOKEN=")
	if out, err := cmd.Output(); err != nil || !json.Valid(out) {
		t.Errorf("%v, stdout %q, want JSON", err, out)
	}
}

func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send os.Interrupt")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	arrived := make(chan struct{})
	url := telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then the server sees that a client goes
		close(arrived)
		<-r.Context().Done()
	})
	cmd := exec.CommandContext(ctx, build(t), "--chat", "@a", "--api", url)
	cmd.Env = append(os.Environ(), "TELEGRAM_BOT_TOKEN="+testToken)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-arrived:
	case <-ctx.Done():
	}
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 3 || stdout.Len() > 0 {
		t.Errorf("status %d, stdout %q, want 3 and nothing", got, &stdout)
	}
	if !strings.Contains(stderr.String(), "before trying again\n") || strings.Contains(stderr.String(), testSecret) {
		t.Errorf("stderr %q, want advice and no token", &stderr)
	}
}
