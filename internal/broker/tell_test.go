package broker_test

import (
	"testing"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

func TestTheBrokerSaysSomethingItself(t *testing.T) {
	h := startHouse(t)
	before := h.Stats().Retained
	h.Tell("$SYS/broker/connection/cloud/state", []byte("1"))
	if got := h.Stats().Retained; got != before {
		t.Errorf("$SYS is kept on the disk: %d topics, want %d", got, before)
	}
	h.Tell("hems/broker/health", []byte("{}"))
	if got := h.Stats().Retained; got != before+1 {
		t.Errorf("%d topics are kept, want %d", got, before+1)
	}
	got := make(chan mqttclient.Message, 10)
	c := h.open(t, h.options("home"))
	for _, topic := range []string{"$SYS/broker/connection/cloud/state", "hems/broker/health"} {
		if err := c.Subscribe(t.Context(), topic, 1, func(m mqttclient.Message) { got <- m }); err != nil {
			t.Fatal(err)
		}
		if m := <-got; m.Topic != topic || !m.Retain {
			t.Errorf("%+v, want the retained message of %s", m, topic)
		}
	}
	h.Tell("$SYS/broker/connection/cloud/state", []byte("0"))
	if m := <-got; string(m.Payload) != "0" || m.Retain {
		t.Errorf("%+v, want the change", m)
	}
}
