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
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/telegram"
	"example.com/telegram/examples/internal/standin"
)

const (
	testSecret   = "not-a-secret-but-has-the-form-of-1"
	testToken    = "6129457865:" + testSecret
	testPassword = "p4ssw0rd"
	testProxy    = "http://user:" + testPassword + "@127.0.0.1:1"
)

// Local time is not UTC, so that the tests see a difference.
func init() { time.Local = time.FixedZone("", 3*60*60) }

// An output is a standard output that may report an error when it is closed.
type output struct {
	bytes.Buffer
	err error
}

func (o *output) Close() error { return o.err }

type result struct {
	status         int
	stdout, stderr string
}

// runWith runs the command with token in its environment. The output must not show a
// secret in any case.
func runWith(t *testing.T, token string, stdout *output, args ...string) result {
	t.Helper()
	getenv := func(name string) string { return map[string]string{"TELEGRAM_BOT_TOKEN": token}[name] }
	var stderr bytes.Buffer
	status := run(t.Context(), args, getenv, stdout, &stderr)
	got := result{status, stdout.String(), stderr.String()}
	for _, secret := range []string{testSecret, testPassword} {
		if strings.Contains(got.stdout+got.stderr, secret) {
			t.Errorf("%q: the output shows %s:\n%s%s", args, secret, got.stdout, got.stderr)
		}
	}
	return got
}

func execute(t *testing.T, args ...string) result {
	t.Helper()
	return runWith(t, testToken, new(output), args...)
}

// serve starts a server that replies in the place of Telegram.
func serve(t *testing.T, handler http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestReplyIsPrinted(t *testing.T) {
	got := runWith(t, "", new(output), "--demo", "--chat", "@testsichee", "--title", `R&D <"1">`, "--limit", "200")
	stdout := regexp.MustCompile(`https://t\.me/\+[A-Za-z0-9_-]{16}`).ReplaceAllString(got.stdout, "LINK")
	want := `{
  "ok": true,
  "result": {
    "invite_link": "LINK",
    "name": "R&D <\"1\">",
    "creator": {
      "id": 1234567890,
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
	if !strings.Contains(got.stderr, "not Telegram") {
		t.Errorf("stderr %q, want who replied", got.stderr)
	}
}

func TestRequest(t *testing.T) {
	var path, body string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		path, body = r.URL.Path, string(b)
		io.WriteString(w, `{"ok":true,"result":{"invite_link":"https://t.me/+a"}}`)
	})
	const (
		method = "/bot" + testToken + "/createChatInviteLink"
		expire = `{"chat_id":"@a","expire_date":2114380800}`
	)
	tests := []struct{ name, args, path, body string }{
		{"all flags but --join-request", "--chat -1001234567890*42 --title a --expire 2037-01-01T00:00:00Z --limit 5", method,
			`{"chat_id":"-1001234567890","name":"a","expire_date":2114380800,"member_limit":5}`},
		{"join request", "--chat=@a --join-request", method, `{"chat_id":"@a","creates_join_request":true}`},
		{"limit 0 is no limit", "--chat @a --limit 0", method, `{"chat_id":"@a"}`},
		{"last of a flag wins", "--chat @b --limit 5 --chat @a --limit 0", method, `{"chat_id":"@a"}`},
		{"local time", "--chat @a --expire 2037-01-01T03:00:00", method, expire},
		{"time with a zone", "--chat @a --expire 2036-12-31T22:00:00-02:00", method, expire},
		{"test environment", "--chat @a --test-environment",
			"/bot" + testToken + "/test/createChatInviteLink", `{"chat_id":"@a"}`},
		{"token of the flag", "--chat @a --token 42:abc", "/bot42:abc/createChatInviteLink", `{"chat_id":"@a"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := execute(t, append(strings.Fields(test.args), "--api", url)...)
			if got.status != 0 || got.stderr != "" {
				t.Errorf("status %d, stderr %q, want 0 and nothing", got.status, got.stderr)
			}
			if path != test.path || body != test.body {
				t.Errorf("path %s, body %s\nwant %s, %s", path, body, test.path, test.body)
			}
		})
	}
}

func TestExpireAfterADuration(t *testing.T) {
	earliest := time.Now().Add(90 * time.Minute).Truncate(time.Second)
	got := execute(t, "--demo", "--chat", "@a", "--expire", "1h30m")
	latest := time.Now().Add(90 * time.Minute)
	var reply struct{ Result telegram.ChatInviteLink }
	err := json.Unmarshal([]byte(got.stdout), &reply)
	if date := reply.Result.ExpireDate; err != nil || date.Before(earliest) || date.After(latest) {
		t.Errorf("the link expires at %v, error %v, want %v", date, err, latest)
	}
}

func TestOutcome(t *testing.T) {
	unknownToken := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"ok":false,"error_code":401,"description":"Unauthorized"}`)
	})
	tests := []struct {
		name, args string
		status     int
		stdout     string // a part; none at all if empty
		stderr     string // a part
	}{
		{"refused", "--demo --chat @notfound", 1, `"description": "Bad Request: chat not found"`, "chat's id is right"},
		{"no rights", "--demo --chat @norights", 1, `"error_code": 400`, "with the right to invite users"},
		{"unknown token", "--chat @a --api " + unknownToken, 1, `"error_code": 401`, "check the token"},
		{"migrated", "--demo --chat @migrated", 1, "-1009876543210", "use --chat -1009876543210"},
		{"refused for now", "--demo --chat @flood --wait 33s", 4, `"retry_after": 34`, "try again later"},
		{"link after a wait of one second", "--demo --chat @floodonce --wait 5s", 0, `"invite_link"`, ""},
		{"gateway's page", "--demo --chat @badgateway", 3, "", "do not try again before the chat's owner has looked"},
		{"no server", "--chat @a --api http://127.0.0.1:1", 4, "", "no link was created: check the network"},
		{"no proxy", "--chat @a --proxy " + testProxy, 4, "", "not sent (proxy 127.0.0.1:1)"},
		{"timeout", "--demo --chat @a --timeout 1ns", 4, "", "createinvite: not sent: the timeout expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := execute(t, strings.Fields(test.args)...)
			if got.status != test.status {
				t.Errorf("status %d, want %d", got.status, test.status)
			}
			if !strings.Contains(got.stdout, test.stdout) || (got.stdout == "") != (test.stdout == "") {
				t.Errorf("stdout %q, want %q in it", got.stdout, test.stdout)
			}
			lines := strings.Count(test.args, "--demo") + min(test.status, 1)
			if !strings.Contains(got.stderr, test.stderr) || strings.Count(got.stderr, "\n") != lines {
				t.Errorf("stderr %q, want %q in %d lines", got.stderr, test.stderr, lines)
			}
		})
	}
}

func TestInterruptedWait(t *testing.T) {
	err := fmt.Errorf("%w; while waiting: %w", &telegram.Error{Code: 429}, context.Canceled)
	if status, next := outcome(err); status != 4 || next != "no link was created" {
		t.Errorf("got %d, %q, want 4 and no advice", status, next)
	}
}

func TestAdvResponse(t *testing.T) {
	tests := []struct {
		name, body   string
		code, status int
		want         any
	}{
		{"JSON", `{"ok":true,"result":{"invite_link":"https://t.me/+a"}}`, 200, 0,
			map[string]any{"ok": true, "result": map[string]any{"invite_link": "https://t.me/+a"}}},
		{"page", "<h1>R&D</h1>\r\n", 404, 3, "<h1>R&D</h1>\r\n"},
		{"page that shows the token", "<no> " + testToken, 403, 3, "<no> 6129457865:[redacted]"},
		{"nothing", "", 502, 3, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
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
			err := json.Unmarshal([]byte(got.stdout), &out)
			if err != nil || got.status != test.status || out.Code != test.code || !reflect.DeepEqual(out.Body, test.want) {
				t.Errorf("status %d, %v, stdout:\n%s\nwant %d, code %d and body %q",
					got.status, err, got.stdout, test.status, test.code, test.want)
			}
			want := "a, /bot6129457865:[redacted]/createChatInviteLink"
			if got := out.Headers["X-Test"]; got != want {
				t.Errorf("header X-Test: %s, want %s", got, want)
			}
		})
	}
	if got := execute(t, "--chat", "@a", "--proxy", testProxy, "--adv-response"); got.stdout != "" {
		t.Errorf("stdout %q, want nothing without a reply", got.stdout)
	}
}

func TestLinkAmongOtherBytes(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "\ufeff"+`{"ok":true,"result":{"invite_link":"https://t.me/+a"}}`+"<!-- relay -->")
	})
	got := execute(t, "--chat", "@a", "--api", url)
	if !json.Valid([]byte(got.stdout)) || !strings.Contains(got.stdout, `"https://t.me/+a"`) {
		t.Errorf("stdout %q, want the link in JSON", got.stdout)
	}
}

func TestShortSecretIsNoSecret(t *testing.T) {
	got := runWith(t, "42:ok", new(output), "--demo", "--chat", "@a")
	if !strings.Contains(got.stdout, `"ok": true`) {
		t.Errorf("stdout %s, want it as it was", got.stdout)
	}
}

func TestWrongUse(t *testing.T) {
	const (
		syntax  = "an argument that begins with a dash is not valid"
		chat    = "--chat must be an id such as -1001234567890 or a public name such as @channel"
		expire  = "--expire takes a time such as 2030-05-03T11:19:33, with or without a zone, or a duration in h, m or s"
		limit   = "--limit takes a number from 1 to 99999, or 0 for no limit"
		timeout = "--timeout takes a duration in h, m or s, such as 90s"
	)
	tests := []struct {
		name string
		args []string
		want string // a part of the line
	}{
		{"no chat", []string{"--demo"}, chat},
		{"chat that the library would quote", []string{"--chat", testPassword}, chat},
		{"unknown flag", []string{"--titel=" + testPassword}, "flag provided but not defined: -titel;"},
		{"unknown flag that may be a token", []string{"-t" + testToken}, syntax},
		{"not even a flag", []string{"---token=" + testToken}, syntax},
		{"value for a flag without one", []string{"--chat", "@a", "--demo=" + testPassword}, syntax},
		{"flag without its value", []string{"--chat", "@a", "--title"}, "flag needs an argument: -title;"},
		{"value in two parts", []string{"--chat", "@a", "--title", "Order", "1042"}, "argument 5 is not a flag"},
		{"flag in the place of a title", []string{"--chat", "@a", "--title", "--join-request"}, "--title takes a name"},
		{"flag in the place of a token", []string{"--chat", "@a", "--token", "--demo"}, "the token must be"},
		{"empty chat", []string{"--chat", ""}, chat},
		{"empty token", []string{"--chat", "@a", "--token", ""}, "TELEGRAM_BOT_TOKEN"},
		{"empty expire", []string{"--chat", "@a", "--expire", ""}, expire},
		{"empty limit", []string{"--chat", "@a", "--limit", ""}, limit},
		{"empty proxy", []string{"--chat", "@a", "--proxy", ""}, "the proxy URL must not be empty"},
		{"empty API", []string{"--chat", "@a", "--api", ""}, "the base URL must begin with"},
		{"empty join request", []string{"--chat", "@a", "--join-request="}, syntax},
		{"expire without a unit", []string{"--chat", "@a", "--expire", "10"}, expire},
		{"expire is past", []string{"--chat", "@a", "--expire", "2020-01-01T00:00:00"}, "must be in the future"},
		{"limit too high", []string{"--chat", "@a", "--limit", "100000"}, limit},
		{"timeout without a unit", []string{"--chat", "@a", "--timeout", "10"}, timeout},
		{"negative wait", []string{"--chat", "@a", "--wait", "-1s"}, "the rate limit wait must be zero or more"},
		{"join request with a limit", []string{"--chat", "@a", "--limit", "1", "--join-request"}, "member limit"},
		{"demo with a proxy", []string{"--chat", "@a", "--demo", "--proxy", testProxy}, "--demo goes with neither"},
		{"demo with an API", []string{"--chat", "@a", "--demo", "--api", "http://a"}, "--demo goes with neither"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := execute(t, test.args...)
			isLine := strings.Count(got.stderr, "\n") == 1 && strings.HasSuffix(got.stderr, "; see createinvite -h\n")
			if got.status != 2 || got.stdout != "" || !isLine || !strings.Contains(got.stderr, test.want) {
				t.Errorf("%+v, want status 2 and a line with %q", got, test.want)
			}
		})
	}
	if got := runWith(t, "", new(output), "--chat", "@a"); got.status != 2 {
		t.Errorf("no token: %+v, want status 2", got)
	}
}

// TestMisplacedSecret gives a secret to each flag, in each form. That runWith sees none
// in the output is all that it checks.
func TestMisplacedSecret(t *testing.T) {
	rest := []string{"--chat", "@a", "--api", "http://127.0.0.1:1"}
	new(command).flags().VisitAll(func(f *flag.Flag) {
		for _, secret := range []string{testToken, testProxy, testPassword, testSecret} {
			for _, args := range [][]string{{"--" + f.Name, secret}, {"-" + f.Name + "=" + secret}, {"-" + f.Name + secret}} {
				execute(t, append(args, rest...)...)
				execute(t, append(rest, args...)...)
			}
		}
	})
}

func TestHelp(t *testing.T) {
	if got := execute(t, "--help"); got != (result{0, help, ""}) {
		t.Errorf("%+v, want the help on stdout alone", got)
	}
	new(command).flags().VisitAll(func(f *flag.Flag) {
		if !strings.Contains(help, "\n  --"+f.Name+" ") {
			t.Errorf("the help does not tell of --%s", f.Name)
		}
	})
	for _, chat := range standin.Chats() {
		if !regexp.MustCompile(chat + `\b`).MatchString(help) {
			t.Errorf("the help does not tell of %s", chat)
		}
	}
}

// TestFullDisk covers file systems on which only Close reports it.
func TestFullDisk(t *testing.T) {
	for _, test := range []struct {
		chat   string
		status int
		lost   string // on stderr instead
	}{
		{"@a", 3, `"invite_link": "https://t.me/+`},
		{"@notfound", 1, `"error_code": 400`},
	} {
		got := runWith(t, testToken, &output{err: errors.New("disk full")}, "--demo", "--chat", test.chat)
		if got.status != test.status || !strings.Contains(got.stderr, "disk full; ") ||
			!strings.Contains(got.stderr, test.lost) {
			t.Errorf("%s: %+v, want status %d, and on stderr the cause and %s", test.chat, got, test.status, test.lost)
		}
	}
}
