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
	value int64
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

func checkReporting(a *Attribute, t uint8, e Reporting) uint8 {
	switch {
	case a == nil:
		return statusUnsupAttribute
	case !a.Reportable:
		return statusUnreportable
	case a.Type != t:
		return statusInvalidType
	case e.Max != 0 && e.Max != neverReport && e.Min > e.Max:
		return statusInvalidValue
	case e.Change < 0:
		return statusInvalidValue
	}
	return statusSuccess
}

// keepReporting adds, replaces or (maximum 0xFFFF) removes a configuration.
func (n *Node) keepReporting(e Reporting) uint8 {
	all := n.memory.Reporting
	i := slices.IndexFunc(all, func(o Reporting) bool { return o.key() == e.key() })
	switch {
	case e.Max == neverReport:
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
	if a := n.lookUp(e); a != nil {
		n.last[e.key()] = lastReport{time.Now(), a.Get().Number}
	}
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

// tick looks at what is to be reported, again and again.
func (n *Node) tick() {
	every := lookEvery
	if n.o.Every > 0 {
		every = n.o.Every
		if n.o.Tick != nil {
			n.o.Tick()
		}
	}
	n.report(time.Now())
	n.o.Air.After(every, n.tick)
}

// report sends the attributes that are due, those of a cluster together.
func (n *Node) report(now time.Time) {
	hub := n.o.Air.Hub()
	if hub == nil || !n.memory.Joined {
		return
	}
	var done []reportKey
	for _, first := range n.memory.Reporting {
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
		for _, e := range n.memory.Reporting {
			if e.Endpoint != first.Endpoint || e.Cluster != first.Cluster || e.Manufacturer != first.Manufacturer || !n.due(e, now) {
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
		}
		done = append(done, keys...)
		n.tsn++
		frame := radio.Frame{Profile: n.profile(first.Endpoint), Cluster: first.Cluster, SourceEndpoint: first.Endpoint,
			DestinationEndpoint: target, Payload: zclFrame(first.Manufacturer, n.tsn, cmdReport, payload)}
		at := time.Now()
		if !n.sendNow(frame) {
			continue // tried again at the next look
		}
		for i := range reports {
			reports[i].Time = at
			n.last[keys[i]] = lastReport{now, reports[i].Value}
		}
		n.o.Reported(reports)
	}
}

// due says whether a configuration asks for a report now. A device that has
// just got its batteries has reported nothing yet: everything is due.
func (n *Node) due(e Reporting, now time.Time) bool {
	a := n.lookUp(e)
	if a == nil || a.Get == nil {
		return false
	}
	last, known := n.last[e.key()]
	if !known {
		return true
	}
	if n.o.Every > 0 {
		return a.Get().Number != last.value
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
	difference := a.Get().Number - last.value
	if difference < 0 {
		difference = -difference
	}
	return difference != 0 && difference >= e.Change
}

// bound finds the coordinator's endpoint that a cluster is bound to.
func (n *Node) bound(e Reporting, hub radio.EUI64) (endpoint uint8, ok bool) {
	for _, b := range n.memory.Bindings {
		if b.Endpoint == e.Endpoint && b.Cluster == e.Cluster && b.Target == hub {
			return b.TargetEndpoint, true
		}
	}
	return 0, false
}

func (n *Node) profile(endpoint uint8) uint16 {
	for _, e := range n.o.Endpoints {
		if e.ID == endpoint {
			return e.Profile
		}
	}
	return 0
}
