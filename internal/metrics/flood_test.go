package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// TestAFloodLeavesRoomForWhatWasStored: the meter of an earlier run is learnt
// even when strangers were announced before it.
func TestAFloodLeavesRoomForWhatWasStored(t *testing.T) {
	r := newRegistry(map[int64]store.Series{1: {Entity: "power", UniqueID: "meter_power"}})
	for i := range maxEntities {
		announce(t, r, fmt.Sprint("n", i), "power", doc(fmt.Sprint("stranger ", i), "z/x", fmt.Sprint("u", i)))
	}
	if got := announce(t, r, "meter", "power", doc("power", "z/meter", "meter_power")); len(got) != 1 || got[0].series != "power" {
		t.Errorf("learnt %v, want the meter's power", got)
	}
}

// refuser refuses every subscription.
type refuser struct{}

func (refuser) Subscribe(context.Context, string, byte, func(mqttclient.Message)) error {
	return errors.New("refused")
}
func (r refuser) SubscribeAll(_ context.Context, filters []string, _ byte, _ func(mqttclient.Message)) (map[string]error, error) {
	return nil, errors.New("refused")
}
func (refuser) Unsubscribe(context.Context, string) error { return nil }

func TestRefusedSubscriptionsAreOneLineOfTheLog(t *testing.T) {
	var log lockedBuffer
	wanted := map[string]bool{}
	for i := range 3000 {
		wanted[fmt.Sprint("stranger/", i)] = true
	}
	ts := newTopics(refuser{}, func() map[string]bool { return wanted }, nil, slog.New(slog.NewTextHandler(&log, nil)))
	if ts.reconcile(t.Context(), true) {
		t.Error("all was subscribed to, want it tried again")
	}
	if got := strings.Count(log.String(), "\n"); got != 1 || !strings.Contains(log.String(), "topics=3000") {
		t.Errorf("the log has %d lines, want one for 3000 topics:\n%.300s", got, log.String())
	}
}

func TestBadDocumentsDoNotFillTheLog(t *testing.T) {
	var log lockedBuffer
	w, err := New(Options{OpenStore: openAt("unused"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		w.learnFrom(mqttclient.Message{Topic: fmt.Sprintf("homeassistant/sensor/n%d/power/config", i), Payload: []byte("{")})
	}
	if got := w.Counts().BadDocuments; got != 5000 {
		t.Errorf("%d documents were counted, want 5000", got)
	}
	if got := strings.Count(log.String(), "\n"); got < 1 || got > 50 {
		t.Errorf("the log has %d lines, want some and no flood", got)
	}
}
