package passwd

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// Set gives the user a password, a new user where there is none of that name.
func (f *File) Set(user, password string) error {
	if err := CheckName(user); err != nil {
		return err
	}
	switch {
	case password == "":
		return errors.New("an empty password lets anybody in: give one")
	case len(password) > MaxPassword:
		return fmt.Errorf("the password has more than %d bytes", MaxPassword)
	case !f.Has(user) && len(f.users) == MaxUsers:
		return fmt.Errorf("there are %d users already", MaxUsers)
	}
	h := hash{iterations: Iterations, salt: make([]byte, 12)}
	_, _ = rand.Read(h.salt) // it never fails (crypto/rand)
	h.sum = stretch([]byte(password), h.salt, h.iterations)
	f.set(user, h)
	return nil
}

func stretch(password, salt []byte, iterations int) []byte {
	sum, err := pbkdf2.Key(sha512.New, string(password), salt, iterations, hashSize)
	if err != nil {
		panic(err) // the parameters are ours, or were checked when they were read
	}
	return sum
}

func (h hash) of(password []byte) []byte {
	if h.iterations == 0 {
		sum := sha512.New()
		sum.Write(password)
		sum.Write(h.salt)
		return sum.Sum(nil)
	}
	return stretch(password, h.salt, h.iterations)
}

// cacheSize is how many answers are remembered: more than the devices of a
// house, of right and of wrong ones each.
const cacheSize = 512

// Verifier answers for one File who may sign in. Its methods may be called from
// any goroutine.
//
// An answer is remembered, so that a device that comes back every minute costs
// nothing: by a keyed hash of user and password, whose key is made for this
// Verifier alone and is nowhere else. The password itself is not kept. At most
// two answers are worked out at a time; more would keep everything else waiting
// on a small machine.
type Verifier struct {
	file  *File
	dear  int  // iterations that every answer costs
	dummy hash // for users who do not exist
	key   []byte
	work  chan struct{}

	mu    sync.Mutex
	known [2]map[[sha256.Size]byte]struct{} // wrong, right
}

// NewVerifier answers for f, which must not change any more.
func NewVerifier(f *File) *Verifier {
	v := &Verifier{file: f, dear: Iterations, key: make([]byte, sha256.Size), work: make(chan struct{}, 2)}
	_, _ = rand.Read(v.key) // it never fails (crypto/rand)
	for _, l := range f.lines {
		v.dear = max(v.dear, l.hash.iterations)
	}
	v.dummy = hash{iterations: v.dear, salt: v.key[:12], sum: make([]byte, hashSize)}
	for i := range v.known {
		v.known[i] = map[[sha256.Size]byte]struct{}{}
	}
	return v
}

// Verify tells whether user may sign in with password. What is not remembered
// takes as long for every user, whatever kind of hash, and for one who does not
// exist.
func (v *Verifier) Verify(user string, password []byte) bool {
	if len(password) == 0 || len(password) > MaxPassword || len(user) > MaxName {
		return false // also where a file made elsewhere has the hash of an empty password
	}
	name := v.name(user, password)
	if right, ok := v.recall(name); ok {
		return right
	}
	v.work <- struct{}{}
	defer func() { <-v.work }()
	if right, ok := v.recall(name); ok { // worked out while we waited
		return right
	}
	h := v.dummy
	i, exists := v.file.users[user]
	if exists {
		h = v.file.lines[i].hash
	}
	right := subtle.ConstantTimeCompare(h.of(password), h.sum) == 1 && exists
	if rest := v.dear - h.iterations; rest > 0 {
		stretch(password, v.dummy.salt, rest)
	}
	v.remember(name, right)
	return right
}

// name is what an answer is remembered by.
func (v *Verifier) name(user string, password []byte) (out [sha256.Size]byte) {
	m := hmac.New(sha256.New, v.key)
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(user)))
	m.Write(n[:])
	m.Write([]byte(user))
	m.Write(password)
	m.Sum(out[:0])
	return out
}

func (v *Verifier) recall(name [sha256.Size]byte) (right, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.known[1][name]; ok {
		return true, true
	}
	_, ok = v.known[0][name]
	return false, ok
}

// remember keeps wrong answers apart from right ones, so that a stranger who
// guesses does not make a device pay again.
func (v *Verifier) remember(name [sha256.Size]byte, right bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := v.known[0]
	if right {
		m = v.known[1]
	}
	for old := range m { // any of them: the order of a map is by chance
		if len(m) < cacheSize {
			break
		}
		delete(m, old)
	}
	m[name] = struct{}{}
}
