package telegram

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const maxReplyBody = 1 << 20 // bytes

// CreateInvitationLink creates an invite link for a chat, with the Bot API's method
// [createChatInviteLink]. The bot must be an administrator of the chat with the right
// to invite users. The link says what Telegram has set, which may differ from the
// options. It is nil if and only if the error is not nil.
//
// Give each link a name of its own ([WithName]), such as an order number: if the
// outcome of the call is unknown, the chat's owner can tell by the name whether the
// link exists. Give it an expiration date and a member limit, too, so that a link that
// nobody knows of stops working by itself.
//
// The error is exactly one of these four:
//
//  1. It matches [ErrInvalidArgument]: chatID or an option is not valid. Nothing was
//     sent.
//  2. [errors.As] finds an [*Error]: Telegram refused the call. No link was created.
//     If ctx ended while the call waited to try again ([WithRateLimitWait]), the
//     error matches the error of ctx, too.
//  3. It matches [ErrOutcomeUnknown]: the request may have reached Telegram, and
//     Telegram did not refuse it. A link may exist.
//  4. It matches none of these: nothing was sent, and the text begins with
//     "telegram: not sent". It is safe to try again.
//
// An error of kind 3 or 4 is a [net.Error], whose Timeout method reports whether a
// timeout or deadline expired. It also matches its cause, such as [io.EOF], and the error
// of ctx if ctx has ended. It wraps nothing, because what a cause wraps may print a
// secret.
//
// For the details of a connection, put a [net/http/httptrace.ClientTrace] in ctx. Over
// plain http, it sees the proxy's password, in the field Proxy-Authorization.
//
// [createChatInviteLink]: https://core.telegram.org/bots/api#createchatinvitelink
func (c *Client) CreateInvitationLink(
	ctx context.Context, chatID ChatID, opts ...InviteOption,
) (*ChatInviteLink, error) {
	call, err := c.newCall(ctx, chatID, opts)
	if err != nil {
		return nil, err
	}
	for {
		link, err := call.exchange(ctx)
		refused, ok := err.(*Error)
		if !ok || !call.mayWait(ctx, refused) {
			return link, err
		}
		call.maxWait -= refused.RetryAfter
		select {
		case <-time.After(refused.RetryAfter):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; while waiting to try again: %w", refused, ctx.Err())
		}
	}
}

// A call is one call of the Bot API's method, with its own copy of the bot.
type call struct {
	bot
	params   params
	body     []byte    // params as JSON
	response *Response // nil: not asked for
}

// params are the parameters of the Bot API's method.
type params struct {
	ChatID             string `json:"chat_id"`
	Name               string `json:"name,omitempty"`
	ExpireDate         int64  `json:"expire_date,omitempty"`
	MemberLimit        int    `json:"member_limit,omitempty"`
	CreatesJoinRequest bool   `json:"creates_join_request,omitempty"`
}

// newCall returns a call whose arguments are all valid.
func (c *Client) newCall(ctx context.Context, chatID ChatID, opts []InviteOption) (*call, error) {
	if c == nil || c.bot == nil {
		return nil, invalid("the client must be created by NewClient")
	}
	call := &call{bot: c.bot()}
	for _, opt := range opts {
		if opt == nil {
			return nil, errNilOption
		}
		if err := opt.applyToCall(call); err != nil {
			return nil, err
		}
	}
	p := &call.params
	switch {
	case ctx == nil:
		return nil, invalid("the context must not be nil")
	case !chatID.isValid():
		return nil, invalid("the chat must be an id such as -1001234567890 (no plus sign, no leading zero) or a public "+
			"name such as @channel; it may end in *topic (a positive integer); not %s",
			call.clean(strconv.Quote(string(chatID))))
	case p.CreatesJoinRequest && p.MemberLimit != 0:
		return nil, invalid("a link with a member limit must not require join requests")
	case call.proxy != nil && call.transport != nil:
		return nil, errProxyAndTransport
	}
	p.ChatID, _, _ = strings.Cut(string(chatID), "*") // the method takes no topic
	var err error
	call.body, err = json.Marshal(p)
	return call, err
}

// reader returns the body as a [bytes.Reader] in [io.NopCloser]. net/http knows that
// pair, and sends it in one write with the header.
func (c *call) reader() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.body)), nil }

// mayWait reports whether the call may wait and try again after a refusal.
func (c *call) mayWait(ctx context.Context, e *Error) bool {
	end, expire := time.Now().Add(e.RetryAfter), c.params.ExpireDate
	deadline, hasDeadline := ctx.Deadline()
	return e.Code == http.StatusTooManyRequests && e.RetryAfter > 0 && e.RetryAfter <= c.maxWait &&
		(!hasDeadline || end.Before(deadline)) && (expire == 0 || end.Unix() < expire)
}

// A reply is what the Bot API answers.
type reply struct {
	OK          bool     `json:"ok"`
	Result      wireLink `json:"result"`
	ErrorCode   int      `json:"error_code"`
	Description string   `json:"description"`
	Parameters  struct {
		RetryAfter      int64 `json:"retry_after"` // in seconds
		MigrateToChatID int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// result turns a response into a link or an error. Only the first JSON value of the
// body counts. The status, other bytes and a later read error may come from a gateway
// or a relay.
func (c *call) result(ctx context.Context, res *http.Response) (*ChatInviteLink, error) {
	var body []byte
	var err error
	if res.StatusCode != http.StatusSwitchingProtocols { // whose body is the connection, which has no end
		body, err = io.ReadAll(io.LimitReader(res.Body, maxReplyBody))
	}
	if c.response != nil {
		*c.response = Response{StatusCode: res.StatusCode, Header: res.Header, Body: body}
	}
	var r reply
	// A value of a wrong type leaves its own field zero. JSON that is not complete leaves
	// all of them zero.
	text := bytes.TrimPrefix(body, []byte("\ufeff"))
	if json.Unmarshal(text, &r) != nil {
		json.NewDecoder(bytes.NewReader(text)).Decode(&r) // takes the first of several values, and more memory
	}
	switch {
	case r.OK && r.Result.InviteLink != "":
		link := r.Result.link()
		return &link, nil
	case c.isRefusal(&r):
		e := &Error{
			Code:        r.ErrorCode,
			Description: c.clean(r.Description),
			RetryAfter:  seconds(r.Parameters.RetryAfter),
		}
		if id := r.Parameters.MigrateToChatID; id != 0 {
			e.MigrateToChatID = NumericChatID(id)
		}
		return nil, e
	}
	status := fmt.Sprintf("HTTP status %d: ", res.StatusCode)
	if r.Description != "" {
		status += r.Description + ": "
	}
	return nil, c.failed(ctx, true, status, cmp.Or(err, errors.New("neither a link nor a refusal by Telegram")))
}

// isRefusal reports whether r is a refusal in Telegram's own words: a description
// that begins with the name of the code. Gateways and relays use other words, and may
// do so after the link was created.
func (c *call) isRefusal(r *reply) bool {
	switch r.ErrorCode {
	case 400, 401, 403, 421, 429:
	case 404:
		// From another server, it may be about the path of an error page that a gateway
		// asked for when the reply took too long.
		if !strings.EqualFold(c.request.URL.Hostname(), telegramHost) {
			return false
		}
	default:
		return false
	}
	return !r.OK && strings.HasPrefix(r.Description, http.StatusText(r.ErrorCode))
}
