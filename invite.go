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
	"regexp"
	"strconv"
	"strings"
	"time"
)

// CreateInvitationLink makes a new invitation link for a chat by the method
// [createChatInviteLink]. The bot must be an administrator of the chat with the
// right to invite users.
//
// Each call makes another link, and no two calls are the same to Telegram. When
// the error matches [ErrOutcomeUnknown], a link may exist; before another try,
// someone has to look.
//
// The error is an [*Error] if the call was refused. It matches
// [ErrInvalidArgument] if chatID or an option is malformed. Otherwise it is a
// transport error, which matches [ErrOutcomeUnknown] unless nothing was sent. It
// wraps its cause, such as [context.DeadlineExceeded], a [net.Error] or an x509
// error, unless that would show a secret. The link is nil if and only if the
// error is not.
//
// [createChatInviteLink]: https://core.telegram.org/bots/api#createchatinvitelink
func (c *Client) CreateInvitationLink(ctx context.Context, chatID ChatID, opts ...InviteOption) (*ChatInviteLink, error) {
	b := new(bot) // of a Client that NewClient did not make
	if c != nil && c.bot != nil {
		b = c.bot()
	}
	call, err := b.newInvitation(ctx, chatID, opts)
	if err != nil {
		return nil, err
	}
	for left := call.maxWait; ; {
		link, err := b.exchange(ctx, call)
		refused, ok := err.(*Error)
		if !ok || !refused.Is(ErrTooManyRequests) || refused.Is(ErrOutcomeUnknown) {
			return link, err
		}
		wait := refused.RetryAfter
		deadline, ok := ctx.Deadline()
		if wait == 0 || wait > left || ok && time.Until(deadline) <= wait {
			return nil, err
		}
		left -= wait
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w; the wait of %v before another try was cut short: %w", refused, wait, ctx.Err())
		}
	}
}

// An invitation is one call. Its exported fields are the arguments of the Bot
// API's method.
type invitation struct {
	ChatID             string `json:"chat_id"`
	Name               string `json:"name,omitempty"`
	ExpireDate         int64  `json:"expire_date,omitempty"`
	MemberLimit        int    `json:"member_limit,omitempty"`
	CreatesJoinRequest bool   `json:"creates_join_request,omitempty"`

	settings
	body     []byte
	response *Response
}

// chatPattern is a chat and, after an asterisk, perhaps a topic.
var chatPattern = regexp.MustCompile(`^(?:@[A-Za-z0-9_]+|-?[1-9][0-9]*)(?:\*[1-9][0-9]*)?$`)

// newInvitation checks all arguments of a call.
func (b *bot) newInvitation(ctx context.Context, chatID ChatID, opts []InviteOption) (*invitation, error) {
	call := &invitation{settings: b.settings, response: new(Response)}
	var err error
	for _, opt := range opts {
		optErr := errNilOption
		if opt != nil {
			optErr = opt.applyToInvite(call)
		}
		err = cmp.Or(err, optErr)
	}
	call.ChatID, _, _ = strings.Cut(string(chatID), "*")
	_, numErr := strconv.ParseInt(call.ChatID, 10, 64)
	switch {
	case err != nil:
		return nil, err
	case b.endpoint == nil:
		return nil, invalid("the client was not made by NewClient")
	case ctx == nil:
		return nil, invalid("the context is nil")
	case !chatPattern.MatchString(string(chatID)), numErr != nil && call.ChatID[0] != '@':
		return nil, invalid("chat %s is neither an id such as -1001234567890 nor a name such as @channel, perhaps with a *topic", b.redactor(call.proxy).clean(strconv.Quote(string(chatID))))
	case call.CreatesJoinRequest && call.MemberLimit != 0:
		return nil, invalid("a join request and a member limit exclude each other")
	case call.proxy != nil && b.transport != sharedTransport:
		return nil, errProxyAndTransport
	}
	call.body, err = json.Marshal(call)
	return call, err
}

// reader returns the body in a form that net/http knows to be in memory, and
// sends in one write with the header.
func (call *invitation) reader() io.ReadCloser { return io.NopCloser(bytes.NewReader(call.body)) }

// A reply is what the Bot API answers.
type reply struct {
	OK          any      `json:"ok"` // only true is success, only false a refusal
	Result      wireLink `json:"result"`
	ErrorCode   int      `json:"error_code"`
	Description string   `json:"description"`
	Parameters  struct {
		RetryAfter      int64 `json:"retry_after"` // in seconds
		MigrateToChatID int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// result makes a link or an error of a reply. A body that could not be read to
// its end counts all the same if what came of it is whole.
func (b *bot) result(req *http.Request, res Response, readErr error) (*ChatInviteLink, error) {
	var r reply
	err := json.Unmarshal(res.Body, &r)
	// A value of a wrong type leaves its own field zero and the others intact.
	if err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) || r.OK != true && r.OK != false {
		r = reply{}
	}
	switch {
	case res.StatusCode/100 == 2 && r.OK == true && r.Result.InviteLink != "":
		link := r.Result.link()
		return &link, nil
	case r.OK == false, r.OK == nil && res.StatusCode/100 != 2:
		proxy, _ := chooseProxy(req)
		retryAfter, _ := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 64)
		e := &Error{
			StatusCode:  res.StatusCode,
			Code:        cmp.Or(r.ErrorCode, res.StatusCode),
			Description: b.redactor(proxy).clean(r.Description),
			RetryAfter:  cmp.Or(seconds(r.Parameters.RetryAfter), seconds(retryAfter)),
		}
		if id := r.Parameters.MigrateToChatID; id != 0 {
			e.MigrateToChatID = NumericChatID(id)
		}
		return nil, e
	}
	err = cmp.Or(readErr, err, errors.New("no invite_link"))
	return nil, b.failed(req, fmt.Errorf("HTTP status %d without a usable result: %w", res.StatusCode, err), true)
}
