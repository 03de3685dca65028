package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/telegram"
)

// Three ways to test code that uses package telegram, which the README tells of.

// With a server in place of Telegram, which checks what it is asked for.
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

// An inviter is what code needs of a *telegram.Client.
type inviter interface {
	CreateInvitationLink(context.Context, telegram.ChatID, ...telegram.InviteOption) (*telegram.ChatInviteLink, error)
}

// A fake is an inviter that always fails.
type fake struct{ err error }

func (f fake) CreateInvitationLink(
	context.Context, telegram.ChatID, ...telegram.InviteOption,
) (*telegram.ChatInviteLink, error) {
	return nil, f.err
}

var (
	notFound = fake{&telegram.Error{Code: 400, Description: "Bad Request: chat not found"}}
	limited  = fake{&telegram.Error{Code: 429, RetryAfter: 34 * time.Second}}
	unknown  = fake{telegram.ErrOutcomeUnknown}
)

func TestWithFake(t *testing.T) {
	for want, client := range map[string]inviter{"refused": notFound, "rate limited": limited, "unknown": unknown} {
		_, err := client.CreateInvitationLink(t.Context(), "-1001234567890")
		if got := outcome(err); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A floodOnce refuses its first call for 30 seconds.
type floodOnce struct{ calls int }

func (f *floodOnce) RoundTrip(*http.Request) (*http.Response, error) {
	f.calls++
	status, body := 200, `{"ok":true,"result":{"invite_link":"https://t.me/+test"}}`
	if f.calls == 1 {
		status, body = 429, `{"ok":false,"error_code":429,"description":"Too Many","parameters":{"retry_after":30}}`
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// With the clock of testing/synctest, under which a wait takes no time.
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
