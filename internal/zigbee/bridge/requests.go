package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// message is one message from MQTT.
func (b *Bridge) message(ctx context.Context, m mqttclient.Message) {
	b.traffic.received++
	if m.Topic == b.topics.homeAssistant() {
		if !m.Retain && strings.EqualFold(string(m.Payload), online) {
			b.homeAssistantUp()
		}
		return
	}
	if strings.HasPrefix(m.Topic, b.topics.prefix+"/") {
		b.foundDocument(m)
		return
	}
	if m.Retain || len(m.Payload) == 0 && !strings.HasPrefix(m.Topic, b.topics.bridge("")) {
		// A retained request would be done again at every connection, and could
		// open the network each time.
		if m.Retain {
			b.warnLimited("retained", fmt.Sprintf("a retained request on '%s' was ignored; publish it without retain", m.Topic))
		}
		return
	}
	if name, ok := strings.CutPrefix(m.Topic, b.topics.bridge("request/")); ok {
		b.request(ctx, name, m.Payload)
		return
	}
	if name, verb, attribute, ok := b.topics.command(m.Topic); ok {
		b.command(ctx, name, verb, attribute, m.Payload)
	}
}

// request is one message on bridge/request/<name>.
type request struct {
	name        string // of the answer's topic
	transaction json.RawMessage
	fields      map[string]json.RawMessage // of an object
	scalar      json.RawMessage            // of anything else; a plain string too
}

// response is what answers it. Data is empty, never null, in an error.
type response struct {
	Data        any             `json:"data"`
	Error       string          `json:"error,omitempty"`
	Status      string          `json:"status"`
	Transaction json.RawMessage `json:"transaction,omitempty"`
}

// request answers a request, or logs one that nobody knows.
func (b *Bridge) request(ctx context.Context, name string, payload []byte) {
	b.counts.requests++
	c, known := contract[strings.ToLower(name)]
	if !known || len(name) > maxName {
		b.counts.unknown++
		b.warnLimited("unknown", fmt.Sprintf("the request '%.100s' is not known", name))
		return
	}
	if c.answer != "" {
		name = c.answer
	}
	r, err := parseRequest(name, payload)
	switch {
	case err != nil:
		b.fail(r, err)
	case c.refuse != "":
		b.fail(r, refusal(c.refuse))
	default:
		c.handle(b, ctx, r)
	}
}

// refusal is an error in the words of the contract, which begin with a capital.
type refusal string

func (r refusal) Error() string { return string(r) }

// refusalBecause is a refusal in the words of the contract, and in ours what is
// behind it. In Zigbee2MQTT's form only the former is answered, as clients may
// compare it; the latter is on bridge/logging.
type refusalBecause struct{ short, why string }

func (r refusalBecause) Error() string { return r.short + ": " + r.why }

const invalidPayload = "Invalid payload"

// invalid is the refusal of a payload, and why.
func invalid(format string, args ...any) error {
	return refusalBecause{invalidPayload, fmt.Sprintf(format, args...)}
}

// noDevice is the refusal of a request about a device that is not there.
func noDevice(id string) error {
	return refusal(fmt.Sprintf("Device '%.100s' does not exist", id))
}

// parseRequest reads a payload: a JSON object, another JSON value, or a text
// that is no JSON, which stands for itself.
func parseRequest(name string, payload []byte) (request, error) {
	r := request{name: name}
	if len(payload) > maxPayload {
		return r, invalid("it has more than %d bytes", maxPayload)
	}
	text := bytes.TrimSpace(payload)
	if len(text) == 0 {
		return r, nil
	}
	if text[0] != '{' {
		if r.scalar = text; !json.Valid(text) {
			s, err := json.Marshal(string(text))
			if err != nil { // strings always marshal
				panic(err)
			}
			r.scalar = s
		}
		return r, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&r.fields); err != nil {
		return request{name: name}, invalid("%v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return request{name: name}, invalid("there is more after the object")
	}
	r.transaction = r.fields["transaction"]
	return r, nil
}

// text reads a field that must be a string when it is there.
func (r request) text(field string) (string, error) {
	raw, ok := r.fields[field]
	if !ok {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", invalid("'%s' must be a string", field)
	}
	return s, nil
}

// flag reads a field that must be true or false when it is there.
func (r request) flag(field string) (bool, error) {
	raw, ok := r.fields[field]
	if !ok {
		return false, nil
	}
	var v bool
	if err := json.Unmarshal(raw, &v); err != nil {
		return false, invalid("'%s' must be true or false", field)
	}
	return v, nil
}

// ref reads a field that names something: a string, or the number of a group
// or an endpoint. It is empty when the field is not there or null.
func (r request) ref(field string) (string, error) {
	raw, ok := r.fields[field]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	if s, ok := refText(raw); ok {
		return s, nil
	}
	return "", invalid("'%s' must be a string or a number", field)
}

// refText is a string, or a whole number as one would write it.
func refText(raw json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	var n float64
	if json.Unmarshal(raw, &n) == nil && n == math.Trunc(n) && math.Abs(n) < 1<<32 {
		return strconv.FormatInt(int64(n), 10), true
	}
	return "", false
}

// number reads a field that must be a whole number from low to high when it is
// there.
func (r request) number(field string, low, high float64) (n float64, ok bool, err error) {
	raw, ok := r.fields[field]
	if !ok || string(raw) == "null" {
		return 0, false, nil
	}
	if err := json.Unmarshal(raw, &n); err != nil || n != math.Trunc(n) || n < low || n > high {
		return 0, false, invalid("'%s' must be a whole number from %v to %v", field, low, high)
	}
	return n, true, nil
}

// id reads what is meant: the field "id", or a payload that is only the name.
func (r request) id() (string, error) {
	if r.scalar != nil {
		if s, ok := refText(r.scalar); ok && s != "" {
			return s, nil
		}
		return "", invalid("give the name as a string or as 'id'")
	}
	if r.fields == nil { // an empty payload is an empty name, which nothing has
		return "", nil
	}
	id, err := r.ref("id")
	if err == nil && id == "" {
		err = invalid("'id' is missing")
	}
	return id, err
}

// echo is a field as it came, for the answer; nil when it did not come.
func (r request) echo(field string) any {
	if raw, ok := r.fields[field]; ok {
		return raw
	}
	if field == "id" && r.scalar != nil {
		return r.scalar
	}
	return nil
}

// answer publishes the good end of a request, fail the bad one.
func (b *Bridge) answer(r request, data any) {
	b.sendJSON(b.topics.response(r.name), response{Data: data, Status: "ok", Transaction: r.transaction})
}

func (b *Bridge) fail(r request, err error) {
	b.counts.failed++
	message := err.Error()
	var because refusalBecause
	if errors.As(err, &because) {
		if because.short == invalidPayload {
			b.counts.malformed++
		}
		if b.z2m2() {
			message = because.short
			b.warnLimited("request", fmt.Sprintf("the request '%s' failed: %s", r.name, because.why))
		}
	}
	b.logLimited("requests", slog.LevelWarn, "a request failed", "request", r.name, "error", err)
	b.sendJSON(b.topics.response(r.name), response{Data: struct{}{}, Error: strings.ToValidUTF8(message, "\uFFFD"), Status: "error", Transaction: r.transaction})
}

// requestCounts are what became of requests since the start.
type requestCounts struct{ requests, failed, malformed, unknown uint64 }

// long does work away from the goroutine of Run and then gives it done.
func (b *Bridge) long(ctx context.Context, work func(context.Context) error, done func(error)) error {
	return b.longer(ctx, longRequest, work, done)
}

// longer is long for what takes until limit.
func (b *Bridge) longer(ctx context.Context, limit time.Duration, work func(context.Context) error, done func(error)) error {
	select {
	case b.slots <- struct{}{}:
	default:
		return fmt.Errorf("too many requests at a time: %d are under way", maxRequests)
	}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		err := work(ctx)
		<-b.slots
		b.post(context.WithoutCancel(ctx), func() { done(err) })
	}()
	return nil
}

// start is long with the error answered, named by what was to be done.
func (b *Bridge) start(ctx context.Context, r request, work func(context.Context) error, good func(), what string) bool {
	err := b.long(ctx, work, func(err error) {
		if err != nil {
			err = refusal(fmt.Sprintf("Failed to %s: %s", what, explained(err)))
			b.fail(r, err)
			b.logging(slog.LevelError, err.Error())
			return
		}
		good()
	})
	if err != nil {
		b.fail(r, refusal(fmt.Sprintf("Failed to %s: %v", what, err)))
	}
	return err == nil
}

// explained is an error with what to do about it.
func explained(err error) string {
	if hint := network.Hint(err); hint != "" {
		return err.Error() + "; " + hint
	}
	return err.Error()
}
