package signin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// A seed is the first owner's name and password, left by whoever set the
// appliance up.
type seed struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

func seedPath(dir string) string { return filepath.Join(dir, "seed.json") }

// WriteSeed leaves a seed in the gateway's directory. The gateway consumes it
// when it starts or, when it runs already, within seconds.
func WriteSeed(dir, user, password string) error {
	if err := CheckCredentials(CleanUser(user), password); err != nil {
		return fmt.Errorf("seeding the owner's account: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("seeding the owner's account: %w", err)
	}
	data, err := json.Marshal(seed{User: user, Password: password})
	if err != nil {
		return fmt.Errorf("seeding the owner's account: %w", err)
	}
	return atomicfile.Write(seedPath(dir), append(data, '\n'), 0o600)
}

func readSeed(path string) (seed, error) {
	f, err := os.Open(path)
	if err != nil {
		return seed{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return seed{}, err
	}
	var s seed
	if err := json.Unmarshal(data, &s); err != nil {
		return seed{}, errors.New("it is not JSON of the form {\"user\":…,\"password\":…}") // the decoder's words could quote the password
	}
	return s, CheckCredentials(CleanUser(s.User), s.Password)
}

func removeSeed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting the used seed file: %w", err)
	}
	return nil
}
