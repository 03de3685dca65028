// Inviteservice is the HTTP service of a shop that gives each customer a one-time
// invite link for a private Telegram chat. It shows how a service uses package
// telegram, and is meant to be copied (without --demo, which uses an internal
// package). Try it without an account:
//
//	go run ./examples/inviteservice --demo
//
// A stand-in then answers in the place of Telegram, and the key is "demo":
//
//	curl -H 'Authorization: Bearer demo' \
//	  -d '{"chat": "-1001234567890", "name": "Order 1042", "ttl": "24h", "members": 1}' \
//	  http://127.0.0.1:8080/invites
//
// The environment configures the service: INVITE_API_KEY, TELEGRAM_BOT_TOKEN, ADDR
// (by default 127.0.0.1:8080) and TELEGRAM_API_URL (for a local Bot API server). With
// --demo, only ADDR counts. After SIGTERM, the service finishes the calls in flight,
// which takes at most two minutes.
//
// # Requests
//
// POST /invites creates a link. The header "Authorization: Bearer <INVITE_API_KEY>" is
// required. The body is a JSON object of at most 4 KiB:
//
//	chat     the chat's id as a string, such as "-1001234567890", or "@channel"
//	name     the link's name, such as the order's number, at most 32 characters
//	ttl      how long the link is valid, such as "24h"
//	members  how many users can be in the chat at the same time through the link
//
// All four are required, and must not be null, empty or zero. So a variable that is
// not set cannot cause a link that never expires or has no limit.
//
// # Answers
//
// A new link is {"link": "...", "expires": "..."}. A failure is {"error": "...",
// "outcome": "..."}; a 401 has no outcome. After any failure but "unknown", no link
// was created.
//
//	status    outcome       meaning
//	201                     the link was created
//	400       invalid       the request is not valid
//	401                     the key is missing or wrong
//	422       refused       Telegram refused (migrate_to: the chat's new id)
//	429       rate limited  Telegram refused for now (Retry-After: seconds to wait)
//	502       refused       Telegram does not know the bot, or bars it from the chat
//	502, 504  not sent      Telegram was not reached (504: timeout); try again
//	502, 504  unknown       no clear answer came (504: timeout); a link may exist
//
// After "unknown", do not send the request again yet: that could create a second link.
// Two minutes later, have the chat's owner look in the app, among the chat's invite
// links, under the bot's name. Other administrators do not see them. If a link has the
// name of the request, use it. If none has, send the request again. If nobody can
// look, wait until ttl has passed, and then send the request with another name.
package main

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/telegram"
	"example.com/telegram/examples/internal/standin"
)

func main() {
	demo := flag.Bool("demo", false, "let a stand-in answer in the place of Telegram, without an account")
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	signal.Ignore(syscall.SIGPIPE) // which would end the service if the reader of its log went away
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *demo, log); err != nil {
		log.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then finishes the calls in flight.
func run(ctx context.Context, demo bool, log *slog.Logger) error {
	key, token := os.Getenv("INVITE_API_KEY"), os.Getenv("TELEGRAM_BOT_TOKEN")
	apiURL := cmp.Or(os.Getenv("TELEGRAM_API_URL"), "https://api.telegram.org")
	if demo {
		url, stop, err := standin.Start()
		if err != nil {
			return err
		}
		defer stop()
		key, token, apiURL = "demo", standin.Token, url
		log.Info("demo: the key is demo; a stand-in creates links, which lead nowhere")
		log.Info("demo: these chats get no link", "chats", standin.Chats())
	}
	if key == "" || key != strings.TrimSpace(key) { // a header loses white space
		return errors.New("INVITE_API_KEY must be set and not begin or end with white space (--demo needs none)")
	}
	client, err := telegram.NewClient(token, telegram.WithBaseURL(apiURL))
	if err != nil {
		return fmt.Errorf("TELEGRAM_BOT_TOKEN or TELEGRAM_API_URL: %w", err)
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /invites", &service{client, key, log})
	server := &http.Server{
		Handler:      mux,
		ReadTimeout:  10 * time.Second,
		WriteTimeout: 2 * time.Minute, // for the request, the call (90 seconds by default) and the answer
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	finished := make(chan error, 1)
	context.AfterFunc(ctx, func() { finished <- server.Shutdown(context.Background()) })
	log.Info("listening", "addr", listener.Addr().String())
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return <-finished
}

// An inviter is a [*telegram.Client], or a fake in a test.
type inviter interface {
	CreateInvitationLink(context.Context, telegram.ChatID, ...telegram.InviteOption) (*telegram.ChatInviteLink, error)
}

// A service answers POST /invites.
type service struct {
	client inviter
	key    string
	log    *slog.Logger
}

// A request is what a client asks for.
type request struct {
	Chat    telegram.ChatID `json:"chat"`
	Name    string          `json:"name"`
	TTL     string          `json:"ttl"`
	Members int             `json:"members"`
}

// An answer is what the client gets.
type answer struct {
	Link      string          `json:"link,omitempty"`
	Expires   time.Time       `json:"expires,omitzero"`
	Error     string          `json:"error,omitempty"`
	Outcome   string          `json:"outcome,omitempty"`
	MigrateTo telegram.ChatID `json:"migrate_to,omitempty"`
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+s.key)) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		send(w, http.StatusUnauthorized, answer{Error: "the key is missing or wrong"})
		s.log.Warn("the key is missing or wrong", "remote", r.RemoteAddr)
		return
	}
	var in request
	link, err := s.invite(w, r, &in)
	outcome, status := outcome(err)
	var out answer
	if err == nil {
		out = answer{Link: link.InviteLink, Expires: link.ExpireDate}
	} else {
		out = answer{Error: err.Error(), Outcome: outcome}
	}
	if refused, ok := errors.AsType[*telegram.Error](err); ok {
		out.MigrateTo = refused.MigrateToChatID
		if refused.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(refused.RetryAfter.Seconds())))
		}
	}
	send(w, status, out)
	// Whoever has the link can join, so it is not for the log. Its name is, because the
	// chat's owner needs it to find a link that no client got.
	level := slog.LevelInfo
	if outcome == "unknown" || outcome == "not sent" {
		level = slog.LevelWarn // someone has to look
	}
	s.log.Log(r.Context(), level, "invite", "outcome", outcome, "chat", in.Chat, "name", in.Name, "error", out.Error,
		"client_gone", r.Context().Err() != nil)
}

// send sends the whole answer before it returns, so that no client has to wait for the
// log.
func send(w http.ResponseWriter, status int, out answer) {
	body, _ := json.Marshal(out)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
	http.NewResponseController(w).Flush()
}

// invite creates the link that r asks for. It stores the request in in, for the log.
func (s *service) invite(w http.ResponseWriter, r *http.Request, in *request) (*telegram.ChatInviteLink, error) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	body.DisallowUnknownFields()
	if err := body.Decode(in); err != nil {
		return nil, fmt.Errorf("%w: the body must be a JSON object with chat, name, ttl and members: %v",
			telegram.ErrInvalidArgument, err)
	}
	if _, err := body.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: the body must end after the JSON object", telegram.ErrInvalidArgument)
	}
	if in.Chat == "" || in.Name == "" || in.TTL == "" || in.Members == 0 {
		return nil, fmt.Errorf("%w: chat, name, ttl and members are required", telegram.ErrInvalidArgument)
	}
	ttl, err := time.ParseDuration(in.TTL)
	if err != nil || ttl <= 0 {
		return nil, fmt.Errorf("%w: ttl must be a positive duration such as 24h, not %q", telegram.ErrInvalidArgument, in.TTL)
	}
	// A client that hangs up must not cancel the call: Telegram may create the link all
	// the same, and the outcome would be unknown.
	return s.client.CreateInvitationLink(context.WithoutCancel(r.Context()), in.Chat,
		telegram.WithName(in.Name),
		telegram.WithExpireDate(time.Now().Add(ttl)),
		telegram.WithMemberLimit(in.Members),
	)
}

// outcome returns what became of a call, and the HTTP status that tells the client.
func outcome(err error) (outcome string, status int) {
	gateway := http.StatusBadGateway
	if failed, ok := errors.AsType[net.Error](err); ok && failed.Timeout() {
		gateway = http.StatusGatewayTimeout
	}
	switch {
	case err == nil:
		return "link", http.StatusCreated
	case errors.Is(err, telegram.ErrInvalidArgument):
		return "invalid", http.StatusBadRequest
	case errors.Is(err, telegram.ErrTooManyRequests):
		return "rate limited", http.StatusTooManyRequests
	case errors.Is(err, telegram.ErrUnauthorized), errors.Is(err, telegram.ErrForbidden):
		return "refused", http.StatusBadGateway // the client cannot correct that
	case errors.As(err, new(*telegram.Error)):
		return "refused", http.StatusUnprocessableEntity
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		return "unknown", gateway
	}
	return "not sent", gateway
}
