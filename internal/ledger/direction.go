package ledger

import "strings"

// DirectionOf says which way a counter counts, from its key in the device's
// payload ("produced_energy"), or where there is none from its entity id: one
// of a word that begins with export, return, produc, inject or generat, or
// that is ret, sold, reverse, or feed before in, or to before grid, counts
// what is given back; every other what is drawn. Device and state class do not
// tell: both counters of a meter have the same.
func DirectionOf(key, entity string) Direction {
	name := key
	if name == "" {
		name = entity
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return r < '0' || '9' < r && r < 'a' || 'z' < r
	})
	for i, w := range words {
		switch w {
		case "ret", "sold", "reverse", "feedin", "togrid":
			return Export
		case "in":
			if i > 0 && words[i-1] == "feed" {
				return Export
			}
		case "grid":
			if i > 0 && words[i-1] == "to" {
				return Export
			}
		}
		for _, begin := range []string{"export", "return", "produc", "inject", "generat"} {
			if strings.HasPrefix(w, begin) {
				return Export
			}
		}
	}
	return Import
}

// Counts reports whether a series is a counter of energy: device class energy
// (or none, where the unit is one of energy), state class total_increasing or
// total, and a unit of energy. A total that may fall, as a net meter's, is
// counted where it rises.
func Counts(deviceClass, stateClass, unit string) bool {
	return (deviceClass == "energy" || deviceClass == "") &&
		(stateClass == "total_increasing" || stateClass == "total") && IsUnit(unit)
}
