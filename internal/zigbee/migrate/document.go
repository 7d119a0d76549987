package migrate

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The document's name where it waits to be taken over, beside the state, and that
// of the answer.
const (
	DocumentName = "import.json"
	AnswerName   = "import.answer.json"
)

const (
	documentFormat  = "hems-zigbee-import"
	documentVersion = 1
	// MaxDocument bounds a document, in bytes: a thousand devices have 4 MB.
	MaxDocument = 16 << 20
)

// Document carries an import to an appliance: sections of its state as they are
// to be, and what devices last said. It has keys in it.
type Document struct {
	Format   string                     `json:"format"`
	Version  int                        `json:"version"`
	ID       string                     `json:"id"` // random, to know its answer by
	Source   string                     `json:"source"`
	Replace  bool                       `json:"replace"` // a network with devices may be given up
	Sections map[string]json.RawMessage `json:"sections"`
	States   map[zcl.EUI64]State        `json:"states,omitempty"`
}

// Document makes the document. Replace says that a network that has devices may
// be given up for this one. The error is an *Error.
func (i *Import) Document(replace bool) (*Document, error) {
	wrong := func(err error) (*Document, error) {
		return nil, &Error{Message: err.Error(), Advice: "correct it where " + i.Source + " keeps it, and import again"}
	}
	sections, err := network.ImportSections(i.Backup, i.Devices)
	if err != nil {
		return wrong(err)
	}
	more, err := bridge.ImportSections(i.Names, i.Groups, i.Options, i.Blocked)
	if err != nil {
		return wrong(err)
	}
	maps.Copy(sections, more)
	d := &Document{Format: documentFormat, Version: documentVersion, Source: i.Source, Replace: replace,
		Sections: make(map[string]json.RawMessage), States: i.States}
	var id [8]byte
	rand.Read(id[:]) // never fails
	d.ID = hex.EncodeToString(id[:])
	for section, v := range sections {
		if v == nil {
			continue
		}
		if d.Sections[section], err = json.Marshal(v); err != nil {
			return nil, fmt.Errorf("writing the import: %w", err)
		}
	}
	return d, nil
}

// ours are the sections that an import may write.
var ours = map[string]bool{statefile.Network: true, statefile.Devices: true, statefile.Names: true,
	statefile.Groups: true, statefile.Options: true, statefile.LinkKeys: true}

// ParseDocument reads a document and checks its form. Errors never show what it
// says.
func ParseDocument(b []byte) (*Document, error) {
	var d Document
	switch err := json.Unmarshal(b, &d); {
	case len(b) > MaxDocument:
		return nil, fmt.Errorf("the import has more than %d MB", MaxDocument>>20)
	case err != nil:
		return nil, errors.New("the import is damaged or cut short")
	case d.Format != documentFormat:
		return nil, errors.New("this is no import")
	case d.Version != documentVersion:
		return nil, fmt.Errorf("the import has form %d; this version of hems knows form %d", d.Version, documentVersion)
	case d.ID == "" || len(d.ID) > 64:
		return nil, errors.New("the import has no id")
	case d.Sections[statefile.Network] == nil:
		return nil, errors.New("the import has no network")
	}
	for section, raw := range d.Sections {
		if !ours[section] {
			return nil, fmt.Errorf("the import has a section %.40q, which none may have", section)
		}
		if len(raw) == 0 || string(raw) == "null" {
			return nil, fmt.Errorf("the section %q of the import is empty", section)
		}
	}
	return &d, nil
}

// Answer is how an import ended.
type Answer struct {
	ID      string   `json:"id"`
	OK      bool     `json:"ok"`
	Code    string   `json:"code,omitempty"` // "has_devices" can be helped by Replace
	Message string   `json:"message"`
	Hint    string   `json:"hint,omitempty"`
	Kept    string   `json:"kept,omitempty"` // the state before, a file beside the new one
	Devices int      `json:"devices"`
	Merged  bool     `json:"merged"` // it was the same network: devices that were known here alone are still there
	Notes   []string `json:"notes,omitempty"`
}
