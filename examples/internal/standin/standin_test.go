package standin_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/telegram"
	"example.com/telegram/examples/internal/standin"
)

const (
	path = "/bot42:abc/createChatInviteLink"

	creator  = `"creator":{"id":42,"is_bot":true,"first_name":"Demo Bot","username":"demo_bot"}`
	notFound = `{"ok":false,"error_code":404,"description":"Not Found"}`
	flood    = `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 34",` +
		`"parameters":{"retry_after":34}}`
)

var linkPattern = regexp.MustCompile(`https://t\.me/\+[A-Za-z0-9_-]{16}`)

// start starts a stand-in for one test.
func start(t *testing.T) (url string) {
	t.Helper()
	server := httptest.NewServer(new(standin.Server))
	t.Cleanup(server.Close)
	return server.URL
}

func send(t *testing.T, method, url, body string) (res *http.Response, reply string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestLink(t *testing.T) {
	url := start(t)
	const noFlags = `"creates_join_request":false,"is_primary":false,"is_revoked":false}}`
	tests := []struct{ name, path, body, want string }{
		{"all fields", path,
			`{"chat_id":"@a","name":" <b> ","expire_date":2114380800,"member_limit":5,"creates_join_request":true}`,
			`{"ok":true,"result":{"invite_link":"LINK","name":"<b>",` + creator + `,"expire_date":2114380800,` +
				`"member_limit":5,"creates_join_request":true,"is_primary":false,"is_revoked":false}}`},
		{"no optional field, chat is a number", path, `{"chat_id":-1001234567890}`,
			`{"ok":true,"result":{"invite_link":"LINK",` + creator + `,` + noFlags},
		{"test environment", "/bot42:abc/test/createChatInviteLink", `{"chat_id":"@a"}`,
			`{"ok":true,"result":{"invite_link":"LINK",` + creator + `,` + noFlags},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, body := send(t, "POST", url+test.path, test.body)
			if got := linkPattern.ReplaceAllString(body, "LINK"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if contentType := res.Header.Get("Content-Type"); res.StatusCode != 200 || contentType != "application/json" {
				t.Errorf("status %d, %s, want 200, JSON", res.StatusCode, contentType)
			}
		})
	}
}

func TestEachLinkIsNew(t *testing.T) {
	url := start(t)
	_, one := send(t, "POST", url+path, `{"chat_id":"@a"}`)
	_, two := send(t, "POST", url+path, `{"chat_id":"@a"}`)
	if one == two {
		t.Errorf("the same link twice: %s", one)
	}
}

func TestRefusal(t *testing.T) {
	url := start(t)
	tests := []struct {
		name, method, path, body string
		code                     int
		want                     string
	}{
		{"no chat", "POST", path, `{}`, 400, `{"ok":false,"error_code":400,"description":"Bad Request: chat_id is empty"}`},
		{"not JSON", "POST", path, `chat_id=1`, 400,
			`{"ok":false,"error_code":400,"description":"Bad Request: can't parse the JSON object"}`},
		{"migrated", "POST", path, `{"chat_id":"@migrated"}`, 400,
			`{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a supergroup chat",` +
				`"parameters":{"migrate_to_chat_id":-1009876543210}}`},
		{"flood", "POST", path, `{"chat_id":"@flood"}`, 429, flood},
		{"flood again", "POST", path, `{"chat_id":"@flood"}`, 429, flood},
		{"GET", "GET", path, ``, 404, notFound},
		{"other method of the API", "POST", "/bot42:abc/getMe", ``, 404, notFound},
		{"other environment", "POST", "/bot42:abc/prod/createChatInviteLink", ``, 404, notFound},
		{"no bot", "POST", "/createChatInviteLink", ``, 404, notFound},
		{"no token", "POST", "/bot/createChatInviteLink", ``, 404, notFound},
		{"id too large", "POST", "/bot99999999999999999999:abc/createChatInviteLink", ``, 404, notFound},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, body := send(t, test.method, url+test.path, test.body)
			if body != test.want {
				t.Errorf("got  %s\nwant %s", body, test.want)
			}
			wantRetry := ""
			if test.code == 429 {
				wantRetry = "34"
			}
			contentType, retry := res.Header.Get("Content-Type"), res.Header.Get("Retry-After")
			if res.StatusCode != test.code || contentType != "application/json" || retry != wantRetry {
				t.Errorf("status %d, %s, Retry-After %q, want %d, JSON, %q",
					res.StatusCode, contentType, retry, test.code, wantRetry)
			}
		})
	}
}

func TestFloodOnce(t *testing.T) {
	url := start(t)
	for _, want := range []int{429, 200, 200} {
		if res, body := send(t, "POST", url+path, `{"chat_id":"@floodonce"}`); res.StatusCode != want {
			t.Errorf("got %d %s, want %d", res.StatusCode, body, want)
		}
	}
}

// TestChats calls as an example does, through the library and a server of Start.
func TestChats(t *testing.T) {
	url, stop, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	for _, environment := range []telegram.ClientOption{telegram.WithBaseURL(url), telegram.WithTestEnvironment()} {
		client, err := telegram.NewClient(standin.Token, environment, telegram.WithBaseURL(url))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.CreateInvitationLink(t.Context(), "@testsichee"); err != nil {
			t.Errorf("any other chat: %v", err)
		}
		for _, chat := range slices.DeleteFunc(standin.Chats(), func(chat string) bool { return chat == "@floodonce" }) {
			_, err := client.CreateInvitationLink(t.Context(), telegram.ChatID(chat))
			refused, unknown := errors.As(err, new(*telegram.Error)), errors.Is(err, telegram.ErrOutcomeUnknown)
			if isGateway := chat == "@badgateway"; refused == isGateway || unknown != isGateway {
				t.Errorf("%s: got %v, want a refusal, or of @badgateway an unknown outcome", chat, err)
			}
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if res, err := http.Get(url); err == nil {
		res.Body.Close()
		t.Errorf("the server answers %d after stop", res.StatusCode)
	}
}

func TestTokenHasTheLengthOfARealOne(t *testing.T) {
	if _, secret, _ := strings.Cut(standin.Token, ":"); len(secret) != 35 {
		t.Errorf("%d characters after the colon, want 35", len(secret))
	}
}
