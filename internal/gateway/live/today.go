package live

import (
	"context"
	"math"
	"time"

	"github.com/smartcore-ireland/hems/internal/history"
)

// today is the kWh since midnight: what the history has, plus what the meter
// has counted since the reading that the history saw last.
type today struct {
	entity   string
	midnight time.Time
	kWh      float64 // as the history has it
	upTo     float64 // the meter's counter then
	ok       bool
	asked    time.Time

	// start is the counter at midnight, as it was heard: the readings of
	// yesterday's last minute are not in the history yet. started: it is known.
	start   float64
	started bool
}

func (d *today) value(energy *entity) *float64 {
	if !d.ok || d.entity != energy.EntityID {
		return nil
	}
	kWh := d.kWh
	if energy.known {
		kWh += max(0, history.Growth(d.upTo, energy.value))
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
	if askToday {
		if energy.EntityID != m.today.entity || !midnight.Equal(m.today.midnight) {
			m.today = newDay(m.today, energy, midnight) // yesterday's figure must not stand as today's
		}
		m.today.asked = now
	}
	t := m.today
	var replays []string
	for _, e := range m.entities {
		if at, asked := m.lasts[e.EntityID]; e.known && e.at.IsZero() && (!asked || at.IsZero() && askToday) {
			replays = append(replays, e.EntityID)
		}
	}
	m.mu.Unlock()

	if askToday {
		m.askToday(ctx, t, now)
	}
	for _, id := range replays {
		r, ok, err := m.o.History.Before(ctx, id, now)
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

// newDay is today before the history was asked. After a midnight that was
// lived through, it begins with the counter as it stood then.
func newDay(was today, energy *entity, midnight time.Time) today {
	t := today{entity: energy.EntityID, midnight: midnight}
	next := midnight.Sub(was.midnight)
	if was.ok && was.entity == t.entity && 0 < next && next <= 25*time.Hour && energy.known {
		t.start, t.upTo = energy.value, energy.value
		t.started, t.ok = true, true
	}
	return t
}

func (m *Model) askToday(ctx context.Context, t today, now time.Time) {
	// Without a reading since midnight it is 0, and the live counter goes on
	// from the last one.
	c, known, err := m.o.History.Counted(ctx, t.entity, t.midnight, now)
	m.heard(err, now)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil || m.today.entity != t.entity || !m.today.midnight.Equal(t.midnight) {
		return
	}
	t.kWh, t.upTo, t.ok = c.KWh, c.Value, known
	if t.started && c.At.Before(t.midnight) {
		t.upTo, t.ok = t.start, true
	}
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
