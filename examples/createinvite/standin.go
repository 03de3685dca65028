package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// standInToken is what --demo uses where no token is given. It has the form of
// a token, with the 35 characters of a real one after the colon.
const standInToken = "1234567890:made-up-so-that-a-demo-needs-no-bot"

// startStandIn starts a server on the loopback interface, which net/http never
// reaches through a proxy of the environment.
func startStandIn() (url string, stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: new(standIn)}
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), server.Close, nil
}

// A standIn answers createChatInviteLink in the place of Telegram. It makes a
// link for any chat but those in refusals, @floodonce and @badgateway.
type standIn struct {
	flooded atomic.Bool // @floodonce was refused
}

// An apiReply is a reply of the Bot API, its fields in the order in which
// Telegram sends them.
type apiReply struct {
	OK          bool          `json:"ok"`
	Result      apiLink       `json:"result,omitzero"`
	ErrorCode   int           `json:"error_code,omitempty"`
	Description string        `json:"description,omitempty"`
	Parameters  apiParameters `json:"parameters,omitzero"`
}

type apiParameters struct {
	MigrateToChatID int64 `json:"migrate_to_chat_id,omitempty"`
	RetryAfter      int   `json:"retry_after,omitempty"`
}

type apiLink struct {
	InviteLink         string  `json:"invite_link"`
	Name               string  `json:"name,omitempty"`
	Creator            apiUser `json:"creator"`
	ExpireDate         int64   `json:"expire_date,omitempty"`
	MemberLimit        int     `json:"member_limit,omitempty"`
	CreatesJoinRequest bool    `json:"creates_join_request"`
	IsPrimary          bool    `json:"is_primary"`
	IsRevoked          bool    `json:"is_revoked"`
}

type apiUser struct {
	ID        int64  `json:"id"`
	IsBot     bool   `json:"is_bot"`
	FirstName string `json:"first_name"`
	Username  string `json:"username"`
}

var refusals = map[string]apiReply{
	"":           {ErrorCode: 400, Description: "Bad Request: chat_id is empty"},
	"@notfound":  {ErrorCode: 400, Description: "Bad Request: chat not found"},
	"@norights":  {ErrorCode: 400, Description: "Bad Request: not enough rights to manage chat invite link"},
	"@forbidden": {ErrorCode: 403, Description: "Forbidden: bot is not a member of the channel chat"},
	"@migrated": {
		ErrorCode:   400,
		Description: "Bad Request: group chat was upgraded to a supergroup chat",
		Parameters:  apiParameters{MigrateToChatID: -1009876543210},
	},
	"@flood": {
		ErrorCode:   429,
		Description: "Too Many Requests: retry after 34",
		Parameters:  apiParameters{RetryAfter: 34},
	},
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bot, ok := botOf(r)
	if !ok {
		write(w, apiReply{ErrorCode: 404, Description: "Not Found"})
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
		write(w, apiReply{ErrorCode: 400, Description: "Bad Request: can't parse the JSON object"})
		return
	}
	chat := strings.Trim(string(in.ChatID), `"`)
	refusal, refused := refusals[chat]
	switch {
	case refused:
		write(w, refusal)
	case chat == "@floodonce" && s.flooded.CompareAndSwap(false, true):
		write(w, apiReply{
			ErrorCode:   429,
			Description: "Too Many Requests: retry after 1",
			Parameters:  apiParameters{RetryAfter: 1},
		})
	case chat == "@badgateway":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, badGateway)
	default:
		write(w, apiReply{OK: true, Result: apiLink{
			InviteLink:         newLink(),
			Name:               strings.TrimSpace(in.Name),
			Creator:            apiUser{ID: bot, IsBot: true, FirstName: "Demo Bot", Username: "demo_bot"},
			ExpireDate:         in.ExpireDate,
			MemberLimit:        in.MemberLimit,
			CreatesJoinRequest: in.CreatesJoinRequest,
		}})
	}
}

const badGateway = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n" +
	"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

// botOf returns the id of the bot that asks for a link. For any other request
// it returns false.
func botOf(r *http.Request) (int64, bool) {
	token, found := strings.CutPrefix(r.URL.Path, "/bot")
	token, isLink := strings.CutSuffix(token, "/createChatInviteLink")
	id, _, _ := strings.Cut(token, ":")
	bot, err := strconv.ParseInt(id, 10, 64)
	return bot, r.Method == http.MethodPost && found && isLink && err == nil
}

// newLink returns a link of the form of Telegram's, with 16 random characters.
func newLink() string {
	hash := make([]byte, 12)
	rand.Read(hash)
	return "https://t.me/+" + base64.RawURLEncoding.EncodeToString(hash)
}

func write(w http.ResponseWriter, reply apiReply) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	enc.Encode(reply)
	w.Header().Set("Content-Type", "application/json")
	if seconds := reply.Parameters.RetryAfter; seconds != 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	w.WriteHeader(cmp.Or(reply.ErrorCode, http.StatusOK))
	w.Write(bytes.TrimRight(body.Bytes(), "\n"))
}
