package zigbee2mqtt

import (
	"encoding/json"
	"slices"

	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// notReadings are keys of a state that are no readings of the device.
var notReadings = []string{"last_seen", "update", "update_available", "elapsed", "device", "linkquality"}

// readStates reads state.json: a cache, of which nothing depends. One that makes
// no sense is left behind.
func readStates(dir string, out *migrate.Import, db *database) {
	b, err := read(dir, stateFile, true)
	if err == nil && b == nil {
		return
	}
	states, ok := parseStates(b, db)
	if err != nil || !ok {
		out.Leave(stateFile, "it cannot be read; devices begin with what they report next")
		return
	}
	out.States = states
}

func parseStates(b []byte, db *database) (map[zcl.EUI64]migrate.State, bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(b, &all) != nil {
		return nil, false
	}
	out := make(map[zcl.EUI64]migrate.State)
	for key, raw := range all { // a number is a group's
		e, err := eui64(key)
		if err != nil {
			continue
		}
		i, known := db.index[e]
		var values map[string]any
		if !known || json.Unmarshal(raw, &values) != nil {
			continue
		}
		for k, v := range values {
			if v == nil || slices.Contains(notReadings, k) {
				delete(values, k)
			}
		}
		if len(values) == 0 {
			continue
		}
		st := migrate.State{Values: values}
		if seen := db.devices[i].LastSeen; !seen.IsZero() {
			st.At = seen.UnixMilli()
		}
		out[e] = st
	}
	return out, true
}
