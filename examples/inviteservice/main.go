// Inviteservice makes invite links for private Telegram chats, for HTTP clients
// that share a key with it. It shows how a service uses package telegram, and is
// meant to be copied. Try it without an account:
//
//	go run ./examples/inviteservice --demo
//
// A stand-in then answers in place of Telegram, and the key is "demo":
//
//	curl -H 'Authorization: Bearer demo' \
//	  -d '{"chat": "-1001234567890", "name": "Order 1042", "ttl": "24h", "members": 1}' \
//	  http://127.0.0.1:8080/invites
//
// The environment configures the service: INVITE_API_KEY, TELEGRAM_BOT_TOKEN, ADDR
// (by default 127.0.0.1:8080) and TELEGRAM_API_URL (for a local Bot API server).
// With --demo, the key is "demo" unless INVITE_API_KEY is set, the token is not
// used, and TELEGRAM_API_URL must not be set.
//
// # Requests
//
// Every request needs the header "Authorization: Bearer <INVITE_API_KEY>".
//
// POST /invites makes a link. The body is a JSON object of at most 4 KiB:
//
//	chat          a string, such as "-1001234567890" or "@channel"
//	name          the link's name, at most 32 characters
//	ttl           how long the link is valid, such as "24h"
//	members       how many can be in the chat at the same time, 1 to 99999
//	join_request  true if an administrator must approve each user
//
// Only chat is required, but by its name the chat's owner finds a link. A link
// without a ttl never expires, and one without members has no limit. To ask for
// that, leave out the key: null, 0 and "" are refused. They are what the template
// of a client makes of an unset variable, which must not make a permanent or
// unlimited link.
//
// GET /metrics returns how often each outcome occurred since the start:
//
//	{"link": 7, "not sent": 1, "unknown": 1}
//
// # Answers
//
// All answers are JSON. A new link is {"link": "...", "expires": "..."}, without
// expires if it never does. Anything else is {"error": "...", "outcome": "..."}.
//
//	status    outcome       meaning
//	201       link          the link was made
//	400       not sent      the request is not valid
//	401                     the key is missing or wrong
//	404, 405                the path or its method does not exist
//	413       not sent      the body is too large
//	422       refused       Telegram refused, and error is its description;
//	                        migrate_to, if present, is the chat's new id
//	429       rate limited  Telegram refused for now; Retry-After, if present, is
//	                        how long to wait, in seconds
//	502       refused       Telegram does not know the service's bot or keeps it
//	                        out of the chat, or a gateway or proxy refused
//	502, 504  not sent      Telegram could not be reached; 504 after a timeout
//	502, 504  unknown       no clear answer came; 504 after a timeout
//
// If the outcome is unknown, a link may exist, and sending the request again may
// make another. Someone has to look first. Only the chat's owner can; other
// administrators do not see the links of a bot. The owner finds them in the app,
// in the chat's invite links, under the bot's name. Each shows the name that the
// request gave it, and so does the log. Only the bot can revoke one, with the Bot
// API's method revokeChatInviteLink. After any other error, no link was made.
//
// A client that hangs up does not stop the call, because nothing stops Telegram
// from making the link once it has the request. The call goes on, and the log
// tells the outcome and that the client had gone.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"expvar"
	"flag"
	"fmt"
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
	"example.com/telegram/examples/internal/standin"
)

const (
	demoKey     = "demo"
	maxBody     = 4 << 10
	readTimeout = 10 * time.Second
	callTimeout = 90 * time.Second // of the exchange with Telegram

	// Enough to read a request, make the call and answer. What stops the
	// service must grant it as much after SIGTERM.
	answerTimeout = readTimeout + callTimeout + 10*time.Second
)

func main() {
	demo := flag.Bool("demo", false, "let a stand-in answer in place of Telegram, which needs no account")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *demo, os.Getenv, log); err != nil {
		log.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run makes the service that the environment asks for, and serves until ctx ends.
func run(ctx context.Context, demo bool, getenv func(string) string, log *slog.Logger) error {
	key, token, apiURL := getenv("INVITE_API_KEY"), getenv("TELEGRAM_BOT_TOKEN"), getenv("TELEGRAM_API_URL")
	if demo {
		if apiURL != "" {
			return errors.New("--demo does not go with TELEGRAM_API_URL")
		}
		url, stop, err := standin.Start()
		if err != nil {
			return err
		}
		defer stop()
		log.Info("demo: a stand-in answers, not Telegram; its links lead nowhere", "url", url)
		if key == "" {
			key = demoKey
			log.Info("demo: INVITE_API_KEY is not set, so the key is " + demoKey)
		}
		token, apiURL = standin.Token, url
	}
	if key == "" || key != strings.TrimSpace(key) { // a header loses white space
		return errors.New("INVITE_API_KEY is empty or has white space around it; to try without an account, use --demo")
	}
	opts := []telegram.ClientOption{telegram.WithTimeout(callTimeout)}
	if apiURL != "" {
		opts = append(opts, telegram.WithBaseURL(apiURL))
	}
	client, err := telegram.NewClient(token, opts...)
	if err != nil {
		return fmt.Errorf("TELEGRAM_BOT_TOKEN or TELEGRAM_API_URL: %w", err)
	}
	return serve(ctx, cmp.Or(getenv("ADDR"), "127.0.0.1:8080"), newHandler(client, key, log), log)
}

// serve serves until ctx ends, and then finishes the calls in flight.
func serve(ctx context.Context, addr string, handler http.Handler, log *slog.Logger) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:      handler,
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

type service struct {
	client *telegram.Client
	keySum [sha256.Size]byte
	log    *slog.Logger

	// outcomes is for /metrics, behind the key. It is not published, because expvar
	// would serve it at /debug/vars with the command line and the memory statistics.
	outcomes expvar.Map
}

func newHandler(client *telegram.Client, key string, log *slog.Logger) http.Handler {
	s := &service{client: client, keySum: sha256.Sum256([]byte(key)), log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /invites", s.withKey(s.invites))
	mux.HandleFunc("/invites", onlyMethods("POST"))
	mux.HandleFunc("GET /metrics", s.withKey(s.metrics))
	mux.HandleFunc("/metrics", onlyMethods("GET, HEAD"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, response{status: http.StatusNotFound, Error: "there is only /invites and /metrics"})
	})
	return mux
}

// onlyMethods refuses any other method in JSON. The mux would do so in plain text.
func onlyMethods(allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		answer(w, response{status: http.StatusMethodNotAllowed, Error: "this path takes only " + allow})
	}
}

// withKey passes a request with the right key on to next. It compares sums, because
// a comparison of keys in constant time would still tell their length.
func (s *service) withKey(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(key))
		if strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], s.keySum[:]) == 1 {
			next(w, r)
			return
		}
		s.log.Warn("the key is missing or wrong", "remote", r.RemoteAddr)
		w.Header().Set("WWW-Authenticate", "Bearer")
		answer(w, response{status: http.StatusUnauthorized, Error: "the key is missing or wrong"})
	}
}

func (s *service) metrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, s.outcomes.String())
}

func (s *service) invites(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	var in request
	var out response
	link, err := s.invite(w, r, &in)
	if err != nil {
		out = failure(err)
	} else {
		out = response{status: http.StatusCreated, Link: link.InviteLink, Expires: link.ExpireDate}
	}
	s.outcomes.Add(outcome(err), 1)
	answer(w, out)
	// Whoever has the link can join, so it is not for the log. Its name is, so that
	// the chat's owner can find a link that reached nobody.
	s.log.Info("invite", "status", out.status, "outcome", outcome(err), "chat", in.Chat, "name", in.Name,
		"error", out.Error, "seconds", time.Since(start).Seconds(), "client_gone", r.Context().Err() != nil)
}

// errBadRequest means that the request is not valid. Nothing was sent.
var errBadRequest = errors.New("bad request")

// invite makes the link that r asks for. It leaves the request in in, for the log.
func (s *service) invite(w http.ResponseWriter, r *http.Request, in *request) (*telegram.ChatInviteLink, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("%w: cannot read the body: %w", errBadRequest, err)
	}
	if err := in.parse(body); err != nil {
		return nil, fmt.Errorf("%w: %w", errBadRequest, err)
	}
	// A client that hangs up must not cancel the call: Telegram would make the
	// link all the same, and nobody would know whether it did.
	return s.client.CreateInvitationLink(context.WithoutCancel(r.Context()), in.Chat, in.options()...)
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

func answer(w http.ResponseWriter, out response) {
	if out.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(out.retryAfter))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(out.status)
	json.NewEncoder(w).Encode(out)
}

// outcome says what became of a call, for logs and metrics. If it is unknown, a
// link may exist. After any other error, no link was made.
func outcome(err error) string {
	switch {
	case err == nil:
		return "link"
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		return "unknown"
	case errors.Is(err, telegram.ErrTooManyRequests):
		return "rate limited"
	case errors.As(err, new(*telegram.Error)):
		return "refused"
	}
	return "not sent" // also if the error is telegram.ErrInvalidArgument
}

// failure tells a client why it gets no link. What the client cannot help, such
// as the service's own token, is the fault of a gateway: 502.
func failure(err error) response {
	out := response{status: http.StatusBadGateway, Error: err.Error(), Outcome: outcome(err)}
	refused, _ := errors.AsType[*telegram.Error](err)
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		out.status = http.StatusRequestEntityTooLarge
	case errors.Is(err, errBadRequest), errors.Is(err, telegram.ErrInvalidArgument):
		out.status = http.StatusBadRequest
	case out.Outcome == "unknown", out.Outcome == "not sent":
		if timeout != nil && timeout.Timeout() {
			out.status = http.StatusGatewayTimeout
		}
	case out.Outcome == "rate limited":
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
