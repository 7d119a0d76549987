package broker_test

import (
	"testing"
	"time"
)

// TestLastWordsOfOurOwnProcesses stops broker and client in the same moment, as
// when the appliance is shut down: what the client says as it goes is kept.
func TestLastWordsOfOurOwnProcesses(t *testing.T) {
	h := startHouse(t)
	c := h.client(t, "zigbee")
	done := make(chan error, 1)
	go func() {
		time.Sleep(50 * time.Millisecond) // the broker has begun to stop
		done <- c.Publish(t.Context(), msg("zigbee2mqtt/bridge/state", "offline", 1, true))
		c.Close(t.Context())
	}()
	h.stop()
	if err := <-done; err != nil {
		t.Fatalf("publishing while the broker stops: %v", err)
	}
	h.start(t)
	subscribe(t, h.client(t, "home"), "zigbee2mqtt/bridge/state").want(msg("zigbee2mqtt/bridge/state", "offline", 1, true))
}
