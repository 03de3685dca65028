// Inviteservice makes invitation links for closed Telegram chats on behalf of
// HTTP clients that share a key with it. It shows how a service uses package
// telegram, and is meant to be copied.
//
//	POST /invites
//	Authorization: Bearer <INVITE_API_KEY>
//
//	{"chat": "-1001234567890", "name": "Order 1042", "ttl": "24h", "members": 1}
//
// It answers 201 with {"link": "https://t.me/+...", "expires": "..."}, or else
// with {"error": "..."}. Only where the "outcome" beside the error is "unknown"
// may a link exist: someone has to look before the request is sent again.
//
// The environment configures it: INVITE_API_KEY, TELEGRAM_BOT_TOKEN, ADDR
// (127.0.0.1:8080 if empty) and TELEGRAM_API_URL (of a local Bot API server).
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/telegram"
)

const (
	maxBody     = 4 << 10
	readTimeout = 10 * time.Second
	callTimeout = 90 * time.Second // of the exchange with Telegram

	// Enough to read a request, make the call and answer. What stops the
	// service must grant it as much after SIGTERM.
	answerTimeout = readTimeout + callTimeout + 10*time.Second
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Getenv, log); err != nil {
		log.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then finishes the calls in flight.
func run(ctx context.Context, getenv func(string) string, log *slog.Logger) error {
	key := getenv("INVITE_API_KEY")
	if key == "" || key != strings.TrimSpace(key) { // a header loses white space
		return errors.New("INVITE_API_KEY is empty or has white space around it")
	}
	opts := []telegram.ClientOption{telegram.WithTimeout(callTimeout)}
	if url := getenv("TELEGRAM_API_URL"); url != "" {
		opts = append(opts, telegram.WithBaseURL(url))
	}
	client, err := telegram.NewClient(getenv("TELEGRAM_BOT_TOKEN"), opts...)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cmp.Or(getenv("ADDR"), "127.0.0.1:8080"))
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:      newHandler(client, key, log),
		ReadTimeout:  readTimeout,
		WriteTimeout: answerTimeout,
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("listening", "addr", listener.Addr().String())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping")
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	return server.Shutdown(ctx)
}

// A request is what a client asks for.
type request struct {
	Chat        telegram.ChatID `json:"chat"`
	Name        string          `json:"name"`
	TTL         *string         `json:"ttl"`     // as in time.ParseDuration; absent: for ever
	Members     int             `json:"members"` // 0: no limit
	JoinRequest bool            `json:"join_request"`
}

// A response is the status and body of an answer.
type response struct {
	status     int
	retryAfter int // in seconds

	Link      string          `json:"link,omitempty"`
	Expires   time.Time       `json:"expires,omitzero"`
	Error     string          `json:"error,omitempty"`
	Outcome   string          `json:"outcome,omitempty"`
	MigrateTo telegram.ChatID `json:"migrate_to,omitempty"`
}

func newHandler(client *telegram.Client, key string, log *slog.Logger) http.Handler {
	sum := sha256.Sum256([]byte(key))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /invites", func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		var in request
		var out response
		if authorized(r, sum) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			out = invite(r, client, &in)
		} else {
			w.Header().Set("WWW-Authenticate", "Bearer")
			out = response{status: http.StatusUnauthorized, Error: "the key is missing or wrong"}
		}
		if out.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(out.retryAfter))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(out.status)
		json.NewEncoder(w).Encode(out)
		// Whoever has the link can join, so it is not for the log.
		log.Info("invite", "status", out.status, "chat", in.Chat, "error", out.Error, "outcome", out.Outcome,
			"seconds", time.Since(start).Seconds(), "client_gone", r.Context().Err() != nil)
	})
	return mux
}

// authorized compares sums, which unlike keys are of one length.
func authorized(r *http.Request, want [sha256.Size]byte) bool {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(key))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// invite makes the link that r asks for, and leaves in in what it was.
func invite(r *http.Request, client *telegram.Client, in *request) response {
	if err := decode(r.Body, in); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return response{status: http.StatusRequestEntityTooLarge, Error: err.Error()}
		}
		return response{status: http.StatusBadRequest, Error: "the body is not the JSON expected: " + err.Error()}
	}
	opts := []telegram.InviteOption{telegram.WithName(in.Name), telegram.WithJoinRequest(in.JoinRequest)}
	if in.TTL != nil {
		ttl, err := time.ParseDuration(*in.TTL)
		if err != nil {
			return response{status: http.StatusBadRequest, Error: "ttl is not a duration such as 24h or 90m"}
		}
		opts = append(opts, telegram.WithExpireDate(time.Now().Add(ttl)))
	}
	if in.Members != 0 {
		opts = append(opts, telegram.WithMemberLimit(in.Members))
	}
	// The call outlives a client that hangs up. To cancel it could not stop
	// Telegram from making the link, only the log from telling whether it did.
	link, err := client.CreateInvitationLink(context.WithoutCancel(r.Context()), in.Chat, opts...)
	if err != nil {
		return failure(err)
	}
	return response{status: http.StatusCreated, Link: link.InviteLink, Expires: link.ExpireDate}
}

// decode reads one JSON object of known fields and nothing after it.
func decode(r io.Reader, in *request) error {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return cmp.Or(err, errors.New("more than one value"))
	}
	return nil
}

// failure tells a client why it gets no link. What the client cannot help, such
// as the service's own token, is the fault of a gateway: 502.
func failure(err error) response {
	out := response{status: http.StatusBadGateway, Error: err.Error()}
	var refused *telegram.Error
	errors.As(err, &refused)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		out.status = http.StatusGatewayTimeout
	}
	switch {
	case errors.Is(err, telegram.ErrInvalidArgument):
		out.status = http.StatusBadRequest
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		out.Outcome = "unknown"
	case refused == nil:
		out.Outcome = "not sent"
	case errors.Is(err, telegram.ErrTooManyRequests):
		out.status = http.StatusTooManyRequests
		out.retryAfter = int(math.Ceil(refused.RetryAfter.Seconds()))
	case errors.Is(err, telegram.ErrUnauthorized):
		out.Error = "Telegram does not know the service's bot: " + refused.Description
	case errors.Is(err, telegram.ErrForbidden):
		out.Error = "Telegram keeps the service's bot out of the chat: " + refused.Description
	case refused.Description != "":
		out.status = http.StatusUnprocessableEntity
		out.Error, out.MigrateTo = refused.Description, refused.MigrateToChatID
	}
	return out
}
