package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/telegram"
)

// Three ways to test code that uses package telegram.

// With a server in the place of Telegram, which checks what it is sent.
func TestWithServer(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if got, want := r.URL.Path, "/bot1:test/createChatInviteLink"; got != want {
			t.Errorf("got path %s, want %s", got, want)
		}
		if got, want := string(body), `{"chat_id":"-1001234567890","member_limit":1}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		io.WriteString(w, `{"ok":true,"result":{"invite_link":"https://t.me/+test"}}`)
	}))
	defer api.Close()
	client, err := telegram.NewClient("1:test", telegram.WithBaseURL(api.URL))
	if err != nil {
		t.Fatal(err)
	}
	link, err := client.CreateInvitationLink(t.Context(), "-1001234567890", telegram.WithMemberLimit(1))
	if err != nil || link.InviteLink != "https://t.me/+test" {
		t.Errorf("got %v, %v", link, err)
	}
}

// A fake is an inviter without a server.
type fake func(context.Context) (*telegram.ChatInviteLink, error)

func (f fake) CreateInvitationLink(
	ctx context.Context, _ telegram.ChatID, _ ...telegram.InviteOption,
) (*telegram.ChatInviteLink, error) {
	return f(ctx)
}

// With a fake, which returns each of the four errors. An error that is none of the
// first three means that nothing was sent.
func TestWithFake(t *testing.T) {
	timeout := context.DeadlineExceeded // a net.Error, as are the last two of the four
	tests := []struct {
		name             string
		err              error
		status           int
		retryAfter, want string
	}{
		{"invalid argument", telegram.ErrInvalidArgument, 400, "", `"outcome":"invalid"`},
		{"refused", &telegram.Error{Code: 400, Description: "Bad Request: chat not found"}, 422, "", `"outcome":"refused"`},
		{"refused, with the chat's new id", &telegram.Error{Code: 400, MigrateToChatID: "-1009876543210"},
			422, "", `"outcome":"refused","migrate_to":"-1009876543210"`},
		{"refused, unknown token", &telegram.Error{Code: 401}, 502, "", `"outcome":"refused"`},
		{"refused, not in the chat", &telegram.Error{Code: 403}, 502, "", `"outcome":"refused"`},
		{"refused for now", &telegram.Error{Code: 429, RetryAfter: 34 * time.Second}, 429, "34", `"outcome":"rate limited"`},
		{"unknown", telegram.ErrOutcomeUnknown, 502, "", `"outcome":"unknown"`},
		{"unknown, timeout", fmt.Errorf("%w: %w", telegram.ErrOutcomeUnknown, timeout), 504, "", `"outcome":"unknown"`},
		{"not sent", syscall.ECONNREFUSED, 502, "", `"outcome":"not sent"`},
		{"not sent, timeout", timeout, 504, "", `"outcome":"not sent"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := fake(func(context.Context) (*telegram.ChatInviteLink, error) { return nil, test.err })
			got := post(t.Context(), &service{client, testKey, slog.New(slog.DiscardHandler)}, order)
			want := fmt.Sprintf(`{"error":%q,%s}`, test.err, test.want)
			if body := got.Body.String(); got.Code != test.status || body != want {
				t.Errorf("got %d %s, want %d %s", got.Code, body, test.status, want)
			}
			if got := got.Header().Get("Retry-After"); got != test.retryAfter {
				t.Errorf("got Retry-After %q, want %q", got, test.retryAfter)
			}
		})
	}
}

// A floodOnce is a RoundTripper that refuses its first request for 30 seconds.
type floodOnce struct{ calls int }

func (f *floodOnce) RoundTrip(*http.Request) (*http.Response, error) {
	f.calls++
	body := `{"ok":true,"result":{"invite_link":"https://t.me/+test"}}`
	if f.calls == 1 {
		body = `{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":30}}`
	}
	return &http.Response{Body: io.NopCloser(strings.NewReader(body))}, nil
}

// With the clock of testing/synctest, which makes a wait take no time.
func TestWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := telegram.NewClient("1:test", telegram.WithTransport(new(floodOnce)))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = client.CreateInvitationLink(t.Context(), "-1001234567890", telegram.WithRateLimitWait(time.Minute))
		if took := time.Since(start); err != nil || took != 30*time.Second {
			t.Errorf("got %v after %v, want a link after 30s", err, took)
		}
	})
}
