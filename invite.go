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

// CreateInvitationLink makes a new invite link for a chat, with the Bot API's
// method [createChatInviteLink]. The bot must be an administrator of the chat
// with the right to invite users. The link is nil if and only if the error is
// not nil.
//
// Each call makes another link, and a bot cannot list the links it made. So give
// each link a name of its own ([WithName]), such as an order number: if the
// error matches [ErrOutcomeUnknown], the chat's owner can tell by the name
// whether the link exists. Give it an expire date and a member limit, too: then a
// link that nobody knows of does no harm.
//
// The error is one of these:
//   - It matches [ErrInvalidArgument] if chatID or an option is not valid.
//     Nothing was sent.
//   - [errors.As] finds an [*Error] if a reply refused the call. If the reply
//     leaves the outcome open, as that of a gateway may, the error matches
//     [ErrOutcomeUnknown] too.
//   - Otherwise no usable reply came. The error matches [ErrOutcomeUnknown] unless
//     it is certain that nothing was sent.
//
// An error of the last kind also matches its cause, such as [io.EOF] or, if ctx has
// ended, the error and the cause of ctx, with [errors.Is]. It is a [net.Error],
// and [errors.As] finds what the network said: a [*net.OpError],
// [*net.DNSError], [syscall.Errno], [crypto/tls.RecordHeaderError],
// [*crypto/tls.CertificateVerificationError] or one of the certificate errors of
// [crypto/x509]. It unwraps to nothing, because a cause may print a secret.
//
// [createChatInviteLink]: https://core.telegram.org/bots/api#createchatinvitelink
func (c *Client) CreateInvitationLink(
	ctx context.Context, chatID ChatID, opts ...InviteOption,
) (*ChatInviteLink, error) {
	call, err := c.newCall(ctx, chatID, opts)
	if err != nil {
		return nil, err
	}
	for left := call.maxWait; ; {
		link, err := call.exchange(ctx)
		refused, ok := err.(*Error)
		if !ok || !refused.Is(ErrTooManyRequests) || refused.Is(ErrOutcomeUnknown) {
			return link, err
		}
		wait := refused.RetryAfter
		end := time.Now().Add(wait)
		deadline, hasDeadline := ctx.Deadline()
		expire := call.params.ExpireDate
		if wait == 0 || wait > left || hasDeadline && !end.Before(deadline) || expire != 0 && end.Unix() >= expire {
			return nil, err
		}
		left -= wait
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			ended := context.Canceled // Err may return anything if ctx is of the caller's making
			if ctx.Err() == context.DeadlineExceeded {
				ended = context.DeadlineExceeded
			}
			return nil, fmt.Errorf("%w; the wait of %v before another try was cut short: %w", refused, wait, ended)
		}
	}
}

// A call is one call of the Bot API's method, with its own copy of the bot.
type call struct {
	bot
	params   params
	body     []byte    // params as JSON
	response *Response // nil: nobody asked
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
	call := new(call)
	if c != nil && c.bot != nil {
		call.bot = c.bot()
	}
	var err error
	for _, opt := range opts { // all of them, because WithResponse zeroes its destination
		optErr := errNilOption
		if opt != nil {
			optErr = opt.applyToCall(call)
		}
		err = cmp.Or(err, optErr)
	}
	p := &call.params
	switch {
	case err != nil:
		return nil, err
	case call.post == nil:
		return nil, invalid("the client must be made by NewClient")
	case ctx == nil:
		return nil, invalid("the context must not be nil")
	case !chatID.isValid():
		return nil, invalid("the chat must be an id such as -1001234567890 or a public name such as @channel, "+
			"and may end in *topic: %s", call.secrets().clean(strconv.Quote(string(chatID))))
	case p.CreatesJoinRequest && p.MemberLimit != 0:
		return nil, invalid("a link with a member limit must not require join requests")
	case call.proxy != nil && call.transport != nil:
		return nil, errProxyAndTransport
	}
	p.ChatID, _, _ = strings.Cut(string(chatID), "*") // the method takes no topic
	call.body, err = json.Marshal(p)
	return call, err
}

// reader returns the body as a [bytes.Reader] in [io.NopCloser]. net/http knows
// that pair, and sends it in one write with the header.
func (c *call) reader() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.body)), nil }

// A reply is what the Bot API answers.
type reply struct {
	OK          verdict  `json:"ok"`
	Result      wireLink `json:"result"`
	ErrorCode   int      `json:"error_code"`
	Description string   `json:"description"`
	Parameters  struct {
		RetryAfter      int64 `json:"retry_after"` // in seconds
		MigrateToChatID int64 `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// A verdict is JSON of any type, of which only true and false count. To decode it
// into an any would cost 60 times its size.
type verdict struct{ ok, refused bool }

func (v *verdict) UnmarshalJSON(data []byte) error {
	v.ok, v.refused = string(data) == "true", string(data) == "false"
	return nil
}

// result makes a link or an error of a response. If the connection broke after
// the reply was complete, the reply counts.
func (c *call) result(ctx context.Context, res *http.Response) (*ChatInviteLink, error) {
	if res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = http.NoBody // instead of the bare connection, which has no end
	}
	body, readErr := io.ReadAll(io.LimitReader(res.Body, maxReplyBody))
	if c.response != nil {
		*c.response = Response{StatusCode: res.StatusCode, Header: res.Header, Body: body}
	}

	var r reply
	// A value of a wrong type leaves its own field zero, and a body that is not valid
	// JSON as a whole leaves all of them zero.
	json.Unmarshal(body, &r)
	if r.OK == (verdict{}) {
		r = reply{}
	}
	success := res.StatusCode/100 == 2
	switch {
	case success && r.OK.ok && r.Result.InviteLink != "":
		r.Description = "" // may be large, and the link is a part of r
		return r.Result.link(), nil
	case res.StatusCode != 0 && (r.OK.refused || !r.OK.ok && !success): // in an Error, 0 means that it was left out
		retryAfter, _ := strconv.ParseInt(res.Header.Get("Retry-After"), 10, 64)
		e := &Error{
			StatusCode:  res.StatusCode,
			Code:        cmp.Or(r.ErrorCode, res.StatusCode),
			Description: c.secrets().clean(r.Description),
			RetryAfter:  cmp.Or(seconds(r.Parameters.RetryAfter), seconds(retryAfter)),
		}
		if id := r.Parameters.MigrateToChatID; id != 0 {
			e.MigrateToChatID = NumericChatID(id)
		}
		return nil, e
	}
	where := fmt.Sprintf("HTTP status %d without a usable result: ", res.StatusCode)
	return nil, c.failed(ctx, true, where, cmp.Or(readErr, errors.New("not a success with an invite_link")))
}
