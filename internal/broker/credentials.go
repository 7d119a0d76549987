package broker

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// PasswordFile is where the password of an MQTT user is: one line in
// <secrets>/mqtt-<user>, mode 0600.
func PasswordFile(secrets, user string) string { return filepath.Join(secrets, "mqtt-"+user) }

// ReadPassword reads a user's password.
func ReadPassword(secrets, user string) (string, error) {
	b, err := os.ReadFile(PasswordFile(secrets, user))
	if err != nil {
		return "", fmt.Errorf("reading the MQTT password of %s: %w", user, err)
	}
	password := strings.TrimSpace(string(b))
	if password == "" {
		return "", fmt.Errorf("the MQTT password of %s in %s is empty: delete the file to have a new one made", user, PasswordFile(secrets, user))
	}
	return password, nil
}

// EnsureCredentials generates a password for each user who has none: 32
// hexadecimal characters from the operating system's random source. Where
// several processes do this at once, all read the same passwords afterwards.
func EnsureCredentials(secrets string, users ...string) error {
	if err := os.MkdirAll(secrets, 0o700); err != nil {
		return fmt.Errorf("making the MQTT passwords: %w", err)
	}
	for _, user := range users {
		file := PasswordFile(secrets, user)
		if _, err := os.Stat(file); err == nil {
			continue
		}
		var random [16]byte
		if _, err := rand.Read(random[:]); err != nil {
			return fmt.Errorf("making the MQTT password of %s: %w", user, err)
		}
		err := atomicfile.Create(file, []byte(hex.EncodeToString(random[:])+"\n"), 0o600)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making the MQTT password of %s: %w", user, err)
		}
	}
	return nil
}

// signedIn tells whether user may sign in with password. It takes as long for a
// user who does not exist.
func (b *Broker) signedIn(user string, password []byte) bool {
	_, known := b.opt.Users[user]
	want := ""
	if known {
		var err error
		if want, err = ReadPassword(b.opt.Secrets, user); err != nil {
			b.log.Error("an MQTT user cannot sign in", "error", err)
			known = false
		}
	}
	a, z := sha256.Sum256([]byte(want)), sha256.Sum256(password)
	return subtle.ConstantTimeCompare(a[:], z[:]) == 1 && known
}
