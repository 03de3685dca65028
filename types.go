package telegram

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A ChatID identifies a group, supergroup or channel: by its decimal id, such as
// -1001234567890, or by its public name, such as @channel.
//
// Either may end in a topic, as in -1001234567890*42. An invite link is for the
// whole chat, so the topic is checked and left out.
type ChatID string

// NumericChatID returns the ChatID of the chat with this id.
func NumericChatID(id int64) ChatID { return ChatID(strconv.FormatInt(id, 10)) }

func (c ChatID) isValid() bool {
	chat, topic, hasTopic := strings.Cut(string(c), "*")
	name, isName := strings.CutPrefix(chat, "@")
	_, err := strconv.ParseInt(chat, 10, 64)
	isID := err == nil && isPositive(strings.TrimPrefix(chat, "-"))
	return (isID || isName && consistsOf(name, nameChars)) && (!hasTopic || isPositive(topic))
}

// A ChatInviteLink is an invite link as Telegram describes it.
//
// Its JSON form is Telegram's own, ChatInviteLink in the Bot API: dates and periods
// are in seconds, and optional fields are absent if zero. A link that was stored as
// JSON can be read again, and so can the invite_link of an update. A struct that
// embeds a ChatInviteLink inherits its JSON form, which leaves out the other fields of
// the struct: use a named field.
type ChatInviteLink struct {
	// InviteLink is the link itself, https://t.me/+... Whoever has it can join.
	InviteLink string `json:"invite_link"`
	// Name is the link's name; empty if it has none.
	Name string `json:"name,omitempty"`
	// Creator is the user who created the link. After CreateInvitationLink it is the
	// bot.
	Creator User `json:"creator"`
	// ExpireDate is when the link expires, in UTC; zero if it never does.
	ExpireDate time.Time `json:"expire_date,omitzero"`
	// MemberLimit is how many users can be in the chat at the same time after
	// joining through the link, 1 to 99999; zero if there is no limit.
	MemberLimit int `json:"member_limit,omitempty"`
	// PendingJoinRequestCount is how many join requests created with the link wait
	// for an administrator; zero if none does or Telegram does not say.
	PendingJoinRequestCount int `json:"pending_join_request_count,omitempty"`
	// SubscriptionPeriod is how long each payment is valid; zero if joining is free.
	SubscriptionPeriod time.Duration `json:"subscription_period,omitzero"`
	// SubscriptionPrice is what each period costs, in Telegram Stars; zero if
	// joining is free.
	SubscriptionPrice int `json:"subscription_price,omitempty"`
	// CreatesJoinRequest reports whether an administrator must approve each user.
	CreatesJoinRequest bool `json:"creates_join_request"`
	// IsPrimary reports whether the link is its creator's primary one.
	IsPrimary bool `json:"is_primary"`
	// IsRevoked reports whether the link no longer works.
	IsRevoked bool `json:"is_revoked"`
}

// MarshalJSON returns Telegram's form of the link.
func (l ChatInviteLink) MarshalJSON() ([]byte, error) { return json.Marshal(l.wire()) }

// UnmarshalJSON reads Telegram's form of the link.
func (l *ChatInviteLink) UnmarshalJSON(data []byte) error {
	w := l.wire()
	err := json.Unmarshal(data, &w)
	*l = w.link()
	return err
}

// A User is a Telegram user or bot.
type User struct {
	// ID identifies the user. It may need more than 32 bits.
	ID int64 `json:"id"`
	// IsBot reports whether the user is a bot.
	IsBot bool `json:"is_bot"`
	// FirstName is the user's or bot's first name. Telegram always sends it.
	FirstName string `json:"first_name"`
	// LastName, Username (without @) and LanguageCode (an IETF language tag)
	// are empty if the user has none or Telegram does not say.
	LastName     string `json:"last_name,omitempty"`
	Username     string `json:"username,omitempty"`
	LanguageCode string `json:"language_code,omitempty"`
	// IsPremium reports whether the user has Telegram Premium.
	IsPremium bool `json:"is_premium,omitempty"`
	// AddedToAttachmentMenu reports whether the user added the bot to the
	// attachment menu.
	AddedToAttachmentMenu bool `json:"added_to_attachment_menu,omitempty"`
}

// A Response is the raw reply to a call, see [WithResponse]. It may come from a
// gateway or a proxy. Nothing in it is redacted.
type Response struct {
	// StatusCode is the HTTP status; zero if no reply came.
	StatusCode int
	// Header is the HTTP header; nil if no reply came.
	Header http.Header
	// Body is the body as far as it arrived, at most 1 MiB; nil if no reply came.
	Body []byte
}

// A wireLink is a ChatInviteLink on the wire, where time is in seconds. Its fields
// shadow the embedded ones with the same JSON name.
type wireLink struct {
	plainLink
	ExpireDate         int64 `json:"expire_date,omitempty"`
	SubscriptionPeriod int64 `json:"subscription_period,omitempty"`
}

// A plainLink is a ChatInviteLink without its methods, which a wireLink must not
// inherit.
type plainLink ChatInviteLink

func (l ChatInviteLink) wire() wireLink {
	w := wireLink{plainLink: plainLink(l), SubscriptionPeriod: int64(l.SubscriptionPeriod / time.Second)}
	if !l.ExpireDate.IsZero() {
		w.ExpireDate = l.ExpireDate.Unix()
	}
	return w
}

func (w wireLink) link() ChatInviteLink {
	l := ChatInviteLink(w.plainLink)
	l.SubscriptionPeriod = seconds(w.SubscriptionPeriod)
	l.ExpireDate = time.Time{}
	if w.ExpireDate != 0 {
		l.ExpireDate = time.Unix(w.ExpireDate, 0).UTC()
	}
	return l
}

// seconds returns n seconds, or zero if n is negative or too large for a
// Duration.
func seconds(n int64) time.Duration {
	if n < 0 || n > int64(math.MaxInt64/time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}
