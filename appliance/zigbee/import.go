package zigbee

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/zigbee/bridge"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
)

// takeImport takes the import that waits over, if there is one. One that is
// refused leaves everything as it was; its answer says why, and so does the note,
// which the appliance's health shows until the coordinator starts again.
func takeImport(env appliance.Env, state *statefile.File) (note health.Report, err error) {
	answer, ok, err := migrate.Take(state, CheckState)
	switch {
	case err != nil:
		return note, err
	case !ok:
	case answer.OK:
		env.Log.Warn(answer.Message, "kept", answer.Kept, "notes", answer.Notes)
	default:
		env.Log.Error("an import was refused; nothing was changed", "err", answer.Message, "hint", answer.Hint)
		note.Message = "an import of another program's network was refused and nothing was changed: " + answer.Message
		note.Hint = cmp.Or(answer.Hint, "make the import again with hems import, and read what it says")
	}
	return note, nil
}

// awaitImport reports true as soon as an import waits, false when ctx has ended.
func awaitImport(ctx context.Context, env appliance.Env) bool {
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if migrate.Waiting(env.Path("zigbee")) {
				return true
			}
		}
	}
}

// CheckState is why this process could not work with a state, or nil. Nothing of
// the state is changed, and nothing is connected to.
func CheckState(state *statefile.File) error {
	n, err := network.New(network.Options{State: state, Dial: func(context.Context) (io.ReadWriteCloser, error) {
		return nil, errors.New("this network is only looked at")
	}})
	if err != nil {
		return err
	}
	_, err = bridge.New(bridge.Options{Network: n, State: state, Dir: filepath.Dir(state.Path())})
	return err
}
