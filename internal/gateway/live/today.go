package live

import (
	"context"
	"math"
	"time"
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
