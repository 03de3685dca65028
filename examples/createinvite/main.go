// Createinvite makes an invitation link for a closed Telegram chat and prints
// Telegram's answer as JSON.
//
// Try it without an account:
//
//	go run ./examples/createinvite --demo --chat @testsichee --title "Link" --limit 200
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
	"strings"
	"syscall"
	"time"

	"example.com/telegram"
)

const help = `Createinvite makes an invitation link for a closed Telegram chat and prints
Telegram's answer as JSON.

Usage:
  createinvite --chat CHAT [flags]

Example:
  createinvite --chat -1001234567890 --title "Order 1042" --expire 24h --limit 1

Who and where:
  -t, --token TOKEN     token of the bot, which is an administrator of the chat
                        with the right to invite users. Rather set
                        TELEGRAM_BOT_TOKEN in the environment: arguments show in
                        process lists
  -c, --chat CHAT       -1001234567890 or @channel, either with *topic after it

The link:
  -l, --title NAME      name that administrators see, at most 32 characters
  -e, --expire WHEN     2026-05-03T11:19:33 in local time, the same with a zone
                        (2026-05-03T11:19:33+02:00), or from now (24h); absent:
                        never
  -m, --limit N         most members at the same time, up to 99999; 0 or absent:
                        no limit
      --join-request    administrators approve who joins; goes without --limit

The call:
      --proxy URL       http://, https:// or socks5://user:password@host:port;
                        absent: HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide
      --timeout TIME    limit of one exchange with Telegram (default 90s)
      --wait TIME       most time to wait and try again if Telegram refuses for
                        now (default 0s)
      --api URL         base URL of a local Bot API server
      --adv-response    print {"code": …, "body": …, "headers": …} of the answer
  -h, --help            print this help

Without an account:
      --demo            a built-in stand-in answers, not Telegram. It needs no
                        token, makes a link for any chat, and does otherwise for
                        @notfound    refuses: chat not found
                        @norights    refuses: not enough rights
                        @forbidden   refuses: the bot is not a member
                        @migrated    refuses: the chat has another id now
                        @flood       refuses: too many requests, wait 34 s
                        @floodonce   the same once, wait 1 s: try --wait 5s
                        @badgateway  a gateway's page: the outcome is unknown

Exit status:
  0  a link was made
  1  refused or failed, no link was made
  2  wrong use
  3  outcome unknown, a link may exist
`

const (
	exitLink = iota
	exitFailed
	exitUsage
	exitUnknown
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the program, and returns its exit status.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	cmd, err := parse(args, getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		io.WriteString(stdout, help)
		return exitLink
	case err != nil:
		return wrongUse(stderr, err)
	}
	if cmd.demo {
		url, stop, err := startStandIn()
		if err != nil {
			fmt.Fprintf(stderr, "createinvite: the stand-in does not start: %v\n", err)
			return exitFailed
		}
		defer stop()
		cmd.server = append(cmd.server, telegram.WithBaseURL(url))
		fmt.Fprintf(stderr, "createinvite: demo: a stand-in at %s answers, not Telegram; its links lead nowhere\n", url)
	}

	var res telegram.Response
	err = cmd.call(ctx, &res)
	status := exitStatus(err)
	switch {
	case status == exitUsage:
		return wrongUse(stderr, err)
	case err != nil:
		fmt.Fprintln(stderr, explain(err))
	}
	answer := cmd.answer(&res)
	if _, err := stdout.Write(answer); err != nil {
		// Nobody can ask for the link again.
		fmt.Fprintf(stderr, "createinvite: standard output: %v; the answer was:\n%s", err, answer)
		return max(status, exitFailed)
	}
	return status
}

// A command is what the arguments ask for.
type command struct {
	token, chat, title string
	limit              int
	joinRequest        bool
	expire             []telegram.InviteOption // at most --expire
	server             []telegram.ClientOption // --proxy and --api
	timeout, wait      time.Duration
	advanced           bool // print the status and the header too
	demo               bool
}

func parse(args []string, getenv func(string) string) (*command, error) {
	c := new(command)
	fs := c.flags()
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	c.token = cmp.Or(c.token, getenv("TELEGRAM_BOT_TOKEN"))
	if c.demo {
		c.token = cmp.Or(c.token, standInToken)
	}
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("%q follows no flag", fs.Arg(0))
	case c.chat == "":
		return nil, errors.New("--chat is missing")
	case c.token == "":
		return nil, errors.New("the token is missing: set TELEGRAM_BOT_TOKEN, or try --demo")
	case c.demo && c.server != nil:
		return nil, errors.New("--demo goes with neither --proxy nor --api")
	}
	return c, nil
}

// flags defines the flags. What --expire, --proxy and --api are given goes to
// the library even if it is empty: an unset variable in a script's
// --expire "$DATE" must not make a link that never expires.
func (c *command) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("createinvite", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // run says what is wrong
	fs.StringVar(&c.token, "token", "", "")
	fs.StringVar(&c.token, "t", "", "")
	fs.StringVar(&c.chat, "chat", "", "")
	fs.StringVar(&c.chat, "c", "", "")
	fs.StringVar(&c.title, "title", "", "")
	fs.StringVar(&c.title, "l", "", "")
	fs.Func("expire", "", c.setExpire)
	fs.Func("e", "", c.setExpire)
	fs.IntVar(&c.limit, "limit", 0, "")
	fs.IntVar(&c.limit, "m", 0, "")
	fs.BoolVar(&c.joinRequest, "join-request", false, "")
	fs.Func("proxy", "", func(value string) error {
		c.server = append(c.server, telegram.WithProxy(value))
		return nil
	})
	fs.Func("api", "", func(value string) error {
		c.server = append(c.server, telegram.WithBaseURL(value))
		return nil
	})
	fs.DurationVar(&c.timeout, "timeout", 90*time.Second, "")
	fs.DurationVar(&c.wait, "wait", 0, "")
	fs.BoolVar(&c.advanced, "adv-response", false, "")
	fs.BoolVar(&c.demo, "demo", false, "")
	return fs
}

func (c *command) setExpire(value string) error {
	t, err := time.ParseInLocation("2006-01-02T15:04:05", value, time.Local)
	if err != nil {
		t, err = time.Parse(time.RFC3339, value)
	}
	if err != nil {
		var d time.Duration
		d, err = time.ParseDuration(value)
		t = time.Now().Add(d)
	}
	if err != nil {
		return errors.New("neither a time like 2026-05-03T11:19:33, with or without a zone, nor one from now like 24h")
	}
	c.expire = []telegram.InviteOption{telegram.WithExpireDate(t)}
	return nil
}

// call asks for the link. The reply goes to res, whatever becomes of the call.
func (c *command) call(ctx context.Context, res *telegram.Response) error {
	client, err := telegram.NewClient(c.token, append(c.server,
		telegram.WithTimeout(c.timeout),
		telegram.WithRateLimitWait(c.wait))...)
	if err != nil {
		return err
	}
	opts := append(c.expire,
		telegram.WithName(c.title),
		telegram.WithJoinRequest(c.joinRequest),
		telegram.WithResponse(res))
	if c.limit != 0 {
		opts = append(opts, telegram.WithMemberLimit(c.limit))
	}
	_, err = client.CreateInvitationLink(ctx, telegram.ChatID(c.chat), opts...)
	return err
}

// answer returns what to print of a reply: nothing if none came, or if it is
// not JSON and nobody asked for the rest of it.
func (c *command) answer(res *telegram.Response) []byte {
	isJSON := json.Valid(res.Body)
	var out bytes.Buffer
	switch {
	case c.advanced && res.StatusCode != 0:
		var body any = string(res.Body)
		if isJSON {
			body = json.RawMessage(res.Body)
		}
		headers := make(map[string]string)
		for name, values := range res.Header {
			headers[name] = strings.Join(values, ", ")
		}
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		enc.Encode(struct {
			Code    int               `json:"code"`
			Body    any               `json:"body"`
			Headers map[string]string `json:"headers"`
		}{res.StatusCode, body, headers})
	case isJSON:
		json.Indent(&out, bytes.TrimSpace(res.Body), "", "  ")
		out.WriteByte('\n')
	}
	return c.redact(out.Bytes())
}

// redact replaces the secret half of the token, because a page of a gateway may
// quote the path of the request. A secret of less than 4 bytes is none, and
// would garble the JSON.
func (c *command) redact(out []byte) []byte {
	_, secret, _ := strings.Cut(c.token, ":")
	if len(secret) < 4 {
		return out
	}
	return bytes.ReplaceAll(out, []byte(secret), []byte("[redacted]"))
}

func exitStatus(err error) int {
	switch {
	case err == nil:
		return exitLink
	case errors.Is(err, telegram.ErrInvalidArgument):
		return exitUsage
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		return exitUnknown
	}
	return exitFailed
}

// tokenLike matches what has the form of a token. One that lost its flag must
// not get into a message about wrong use.
var tokenLike = regexp.MustCompile(`[0-9]+:[A-Za-z0-9_-]{20,}`)

func wrongUse(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "createinvite: %s; see createinvite -h\n", tokenLike.ReplaceAllString(text(err), "[token]"))
	return exitUsage
}

// explain returns a line that says what happened and what to do next.
func explain(err error) string {
	line := "createinvite: " + text(err)
	if next := advice(err); next != "" {
		line += "; " + next
	}
	return line
}

func text(err error) string { return strings.TrimPrefix(err.Error(), "telegram: ") }

func advice(err error) string {
	var refused *telegram.Error
	errors.As(err, &refused)
	switch {
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		return "look at the links in the chat's settings before trying again"
	case errors.Is(err, context.Canceled):
		return "no link was made"
	case refused == nil:
		return "no link was made: check the network, --proxy and --api, then try again"
	case errors.Is(err, telegram.ErrTooManyRequests) && refused.RetryAfter > 0:
		return fmt.Sprintf("try again in %v, or let --wait do so", refused.RetryAfter)
	case errors.Is(err, telegram.ErrTooManyRequests):
		return "try again in some minutes"
	case refused.MigrateToChatID != "":
		return "from now on use --chat " + string(refused.MigrateToChatID)
	case errors.Is(err, telegram.ErrUnauthorized):
		return "check the token, which @BotFather shows"
	case refused.Description == "":
		return "something on the way answered, not Telegram: check --proxy and --api"
	case strings.Contains(refused.Description, "chat not found"):
		return "add the bot to the chat, and check the chat's id, which begins with -100 for a supergroup or channel"
	case errors.Is(err, telegram.ErrForbidden),
		strings.Contains(refused.Description, "not enough rights"),
		strings.Contains(refused.Description, "CHAT_ADMIN_REQUIRED"):
		return "make the bot an administrator of the chat with the right to invite users"
	}
	return ""
}
