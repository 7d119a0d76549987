package statefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

const (
	// migratedSuffix is that of the files of earlier releases for good.
	migratedSuffix = ".migrated"
	// ignoredSuffix is that of such files which are not of this state's past.
	ignoredSuffix = ".ignored"
	// unreadableSuffix is that of a list of devices which makes no sense.
	unreadableSuffix = ".unreadable"
	// keepFor is how long they keep their own names too: an update that is rolled
	// back in this time finds what it has left.
	keepFor = 24 * time.Hour
	// earlierForm was the form of network.json and devices.json.
	earlierForm = 1
	// takenOver is the section that says which files became sections.
	takenOver = "taken_over"
)

// earlier are the files of earlier releases. unwrap gives the section in one.
var earlier = []struct {
	name, section string
	unwrap        func([]byte) (json.RawMessage, error)
	lossy         bool // one that makes no sense is put aside: what it says is found again
}{
	{"network.json", Network, unwrapNetwork, false},
	{"devices.json", Devices, unwrapDevices, true},
	{"names.json", Names, unwrapNames, false},
}

type record struct {
	At    time.Time         `json:"at"`
	Files map[string]string `json:"files"` // SHA-256 by name
}

// takeOver makes sections of the files of earlier releases. The first time all
// of them; later only those that such a release, after an update was rolled
// back, has changed since. They are then called *.migrated, and for a day by
// their own names too. have says that this file was there.
func (f *File) takeOver(have bool) error {
	sweep(f.path)
	dir := filepath.Dir(f.path)
	var was record
	known, err := f.Get(takenOver, &was)
	if err != nil {
		return err
	}
	now := record{At: time.Now().UTC().Truncate(time.Second), Files: make(map[string]string)}
	sections := make(map[string]json.RawMessage)
	var changed []string
	for _, e := range earlier {
		path := filepath.Join(dir, e.name)
		b, err := readBounded(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return &Error{Message: path + " cannot be read", Advice: "check its owner and permissions, and the SD card", Err: err}
		}
		sum := sha256.Sum256(b)
		now.Files[e.name] = hex.EncodeToString(sum[:])
		if was.Files[e.name] == now.Files[e.name] {
			continue
		}
		if have && !known { // from another time: this file is the newer
			if err := f.putAside(path, ignoredSuffix); err != nil {
				return err
			}
			delete(now.Files, e.name)
			f.note("%s is not used, for %s is there; it is kept as %s", path, f.path, path+ignoredSuffix)
			continue
		}
		section, err := e.unwrap(b)
		var own *Error
		switch {
		case errors.As(err, &own):
			own.Message = path + " " + own.Message
			return own
		case err != nil && !e.lossy:
			return &Error{
				Message: path + " cannot be read",
				Advice:  "restore it from a backup, or move it aside: the network is then taken over from the dongle",
				Err:     err,
			}
		case err != nil:
			if err := f.putAside(path, unreadableSuffix); err != nil {
				return err
			}
			delete(now.Files, e.name)
			f.note("the list of devices in %s cannot be read (%v) and is kept as %s; devices are found again when they speak",
				path, err, path+unreadableSuffix)
			continue
		}
		sections[e.section] = section
		changed = append(changed, path)
	}
	if known && len(now.Files) == 0 { // put away, and cut before that was noted
		return f.Put(takenOver, nil)
	}
	if len(changed) > 0 {
		if sections[takenOver], err = encode(takenOver, now); err != nil {
			return err
		}
		f.mu.Lock()
		err := f.write(sections)
		f.mu.Unlock()
		if err != nil {
			return err
		}
		for _, path := range changed {
			f.note("%s was taken over into %s and is kept as %s", path, f.path, path+migratedSuffix)
		}
		was = now
	}
	return f.settle(dir, now, now.At.Sub(was.At) >= keepFor)
}

// settle gives files that were taken over their names for good; the time being
// over, those alone.
func (f *File) settle(dir string, files record, over bool) error {
	if len(files.Files) == 0 {
		return nil
	}
	for name := range files.Files {
		path := filepath.Join(dir, name)
		err := f.disk.link(path, path+migratedSuffix)
		if err == nil && over {
			err = f.disk.remove(path)
		}
		if err != nil {
			return &Error{Message: "the earlier state " + path + " cannot be put away", Advice: "check the permissions of its directory", Err: err}
		}
	}
	if err := f.disk.syncDir(dir); err != nil {
		return &Error{Message: "the directory " + dir + " cannot be saved", Advice: "check the SD card", Err: err}
	}
	if over {
		return f.Put(takenOver, nil)
	}
	return nil
}

func (f *File) putAside(path, suffix string) error {
	err := f.disk.rename(path, path+suffix)
	if err == nil {
		err = f.disk.syncDir(filepath.Dir(path))
	}
	if err != nil {
		return &Error{Message: path + " cannot be put aside", Advice: "check the permissions of its directory", Err: err}
	}
	return nil
}

// errDamaged never shows what a file says: there may be a key in it.
var errDamaged = errors.New("it is damaged or cut short")

func unwrapNetwork(b []byte) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, errDamaged
	}
	if err := checkEarlier(members["version"]); err != nil {
		return nil, err
	}
	delete(members, "version")
	return encode(Network, members)
}

func unwrapDevices(b []byte) (json.RawMessage, error) {
	var list struct {
		Version json.RawMessage   `json:"version"`
		Devices []json.RawMessage `json:"devices"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, errDamaged
	}
	if err := checkEarlier(list.Version); err != nil {
		return nil, err
	}
	if list.Devices == nil {
		list.Devices = []json.RawMessage{}
	}
	return encode(Devices, list.Devices)
}

func unwrapNames(b []byte) (json.RawMessage, error) {
	names := make(map[string]string)
	if err := json.Unmarshal(b, &names); err != nil {
		return nil, errDamaged
	}
	return encode(Names, names)
}

func checkEarlier(version json.RawMessage) error {
	if len(version) > 0 && bytes.Equal(version, []byte(fmt.Sprint(earlierForm))) {
		return nil
	}
	var n uint32
	if err := json.Unmarshal(version, &n); err != nil {
		return errDamaged
	}
	return &Error{
		Message: fmt.Sprintf("has form %d; this version of hems knows form %d", n, earlierForm),
		Advice:  "run the version of hems that wrote it",
	}
}
