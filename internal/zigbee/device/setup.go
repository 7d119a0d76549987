package device

import (
	"math"
	"slices"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// maxReports is how many attributes one request sets up; some devices fail on
// more.
const maxReports = 4

// addReports sets up what an item's sources report: bind, report, read once.
func (m *Model) addReports(it item, on uint8, at func(uint8, uint16) uint8) {
	for _, src := range it.sources {
		if src.report == nil && !src.first {
			continue
		}
		endpoint := at(max(src.endpoint, on), src.cluster)
		i := slices.IndexFunc(m.setup, func(s Setup) bool {
			return s.Endpoint == endpoint && s.Cluster == src.cluster && s.Manufacturer == src.manufacturer && s.generic &&
				(src.report == nil || len(s.Reporting) < maxReports)
		})
		if i < 0 {
			i = len(m.setup)
			m.setup = append(m.setup, Setup{Endpoint: endpoint, Cluster: src.cluster, Manufacturer: src.manufacturer, Optional: true, generic: true})
		}
		s := &m.setup[i]
		if src.report != nil {
			if slices.ContainsFunc(s.Reporting, func(r zcl.ReportConfig) bool { return r.Attribute == src.attribute }) {
				continue
			}
			s.Bind = true
			s.Reporting = append(s.Reporting, src.reportConfig())
			s.changes = append(s.changes, src.report.change)
			s.scaling = append(s.scaling, src.scale)
			if src.scale.read {
				s.Scales = appendID(s.Scales, src.scale.mulAttr, src.scale.divAttr)
			}
		}
		group := slices.IndexFunc(s.Read, func(g ReadGroup) bool { return g.Manufacturer == src.manufacturer && len(g.Attributes) < maxRead })
		if group < 0 {
			group = len(s.Read)
			s.Read = append(s.Read, ReadGroup{Manufacturer: src.manufacturer})
		}
		if !slices.Contains(s.Read[group].Attributes, src.attribute) {
			s.Read[group].Attributes = append(s.Read[group].Attributes, src.attribute)
		}
	}
}

func appendID(list []uint16, ids ...uint16) []uint16 {
	for _, id := range ids {
		if id != noAttribute && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// reportConfig is when a source is reported. Of a scale that the device must
// tell first, the change is that of a divisor of 1 until WithScales knows
// better.
func (s source) reportConfig() zcl.ReportConfig {
	r := zcl.ReportConfig{Attribute: s.attribute, Type: s.typ, Min: s.report.min, Max: s.report.max}
	if s.typ.Analog() {
		r.Change = s.scale.raw(s.report.change, 1, 1, s.typ)
	}
	return r
}

// raw is how much a change in the unit of the quantity is in raw units, at
// least 1.
func (s scale) raw(change, mul, div float64, t zcl.DataType) uint64 {
	if !s.read {
		mul, div = or1(s.mul), or1(s.div)
	}
	v := math.Round(change * div / mul / or1(s.factor))
	most := float64(uint64(1) << 15)
	if size := t.Size(); size > 2 {
		most = float64(uint64(1) << 23)
	} else if size == 1 {
		most = float64(uint64(1) << 7)
	}
	return uint64(min(max(v, 1), most-1))
}

func or1(v float64) float64 {
	if v == 0 {
		return 1
	}
	return v
}

// WithScales is the step with the changes of its reports in the device's own
// scale, once the attributes of Scales have been read.
func (s Setup) WithScales(list []zcl.Attribute) Setup {
	value := func(id uint16) float64 {
		for _, a := range list {
			if v, ok := a.Value.Float(); ok && a.ID == id && a.Status == zcl.StatusSuccess && v > 0 {
				return v
			}
		}
		return 1
	}
	s.Reporting = slices.Clone(s.Reporting)
	for i := range s.Reporting {
		if i < len(s.scaling) && s.scaling[i].read && s.Reporting[i].Type.Analog() {
			s.Reporting[i].Change = s.scaling[i].raw(s.changes[i], value(s.scaling[i].mulAttr), value(s.scaling[i].divAttr), s.Reporting[i].Type)
		}
	}
	return s
}

// tidy leaves out what is on clusters that the device has said not to have.
func tidy(s Subject, list []Setup) []Setup {
	has := func(endpoint uint8, cluster uint16) bool {
		for _, e := range s.Endpoints {
			if e.ID == endpoint {
				// A descriptor without clusters is one that was not read.
				return len(e.In)+len(e.Out) == 0 || slices.Contains(e.In, cluster) || slices.Contains(e.Out, cluster)
			}
		}
		return len(s.Endpoints) == 0
	}
	var kept []Setup
	for _, step := range list {
		if has(step.Endpoint, step.Cluster) || step.Cluster == zcl.ClusterBasic {
			kept = append(kept, step)
		}
	}
	return kept
}
