// Package passwd is Mosquitto's password file: who may sign in, and the hashes
// of their passwords. It knows the file's form and how a password is compared
// with a hash; it must never know what a user may do, nor that there is MQTT.
//
//	name:$7$<iterations>$<salt>$<hash>   PBKDF2 with SHA-512, read and written
//	name:$6$<salt>$<hash>                SHA-512 of password and salt, read only
package passwd

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
)

// Limits of a file, of a line and of what a hash may cost.
const (
	MaxFile       = 1 << 20 // bytes
	MaxUsers      = 4096
	MaxName       = 256       // bytes
	MaxPassword   = 1024      // bytes: hashing more is work for nothing
	maxIterations = 1_000_000 // a second and more of a Raspberry Pi
	maxSalt       = 256       // bytes
	hashSize      = 64        // bytes, of SHA-512
)

// Iterations are those of a new hash: 13 ms of a PC, many times that of a Raspberry
// Pi 3, whose processor has no instructions for it. It is paid once for each user
// and password that is not remembered, and again for each wrong guess.
const Iterations = 20000

// A hash is what the file has of a password.
type hash struct {
	iterations int // 0: of the old kind, $6$
	salt, sum  []byte
}

// A line is one of the file: a user, or what is kept as it is.
type line struct {
	user string // "" for a comment or an empty line
	hash hash
	text string // without its end
}

// File is a password file in memory. It is not changed by reading it; Set and
// Remove must not run beside anything else.
type File struct {
	lines []line
	users map[string]int // index in lines
}

// An Error is something wrong in a line.
type Error struct {
	Line int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// Parse reads a password file. All that is wrong is told, each an *Error.
func Parse(text []byte) (*File, error) {
	if len(text) > MaxFile {
		return nil, fmt.Errorf("the password file has more than %d bytes", MaxFile)
	}
	f := &File{users: map[string]int{}}
	var errs []error
	n := 0
	for raw := range strings.Lines(string(text)) {
		n++
		l, err := parseLine(strings.TrimRight(raw, "\r\n"))
		if err == nil && l.user != "" {
			switch _, twice := f.users[l.user]; {
			case twice:
				err = fmt.Errorf("the user %.40q is there twice: remove one of the two", l.user)
			case len(f.users) == MaxUsers:
				err = fmt.Errorf("there are more than %d users", MaxUsers)
			}
		}
		if err != nil {
			errs = append(errs, &Error{n, err.Error()})
			continue
		}
		if l.user != "" {
			f.users[l.user] = len(f.lines)
		}
		f.lines = append(f.lines, l)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return f, nil
}

func parseLine(s string) (line, error) {
	if strings.HasPrefix(s, "#") || strings.TrimSpace(s) == "" {
		return line{text: s}, nil
	}
	user, rest, ok := strings.Cut(s, ":")
	if !ok {
		return line{}, errors.New("it is no name and hash with a colon between: make it with hems mqtt user add")
	}
	user = strings.TrimSpace(user)
	if err := CheckName(user); err != nil {
		return line{}, err
	}
	h, err := parseHash(strings.TrimSpace(rest))
	if err != nil {
		return line{}, fmt.Errorf("of the user %.40q: %w", user, err)
	}
	return line{user: user, hash: h, text: s}, nil
}

// CheckName says what is wrong with a user's name.
func CheckName(user string) error {
	switch {
	case user == "":
		return errors.New("the name of a user is missing")
	case len(user) > MaxName:
		return fmt.Errorf("the name of a user has more than %d bytes", MaxName)
	case !utf8.ValidString(user), strings.ContainsFunc(user, func(r rune) bool { return r < ' ' || r == 0x7f || r == ':' }), user[0] == '#', strings.TrimSpace(user) != user:
		return fmt.Errorf("%.40q cannot be a user: a name has no colon, no # at its beginning, and no spaces around it", user)
	}
	return nil
}

func parseHash(s string) (h hash, err error) {
	parts := strings.Split(s, "$")
	switch {
	case len(parts) == 5 && parts[0] == "" && parts[1] == "7":
		if h.iterations, err = strconv.Atoi(parts[2]); err != nil || h.iterations < 1 || h.iterations > maxIterations {
			return h, fmt.Errorf("the number of iterations is not 1 to %d: set the password again", maxIterations)
		}
		parts = parts[3:]
	case len(parts) == 4 && parts[0] == "" && parts[1] == "6":
		parts = parts[2:]
	case s != "" && s[0] != '$':
		return h, errors.New("the password is not hashed: hash the file with mosquitto_passwd -U, or set the password with hems mqtt user add")
	default:
		return h, errors.New("it is no hash of the kind $7$ or $6$: set the password again")
	}
	if h.salt, err = base64.StdEncoding.DecodeString(parts[0]); err != nil || len(h.salt) == 0 || len(h.salt) > maxSalt {
		return h, errors.New("its salt is damaged: set the password again")
	}
	if h.sum, err = base64.StdEncoding.DecodeString(parts[1]); err != nil || len(h.sum) != hashSize {
		return h, errors.New("its hash is damaged: set the password again")
	}
	return h, nil
}

// Load reads the file at path; one that is not there has no users.
func Load(path string) (*File, error) {
	r, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{users: map[string]int{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the password file: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the password file: %w", err)
	}
	f, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading the password file %s: %w", path, err)
	}
	return f, nil
}

// Save replaces the file at path in one step. A file that is there keeps its
// owner and mode; a new one is 0600.
func (f *File) Save(path string) error { return atomicfile.Replace(path, f.Bytes(), 0o600) }

// Bytes is the file's text.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	for _, l := range f.lines {
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// Users are the names in the file, in its order.
func (f *File) Users() []string {
	users := []string{}
	for _, l := range f.lines {
		if l.user != "" {
			users = append(users, l.user)
		}
	}
	return users
}

// Has tells whether the user is in the file.
func (f *File) Has(user string) bool {
	_, ok := f.users[user]
	return ok
}

// Entry is what the file has of the user's password, "" for nobody: it changes
// when the password does.
func (f *File) Entry(user string) string {
	if i, ok := f.users[user]; ok {
		return f.lines[i].hash.String()
	}
	return ""
}

// Remove takes the user out; false: there was none of that name.
func (f *File) Remove(user string) bool {
	i, ok := f.users[user]
	if !ok {
		return false
	}
	f.lines = append(f.lines[:i], f.lines[i+1:]...)
	delete(f.users, user)
	for u, j := range f.users {
		if j > i {
			f.users[u] = j - 1
		}
	}
	return true
}

// SetHash gives the user a password by its hash, as Entry has it.
func (f *File) SetHash(user, entry string) error {
	if err := CheckName(user); err != nil {
		return err
	}
	h, err := parseHash(entry)
	if err != nil {
		return fmt.Errorf("of the user %.40q: %w", user, err)
	}
	if !f.Has(user) && len(f.users) == MaxUsers {
		return fmt.Errorf("there are %d users already", MaxUsers)
	}
	f.set(user, h)
	return nil
}

func (f *File) set(user string, h hash) {
	if f.users == nil {
		f.users = map[string]int{}
	}
	l := line{user: user, hash: h, text: user + ":" + h.String()}
	if i, ok := f.users[user]; ok {
		f.lines[i] = l
		return
	}
	f.users[user] = len(f.lines)
	f.lines = append(f.lines, l)
}

func (h hash) String() string {
	b64 := base64.StdEncoding.EncodeToString
	if h.iterations == 0 {
		return "$6$" + b64(h.salt) + "$" + b64(h.sum)
	}
	return fmt.Sprintf("$7$%d$%s$%s", h.iterations, b64(h.salt), b64(h.sum))
}
