package metrics

import (
	"context"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/mqttclient"
)

// What announced the entities is remembered in the store, so that they are known
// at the next start before the first message comes.

// announcement begins the names under which the store remembers messages that
// announced something; their topics follow.
const announcement = "announcement "

const (
	maxAnnounced      = 2 * maxEntities
	maxAnnouncedBytes = 16 << 20
)

// announced are the messages that are remembered; the Writer's mu guards it.
type announced struct {
	sums  map[string]uint32
	sizes map[string]int
	bytes int
}

// remember keeps a message that announces entities, and forgets one that is empty
// or announces none. It needs mu.
func (w *Writer) remember(topic string, payload []byte, announces bool) {
	a := &w.announced
	s, known := a.sums[topic]
	if !announces {
		payload = nil
	}
	now := crc32.ChecksumIEEE(payload)
	switch {
	case len(payload) == 0 && !known, known && s == now && a.sizes[topic] == len(payload):
		return
	case len(payload) == 0:
		a.bytes -= a.sizes[topic]
		delete(a.sums, topic)
		delete(a.sizes, topic)
	case !known && len(a.sums) >= maxAnnounced, a.bytes+len(payload)-a.sizes[topic] > maxAnnouncedBytes:
		return // it is announced again, as long as it is retained
	default:
		a.bytes += len(payload) - a.sizes[topic]
		a.sums[topic], a.sizes[topic] = now, len(payload)
	}
	w.store.Remember(announcement+topic, slices.Clone(payload))
}

// recall learns the entities of earlier runs, and which messages they had. It
// needs mu.
func (w *Writer) recall(ctx context.Context) {
	origins, err := w.store.Origins(ctx)
	if err != nil {
		w.log.Error("messages that come again cannot be told from new ones", "err", err)
	}
	w.intake.seen = origins
	if w.intake.latest, err = w.store.Latest(ctx); err != nil {
		w.log.Error("readings of the same millisecond as the last ones cannot be told from them", "err", err)
	}
	memos, err := w.store.Remembered(ctx)
	if err != nil {
		w.log.Error("the entities of earlier runs are not known before they are announced", "err", err)
	}
	w.announced = announced{sums: map[string]uint32{}, sizes: map[string]int{}}
	for _, name := range slices.Sorted(maps.Keys(memos)) {
		if topic, ok := strings.CutPrefix(name, announcement); ok {
			w.announced.sums[topic], w.announced.sizes[topic] = crc32.ChecksumIEEE(memos[name]), len(memos[name])
			w.announced.bytes += len(memos[name])
			w.takeAny(mqttclient.Message{Topic: topic, Payload: memos[name], Retain: true})
		}
	}
	w.retryEarly()
}
