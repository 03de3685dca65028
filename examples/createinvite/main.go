// Createinvite makes an invite link for a private Telegram chat and prints
// Telegram's answer as JSON. README.md tells how to build it, and what differs
// from OpenIntegrations (oint).
//
// Try it without an account:
//
//	go run ./examples/createinvite --demo --chat @testsichee --title "Link" --limit 200
//
// Its exit status is 0 if a link was made and printed, 1 if no link was made, and
// 2 if the command was used wrongly. It is 3 if a link may exist, or was made but
// could not be written to standard output: then it is on standard error.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/telegram"
	"example.com/telegram/examples/internal/standin"
)

const help = `Createinvite makes an invite link for a private Telegram chat and prints
Telegram's answer as JSON.

Usage:
  createinvite --chat CHAT [flags]

Example:
  createinvite --chat -1001234567890 --title "Order 1042" --expire 24h --limit 1

Who and where:
  --token TOKEN        the token of the bot, which must be an administrator of
                       the chat with the right to invite users. Better set
                       TELEGRAM_BOT_TOKEN in the environment, because all users
                       of the machine can read arguments
  --chat CHAT          -1001234567890 or @channel, either with *topic after it

The link:
  --title NAME         its name, at most 32 characters. Give each link a name of
                       its own: it is how to find out whether the link exists
  --expire WHEN        2030-05-03T11:19:33 in local time, the same with a zone
                       (2030-05-03T11:19:33+02:00), or from now (24h); absent:
                       never
  --limit N            the most members at the same time, 1 to 99999; 0 or
                       absent: no limit
  --join-request       an administrator must approve each user who wants to
                       join; goes without --limit

The call:
  --proxy URL          http://, https:// or socks5://user:password@host:port;
                       absent: HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide, and
                       keep a password out of the arguments
  --timeout DURATION   the limit of one exchange with Telegram (default 90s)
  --wait DURATION      the most time to wait and try again if Telegram refuses
                       for now (default 0s)
  --api URL            the base URL of a local Bot API server
  --test-environment   call Telegram's test servers, for which the bot needs a
                       token from there
  --adv-response       print {"code": …, "body": …, "headers": …} of the answer
  -h, --help           print this help

Without an account:
  --demo               a built-in stand-in answers, not Telegram. It needs no
                       token, makes a link for any chat, and does otherwise for
                         @notfound    refuses: chat not found
                         @norights    refuses: not enough rights
                         @forbidden   refuses: the bot is not a member
                         @migrated    refuses: the chat has another id now
                         @flood       refuses: too many requests, wait 34 s
                         @floodonce   the same once, wait 1 s: try --wait 5s
                         @badgateway  a gateway's page: the outcome is unknown

Exit status:
  0  a link was made, and is on standard output
  1  no link was made
  2  wrong use, no link was made
  3  a link may exist; or it was made but could not be written to standard
     output, and is on standard error instead

After status 3 without a link, do not try again before the chat's owner has
looked: another try could make a second link. The owner sees the bot's links in
the chat's invite links, under the bot's name, each with its --title. Other
administrators do not see them. Only the bot can revoke one, with the Bot API's
method revokeChatInviteLink.
`

const (
	exitLink = iota
	exitNoLink
	exitWrongUse
	exitMayExist
)

func main() {
	// Those that nohup or a shell's & ignores stay ignored.
	ctx, stop := signal.NotifyContext(context.Background(), slices.DeleteFunc(endSignals, signal.Ignored)...)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is the program, and returns its exit status.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.WriteCloser, stderr io.Writer) int {
	cmd, err := parse(args, getenv)
	switch {
	case err == errHelp:
		if !deliver([]byte(help), stdout, stderr) {
			return exitNoLink
		}
		return exitLink
	case err != nil:
		return wrongUse(stderr, err)
	}
	if cmd.demo {
		url, stop, err := standin.Start()
		if err != nil {
			fmt.Fprintf(stderr, "createinvite: the stand-in does not start: %v\n", err)
			return exitNoLink
		}
		defer stop()
		cmd.server = append(cmd.server, telegram.WithBaseURL(url))
		fmt.Fprintf(stderr, "createinvite: demo: a stand-in at %s answers, not Telegram; its links lead nowhere\n", url)
	}

	var res telegram.Response
	err = cmd.call(ctx, &res)
	status := exitStatus(err)
	switch {
	case status == exitWrongUse:
		return wrongUse(stderr, err)
	case err != nil:
		fmt.Fprintln(stderr, explain(err))
	}
	if !deliver(cmd.answer(&res), stdout, stderr) && status == exitLink {
		return exitMayExist
	}
	return status
}

// deliver reports whether answer is on stdout. If not, it writes it to stderr,
// because nobody can ask for the link again.
func deliver(answer []byte, stdout io.WriteCloser, stderr io.Writer) bool {
	if len(answer) == 0 {
		return true
	}
	_, err := stdout.Write(answer)
	err = cmp.Or(err, stdout.Close()) // on some file systems only Close says that the disk is full
	if err != nil {
		fmt.Fprintf(stderr, "createinvite: standard output: %v; what belongs there:\n%s", err, answer)
	}
	return err == nil
}

func exitStatus(err error) int {
	switch {
	case err == nil:
		return exitLink
	case errors.Is(err, telegram.ErrInvalidArgument):
		return exitWrongUse
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		return exitMayExist
	}
	return exitNoLink
}

// A command is what the arguments ask for.
type command struct {
	token, chat, title string
	limit              int
	joinRequest        bool
	expire             []telegram.InviteOption // at most --expire
	server             []telegram.ClientOption // --proxy and --api
	timeout, wait      time.Duration
	testEnvironment    bool
	advanced           bool // print the status and the header too
	demo               bool
}

var errHelp = errors.New("help is wanted")

// parse does without package flag, whose errors quote what was given. Here, no
// error does: it may be a password or a token in the wrong place.
func parse(args []string, getenv func(string) string) (*command, error) {
	c := &command{timeout: 90 * time.Second}
	flags := c.flags()
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(args[i], "=")
		flag, known := flags[name]
		switch {
		case name == "-h" || name == "--help":
			return nil, errHelp
		case !known:
			return nil, fmt.Errorf("argument %d is not a flag", i+1)
		}
		isSwitch := flag.takes == noValue
		if !isSwitch && !hasValue && i+1 < len(args) {
			i++
			value, hasValue = args[i], true
		}
		if hasValue == isSwitch || !flag.set(value) {
			return nil, fmt.Errorf("%s takes %s", name, flag.takes)
		}
	}
	c.token = cmp.Or(c.token, getenv("TELEGRAM_BOT_TOKEN"))
	if c.demo {
		c.token = cmp.Or(c.token, standin.Token)
	}
	switch {
	case c.chat == "":
		return nil, errors.New("--chat is missing")
	case c.token == "":
		return nil, errors.New("the token is missing: set TELEGRAM_BOT_TOKEN, or try --demo")
	case c.demo && c.server != nil:
		return nil, errors.New("--demo goes with neither --proxy nor --api")
	}
	return c, nil
}

// A flag is followed by a value, unless it takes noValue.
type flag struct {
	takes string
	set   func(value string) bool // false: not what it takes
}

const noValue = "no value"

// flags returns the flags by name. What --expire, --proxy and --api are given is
// checked even if it is empty: an unset variable in a script's --expire "$DATE"
// must not make a link that never expires.
func (c *command) flags() map[string]flag {
	return map[string]flag{
		"--token": {"the token of a bot", text(&c.token)},
		"--chat":  {"an id such as -1001234567890 or a public name such as @channel", c.setChat},
		"--title": {"a name", text(&c.title)},
		"--expire": {"a time such as 2030-05-03T11:19:33, with or without a zone, " +
			"or a duration with a unit, such as 24h", c.setExpire},
		"--limit":        {"a number from 1 to 99999, or 0 for no limit", c.setLimit},
		"--join-request": {noValue, on(&c.joinRequest)},
		"--proxy": {"a URL such as http://proxy.example:3128", func(value string) bool {
			c.server = append(c.server, telegram.WithProxy(value))
			return true
		}},
		"--timeout": {"a duration above zero with a unit, such as 90s", duration(&c.timeout, 1)},
		"--wait":    {"a duration with a unit, such as 90s", duration(&c.wait, 0)},
		"--api": {"a URL such as http://localhost:8081", func(value string) bool {
			c.server = append(c.server, telegram.WithBaseURL(value))
			return true
		}},
		"--test-environment": {noValue, on(&c.testEnvironment)},
		"--adv-response":     {noValue, on(&c.advanced)},
		"--demo":             {noValue, on(&c.demo)},
	}
}

func text(dst *string) func(string) bool {
	return func(value string) bool {
		*dst = value
		return true
	}
}

func on(dst *bool) func(string) bool {
	return func(string) bool {
		*dst = true
		return true
	}
}

func duration(dst *time.Duration, least time.Duration) func(string) bool {
	return func(value string) bool {
		d, err := time.ParseDuration(value)
		*dst = d
		return err == nil && d >= least
	}
}

// chatForm matches no chat that the library refuses, because its error would
// quote it. An id has far fewer than 18 digits.
var chatForm = regexp.MustCompile(`^(-?[1-9][0-9]{0,17}|@[A-Za-z0-9_]+)(\*[1-9][0-9]*)?$`)

func (c *command) setChat(value string) bool {
	c.chat = value
	return chatForm.MatchString(value)
}

func (c *command) setExpire(value string) bool {
	t, err := time.ParseInLocation("2006-01-02T15:04:05", value, time.Local)
	if err != nil {
		t, err = time.Parse(time.RFC3339, value)
	}
	if err != nil {
		var d time.Duration
		d, err = time.ParseDuration(value)
		t = time.Now().Add(d)
	}
	c.expire = []telegram.InviteOption{telegram.WithExpireDate(t)}
	return err == nil
}

func (c *command) setLimit(value string) bool {
	n, err := strconv.Atoi(value)
	c.limit = n
	return err == nil && n >= 0 && n <= 99999
}

// call asks for the link. The reply goes to res, whatever becomes of the call.
func (c *command) call(ctx context.Context, res *telegram.Response) error {
	clientOpts := append(c.server, telegram.WithTimeout(c.timeout), telegram.WithRateLimitWait(c.wait))
	if c.testEnvironment {
		clientOpts = append(clientOpts, telegram.WithTestEnvironment())
	}
	client, err := telegram.NewClient(c.token, clientOpts...)
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
	answer := res.Body
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
		answer = encode(struct {
			Code    int               `json:"code"`
			Body    any               `json:"body"`
			Headers map[string]string `json:"headers"`
		}{res.StatusCode, body, headers})
	case !isJSON:
		return nil
	}
	var out bytes.Buffer
	json.Indent(&out, bytes.TrimSpace(c.redact(answer)), "", "  ")
	out.WriteByte('\n')
	return out.Bytes()
}

// jsonString matches the strings in a JSON text. Quotation marks have no other
// place there.
var jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// redact replaces the secret half of the token in a JSON text, because a gateway
// may quote the path of the request. It looks at decoded strings: a secret such
// as 1234 may also be a part of a number or of an escape. One of less than 4
// bytes is none.
func (c *command) redact(text []byte) []byte {
	_, secret, _ := strings.Cut(c.token, ":")
	if len(secret) < 4 {
		return text
	}
	return jsonString.ReplaceAllFunc(text, func(quoted []byte) []byte {
		var s string
		if json.Unmarshal(quoted, &s); !strings.Contains(s, secret) {
			return quoted
		}
		return encode(strings.ReplaceAll(s, secret, "[redacted]"))
	})
}

// encode returns v as JSON without escapes for HTML.
func encode(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.Encode(v)
	return out.Bytes()
}

func wrongUse(stderr io.Writer, err error) int {
	what := strings.TrimPrefix(err.Error(), telegram.ErrInvalidArgument.Error()+": ")
	fmt.Fprintf(stderr, "createinvite: %s; see createinvite -h\n", what)
	return exitWrongUse
}

// explain returns a line that says what happened and what to do next.
func explain(err error) string {
	line := "createinvite: " + strings.TrimPrefix(err.Error(), "telegram: ")
	if next := advice(err); next != "" {
		line += "; " + next
	}
	return line
}

func advice(err error) string {
	var refused *telegram.Error
	errors.As(err, &refused)
	switch {
	case errors.Is(err, telegram.ErrOutcomeUnknown):
		return "before trying again, let the chat's owner look in the chat's invite links, under the bot's name, " +
			"where a --title of its own tells the link from others; only the bot can revoke it, with revokeChatInviteLink"
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
		return "check the token, which @BotFather shows, and that it goes with --api and --test-environment"
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
