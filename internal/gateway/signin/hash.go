package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime/debug"

	"golang.org/x/crypto/argon2"
)

// Params are the costs of argon2id (RFC 9106).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// DefaultParams cost 19 MiB and two passes in one thread: OWASP's smallest
// recommendation, because a Raspberry Pi 3 has 1 GB for everything.
var DefaultParams = Params{Memory: 19 * 1024, Time: 2, Threads: 1}

// Bounds on what a stored hash may ask for, so that a damaged file cannot
// exhaust memory.
const (
	maxMemory  = 256 * 1024 // KiB
	maxTime    = 16
	maxThreads = 8
	saltLen    = 16
	keyLen     = 32
)

// A hash is one stored password.
type hash struct {
	params    Params
	salt, key []byte
}

func newHash(password string, p Params) hash {
	salt := make([]byte, saltLen)
	rand.Read(salt) // never fails: it ends the process instead
	return hash{params: p, salt: salt, key: derive(password, salt, p, keyLen)}
}

func (h hash) matches(password string) bool {
	got := derive(password, h.salt, h.params, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(got, h.key) == 1
}

// derive is argon2id. Its working memory is given back at once: signing in is
// rare, and the collector would keep twice as much of it for hours.
func derive(password string, salt []byte, p Params, length uint32) []byte {
	defer debug.FreeOSMemory()
	return argon2.IDKey([]byte(password), salt, p.Time, p.Memory, p.Threads, length)
}

// String is the PHC form, "$argon2id$v=19$m=19456,t=2,p=1$salt$key".
func (h hash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.params.Memory, h.params.Time, h.params.Threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.key))
}

// MarshalText and UnmarshalText keep a hash in JSON as its PHC form.
func (h hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

func (h *hash) UnmarshalText(text []byte) error {
	got, err := parseHash(string(text))
	if err != nil {
		return err
	}
	*h = got
	return nil
}
