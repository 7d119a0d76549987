package device

import (
	"slices"
	"strings"
)

// families are all definitions, a file each.
var families = [][]Definition{
	frientMeters, frientSwitches, frientSensors, tuyaPlugs, tuyaModules, tuyaClamps, tuyaDIN, lixee, nodon, legrand, owon, shelly,
	tuyaSensors, ikea, sonoff, {trvzb}, thirdReality, aqara, innr, otherPlugs, otherMeters,
}

// candidate is a definition by one of its matches.
type candidate struct {
	d     *Definition
	match Match
}

// byModel is the definitions by the models they match. It is filled once.
var byModel = make(map[string][]candidate)

func init() {
	for _, family := range families {
		for i := range family {
			d := &family[i]
			for _, m := range d.Match {
				for _, name := range m.Models {
					byModel[trimmed(name)] = append(byModel[trimmed(name)], candidate{d, m})
				}
			}
		}
	}
}

// trimmed is a name without what devices pad it with.
func trimmed(s string) string { return strings.Trim(s, "\x00 ") }

// definitionOf is the definition of a device: the one that names its maker
// before the one that names only its version, before one that names neither. A
// device that has not said who made it is found by its model alone, so that it
// is usable after an interview that missed a step.
func definitionOf(s Subject) (*Definition, bool) {
	var best *Definition
	score := -1
	for _, c := range byModel[trimmed(s.ModelID)] {
		n, ok := c.match.fits(s)
		if ok && n > score {
			best, score = c.d, n
		}
	}
	return best, best != nil
}

// fits reports whether a device is what the match says, and how well.
func (m Match) fits(s Subject) (score int, ok bool) {
	if len(m.AppVersions) > 0 {
		if !slices.Contains(m.AppVersions, s.AppVersion) {
			return 0, false
		}
		score += 2
	}
	if m.SWBuild != "" {
		if trimmed(m.SWBuild) != trimmed(s.SWBuildID) {
			return 0, false
		}
		score += 2
	}
	if m.DateCode != "" {
		if trimmed(m.DateCode) != trimmed(s.DateCode) {
			return 0, false
		}
		score += 2
	}
	if len(m.Makers) > 0 && s.ManufacturerName != "" {
		if !slices.ContainsFunc(m.Makers, func(n string) bool { return trimmed(n) == trimmed(s.ManufacturerName) }) {
			return 0, false
		}
		score += 8
	}
	if !m.Last {
		score++
	}
	return score, true
}

// label is what the definition is called for a device of this maker.
func (d *Definition) label(maker string) (model, vendor, description string) {
	for _, l := range d.Labels {
		if slices.ContainsFunc(l.Makers, func(n string) bool { return trimmed(n) == trimmed(maker) }) {
			model, vendor, description = l.Model, l.Vendor, l.Description
			if vendor == "" {
				vendor = d.Vendor
			}
			if description == "" {
				description = d.Description
			}
			return model, vendor, description
		}
	}
	return d.Model, d.Vendor, d.Description
}
