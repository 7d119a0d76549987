package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// statesName is the cache of what devices last said, beside the state.
const statesName = "states.json"

// Check is why a coordinator could not work with a state, or nil. The state is a
// copy; nothing that is done to it counts.
type Check func(state *statefile.File) error

// Waiting reports whether a document waits in the directory.
func Waiting(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, DocumentName))
	return err == nil
}

// Take takes the document that waits beside the state over, if there is one, and
// leaves its answer. It is called before anything else uses the state. What is
// refused changes nothing; in each case the document is gone afterwards. ok says
// that there was one.
func Take(state *statefile.File, check Check) (answer Answer, ok bool, err error) {
	dir := filepath.Dir(state.Path())
	path := filepath.Join(dir, DocumentName)
	b, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Answer{}, false, nil
	}
	var d *Document
	if err == nil {
		d, err = ParseDocument(b)
	}
	if err == nil {
		answer, err = Apply(state, d, check)
	}
	if err != nil {
		answer = refused(err)
		if d != nil {
			answer.ID = d.ID
		}
	}
	text, err := json.MarshalIndent(answer, "", "  ")
	if err == nil {
		err = atomicfile.Write(filepath.Join(dir, AnswerName), append(text, '\n'), 0o600)
	}
	if err == nil { // the answer first: who asked finds one in any case
		err = os.Remove(path)
	}
	return answer, true, err
}

func readBounded(path string) ([]byte, error) {
	fi, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, errors.New("the import is no file")
	case fi.Size() > MaxDocument:
		return nil, fmt.Errorf("the import has more than %d MB", MaxDocument>>20)
	}
	return os.ReadFile(path)
}

func refused(err error) Answer {
	a := Answer{Code: "refused", Message: err.Error(), Hint: network.Hint(err)}
	var has *hasDevices
	if errors.As(err, &has) {
		a.Code = "has_devices"
	}
	return a
}

// hasDevices says that a network with devices would be given up.
type hasDevices struct{ devices int }

func (e *hasDevices) Error() string {
	return fmt.Sprintf("this appliance has a zigbee network with devices already (%d), which the import would give up", e.devices)
}

// Hint says what to do.
func (e *hasDevices) Hint() string {
	return "to give them up, import again with --replace: the state as it is now is kept beside the new one"
}

// Apply makes a document the state, wholly or not at all. A state of the same
// network keeps the devices that the document does not know; one of another
// network that has devices is refused unless the document replaces. What was
// there is kept as a file beside it.
func Apply(state *statefile.File, d *Document, check Check) (Answer, error) {
	var old, now struct {
		Network struct {
			ExtendedPANID string `json:"extended_pan_id"`
			NetworkKey    string `json:"network_key"`
		}
		Devices []json.RawMessage
		Names   map[zcl.EUI64]string
		Groups  map[string]json.RawMessage
		Options map[string]json.RawMessage
	}
	sections := make(map[string]any)
	there := false
	for section, v := range map[string][2]any{
		statefile.Network: {&old.Network, &now.Network}, statefile.Devices: {&old.Devices, &now.Devices},
		statefile.Names: {&old.Names, &now.Names}, statefile.Groups: {&old.Groups, &now.Groups},
		statefile.Options: {&old.Options, &now.Options},
	} {
		ok, err := state.Get(section, v[0])
		if err != nil {
			return Answer{}, err
		}
		there = there || ok && section == statefile.Network
		if raw := d.Sections[section]; raw != nil {
			if err := json.Unmarshal(raw, v[1]); err != nil {
				return Answer{}, fmt.Errorf("the section %q of the import makes no sense", section)
			}
		}
		sections[section] = nil
	}
	sections[statefile.LinkKeys] = nil
	for section, raw := range d.Sections {
		sections[section] = raw
	}
	a := Answer{ID: d.ID, OK: true}
	same := there && old.Network == now.Network
	switch {
	case same:
		a.Merged = true
		if err := merge(sections, old.Devices, now.Devices, old.Names, now.Names); err != nil {
			return Answer{}, err
		}
		for id, g := range now.Groups {
			set(&old.Groups, id, g)
		}
		sections[statefile.Groups] = old.Groups
		if err := mergeOptions(sections, old.Options, now.Options); err != nil {
			return Answer{}, err
		}
	case len(old.Devices) > 0 && !d.Replace:
		return Answer{}, &hasDevices{len(old.Devices)}
	case there:
		was, err := network.ReplaceSection(state)
		if err != nil {
			return Answer{}, err
		}
		for section, v := range was {
			sections[section] = v
		}
	}
	if err := try(filepath.Dir(state.Path()), sections, check); err != nil {
		return Answer{}, fmt.Errorf("the import makes no sense: %w", err)
	}
	if there {
		kept, err := keepOld(state.Path())
		if err != nil {
			return Answer{}, err
		}
		a.Kept = kept
	}
	if err := state.PutAll(sections); err != nil {
		return Answer{}, err
	}
	if err := putStates(filepath.Dir(state.Path()), d.States, a.Merged); err != nil {
		a.Notes = append(a.Notes, fmt.Sprintf("what devices last said was not taken over: %v", err))
	}
	if list, ok := sections[statefile.Devices].([]json.RawMessage); ok {
		a.Devices = len(list)
	} else {
		a.Devices = len(now.Devices)
	}
	devices := fmt.Sprintf("%d devices", a.Devices)
	if a.Devices == 1 {
		devices = "1 device"
	}
	a.Message = fmt.Sprintf("the zigbee network of %s was taken over with %s", d.Source, devices)
	return a, nil
}

func set[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[key] = v
}

// merge keeps the devices and names that the import does not have.
func merge(sections map[string]any, oldDevices, newDevices []json.RawMessage, oldNames, newNames map[zcl.EUI64]string) error {
	address := func(raw json.RawMessage) (zcl.EUI64, error) {
		var d struct {
			EUI64 zcl.EUI64 `json:"eui64"`
		}
		err := json.Unmarshal(raw, &d)
		return d.EUI64, err
	}
	list := append([]json.RawMessage{}, newDevices...)
	has := make(map[zcl.EUI64]bool)
	for _, raw := range newDevices {
		e, err := address(raw)
		if err != nil {
			return errors.New("a device of the import makes no sense")
		}
		has[e] = true
	}
	names := make(map[zcl.EUI64]string)
	taken := make(map[string]bool)
	for e, name := range newNames {
		names[e] = name
		taken[bridge.EntityID(name)] = true
	}
	for _, raw := range oldDevices {
		e, err := address(raw)
		if err != nil || has[e] {
			continue
		}
		list = append(list, raw)
	}
	for e, name := range oldNames {
		if _, named := names[e]; !named && !taken[bridge.EntityID(name)] {
			names[e] = name
			taken[bridge.EntityID(name)] = true
		}
	}
	sections[statefile.Devices], sections[statefile.Names] = list, names
	return nil
}

// mergeOptions keeps the options of devices that the import does not have, and
// what else there is.
func mergeOptions(sections map[string]any, old, now map[string]json.RawMessage) error {
	const devices = "devices"
	if len(old) == 0 {
		return nil
	}
	of := make(map[zcl.EUI64]json.RawMessage)
	for _, from := range []map[string]json.RawMessage{old, now} {
		if raw := from[devices]; raw != nil {
			if err := json.Unmarshal(raw, &of); err != nil { // the later wins
				return errors.New("the options of the import make no sense")
			}
		}
	}
	for key, raw := range now {
		old[key] = raw
	}
	raw, err := json.Marshal(of)
	if err != nil {
		return err
	}
	old[devices] = raw
	sections[statefile.Options] = old
	return nil
}

// try asks whether a coordinator could work with the sections.
func try(beside string, sections map[string]any, check Check) error {
	dir, err := os.MkdirTemp(beside, ".import-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := statefile.Open(filepath.Join(dir, statefile.Name))
	if err == nil {
		err = f.PutAll(sections)
	}
	if err == nil {
		err = check(f)
	}
	return err
}

// keepOld keeps the state as it is now.
func keepOld(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) { // nothing of it was ever written
		return "", nil
	}
	if err != nil {
		return "", err
	}
	kept := path + ".before-import-" + time.Now().UTC().Format("20060102-150405")
	if err := atomicfile.Write(kept, b, 0o600); err != nil {
		return "", fmt.Errorf("the state as it is now cannot be kept: %w", err)
	}
	return kept, nil
}

// putStates writes the cache of what devices last said.
func putStates(dir string, states map[zcl.EUI64]State, merged bool) error {
	path := filepath.Join(dir, statesName)
	all := make(map[zcl.EUI64]json.RawMessage)
	if merged {
		if b, err := os.ReadFile(path); err == nil {
			_ = json.Unmarshal(b, &all) // a cache that makes no sense is none
		}
	}
	if all == nil {
		all = make(map[zcl.EUI64]json.RawMessage)
	}
	for e, st := range states {
		if _, fresher := all[e]; fresher {
			continue
		}
		raw, err := json.Marshal(st)
		if err != nil {
			return err
		}
		all[e] = raw
	}
	b, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(b, '\n'), 0o600)
}
