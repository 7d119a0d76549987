package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// step publishes one step of the meter's way into the home.
func (h *house) step(name string, ok bool, after time.Duration, message string) {
	h.t.Helper()
	h.publish("hems/zigbee/pairing", fmt.Sprintf(`{"ieee_address":%q,"friendly_name":"frient_blink_counter","step":%q,"ok":%v,"message":%q,"at":%d}`,
		meterIEEE, name, ok, message, 1795285329000+after.Milliseconds()), false)
}

func TestPairingIsAskedForOverMQTT(t *testing.T) {
	h := newHouse(t)
	asked := make(chan string, 10)
	h.well() // and so the connection is there
	if err := h.test.Subscribe(t.Context(), "zigbee2mqtt/bridge/request/#", 1, func(m mqttclient.Message) {
		asked <- m.Topic + " " + string(m.Payload)
	}); err != nil {
		t.Fatal(err)
	}
	c := h.signedIn()
	h.await(c, "/healthz", "ok\n")
	for _, tt := range []struct{ do, want string }{
		{"start", `zigbee2mqtt/bridge/request/permit_join {"time":254}`},
		{"stop", `zigbee2mqtt/bridge/request/permit_join {"time":0}`},
	} {
		if res := h.post(c, "/pair", url.Values{"do": {tt.do}}); res.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: got %s, want 303", tt.do, res.Status)
		}
		select {
		case got := <-asked:
			if got != tt.want {
				t.Errorf("%s: got %s, want %s", tt.do, got, tt.want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: nothing was asked", tt.do)
		}
	}
	h.stopBroker()
	h.await(c, "/healthz", "broker\n")
	res, err := c.PostForm(h.url+"/pair", url.Values{"do": {"start"}})
	if err != nil {
		t.Fatal(err)
	}
	if body := readAll(t, res); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "cannot listen just now") {
		t.Errorf("without a broker: got %s, want 503 and what to do", res.Status)
	}
}

func TestPairingIsShownStepByStep(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	f := h.follow(c, h.url+"/events?view=pairing")
	f.next("list", has("Start listening"))
	h.publish("zigbee2mqtt/bridge/info", fmt.Sprintf(`{"permit_join":true,"permit_join_end":%d}`, time.Now().Add(200*time.Second).UnixMilli()), true)
	f.next("list", has("Listening…"))
	h.step("joined", true, 0, "the device has joined the network")
	f.next("list", has(`data-state=\"doing\"`))
	h.step("node_descriptor", true, 400*time.Millisecond, "node descriptor")
	f.next("list", has("0.4 s"))
	h.step("failed", false, 900*time.Millisecond, "the device did not say what it is")
	f.next("list", has("The device did not say what it is."))

	h.step("joined", true, 0, "") // once more, and this time to the end
	for i, s := range stepWords {
		h.step(s.name, true, time.Duration(i)*time.Second, "")
	}
	f.next("list", has("See its readings"))
	h.publish("zigbee2mqtt/bridge/info", `{"permit_join":false}`, true)
	f.next("list", has("Start listening"))
}

func TestPairingIsNeverOpenForLongerThanZigbeeAllows(t *testing.T) {
	h := newHouse(t)
	c := h.signedIn()
	h.publish("zigbee2mqtt/bridge/info", `{"permit_join":true,"permit_join_end":99999999999999}`, true)
	h.await(c, "/pair", "Listening…")
	if got := h.model.Pairing().LeftSec; got <= 0 || got > 254 {
		t.Errorf("left: got %v s, want at most 254", got)
	}
}
