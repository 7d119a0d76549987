package appliance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// WriteMQTT replaces the broker's password file or access list in one step. On a
// card the broker may read it at once.
func (e Env) WriteMQTT(path string, b []byte) error {
	if err := os.MkdirAll(e.Path("mqtt"), 0o700); err != nil {
		return fmt.Errorf("making the directory for the users of MQTT: %w", err)
	}
	if e.Card { // before there is anything in it
		err := atomicfile.Create(path, nil, 0o600)
		if err == nil {
			err = e.TakeOver("hems-manager")
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return atomicfile.Replace(path, b, 0o600)
}
