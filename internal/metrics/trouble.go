package metrics

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// maxTroubles is how many are shown; the oldest make room.
const maxTroubles = 500

// manyTroubles is how many are worth a word in the health report: a home has a
// strange device or two.
const manyTroubles = 20

func (w *Writer) troubleCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.troubles.of)
}

// trouble is something that a device says and that cannot be used.
type trouble struct {
	// Kind is "document" (a discovery document, or an entity of one), "template"
	// (it fails, or was cut off) or "state" (a state that cannot be read).
	Kind   string    `json:"kind"`
	Entity string    `json:"entity,omitempty"`
	Topic  string    `json:"topic"`
	Error  string    `json:"error"`
	Since  time.Time `json:"since"`
	Last   time.Time `json:"last"`
	Times  uint64    `json:"times"`
}

// troubles are those that have not ended, by what they are about; the Writer's mu
// guards it.
type troubles struct{ of map[string]*trouble }

// document and an entity's series are what troubles are about.
func document(topic string) string { return "document " + topic }

// add counts a trouble; true: it is new.
func (t *troubles) add(about string, now trouble, at time.Time) bool {
	if len(now.Error) > 300 {
		now.Error = now.Error[:300] + "…"
	}
	now.Since, now.Last, now.Times = at, at, 1
	if old := t.of[about]; old != nil {
		now.Since, now.Times = old.Since, old.Times+1
		*old = now
		return false
	}
	if t.of == nil {
		t.of = map[string]*trouble{}
	}
	if len(t.of) >= maxTroubles {
		var oldest string
		for k, o := range t.of {
			if oldest == "" || o.Last.Before(t.of[oldest].Last) {
				oldest = k
			}
		}
		delete(t.of, oldest)
	}
	t.of[about] = &now
	return true
}

// well ends a trouble.
func (t *troubles) well(about string) { delete(t.of, about) }

// all are the troubles, those of now first.
func (t *troubles) all() []trouble {
	list := make([]trouble, 0, len(t.of))
	for _, o := range t.of {
		list = append(list, *o)
	}
	slices.SortFunc(list, func(a, b trouble) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Entity, b.Entity))
	})
	return list
}

// ill says that an entity's state could not be read. It needs mu.
func (w *Writer) ill(e *entity, err error) {
	kind := "state"
	if e.Template.Evaluates() {
		kind = "template"
	}
	w.troubles.add(e.series, trouble{Kind: kind, Entity: e.series, Topic: e.StateTopic, Error: err.Error()}, w.o.Now())
	if !e.ill { // once, until it is well again
		e.ill = true
		w.log.Warn("a state cannot be read", "entity", e.series, "topic", e.StateTopic, "err", err)
	}
}

// healthy says that it could. It needs mu.
func (w *Writer) healthy(e *entity) {
	if e.ill {
		e.ill = false
		w.troubles.well(e.series)
	}
}

// serveTrouble answers what cannot be used of what devices say.
func (w *Writer) serveTrouble(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/trouble", func(rw http.ResponseWriter, _ *http.Request) {
		w.mu.Lock()
		reply := struct {
			Troubles []trouble `json:"troubles"`
			Counts   counted   `json:"counts"`
		}{w.troubles.all(), counted{
			Entities: 0, Readings: w.counts.Readings, Dropped: w.counts.Dropped, Repeated: w.counts.Repeated, Strange: w.counts.Strange,
			NotNumbers: w.counts.NotNumbers, BadStates: w.counts.BadStates, BadDocuments: w.counts.BadDocuments,
		}}
		if w.entities != nil {
			reply.Counts.Entities = w.entities.len()
		}
		w.mu.Unlock()
		answer(rw, reply)
	})
}

// counted is Counts as it is told.
type counted struct {
	Entities     int    `json:"entities"`
	Readings     uint64 `json:"readings"`
	Dropped      uint64 `json:"dropped"`
	Repeated     uint64 `json:"repeated"`
	Strange      uint64 `json:"strange"`
	NotNumbers   uint64 `json:"not_numbers"`
	BadStates    uint64 `json:"bad_states"`
	BadDocuments uint64 `json:"bad_documents"`
}
