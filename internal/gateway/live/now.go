package live

import (
	"cmp"
	"context"
	"math"
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
	for _, topic := range sortedKeys(m.entities) {
		e := m.entities[topic]
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

// The gap after which a meter counts as silent. It reports at least every 300 s
// even when nothing changes, and most report far more often; so the usual gap
// is the longest of the last few, within bounds.
const (
	minGap    = 10 * time.Second
	maxGap    = 300 * time.Second
	goneAfter = 15 * time.Minute
	gapsKept  = 32
)

// gaps remembers how far apart reports come.
type gaps struct {
	last time.Time
	ring [gapsKept]time.Duration
	n    int
}

func (g *gaps) arrived(t time.Time) {
	if !g.last.IsZero() {
		g.ring[g.n%gapsKept] = t.Sub(g.last)
		g.n++
	}
	g.last = t
}

// usual is the longest of the gaps kept; with few of them, maxGap.
func (g *gaps) usual() time.Duration {
	if g.n < 5 {
		return maxGap
	}
	return min(max(slices.Max(g.ring[:min(g.n, gapsKept)]), minGap), maxGap)
}

// today is the kWh since midnight: what the history has, plus what the meter
// has counted since the reading that the history saw last.
type today struct {
	entity   string
	midnight time.Time
	kWh      float64 // as the history has it
	upTo     float64 // the meter's counter then
	ok       bool
	asked    time.Time
}

func (d *today) value(energy *entity) *float64 {
	if !d.ok || d.entity != energy.EntityID {
		return nil
	}
	kWh := d.kWh
	if energy.known && energy.value > d.upTo {
		kWh += energy.value - d.upTo
	}
	kWh = math.Round(kWh*1e6) / 1e6 // without the noise of binary fractions
	return &kWh
}

// ask puts the questions that are due to the history.
func (m *Model) ask(ctx context.Context, now time.Time) {
	m.mu.Lock()
	_, energy := m.meter()
	y, mo, d := now.In(m.o.TimeZone).Date()
	midnight := time.Date(y, mo, d, 0, 0, 0, 0, m.o.TimeZone)
	askToday := energy != nil && (energy.EntityID != m.today.entity || !midnight.Equal(m.today.midnight) ||
		now.Sub(m.today.asked) >= queryPause || !m.today.ok && now.Sub(m.today.asked) >= queryPause/10)
	var t today
	scale := 1.0 // from the series' unit to kWh
	if askToday {
		scale = energy.scale
		t = today{entity: energy.EntityID, midnight: midnight, asked: now}
		if t.entity != m.today.entity || !midnight.Equal(m.today.midnight) {
			m.today = t // yesterday's figure must not stand as today's
		}
		m.today.asked = now
	}
	var replays []string
	for _, e := range m.entities {
		if at, asked := m.lasts[e.EntityID]; e.known && e.at.IsZero() && (!asked || at.IsZero() && askToday) {
			replays = append(replays, e.EntityID)
		}
	}
	m.mu.Unlock()

	if askToday {
		m.askToday(ctx, t, scale, now)
	}
	for _, id := range replays {
		r, ok, err := m.o.History.Last(ctx, id)
		m.heard(err, now)
		m.mu.Lock()
		if ok && err == nil {
			m.lasts[id] = r.Time
		} else if _, asked := m.lasts[id]; !asked && len(m.lasts) < maxEntities {
			m.lasts[id] = time.Time{}
		}
		m.mu.Unlock()
		if err != nil && !Empty(err) {
			return // one question is enough
		}
	}
}

func (m *Model) askToday(ctx context.Context, t today, scale float64, now time.Time) {
	// Last first: a reading stored between the two questions is then counted
	// twice at worst until the next one, never lost.
	last, known, err := m.o.History.Last(ctx, t.entity)
	if err == nil {
		// Without a reading since midnight it is 0, and the live counter goes on
		// from the last one.
		t.kWh, _, err = m.o.History.Consumed(ctx, t.entity, t.midnight, now)
	}
	m.heard(err, now)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil || m.today.entity != t.entity || !m.today.midnight.Equal(t.midnight) {
		return
	}
	t.upTo = last.Value * scale
	t.ok = known
	m.today = t
}

// heard notes whether the store answers.
func (m *Model) heard(err error, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil || Empty(err) {
		m.storeErr = nil
		return
	}
	if m.storeErr == nil {
		m.storeBad = now
		m.o.Log.Warn("the stored readings cannot be read", "err", err)
	}
	m.storeErr = err
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
