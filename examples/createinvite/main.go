// Createinvite creates an invite link for a private Telegram chat and prints
// Telegram's reply as JSON. Try it without an account:
//
//	go run ./examples/createinvite --demo --chat @testsichee --title "Link" --limit 200
//
// The exit status is 0 if a link was created and printed, and 1, 2 or 4 if no link was
// created. It is 3 if a link may exist. After any other status, such as 137 or 143 of a
// killed process, a link may exist, too.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/telegram"
	"example.com/telegram/examples/internal/standin"
)

const help = `Createinvite creates an invite link for a private Telegram chat
and prints Telegram's reply as JSON.

  createinvite --chat -1001234567890 --title "Order 1042" --expire 24h --limit 1

  --token TOKEN        the bot's token; better set TELEGRAM_BOT_TOKEN, because
                       all users of the machine can read arguments
  --chat CHAT          -1001234567890 or @channel, either with *topic after it;
                       the bot must be an administrator who may invite users
  --title NAME         the link's name, at most 32 characters; give each link a
                       name of its own, by which the chat's owner can find it
  --expire WHEN        the expiration date: 2030-05-03T11:19:33 in local time,
                       2030-05-03T11:19:33+02:00, or 24h from now; default: none
  --limit N            members at the same time, 1 to 99999; default: 0, any
  --join-request       an administrator must approve each user; not with --limit
  --proxy URL          http://, https:// or socks5://user:password@host:port;
                       default: HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide
  --timeout DURATION   limit of one exchange with Telegram; default: 90s
  --wait DURATION      the most time to wait and try again on a 429; default: 0
  --api URL            the base URL of a local Bot API server
  --test-environment   call Telegram's test servers, with a token from there
  --adv-response       print {"code": ..., "body": ..., "headers": ...}
  --demo               a stand-in replies, not Telegram. It needs no token, and
                       creates a link for any chat but @notfound, @norights,
                       @forbidden, @migrated, @flood (all refused), @floodonce
                       (once: try --wait 5s) and @badgateway (outcome unknown)
  -h, --help           print this help

Exit status:
  0      a link was created, and is on standard output
  1      Telegram refused; no link was created
  2      wrong use; no link was created
  3      a link may exist; or it was created, but could not be written to
         standard output, and is on standard error
  4      not sent, or refused with 429; no link was created, try again
  other  such as 137 or 143 of a killed process: a link may exist
`

const (
	exitLink = iota
	exitRefused
	exitWrongUse
	exitMayExist
	exitTryAgain
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // so that a closed pipe is an error of Write, and the link is not lost
	// What nohup or a shell's & ignores stays ignored.
	ends := slices.DeleteFunc([]os.Signal{os.Interrupt, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTERM}, signal.Ignored)
	ctx, _ := signal.NotifyContext(context.Background(), ends...)
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the program, and returns its exit status.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.WriteCloser, stderr io.Writer) int {
	cmd, err := parse(args, getenv)
	switch {
	case err == flag.ErrHelp:
		io.WriteString(stdout, help)
		return exitLink
	case err != nil:
		fmt.Fprintf(stderr, "createinvite: %v; see createinvite -h\n", err)
		return exitWrongUse
	case cmd.demo:
		fmt.Fprintln(stderr, "createinvite: demo: a stand-in replies, not Telegram; its links lead nowhere")
	}
	var res telegram.Response
	link, err := cmd.call(ctx, &res)
	status, next := outcome(err)
	if err != nil {
		text := strings.TrimPrefix(err.Error(), "telegram: ")
		text = strings.Replace(text, context.Canceled.Error(), "interrupted", 1) // only a signal cancels ctx
		fmt.Fprintf(stderr, "createinvite: %s; %s\n", text, next)
	}
	reply := cmd.printable(link, &res)
	if len(reply) == 0 {
		return status
	}
	_, err = stdout.Write(reply)
	if err = cmp.Or(err, stdout.Close()); err != nil { // some file systems report a full disk only in Close
		fmt.Fprintf(stderr, "createinvite: standard output: %v; this belongs there:\n%s", err, reply)
		if status == exitLink {
			return exitMayExist
		}
	}
	return status
}

// A command is what the arguments ask for.
type command struct {
	token, chat                                  string
	limit                                        int
	joinRequest, testEnvironment, advanced, demo bool

	server  []telegram.ClientOption // --proxy and --api
	options []telegram.InviteOption // --title, --expire, --timeout and --wait
	err     error                   // of a flag's value
}

// parse returns [flag.ErrHelp] if the arguments ask for help. No error shows a value: it may be a misplaced password.
func parse(args []string, getenv func(string) string) (*command, error) {
	c := &command{token: getenv("TELEGRAM_BOT_TOKEN")}
	flags := c.flags()
	err := flags.Parse(args)
	switch {
	case c.err != nil:
		return nil, c.err
	case err == flag.ErrHelp || err != nil && namesFlag.MatchString(err.Error()):
		return nil, err
	case err != nil:
		return nil, errors.New("an argument that begins with a dash is not valid")
	case flags.NArg() > 0:
		return nil, fmt.Errorf("argument %d is not a flag: does a value need quotation marks?", len(args)-flags.NArg()+1)
	case !chatForm.MatchString(c.chat):
		return nil, errors.New("--chat must be an id such as -1001234567890 or a public name such as @channel")
	case c.token == "" && !c.demo:
		return nil, errors.New("the token is missing: set TELEGRAM_BOT_TOKEN, or try --demo")
	case c.demo && c.server != nil:
		return nil, errors.New("--demo goes with neither --proxy nor --api")
	}
	return c, nil
}

var (
	// Errors of package flag that show nothing but the name of a flag. A token has digits and a colon.
	namesFlag = regexp.MustCompile(`^flag (provided but not defined|needs an argument): -[A-Za-z-]{1,20}$`)
	// The library's errors for these would show the value. A chat's id has far fewer than 18 digits.
	chatForm  = regexp.MustCompile(`^(-?[1-9][0-9]{0,17}|@[A-Za-z0-9_]+)(\*[1-9][0-9]*)?$`)
	limitForm = regexp.MustCompile(`^[0-9]{1,5}$`)
)

// flags returns the flags, which write to c. An empty value is checked like any other: an unset variable in
// --expire "$DATE" must not give a link that never expires.
func (c *command) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("createinvite", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.token, "token", c.token, "")
	flags.StringVar(&c.chat, "chat", "", "")
	flags.BoolVar(&c.joinRequest, "join-request", false, "")
	flags.BoolVar(&c.testEnvironment, "test-environment", false, "")
	flags.BoolVar(&c.advanced, "adv-response", false, "")
	flags.BoolVar(&c.demo, "demo", false, "")

	value := func(name, takes string, set func(string) bool) {
		flags.Func(name, "", func(s string) error {
			if !set(s) {
				c.err = fmt.Errorf("--%s takes %s", name, takes)
			}
			return c.err
		})
	}
	server := func(o telegram.ClientOption) bool { c.server = append(c.server, o); return true }
	option := func(o telegram.InviteOption) bool { c.options = append(c.options, o); return true }
	// With an empty T, --title $T --join-request is a title and nothing else.
	value("title", "a name that does not begin with a dash",
		func(s string) bool { return !strings.HasPrefix(s, "-") && option(telegram.WithName(s)) })
	value("expire", "a time such as 2030-05-03T11:19:33, with or without a zone, or a duration in h, m or s, such as 24h",
		func(s string) bool {
			if d, err := time.ParseDuration(s); err == nil {
				return option(telegram.WithExpireDate(time.Now().Add(d)))
			}
			t, err := time.ParseInLocation("2006-01-02T15:04:05", s, time.Local)
			if err != nil {
				t, err = time.Parse(time.RFC3339, s)
			}
			return err == nil && option(telegram.WithExpireDate(t))
		})
	value("limit", "a number from 1 to 99999, or 0 for no limit",
		func(s string) bool { c.limit, _ = strconv.Atoi(s); return limitForm.MatchString(s) })
	value("proxy", "a URL", func(s string) bool { return server(telegram.WithProxy(s)) })
	value("api", "a URL", func(s string) bool { return server(telegram.WithBaseURL(s)) })
	for name, with := range map[string]func(time.Duration) telegram.Option{
		"timeout": telegram.WithTimeout,
		"wait":    telegram.WithRateLimitWait,
	} {
		value(name, "a duration in h, m or s, such as 90s", func(s string) bool {
			d, err := time.ParseDuration(s)
			return err == nil && option(with(d))
		})
	}
	return flags
}

// call creates the link. The reply goes to res, even if the call fails.
func (c *command) call(ctx context.Context, res *telegram.Response) (*telegram.ChatInviteLink, error) {
	if c.demo {
		url, stop, err := standin.Start()
		if err != nil {
			return nil, err
		}
		defer stop()
		c.token = cmp.Or(c.token, standin.Token)
		c.server = append(c.server, telegram.WithBaseURL(url))
	}
	if c.testEnvironment {
		c.server = append(c.server, telegram.WithTestEnvironment())
	}
	client, err := telegram.NewClient(c.token, c.server...)
	if err != nil {
		return nil, err
	}
	opts := append(c.options, telegram.WithJoinRequest(c.joinRequest), telegram.WithResponse(res))
	if c.limit != 0 {
		opts = append(opts, telegram.WithMemberLimit(c.limit))
	}
	return client.CreateInvitationLink(ctx, telegram.ChatID(c.chat), opts...)
}

// printable returns the reply as it is printed: nothing if none came, or if it is not JSON without --adv-response.
func (c *command) printable(link *telegram.ChatInviteLink, res *telegram.Response) []byte {
	if link != nil && !json.Valid(res.Body) { // a relay has put other bytes around the reply
		res.Body, _ = json.Marshal(map[string]any{"ok": true, "result": link})
	}
	var reply any = json.RawMessage(res.Body)
	if !json.Valid(res.Body) {
		if !c.advanced || res.StatusCode == 0 {
			return nil
		}
		reply = string(res.Body)
	}
	if c.advanced {
		headers := make(map[string]string)
		for name, values := range res.Header {
			headers[name] = strings.Join(values, ", ")
		}
		reply = map[string]any{"code": res.StatusCode, "body": reply, "headers": headers}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	enc.Encode(reply)
	// A gateway may quote the path of the request. A secret much shorter than a real one could be a word of the reply.
	if _, secret, _ := strings.Cut(c.token, ":"); len(secret) >= 16 {
		return bytes.ReplaceAll(out.Bytes(), []byte(secret), []byte("[redacted]"))
	}
	return out.Bytes()
}

// outcome returns the exit status for err, and what to do next.
func outcome(err error) (status int, next string) {
	var refused *telegram.Error
	switch {
	case err == nil:
		return exitLink, ""
	case errors.Is(err, telegram.ErrInvalidArgument):
		return exitWrongUse, "see createinvite -h"
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		return exitMayExist, "do not try again before the chat's owner has looked for this --title in the chat's " +
			"invite links, under the bot's name"
	case errors.Is(err, context.Canceled):
		return exitTryAgain, "no link was created"
	case errors.Is(err, telegram.ErrTooManyRequests):
		return exitTryAgain, "no link was created: try again later, or let --wait do it"
	case !errors.As(err, &refused):
		return exitTryAgain, "no link was created: check the network, --proxy, --api and --timeout, then try again"
	case refused.MigrateToChatID != "":
		return exitRefused, "from now on, use --chat " + string(refused.MigrateToChatID)
	case errors.Is(err, telegram.ErrUnauthorized):
		return exitRefused, "check the token, which @BotFather shows, and that it goes with --api and --test-environment"
	}
	return exitRefused, "check that the chat's id is right (-100... for a supergroup or channel) and that the bot " +
		"is an administrator of the chat with the right to invite users"
}
