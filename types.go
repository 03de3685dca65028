package telegram

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// A ChatID names the chat that a link leads to: the decimal id of a group or
// channel (-1001234567890) or the public name of one (@channel).
//
// Either may carry a topic, as in -1001234567890*42. An invitation leads to the
// whole chat, so the topic is checked and left out.
type ChatID string

// NumericChatID returns the ChatID of a chat with this id.
func NumericChatID(id int64) ChatID { return ChatID(strconv.FormatInt(id, 10)) }

// ChatInviteLink is an invitation link as Telegram describes it.
//
// Its JSON form is Telegram's own, with dates and periods in seconds and
// optional fields absent when zero. It therefore also reads the invite_link of
// an update.
type ChatInviteLink struct {
	// InviteLink is the link itself: https://t.me/+...
	InviteLink string `json:"invite_link"`
	// Name is the link's name; empty if it has none.
	Name string `json:"name,omitempty"`
	// Creator is the user who made the link; here, the bot.
	Creator User `json:"creator"`
	// ExpireDate is when the link ends, in UTC; zero if it never does.
	ExpireDate time.Time `json:"expire_date,omitzero"`
	// MemberLimit is how many users can be in the chat at the same time after
	// joining through the link, 1 to 99999; zero if there is no limit.
	MemberLimit int `json:"member_limit,omitempty"`
	// PendingJoinRequestCount is how many users wait for approval.
	PendingJoinRequestCount int `json:"pending_join_request_count,omitempty"`
	// SubscriptionPeriod is how long a payment lasts; zero if the link asks for
	// none.
	SubscriptionPeriod time.Duration `json:"subscription_period,omitzero"`
	// SubscriptionPrice is what a period costs, in Telegram Stars.
	SubscriptionPrice int `json:"subscription_price,omitempty"`
	// CreatesJoinRequest reports whether administrators approve each user who joins.
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
	// ID identifies the user, in up to 52 bits.
	ID int64 `json:"id"`
	// IsBot reports whether the user is a bot.
	IsBot bool `json:"is_bot"`
	// FirstName is never empty in an answer of Telegram's.
	FirstName string `json:"first_name"`
	// LastName, Username (without @) and LanguageCode (an IETF language tag)
	// are empty if the user has none or Telegram does not tell.
	LastName     string `json:"last_name,omitempty"`
	Username     string `json:"username,omitempty"`
	LanguageCode string `json:"language_code,omitempty"`
	// IsPremium reports whether the user has Telegram Premium.
	IsPremium bool `json:"is_premium,omitempty"`
	// AddedToAttachmentMenu reports whether the user added the bot to the
	// attachment menu.
	AddedToAttachmentMenu bool `json:"added_to_attachment_menu,omitempty"`
}

// A Response is the raw reply to a call, see [WithResponse]. It is what the
// server sent, without redaction.
type Response struct {
	// StatusCode is the HTTP status; zero if no reply came.
	StatusCode int
	// Header holds the HTTP header.
	Header http.Header
	// Body is the body as far as it arrived, at most 1 MiB.
	Body []byte
}

// wireLink is a ChatInviteLink on the wire, where time is in seconds. Its own
// fields hide those of the same name inside it.
type wireLink struct {
	methodless
	ExpireDate         int64 `json:"expire_date,omitempty"`
	SubscriptionPeriod int64 `json:"subscription_period,omitempty"`
}

// methodless keeps wireLink from inheriting MarshalJSON.
type methodless ChatInviteLink

func (l ChatInviteLink) wire() wireLink {
	w := wireLink{methodless: methodless(l), SubscriptionPeriod: int64(l.SubscriptionPeriod / time.Second)}
	if !l.ExpireDate.IsZero() {
		w.ExpireDate = l.ExpireDate.Unix()
	}
	return w
}

func (w *wireLink) link() ChatInviteLink {
	l := ChatInviteLink(w.methodless)
	l.SubscriptionPeriod = seconds(w.SubscriptionPeriod)
	l.ExpireDate = time.Time{}
	if w.ExpireDate != 0 {
		l.ExpireDate = time.Unix(w.ExpireDate, 0).UTC()
	}
	return l
}

// seconds returns n seconds, or zero if n is negative or too many for a
// Duration.
func seconds(n int64) time.Duration {
	if n < 0 || n > int64(math.MaxInt64/time.Second) {
		return 0
	}
	return time.Duration(n) * time.Second
}
