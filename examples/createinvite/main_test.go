package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/telegram"
	"example.com/telegram/examples/internal/standin"
)

const (
	testSecret   = "not-a-secret-but-has-the-form-of-one"
	testToken    = "6129457865:" + testSecret
	testPassword = "p4ssw0rd"
	testProxy    = "http://user:" + testPassword + "@127.0.0.1:1"
)

// Local time is not UTC, so that the tests see a difference.
func init() { time.Local = time.FixedZone("", 3*60*60) }

var linkPattern = regexp.MustCompile(`https://t\.me/\+[A-Za-z0-9_-]{16}`)

type result struct {
	status         int
	stdout, stderr string
}

// An output is a standard output, which may be broken.
type output struct {
	bytes.Buffer
	writeErr, closeErr error
}

func (o *output) Write(p []byte) (int, error) {
	if o.writeErr != nil {
		return 0, o.writeErr
	}
	return o.Buffer.Write(p)
}

func (o *output) Close() error { return o.closeErr }

// runWith runs the command with token in its environment.
func runWith(t *testing.T, token string, stdout *output, args ...string) result {
	t.Helper()
	getenv := func(name string) string {
		if name == "TELEGRAM_BOT_TOKEN" {
			return token
		}
		return ""
	}
	var stderr bytes.Buffer
	status := run(t.Context(), args, getenv, stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// execute runs the command with testToken in its environment. In no case may it
// show a secret, or print anything but one JSON value.
func execute(t *testing.T, args ...string) result {
	t.Helper()
	got := runWith(t, testToken, new(output), args...)
	for _, secret := range []string{testSecret, testPassword} {
		if strings.Contains(got.stdout+got.stderr, secret) {
			t.Errorf("%q: the output shows %s:\n%s%s", args, secret, got.stdout, got.stderr)
		}
	}
	if got.stdout != "" && got.stdout != help && !json.Valid([]byte(got.stdout)) {
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
	const method = "/prefix/bot" + testToken + "/createChatInviteLink"
	tests := []struct{ name, args, path, body string }{
		{"values after a space", "--chat -1001234567890*42 --title a --limit 5", method,
			`{"chat_id":"-1001234567890","name":"a","member_limit":5}`},
		{"values after =", "--chat=@a --title=b=c --expire=2037-01-01T00:00:00Z", method,
			`{"chat_id":"@a","name":"b=c","expire_date":2114380800}`},
		{"join request", "--chat @a --join-request", method, `{"chat_id":"@a","creates_join_request":true}`},
		{"limit 0 is none", "--chat @a --limit 0", method, `{"chat_id":"@a"}`},
		{"the last of a flag wins", "--chat @a --limit 5 --expire 1h --limit 0 --expire 2037-01-01T00:00:00Z", method,
			`{"chat_id":"@a","expire_date":2114380800}`},
		{"test environment", "--chat @a --test-environment",
			"/prefix/bot" + testToken + "/test/createChatInviteLink", `{"chat_id":"@a"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := execute(t, append(strings.Fields(test.args), "--api", url+"/prefix")...)
			if got.status != 0 || got.stderr != "" {
				t.Errorf("status %d, stderr %q, want 0 and nothing", got.status, got.stderr)
			}
			if path != test.path || body != test.body {
				t.Errorf("path %s, body %s\nwant %s, %s", path, body, test.path, test.body)
			}
		})
	}
}

func TestTokenFromFlagWins(t *testing.T) {
	got := execute(t, "--demo", "--chat", "@a", "--token", "42:"+testSecret)
	if !strings.Contains(got.stdout, `"id": 42,`) {
		t.Errorf("the link is not bot 42's:\n%s", got.stdout)
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
		got := execute(t, "--demo", "--chat", "@a", "--expire", test.value)
		var reply struct{ Result telegram.ChatInviteLink }
		if err := json.Unmarshal([]byte(got.stdout), &reply); err != nil {
			t.Fatal(err)
		}
		// A duration counts from a moment later than now.
		late := reply.Result.ExpireDate.Sub(test.want.Truncate(time.Second))
		isDuration := strings.HasSuffix(test.value, "h") || strings.HasSuffix(test.value, "m")
		if late < 0 || late > time.Minute || late != 0 && !isDuration {
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
		{"@norights", 1, `"description": "Bad Request: not enough rights`, "with the right to invite users"},
		{"@forbidden", 1, `"error_code": 403`, "with the right to invite users"},
		{"@migrated", 1, `"migrate_to_chat_id": -1009876543210`, "use --chat -1009876543210"},
		{"@flood", 1, `"retry_after": 34`, "try again in 34s"},
		{"@floodonce", 1, `"retry_after": 1`, "try again in 1s"},
		{"@badgateway", 3, "", "let the chat's owner look in the chat's invite links, under the bot's name"},
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
	const look = "; before trying again, let the chat's owner look in the chat's invite links, under the bot's name, " +
		"where a --title of its own tells the link from others; " +
		"only the bot can revoke it, with revokeChatInviteLink"
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"unknown token", answer(401, "Unauthorized"),
			"; check the token, which @BotFather shows, and that it goes with --api and --test-environment"},
		{"no rights, in MTProto's words", answer(400, "Bad Request: CHAT_ADMIN_REQUIRED"),
			"; make the bot an administrator of the chat with the right to invite users"},
		{"no time to wait given", answer(429, "Too Many Requests"), "; try again in some minutes"},
		{"gateway refused", answer(403, ""), "; something on the way answered, not Telegram: check --proxy and --api"},
		{"telegram failed", answer(500, "Internal Server Error: restart"), look},
		{"wait interrupted", fmt.Errorf("%w; cut: %w", answer(429, "Too Many Requests"), context.Canceled),
			"; no link was made"},
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
	start := time.Now()
	got := execute(t, "--chat", "@a", "--api", url, "--timeout", "250ms", "--adv-response")
	timedOut := strings.Contains(got.stderr, "the timeout expired") && time.Since(start) < time.Minute
	// On a busy machine it may run out before the request left.
	if got.status != 3 && got.status != 1 || got.stdout != "" || !timedOut {
		t.Errorf("%+v, want status 3 or 1, no output and the timeout named", got)
	}
}

func TestAdvResponse(t *testing.T) {
	tests := []struct {
		name, body   string
		code, status int
		want         string // the body in the output, as Go prints it
	}{
		{"link", `{"ok":true,"result":{"invite_link":"https://t.me/+a"}}`, 200, 0,
			"map[ok:true result:map[invite_link:https://t.me/+a]]"},
		{"refusal", `{"ok":false,"description":"Forbidden"}`, 403, 1, "map[description:Forbidden ok:false]"},
		{"page of a gateway that refuses", "<h1>R&D</h1>\r\n", 403, 1, "<h1>R&D</h1>\r\n"},
		{"page of a gateway", "<h1>R&D</h1>\r\n", 404, 3, "<h1>R&D</h1>\r\n"},
		{"nothing", "", 502, 3, ""},
		{"page that quotes the token", "<no> " + testToken, 403, 1, "<no> 6129457865:[redacted]"},
		{"JSON that quotes the token", `{"ok":false,"description":"<no> ` + testToken + `"}`, 400, 1,
			"map[description:<no> 6129457865:[redacted] ok:false]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["X-Test"] = []string{"a", r.URL.Path}
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
			if body := fmt.Sprint(out.Body); body != test.want {
				t.Errorf("body %q, want %q", body, test.want)
			}
			want := "a, /bot6129457865:[redacted]/createChatInviteLink"
			if got := out.Headers["X-Test"]; got != want {
				t.Errorf("header X-Test: %s, want %s", got, want)
			}
			if strings.Contains(got.stdout, `\u00`) || !strings.HasPrefix(got.stdout, "{\n  \"code\": ") {
				t.Errorf("stdout is escaped for HTML or not indented:\n%s", got.stdout)
			}
		})
	}
}

func TestRedaction(t *testing.T) {
	tests := []struct{ name, secret, body, want string }{
		{"a number stays", "1234", `{"id":1234,"path":"/bot1:1234/"}`, `{"id":1234,"path":"/bot1:[redacted]/"}`},
		{"null, true and false stay", "null", `{"a":null,"b":"null"}`, `{"a":null,"b":"[redacted]"}`},
		{"an escape stays", "1234", `{"a":"\u1234"}`, `{"a":"\u1234"}`},
		{"a letter after a backslash stays", "nabc", `{"a":"\nabc"}`, `{"a":"\nabc"}`},
		{"the end of an escape is not the secret", "4abc", `{"a":"\u1234abc"}`, `{"a":"\u1234abc"}`},
		{"an escaped secret goes", "abcd", `{"a":"x\u0061bcd"}`, `{"a":"x[redacted]"}`},
		{"a secret among quotation marks goes", "abcd", `{"a":"\"abcd\\"}`, `{"a":"\"[redacted]\\"}`},
		{"a secret in a key goes", "abcd", `{"abcd":1}`, `{"[redacted]":1}`},
		{"order and form stay", "abcd", `{"z":1e2,"a":[ ],"z":-0.0}`, `{"z":1e2,"a":[],"z":-0.0}`},
		{"less than 4 bytes are no secret", "abc", `{"a":"abc"}`, `{"a":"abc"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := telegramAt(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, test.body) })
			got := runWith(t, "1:"+test.secret, new(output), "--chat", "@a", "--api", url)
			var stdout bytes.Buffer
			if err := json.Compact(&stdout, []byte(got.stdout)); err != nil || stdout.String() != test.want {
				t.Errorf("stdout %s, error %v, want %s", got.stdout, err, test.want)
			}
		})
	}
}

func FuzzRedact(f *testing.F) {
	f.Add(`{"a":["1234",1234,"\u1234","\"1234\\",{"12345":null}]}`)
	f.Add(`"\ud8001234\""`)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			t.Skip()
		}
		want := tokens(t, []byte(text))
		for i, token := range want {
			if s, ok := token.(string); ok {
				want[i] = strings.ReplaceAll(s, "1234", "[redacted]")
			}
		}
		out := (&command{token: "1:1234"}).redact([]byte(text))
		if got := tokens(t, out); !json.Valid(out) || !slices.Equal(got, want) {
			t.Errorf("%s became %s", text, out)
		}
	})
}

func tokens(t *testing.T, text []byte) (all []json.Token) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, token)
	}
}

func TestWrongUse(t *testing.T) {
	const (
		chat    = "--chat takes an id such as -1001234567890 or a public name such as @channel"
		expire  = "--expire takes a time such as 2030-05-03T11:19:33, with or without a zone, or a duration with a unit"
		limit   = "--limit takes a number from 1 to 99999, or 0 for no limit"
		timeout = "--timeout takes a duration above zero with a unit, such as 90s"
		wait    = "--wait takes a duration with a unit, such as 90s"
	)
	tests := []struct {
		name string
		args string
		want string // a part of the line
	}{
		{"no chat", "--demo", "--chat is missing"},
		{"flag of one letter", "--chat @a -l 200", "argument 3 is not a flag"},
		{"unknown flag", "--titel x", "argument 1 is not a flag"},
		{"long flag after one dash", "-chat @a", "argument 1 is not a flag"},
		{"token stuck to a flag", "--demo -t" + testToken, "argument 2 is not a flag"},
		{"token without a flag", "--chat @a " + testToken, "argument 3 is not a flag"},
		{"proxy without a flag", "--chat @a " + testProxy, "argument 3 is not a flag"},
		{"too many dashes", "---proxy=" + testProxy, "argument 1 is not a flag"},
		{"end of flags", "--chat @a -- " + testProxy, "argument 3 is not a flag"},
		{"value after a flag without one", "--chat @a --join-request true", "argument 4 is not a flag"},
		{"value for a flag without one", "--chat @a --demo=" + testProxy, "--demo takes no value"},
		{"empty value for a flag without one", "--chat @a --demo=", "--demo takes no value"},
		{"flag without its value", "--chat @a --title", "--title takes a name"},
		{"limit is a token", "--chat @a --limit " + testToken, limit},
		{"limit is empty", "--chat @a --limit=", limit},
		{"negative limit", "--chat @a --limit -1", limit},
		{"limit too high", "--chat @a --limit 100000", limit},
		{"join request with limit", "--chat @a --limit 1 --join-request", "must not require join requests"},
		{"chat in words", "--chat a", chat},
		{"chat is empty", "--chat=", chat},
		{"chat is a token", "--chat " + testToken, chat},
		{"chat is more than 64 bits", "--chat 9223372036854775808", chat},
		{"title too long", "--chat @a --title " + strings.Repeat("x", 33), "the name must have at most 32 code points"},
		{"bad token", "--chat @a --token " + testProxy, "the token must be a bot's id, a colon, and letters"},
		{"timeout without a unit", "--chat @a --timeout 10", timeout},
		{"timeout is zero", "--chat @a --timeout 0s", timeout},
		{"timeout is a proxy", "--chat @a --timeout " + testProxy, timeout},
		{"wait without a unit", "--chat @a --wait 10", wait},
		{"wait is negative", "--chat @a --wait -1s", wait},
		{"proxy without a scheme", "--chat @a --proxy user:" + testPassword + "@host:3128", "the proxy URL must be"},
		{"proxy is empty", "--chat @a --proxy=", "the proxy URL must be scheme://"},
		{"API is a proxy", "--chat @a --api " + testProxy, "the base URL must be scheme://"},
		{"expire in words", "--chat @a --expire tomorrow", expire},
		{"expire without a unit", "--chat @a --expire 10", expire},
		{"expire is empty", "--chat @a --expire=", expire},
		{"expire is past", "--chat @a --expire 2020-01-01T00:00:00", "not 2020-01-01T00:00:00+03:00"},
		{"expire before now", "--chat @a --expire -1h", "the expire date must be in the future"},
		{"demo with proxy", "--chat @a --demo --proxy " + testProxy, "--demo goes with neither --proxy nor --api"},
		{"demo with API", "--chat @a --demo --api http://a", "--demo goes with neither --proxy nor --api"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := execute(t, strings.Fields(test.args)...)
			if got.status != 2 || got.stdout != "" {
				t.Errorf("status %d, stdout %q, want 2 and nothing", got.status, got.stdout)
			}
			line := strings.HasPrefix(got.stderr, "createinvite: ") && strings.Count(got.stderr, "\n") == 1 &&
				strings.HasSuffix(got.stderr, "; see createinvite -h\n") && !strings.Contains(got.stderr, "telegram")
			if !line || !strings.Contains(got.stderr, test.want) {
				t.Errorf("stderr %q, want one line with %q and a hint at -h", got.stderr, test.want)
			}
		})
	}
}

// TestSecretInTheWrongPlace gives a secret to each flag, in each form. That
// execute sees none in the output is all that it checks.
func TestSecretInTheWrongPlace(t *testing.T) {
	rest := []string{"--chat", "@a", "--api", "http://127.0.0.1:1"}
	for name := range new(command).flags() {
		for _, secret := range []string{testToken, testProxy, testPassword, testSecret} {
			for _, args := range [][]string{
				{name, secret}, {name + "=" + secret}, {name + secret}, {"-" + name + "=" + secret}, {name[1:] + "=" + secret},
			} {
				execute(t, append(rest, args...)...)
				execute(t, append(args, rest...)...)
			}
		}
	}
}

func TestNoToken(t *testing.T) {
	got := runWith(t, "", new(output), "--chat", "@a")
	if got.status != 2 || got.stdout != "" || !strings.Contains(got.stderr, "TELEGRAM_BOT_TOKEN") {
		t.Errorf("%+v, want status 2 and where to set the token", got)
	}
	if got := runWith(t, "", new(output), "--chat", "@a", "--demo"); got.status != 0 {
		t.Errorf("with --demo: %+v, want status 0", got)
	}
}

func TestHelp(t *testing.T) {
	for _, arg := range []string{"-h", "--help"} {
		if got := execute(t, arg); got != (result{0, help, ""}) {
			t.Errorf("%s: %+v, want the help on stdout alone", arg, got)
		}
	}
	for name := range new(command).flags() {
		if !strings.Contains(help, "\n  "+name+" ") {
			t.Errorf("the help does not tell of %s", name)
		}
	}
	for _, chat := range standin.Chats() {
		if !strings.Contains(help, "  "+chat+" ") {
			t.Errorf("the help does not tell of %s", chat)
		}
	}
	for i, line := range strings.Split(help, "\n") {
		if len([]rune(line)) > 80 {
			t.Errorf("line %d of the help is longer than 80 columns", i+1)
		}
	}
}

func TestBrokenStdout(t *testing.T) {
	full := errors.New("no space left")
	tests := []struct {
		name, args string
		stdout     output
		status     int
		lost       string // on stderr instead
	}{
		{"link", "--chat @a", output{writeErr: full}, 3, `"invite_link": "https://t.me/+`},
		{"link that only close reports lost", "--chat @a", output{closeErr: full}, 3, `"invite_link": "https://t.me/+`},
		{"refusal", "--chat @notfound", output{writeErr: full}, 1, `"description": "Bad Request: chat not found"`},
		{"unknown outcome", "--chat @badgateway --adv-response", output{writeErr: full}, 3, `"code": 502`},
		{"help", "-h", output{writeErr: full}, 1, help},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := runWith(t, testToken, &test.stdout, append([]string{"--demo"}, strings.Fields(test.args)...)...)
			if got.status != test.status {
				t.Errorf("status %d, want %d", got.status, test.status)
			}
			if !strings.Contains(got.stderr, full.Error()) || !strings.Contains(got.stderr, test.lost) {
				t.Errorf("stderr %q, want the cause and %q", got.stderr, test.lost)
			}
		})
	}
	// Where there is nothing to print, nothing can fail.
	got := runWith(t, testToken, &output{writeErr: full}, "--demo", "--chat", "@badgateway")
	if got.status != 3 || strings.Contains(got.stderr, full.Error()) {
		t.Errorf("unknown outcome without an answer: %+v, want status 3 and nothing of stdout", got)
	}
}
