package updates

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// story is update.json: what both systems wrote about the last update. Fields
// that a version does not know are lost when it writes; none may be needed by
// another version to keep a system bootable.
type story struct {
	// Writing: the other slot is being overwritten.
	Writing bool `json:"writing,omitempty"`
	// Trying: the slot was written and armed, and the machine is or was restarted
	// to try it. It stays so until the old system gives its verdict, or the new
	// one confirms itself.
	Trying  bool      `json:"trying,omitempty"`
	Version string    `json:"version,omitempty"` // that is tried
	From    string    `json:"from,omitempty"`    // that ran before
	Slot    slot.Slot `json:"slot,omitempty"`    // that is tried
	Expect  Expect    `json:"expect,omitzero"`   // what must be as it was before

	Started bool   `json:"started,omitempty"` // the new system: it got as far as its manager
	Says    string `json:"says,omitempty"`    // the new system: why it gave up

	Verdict *Verdict `json:"verdict,omitempty"`
	// GivenUp is the slot that the boot counter has given up, once the verdict on
	// that was told.
	GivenUp slot.Slot `json:"given_up,omitempty"`
}

// Result is how an update ended.
type Result string

// The results.
const (
	Installed Result = "installed"
	Returned  Result = "returned" // tried, and the version before runs again
	Refused   Result = "refused"  // before a byte was written
	Failed    Result = "failed"   // while it was written
)

// Verdict is how the last update ended.
type Verdict struct {
	Result  Result    `json:"result"`
	Version string    `json:"version"` // that was to be installed
	From    string    `json:"from"`    // that ran before
	To      string    `json:"to"`      // that runs after it
	At      time.Time `json:"at"`
	Why     string    `json:"why,omitempty"`
	Seen    bool      `json:"seen"`
}

// maxStory bounds update.json, in bytes.
const maxStory = 64 << 10

// readStory reads update.json; one that is not there is the empty story, and so
// is one that cannot be understood.
func readStory(path string) (s story, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return story{}, nil
	}
	if err == nil && info.Size() > maxStory {
		err = fmt.Errorf("it has %d bytes", info.Size())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return story{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}

func (s story) write(path string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the story of the update: %w", err)
	}
	return atomicfile.Write(path, append(text, '\n'), 0o600)
}
