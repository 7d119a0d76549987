package live

import (
	"cmp"
	"slices"
	"time"
)

// Stage says how far a figure can be believed.
type Stage string

// The stages of the main meter's power, from best to worst.
const (
	Fresh   Stage = "live"    // a report came within three usual gaps
	Late    Stage = "late"    // three reports in a row are missing
	Gone    Stage = "gone"    // silent for long, or the meter is known to be offline
	Waiting Stage = "waiting" // there is a meter, and no value yet
	NoMeter Stage = "none"    // nothing measures the house yet
)

// Now is what a glance wants to know. It is also an answer of the JSON
// interface: names and units stay.
type Now struct {
	Meter    string     `json:"meter"`            // its name; empty: no meter yet
	Entity   string     `json:"entity,omitempty"` // the power series in the store
	Stage    Stage      `json:"stage"`
	Power    *float64   `json:"power_w"`   // watts; negative: feeding in; null: unknown
	At       *time.Time `json:"at"`        // when it was measured; null: unknown (a retained message)
	Today    *float64   `json:"today_kwh"` // since midnight in the home's time zone; null: unknown
	AgeInSec *float64   `json:"age_s"`     // of Power, when this was written
}

// Now is the house at this moment.
func (m *Model) Now() Now {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.now(m.o.Clock())
	n.setAge(m.o.Clock())
	return n
}

func (n *Now) setAge(now time.Time) {
	if n.At != nil {
		age := max(0, now.Sub(*n.At).Seconds())
		n.AgeInSec = &age
	}
}

// now needs mu.
func (m *Model) now(t time.Time) Now {
	power, energy := m.meter()
	if power == nil {
		return Now{Stage: NoMeter}
	}
	n := Now{Meter: m.name(power), Entity: power.EntityID, Stage: Waiting}
	if energy != nil {
		n.Today = m.today.value(energy)
	}
	at := m.seen(power)
	if power.known {
		v := power.value
		n.Power, n.Stage = &v, Late // a replay of unknown age is not fresh
	}
	if power.known && !at.IsZero() {
		late := at.Add(3 * m.gaps.usual())
		gone := at.Add(max(6*m.gaps.usual(), goneAfter))
		n.At = &at
		switch {
		case t.Before(late):
			n.Stage = Fresh
		case t.Before(gone):
			n.Stage = Late
		default:
			n.Stage = Gone
		}
	}
	if power.availability(m.avail) == "offline" {
		n.Stage = Gone
	}
	return n
}

// seen is when an entity's value was measured, by its arrival or as the history
// has it; zero when neither knows.
func (m *Model) seen(e *entity) time.Time {
	if !e.at.IsZero() {
		return e.at
	}
	return m.lasts[e.EntityID]
}

// meter is the main meter's power and energy (which may be nil when the meter
// was named and has none); needs mu.
func (m *Model) meter() (power, energy *entity) {
	type pair struct {
		key           string
		power, energy *entity
	}
	byDevice := map[string]*pair{}
	for _, e := range m.inOrder() {
		if e.role != rolePower && e.role != roleEnergy {
			continue
		}
		p := byDevice[e.device()]
		if p == nil {
			p = &pair{key: e.device()}
			byDevice[p.key] = p
		}
		if e.role == rolePower && p.power == nil {
			p.power = e
		}
		if e.role == roleEnergy && p.energy == nil {
			p.energy = e
		}
	}
	order := sortedKeys(byDevice)
	slices.SortStableFunc(order, func(a, b string) int { return cmp.Compare(m.joined(a), m.joined(b)) })
	for _, key := range order {
		p := byDevice[key]
		switch {
		case p.power == nil:
		case m.o.Meter != "" && m.isCalled(p.power, m.o.Meter):
			return p.power, p.energy
		case m.o.Meter == "" && p.energy != nil && p.energy.StateClass == "total_increasing":
			return p.power, p.energy
		}
	}
	return nil, nil
}

// wholes are the powers of a whole device where others are of its phases or
// clamps: "power" of frient's EMIZB-151 is phase A alone.
var wholes = []string{"total_power", "power_ab"}

// inOrder is every entity by its topic, those of whole devices first; needs mu.
func (m *Model) inOrder() []*entity {
	list := make([]*entity, 0, len(m.entities))
	for _, topic := range sortedKeys(m.entities) {
		list = append(list, m.entities[topic])
	}
	part := func(e *entity) int {
		if e.role == rolePower && slices.Contains(wholes, e.Key) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b *entity) int { return cmp.Compare(part(a), part(b)) })
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
