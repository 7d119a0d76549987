package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/simulator/meter"
	"github.com/smartcore-ireland/hems/internal/simulator/ncp"
	"github.com/smartcore-ireland/hems/internal/simulator/node"
)

// state is everything that outlives the simulator's process.
type state struct {
	Dongle   ncp.Memory   `json:"dongle"`
	Meter    node.Memory  `json:"meter"`
	Register meter.Memory `json:"register"`
}

// keeper holds the state file. With no path it keeps nothing.
type keeper struct {
	path  string
	state state // as it was read
	log   *slog.Logger
}

func openState(path string, log *slog.Logger) (*keeper, error) {
	k := &keeper{path: path, log: log, state: state{Register: meter.Start()}}
	if path == "" {
		return k, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the state file's directory: %w", err)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &k.state)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the simulator's state: %w; remove %s to begin with a dongle and a meter fresh from their boxes", err, path)
	}
	return k, nil
}

// write keeps the state durably. A failure is logged: a dongle whose flash is
// worn out goes on working too.
func (k *keeper) write(s state) {
	if k.path == "" {
		return
	}
	b, err := json.MarshalIndent(s, "", "\t")
	if err == nil {
		err = atomicfile.Write(k.path, append(b, '\n'), 0o600)
	}
	if err != nil {
		k.log.Error("keeping the simulator's state", "problem", err)
	}
}
