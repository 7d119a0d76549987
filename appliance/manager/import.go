package manager

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// The coordinator looks for an import beside its state, and leaves its answer
// there. What an import says is its business alone.
const (
	importDir    = "zigbee"
	importFile   = "import.json"
	importAnswer = "import.answer.json"
	importFormat = "hems-zigbee-import"
	maxImport    = 16 << 20 // bytes
	maxAnswer    = 1 << 20  // bytes
)

// postImport puts an import where the coordinator finds it.
func (k *kept) postImport(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxImport))
	if err != nil {
		reply.Refuse(w, http.StatusRequestEntityTooLarge, reply.Refusal{Code: "too_large",
			Error: fmt.Sprintf("the import has more than %d MB, or did not come whole", maxImport>>20), Hint: "send it again"})
		return
	}
	var d struct {
		Format string `json:"format"`
		ID     string `json:"id"`
	}
	if json.Unmarshal(b, &d) != nil || d.Format != importFormat || d.ID == "" {
		reply.Refuse(w, http.StatusBadRequest, reply.Refusal{Code: "no_import", Error: "this is no import of a zigbee network", Hint: "make it with hems import"})
		return
	}
	k.importing.Lock()
	defer k.importing.Unlock()
	path := k.env.Path(importDir, importFile)
	if _, err := os.Lstat(path); err == nil {
		reply.Refuse(w, http.StatusConflict, reply.Refusal{Code: "busy", Error: "another import waits to be taken over", Hint: "try again in a moment"})
		return
	}
	if err := k.putFor(appliance.UserOf("hems-zigbee").ID, path, b); err != nil {
		k.env.Log.Error("an import was not put in place", "err", err)
		reply.Refuse(w, http.StatusInternalServerError, reply.Refusal{Code: "not_written", Error: "the import cannot be written: " + err.Error(), Hint: "look at the card's health"})
		return
	}
	k.env.Log.Info("an import of a zigbee network waits to be taken over", "id", d.ID, "by", r.Header.Get("Hems-By"))
	reply.JSON(w, http.StatusAccepted, struct {
		ID string `json:"id"`
	}{d.ID})
}

// getImport tells how the last import ended.
func (k *kept) getImport(w http.ResponseWriter, _ *http.Request) {
	var state struct {
		Waiting bool            `json:"waiting"`
		Answer  json.RawMessage `json:"answer,omitempty"`
	}
	// The answer last: it is written before what waited is removed.
	_, err := os.Lstat(k.env.Path(importDir, importFile))
	state.Waiting = err == nil
	b, err := readSome(k.env.Path(importDir, importAnswer), maxAnswer)
	if err == nil && json.Valid(b) {
		state.Answer = b
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.env.Log.Warn("the answer to an import cannot be read", "err", err)
	}
	reply.JSON(w, http.StatusOK, state)
}

func readSome(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// putFor writes a file that belongs to a user on a card, in one step: the user's
// process may look at any moment.
func (k *kept) putFor(user int, path string, b []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if k.env.Card {
		if err := f.Chown(user, user); err != nil {
			return err
		}
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
