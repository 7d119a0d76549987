//go:build e2e || vm

package e2e

import (
	"errors"
	"fmt"
	"strings"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

const meter = "zigbee2mqtt/frient_blink_counter"

func isJoin(m mqttclient.Message) bool {
	return m.Topic == "zigbee2mqtt/bridge/event" && strings.Contains(string(m.Payload), `"device_joined"`)
}

// network is what must never change: PAN, extended PAN, channel.
func (u *under) network(w *topics) (n struct {
	Network map[string]any `json:"network"`
}) {
	u.t.Helper()
	u.eventually("the network on bridge/info", func() error {
		if err := w.json("zigbee2mqtt/bridge/info", &n); err != nil {
			return err
		}
		if n.Network["pan_id"] == nil {
			return errors.New("no pan_id")
		}
		return nil
	})
	return n
}

func (u *under) awaitPower(w *topics, want int) {
	u.t.Helper()
	u.eventually(fmt.Sprintf("%d W on MQTT", want), func() error {
		var r struct{ Power float64 }
		if err := w.json(meter, &r); err != nil {
			return err
		}
		if r.Power != float64(want) {
			return fmt.Errorf("power is %v", r.Power)
		}
		return nil
	})
}
