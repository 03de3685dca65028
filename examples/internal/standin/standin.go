// Package standin answers createChatInviteLink in the place of Telegram, so that
// the examples can be tried without an account.
package standin

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Token is for a demo that was given no token. Like a real one, it has 35
// characters after the colon. The stand-in takes any other token, too.
const Token = "1234567890:made-up-so-that-a-demo-needs-no-bot"

// Start starts a stand-in on a free port of 127.0.0.1, which net/http never
// reaches through a proxy of the environment. To end it, call stop.
func Start() (baseURL string, stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: new(Server)}
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), server.Close, nil
}

// Chats returns the names of the chats that are not answered with a link, in
// alphabetical order. Only @floodonce is, from the second call on.
func Chats() []string { return slices.Sorted(maps.Keys(refusals)) }

// A Server creates an invite link for any chat but those of [Chats], in Telegram's
// production and test environment alike. The zero Server is ready to use.
type Server struct {
	flooded atomic.Bool // @floodonce was refused
}

// A reply is a reply of the Bot API, its fields in the order in which Telegram
// sends them.
type reply struct {
	OK          bool       `json:"ok"`
	Result      link       `json:"result,omitzero"`
	ErrorCode   int        `json:"error_code,omitempty"`
	Description string     `json:"description,omitempty"`
	Parameters  parameters `json:"parameters,omitzero"`
}

type parameters struct {
	MigrateToChatID int64 `json:"migrate_to_chat_id,omitempty"`
	RetryAfter      int   `json:"retry_after,omitempty"`
}

type link struct {
	InviteLink         string `json:"invite_link"`
	Name               string `json:"name,omitempty"`
	Creator            user   `json:"creator"`
	ExpireDate         int64  `json:"expire_date,omitempty"`
	MemberLimit        int    `json:"member_limit,omitempty"`
	CreatesJoinRequest bool   `json:"creates_join_request"`
	IsPrimary          bool   `json:"is_primary"`
	IsRevoked          bool   `json:"is_revoked"`
}

type user struct {
	ID        int64  `json:"id"`
	IsBot     bool   `json:"is_bot"`
	FirstName string `json:"first_name"`
	Username  string `json:"username"`
}

var refusals = map[string]reply{
	"@notfound":  {ErrorCode: 400, Description: "Bad Request: chat not found"},
	"@norights":  {ErrorCode: 400, Description: "Bad Request: not enough rights to manage chat invite link"},
	"@forbidden": {ErrorCode: 403, Description: "Forbidden: bot is not a member of the channel chat"},
	"@migrated": {
		ErrorCode:   400,
		Description: "Bad Request: group chat was upgraded to a supergroup chat",
		Parameters:  parameters{MigrateToChatID: -1009876543210},
	},
	"@flood": {
		ErrorCode:   429,
		Description: "Too Many Requests: retry after 34",
		Parameters:  parameters{RetryAfter: 34},
	},
	"@floodonce": {
		ErrorCode:   429,
		Description: "Too Many Requests: retry after 1",
		Parameters:  parameters{RetryAfter: 1},
	},
	"@badgateway": {ErrorCode: 502},
}

// badGateway is what a gateway answers instead of Telegram.
const badGateway = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
	"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bot, ok := botOf(r)
	if !ok {
		write(w, reply{ErrorCode: 404, Description: "Not Found"})
		return
	}
	var in struct {
		ChatID             json.RawMessage `json:"chat_id"` // a string or a number
		Name               string          `json:"name"`
		ExpireDate         int64           `json:"expire_date"`
		MemberLimit        int             `json:"member_limit"`
		CreatesJoinRequest bool            `json:"creates_join_request"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		write(w, reply{ErrorCode: 400, Description: "Bad Request: can't parse the JSON object"})
		return
	}
	chat := strings.Trim(string(in.ChatID), `"`)
	refusal, refused := refusals[chat]
	switch {
	case chat == "":
		write(w, reply{ErrorCode: 400, Description: "Bad Request: chat_id is empty"})
	case chat == "@badgateway":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(refusal.ErrorCode)
		io.WriteString(w, badGateway)
	case refused && (chat != "@floodonce" || s.flooded.CompareAndSwap(false, true)):
		write(w, refusal)
	default:
		write(w, reply{OK: true, Result: link{
			InviteLink:         newLink(),
			Name:               strings.TrimSpace(in.Name),
			Creator:            user{ID: bot, IsBot: true, FirstName: "Demo Bot", Username: "demo_bot"},
			ExpireDate:         in.ExpireDate,
			MemberLimit:        in.MemberLimit,
			CreatesJoinRequest: in.CreatesJoinRequest,
		}})
	}
}

var path = regexp.MustCompile(`^/bot([0-9]+):[A-Za-z0-9_-]+(/test)?/createChatInviteLink$`)

// botOf returns the id of the bot that asks for a link. For any other request
// it returns false.
func botOf(r *http.Request) (int64, bool) {
	match := path.FindStringSubmatch(r.URL.Path)
	if r.Method != http.MethodPost || match == nil {
		return 0, false
	}
	bot, err := strconv.ParseInt(match[1], 10, 64)
	return bot, err == nil
}

// newLink returns a link of the form of Telegram's, with 16 random characters.
func newLink() string {
	hash := make([]byte, 12)
	rand.Read(hash)
	return "https://t.me/+" + base64.RawURLEncoding.EncodeToString(hash)
}

func write(w http.ResponseWriter, r reply) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.Encode(r)
	w.Header().Set("Content-Type", "application/json")
	if seconds := r.Parameters.RetryAfter; seconds != 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	w.WriteHeader(cmp.Or(r.ErrorCode, http.StatusOK))
	w.Write(bytes.TrimRight(body.Bytes(), "\n"))
}
