package node

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

const (
	neverReport = 0xFFFF // maximum interval that ends reporting
	lookEvery   = time.Second
	lookSoon    = 30 * time.Millisecond // after something changed
)

type reportKey struct {
	endpoint                         uint8
	cluster, manufacturer, attribute uint16
}

func (r Reporting) key() reportKey {
	return reportKey{r.Endpoint, r.Cluster, r.Manufacturer, r.Attribute}
}

// lastReport is when and with which value an attribute was last reported.
type lastReport struct {
	at    time.Time
	value Value
}

// configure obeys Configure Reporting (ZCL section 2.5.7).
func (n *Node) configure(c *Cluster, r request) ([]byte, bool) {
	type record struct {
		direction uint8
		id        uint16
		status    uint8
		entry     Reporting
	}
	var records []record
	for p := r.payload; len(p) > 0; {
		if len(p) < 3 {
			return nil, false
		}
		rec := record{direction: p[0], id: binary.LittleEndian.Uint16(p[1:])}
		p = p[3:]
		if rec.direction != 0 { // asks the device to expect reports
			if len(p) < 2 {
				return nil, false
			}
			p = p[2:]
			rec.status = statusUnsupAttribute
			records = append(records, rec)
			continue
		}
		if len(p) < 5 {
			return nil, false
		}
		t := p[0]
		rec.entry = Reporting{Endpoint: r.endpoint.ID, Cluster: c.ID, Manufacturer: r.manufacturer, Attribute: rec.id,
			Min: binary.LittleEndian.Uint16(p[1:]), Max: binary.LittleEndian.Uint16(p[3:])}
		p = p[5:]
		if size(t) < 0 {
			return nil, false // where the next record begins cannot be known
		}
		if analog(t) {
			v, rest, ok := parseValue(t, p)
			if !ok {
				return nil, false
			}
			rec.entry.Change, p = v.Number, rest
		}
		rec.status = checkReporting(c.attribute(r.manufacturer, rec.id), t, rec.entry)
		if longest := n.longest; rec.status == statusSuccess && longest > 0 && rec.entry.Max > longest && rec.entry.Max != neverReport {
			rec.status = statusInvalidValue
		}
		records = append(records, rec)
	}
	if len(records) == 0 {
		return nil, false
	}
	var failed []byte
	changed := false
	for _, rec := range records {
		if rec.status == statusSuccess {
			rec.status = n.keepReporting(rec.entry)
			changed = changed || rec.status == statusSuccess
		}
		if rec.status != statusSuccess {
			failed = binary.LittleEndian.AppendUint16(append(failed, rec.status, rec.direction), rec.id)
		}
	}
	if changed {
		n.o.Changed()
	}
	if failed == nil {
		return []byte{statusSuccess}, true
	}
	return failed, true
}

// LimitReports lets the device refuse longer times between reports than so many
// seconds; 0 lets it take any.
func (n *Node) LimitReports(longest uint16) { n.longest = longest }

func checkReporting(a *Attribute, t uint8, e Reporting) uint8 {
	switch {
	case a == nil:
		return statusUnsupAttribute
	case !a.Reportable:
		return statusUnreportable
	case a.Type != t:
		return statusInvalidType
	case e.Max != 0 && e.Max != neverReport && e.Min > e.Max: // minimum ffff with maximum 0 means the default
		return statusInvalidValue
	case signed(t) && e.Change < 0:
		return statusInvalidValue
	}
	return statusSuccess
}

// keepReporting adds, replaces or removes a configuration: maximum 0xFFFF ends
// it, minimum 0xFFFF with maximum 0 goes back to the device's own.
func (n *Node) keepReporting(e Reporting) uint8 {
	all := n.memory.Reporting
	i := slices.IndexFunc(all, func(o Reporting) bool { return o.key() == e.key() })
	a := n.lookUp(e)
	switch {
	case e.Max == neverReport && a.Own == nil, e.Max == 0 && e.Min == neverReport:
		if i >= 0 {
			n.memory.Reporting = slices.Delete(all, i, i+1)
		}
		delete(n.last, e.key())
		return statusSuccess
	case i >= 0:
		all[i] = e
	case len(all) >= maxReporting:
		return statusInsufficientSpace
	default:
		n.memory.Reporting = append(all, e)
	}
	// The intervals count from now; the value now counts as known.
	n.last[e.key()] = lastReport{time.Now(), a.Get()}
	return statusSuccess
}

// readConfiguration answers Read Reporting Configuration (ZCL section 2.5.9).
func (n *Node) readConfiguration(c *Cluster, r request) ([]byte, bool) {
	if len(r.payload) == 0 || len(r.payload)%3 != 0 {
		return nil, false
	}
	var b []byte
	for p := r.payload; len(p) > 0; p = p[3:] {
		direction, id := p[0], binary.LittleEndian.Uint16(p[1:])
		key := reportKey{r.endpoint.ID, c.ID, r.manufacturer, id}
		i := slices.IndexFunc(n.memory.Reporting, func(e Reporting) bool { return e.key() == key })
		a := c.attribute(r.manufacturer, id)
		status := uint8(statusSuccess)
		switch {
		case a == nil:
			status = statusUnsupAttribute
		case direction == 0 && !a.Reportable:
			status = statusUnreportable
		case direction != 0 || i < 0:
			status = statusNotFound
		}
		record := binary.LittleEndian.AppendUint16([]byte{status, direction}, id)
		if status == statusSuccess {
			e := n.memory.Reporting[i]
			record = append(record, a.Type)
			record = binary.LittleEndian.AppendUint16(record, e.Min)
			record = binary.LittleEndian.AppendUint16(record, e.Max)
			if analog(a.Type) {
				record = appendValue(record, a.Type, Number(e.Change))
			}
		}
		if len(b)+len(record) > maxPayload-5 {
			break
		}
		b = append(b, record...)
	}
	return b, true
}

func (n *Node) lookUp(e Reporting) *Attribute {
	for i := range n.o.Endpoints {
		if n.o.Endpoints[i].ID == e.Endpoint {
			return n.o.Endpoints[i].cluster(e.Cluster).attributeOrNil(e.Manufacturer, e.Attribute)
		}
	}
	return nil
}

func (c *Cluster) attributeOrNil(manufacturer, id uint16) *Attribute {
	if c == nil {
		return nil
	}
	return c.attribute(manufacturer, id)
}

// own returns the configurations that the device was born with and nobody has
// replaced.
func (n *Node) own() []Reporting {
	var list []Reporting
	for _, r := range n.born {
		if !slices.ContainsFunc(n.memory.Reporting, func(o Reporting) bool { return o.key() == r.key() }) {
			list = append(list, r)
		}
	}
	return list
}

// born lists how the attributes of an endpoint report by themselves.
func born(e *Endpoint) (list []Reporting) {
	for _, c := range e.Clusters {
		for _, a := range c.Attributes {
			if a.Own != nil {
				list = append(list, Reporting{e.ID, c.ID, a.Manufacturer, a.ID, a.Own.Min, a.Own.Max, a.Own.Change})
			}
		}
	}
	return list
}

// tick looks at what is to be reported, again and again.
func (n *Node) tick() {
	if n.o.Every <= 0 {
		n.look()
		n.o.Air.After(lookEvery, n.tick)
		return
	}
	// Timers are late, and no finer than a millisecond: what became due in the
	// meantime is made up for, but for what a halted machine has missed.
	now := time.Now()
	if n.next.IsZero() || now.Sub(n.next) > 100*time.Millisecond {
		n.next = now
	}
	for ; !n.next.After(now); n.next = n.next.Add(n.o.Every) {
		if n.o.Tick != nil {
			n.o.Tick()
		}
		n.look()
	}
	n.o.Air.After(time.Until(n.next), n.tick)
}

// Look lets the device see soon that something it measures has changed.
func (n *Node) Look() {
	if n.looking {
		return
	}
	n.looking = true
	n.o.Air.After(lookSoon, func() {
		n.looking = false
		n.look()
	})
}

func (n *Node) look() {
	if n.silent || !n.memory.Joined {
		return
	}
	for _, f := range n.looks {
		f()
	}
	n.report(time.Now())
	n.lookForParent()
}

// report sends the attributes that are due, those of a cluster together.
func (n *Node) report(now time.Time) {
	hub := n.o.Air.Hub()
	if hub == nil {
		return
	}
	all := n.own()
	if !n.o.Mute {
		all = append(slices.Clone(n.memory.Reporting), all...)
	}
	var done []reportKey
	for _, first := range all {
		if slices.Contains(done, first.key()) || !n.due(first, now) {
			continue
		}
		target, bound := n.bound(first, hub.EUI64())
		if !bound {
			continue
		}
		var payload []byte
		var reports []Report
		var keys []reportKey
		var values []Value
		for _, e := range all {
			if e.Endpoint != first.Endpoint || e.Cluster != first.Cluster || e.Manufacturer != first.Manufacturer ||
				slices.Contains(done, e.key()) || !n.due(e, now) || n.o.Alone && len(keys) > 0 {
				continue
			}
			a := n.lookUp(e)
			v := a.Get()
			record := append(binary.LittleEndian.AppendUint16(nil, e.Attribute), a.Type)
			record = appendValue(record, a.Type, v)
			if len(payload)+len(record) > maxPayload-5 {
				break
			}
			payload = append(payload, record...)
			reports = append(reports, Report{e.Endpoint, e.Cluster, e.Attribute, v.Number, time.Time{}})
			keys = append(keys, e.key())
			values = append(values, v)
		}
		done = append(append(done, keys...), first.key())
		n.tsn++
		frame := radio.Frame{Profile: n.profile(first.Endpoint), Cluster: first.Cluster, SourceEndpoint: first.Endpoint,
			DestinationEndpoint: target, Payload: zclFrame(first.Manufacturer, n.tsn, cmdReport, payload)}
		at := time.Now()
		if len(keys) == 0 || !n.sendNow(frame) {
			continue // tried again at the next look
		}
		for i := range reports {
			reports[i].Time = at
			n.last[keys[i]] = lastReport{now, values[i]}
		}
		n.o.Reported(reports)
	}
}

// due says whether a configuration asks for a report now. A device that has
// just got its power has reported nothing yet: everything is due.
func (n *Node) due(e Reporting, now time.Time) bool {
	a := n.lookUp(e)
	if a == nil || a.Get == nil || e.Max == neverReport {
		return false
	}
	last, known := n.last[e.key()]
	if !known {
		return true
	}
	if n.o.Every > 0 {
		return changed(a.Type, a.Get(), last.value, 0)
	}
	since := now.Sub(last.at)
	// Looks come at whole seconds, give or take the timer's accuracy.
	since += lookEvery / 20
	if e.Max != 0 && since >= time.Duration(e.Max)*time.Second {
		return true
	}
	if since < time.Duration(e.Min)*time.Second {
		return false
	}
	return changed(a.Type, a.Get(), last.value, e.Change)
}

// bound finds the coordinator's endpoint that a cluster is bound to. What a
// device reports by itself needs no binding.
func (n *Node) bound(e Reporting, hub radio.EUI64) (endpoint uint8, ok bool) {
	for _, b := range n.memory.Bindings {
		if b.Endpoint == e.Endpoint && b.Cluster == e.Cluster && b.Target == hub && b.Target != 0 {
			return b.TargetEndpoint, true
		}
	}
	a := n.lookUp(e)
	return 1, a != nil && a.Own != nil
}

func (n *Node) profile(endpoint uint8) uint16 {
	for _, e := range n.o.Endpoints {
		if e.ID == endpoint {
			return e.Profile
		}
	}
	return 0
}
