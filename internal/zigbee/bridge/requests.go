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
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
)

// message is one message from MQTT.
func (b *Bridge) message(ctx context.Context, m mqttclient.Message) {
	if m.Topic == b.topics.homeAssistant() {
		if !m.Retain && string(m.Payload) == online {
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

// homeAssistantUp gives Home Assistant, which has just started, everything
// again. It keeps nothing over a restart but what is retained.
func (b *Bridge) homeAssistantUp() {
	b.retained.publishMatching(func(topic string) bool {
		return strings.HasPrefix(topic, b.topics.prefix+"/") || strings.HasSuffix(topic, "/availability")
	})
	for _, d := range b.sorted() {
		b.republishState(d)
	}
}

// request is one message on bridge/request/<name>.
type request struct {
	name        string
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

// handlers answer requests. They run on the goroutine of Run; what takes long
// goes through Bridge.long.
var handlers = map[string]func(*Bridge, context.Context, request){
	"permit_join":      (*Bridge).requestPermitJoin,
	"health_check":     (*Bridge).requestHealthCheck,
	"device/rename":    (*Bridge).requestRename,
	"device/remove":    (*Bridge).requestRemove,
	"device/interview": (*Bridge).requestInterview,
	"device/configure": (*Bridge).requestConfigure,
}

// refused are requests of Zigbee2MQTT 2 that are answered with an error, so
// that who asks does not wait for ever. Others get no answer, as there.
var refused = map[string]string{
	"options":                             "options are in hems.yaml and cannot be changed by a request",
	"restart":                             "a restart is not needed; the appliance restarts its parts by itself",
	"backup":                              "backups are made by the appliance, not by this request",
	"networkmap":                          "the network map is not supported",
	"coordinator_check":                   "the coordinator check is not supported",
	"install_code/add":                    "install codes are not supported",
	"device/options":                      "options of devices are not supported",
	"device/bind":                         "binding by request is not supported; device/configure binds what is needed",
	"device/unbind":                       "unbinding by request is not supported",
	"device/configure_reporting":          "reporting cannot be changed by a request; device/configure sets it as the appliance needs it",
	"device/generate_external_definition": "external definitions are not supported",
	"device/ota_update/check":             "firmware updates of devices are not supported",
	"device/ota_update/update":            "firmware updates of devices are not supported",
	"group/add":                           "groups are not supported",
	"group/remove":                        "groups are not supported",
	"group/rename":                        "groups are not supported",
	"group/options":                       "groups are not supported",
	"group/members/add":                   "groups are not supported",
	"group/members/remove":                "groups are not supported",
	"group/members/remove_all":            "groups are not supported",
	"touchlink/scan":                      "touchlink is not supported",
	"touchlink/identify":                  "touchlink is not supported",
	"touchlink/factory_reset":             "touchlink is not supported",
	"converter/save":                      "converters are not supported",
	"converter/remove":                    "converters are not supported",
	"extension/save":                      "extensions are not supported",
	"extension/remove":                    "extensions are not supported",
}

// request answers a request, or logs one that nobody knows.
func (b *Bridge) request(ctx context.Context, name string, payload []byte) {
	handle, known := handlers[name]
	why, isRefused := refused[name]
	if !known && !isRefused {
		b.warnLimited("unknown", fmt.Sprintf("the request '%.100s' is not known", name))
		return
	}
	r, err := parseRequest(name, payload)
	switch {
	case err != nil:
		b.fail(r, err)
	case isRefused:
		b.fail(r, errors.New(why))
	default:
		handle(b, ctx, r)
	}
}

// refusal is an error in the words of the contract, which begin with a capital.
type refusal string

func (r refusal) Error() string { return string(r) }

// invalid is the refusal of a payload, and why.
func invalid(format string, args ...any) error {
	return refusal("Invalid payload: " + fmt.Sprintf(format, args...))
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

// id reads which device is meant: the field "id" or a plain string.
func (r request) id() (string, error) {
	if r.scalar != nil {
		var s string
		if err := json.Unmarshal(r.scalar, &s); err != nil || s == "" {
			return "", invalid("give the device as a string or as 'id'")
		}
		return s, nil
	}
	id, err := r.text("id")
	if err == nil && id == "" {
		err = invalid("'id' is missing")
	}
	return id, err
}

// answer publishes the good end of a request, fail the bad one.
func (b *Bridge) answer(r request, data any) {
	b.sendJSON(b.topics.response(r.name), response{Data: data, Status: "ok", Transaction: r.transaction})
}

func (b *Bridge) fail(r request, err error) {
	b.log.Warn("a request failed", "request", r.name, "error", err)
	b.sendJSON(b.topics.response(r.name), response{Data: struct{}{}, Error: err.Error(), Status: "error", Transaction: r.transaction})
}

// long does work away from the goroutine of Run and then gives it done.
func (b *Bridge) long(ctx context.Context, work func(context.Context) error, done func(error)) error {
	select {
	case b.slots <- struct{}{}:
	default:
		return fmt.Errorf("too many requests at a time: %d are under way", maxRequests)
	}
	go func() {
		ctx, cancel := context.WithTimeout(ctx, longRequest)
		defer cancel()
		err := work(ctx)
		<-b.slots
		b.post(context.WithoutCancel(ctx), func() { done(err) })
	}()
	return nil
}

// maxPermit is the longest time the network can be open in one go, in seconds.
const maxPermit = 254

func (b *Bridge) requestPermitJoin(ctx context.Context, r request) {
	raw := r.scalar
	if r.fields != nil {
		raw = r.fields["time"]
		if device, ok := r.fields["device"]; ok && string(device) != "null" && string(device) != `""` {
			b.fail(r, errors.New("joining through one device only is not supported; leave out 'device'"))
			return
		}
	}
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" { // a form or a template sends its numbers so
		raw = []byte(text)
	}
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err != nil || string(raw) == "null" || seconds != math.Trunc(seconds) {
		b.fail(r, invalid("'time' must be a whole number of seconds"))
		return
	}
	if seconds < 0 || seconds > maxPermit {
		b.fail(r, invalid("'time' must be from 0 to %d seconds", maxPermit))
		return
	}
	b.start(ctx, r, func(ctx context.Context) error {
		return b.net.PermitJoin(ctx, time.Duration(seconds)*time.Second)
	}, func() {
		b.setInfo(b.net.Info())
		b.answer(r, map[string]any{"time": int(seconds)})
	}, "permit joining")
}

// start is long with the error answered, named by what was to be done.
func (b *Bridge) start(ctx context.Context, r request, work func(context.Context) error, good func(), what string) {
	err := b.long(ctx, work, func(err error) {
		if err != nil {
			if hint := network.Hint(err); hint != "" {
				err = fmt.Errorf("%w; %s", err, hint)
			}
			err = refusal(fmt.Sprintf("Failed to %s: %v", what, err))
			b.fail(r, err)
			b.logging(slog.LevelError, err.Error())
			return
		}
		good()
	})
	if err != nil {
		b.fail(r, refusal(fmt.Sprintf("Failed to %s: %v", what, err)))
	}
}

// requestHealthCheck answers whether the network is up; why it is not is in
// hems/zigbee/health.
func (b *Bridge) requestHealthCheck(_ context.Context, r request) {
	b.answer(r, map[string]any{"healthy": b.net.Info().State == network.Up})
}
