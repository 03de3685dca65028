package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"example.com/telegram"
)

// A request is what a client asks for. A field is zero if and only if its key was
// left out, see parse.
type request struct {
	Chat        telegram.ChatID
	Name        string
	TTL         time.Duration
	Members     int
	JoinRequest *bool
}

// options returns the options that r asks for.
//
// The tests are != 0, so that the library refuses a negative value. With > 0 it
// would be dropped, and the link would be permanent or unlimited.
func (r *request) options() []telegram.InviteOption {
	var opts []telegram.InviteOption
	if r.Name != "" {
		opts = append(opts, telegram.WithName(r.Name))
	}
	if r.TTL != 0 {
		opts = append(opts, telegram.WithExpireDate(time.Now().Add(r.TTL)))
	}
	if r.Members != 0 {
		opts = append(opts, telegram.WithMemberLimit(r.Members))
	}
	if r.JoinRequest != nil {
		opts = append(opts, telegram.WithJoinRequest(*r.JoinRequest))
	}
	return opts
}

// parse reads the JSON of a request. It decodes each value by itself, and refuses
// it if the field is zero then: after null, 0, "" or "0s". To decode a struct at
// once would make no difference between null and a key that was left out.
func (r *request) parse(body []byte) error {
	var values map[string]json.RawMessage
	if json.Unmarshal(body, &values) != nil || values == nil {
		return errors.New("the body must be a JSON object and nothing else")
	}
	fields := map[string]struct {
		dst  any
		want string
	}{
		"chat":         {&r.Chat, `a string such as "-1001234567890" or "@channel"`},
		"name":         {&r.Name, "a string that is not empty; leave it out for no name"},
		"ttl":          {(*duration)(&r.TTL), `a duration such as "24h"; leave it out for a link that never expires`},
		"members":      {&r.Members, "a whole number from 1 to 99999; leave it out for no limit"},
		"join_request": {&r.JoinRequest, "true or false"},
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		field, known := fields[key]
		if !known {
			keys := strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
			return fmt.Errorf("there is no key %q; the keys are %s", key, keys)
		}
		if json.Unmarshal(values[key], field.dst) != nil || reflect.ValueOf(field.dst).Elem().IsZero() {
			return fmt.Errorf("%s must be %s", key, field.want)
		}
	}
	return nil
}

// A duration is a string in JSON, as time.ParseDuration reads it.
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = duration(parsed)
	return err
}
