// Package seed takes over, once, what a card was given when it was written: its
// host name, its time zone, a key for the tailnet, the owner's claim code. It
// knows the form of seed.json and where each value goes, and must never know who
// uses it.
package seed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/hemsyaml"
)

// Where things are, under the data directory.
const (
	File    = "seed.json"
	Refused = "seed.json.refused" // one that could not be used
	secrets = "secrets"

	TailnetKey = "tailnet-auth-key" // under secrets
	ClaimCode  = "claim-code"       // under secrets
)

// maxSeed bounds seed.json, in bytes.
const maxSeed = 16 << 10

// MinCode is the least number of characters of a claim code, without hyphens and
// spaces, and MaxCode the greatest number of its bytes.
const (
	MinCode = 8
	MaxCode = 128
)

// Seed is seed.json; each value may be missing.
type Seed struct {
	HostName       string `json:"host_name,omitempty"`
	TimeZone       string `json:"time_zone,omitempty"`
	TailnetAuthKey string `json:"tailnet_auth_key,omitempty"`
	// TailnetControlURL is a headscale's address; empty: the key is Tailscale's.
	TailnetControlURL string `json:"tailnet_control_url,omitempty"`
	ClaimCode         string `json:"claim_code,omitempty"`
}

// ErrBad is of a seed that cannot be used; it says what is wrong and never
// quotes a secret.
var ErrBad = errors.New("seed.json cannot be used")

// Options are what Take needs.
type Options struct {
	Data   string         // the data directory
	Config *hemsyaml.File // takes host name and time zone
	Log    *slog.Logger
}

// Take uses the seed if there is one. It is deleted only when all of it is where
// it belongs, so that a power cut before that begins anew, with the same result.
// One that cannot be used is set aside as Refused, whole, for who wrote it to
// see. taken says whether there was one that is used now.
func Take(o Options) (taken bool, err error) {
	path := filepath.Join(o.Data, File)
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var s Seed
	if err == nil {
		s, err = Parse(text)
	}
	if err == nil {
		err = s.use(o)
	}
	if errors.Is(err, ErrBad) {
		return false, errors.Join(err, setAside(o.Data))
	}
	if err != nil {
		return false, fmt.Errorf("taking over seed.json: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return false, fmt.Errorf("deleting the used seed.json: %w", err)
	}
	o.Log.Info("the card's seed was taken over", "host_name", s.HostName, "time_zone", s.TimeZone,
		"tailnet", s.TailnetAuthKey != "", "claim_code", s.ClaimCode != "")
	return true, nil
}

func read(path string) ([]byte, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is no file", ErrBad)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSeed+1))
	if err == nil && len(b) > maxSeed {
		err = fmt.Errorf("%w: it has more than %d bytes", ErrBad, maxSeed)
	}
	return b, err
}

func setAside(data string) error {
	aside := filepath.Join(data, Refused)
	if err := os.Rename(filepath.Join(data, File), aside); err != nil {
		return fmt.Errorf("setting the seed aside: %w", err)
	}
	if fi, err := os.Lstat(aside); err == nil && fi.Mode().IsRegular() {
		return os.Chmod(aside, 0o600)
	}
	return nil
}

// Parse reads and checks a seed: every key is known, every value is one that
// can be used. The error is ErrBad.
func Parse(text []byte) (s Seed, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return s, fmt.Errorf("%w: it has the unknown key %.40s", ErrBad, key)
		}
		return s, fmt.Errorf(`%w: it is not JSON of the form {"host_name":"…","time_zone":"…","tailnet_auth_key":"…","claim_code":"…"}`, ErrBad)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return s, fmt.Errorf("%w: something follows the JSON", ErrBad)
	}
	s.ClaimCode, s.TailnetAuthKey = strings.TrimSpace(s.ClaimCode), strings.TrimSpace(s.TailnetAuthKey)
	return s, s.Check()
}

var (
	label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	zone  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$`)
	other = regexp.MustCompile(`^[A-Za-z0-9_-]{16,200}$`) // headscale's
	key   = regexp.MustCompile(`^tskey-[A-Za-z0-9_-]{8,200}(\?[A-Za-z0-9_=&-]{1,100})?$`)
)

// Check says what an appliance would refuse of the seed, without quoting a secret.
// The error is an ErrBad.
func (s Seed) Check() error {
	switch {
	case s.HostName != "" && !label.MatchString(s.HostName):
		return fmt.Errorf("%w: host_name is %.80q: give one name of a-z, 0-9 and -, such as hems", ErrBad, s.HostName)
	case s.TimeZone != "" && !isZone(s.TimeZone):
		return fmt.Errorf("%w: time_zone is %.80q: give one such as Europe/Dublin", ErrBad, s.TimeZone)
	case s.TailnetControlURL != "" && s.TailnetAuthKey == "":
		return fmt.Errorf("%w: tailnet_control_url without a tailnet_auth_key", ErrBad)
	case s.TailnetControlURL != "" && !other.MatchString(s.TailnetAuthKey):
		return fmt.Errorf("%w: tailnet_auth_key is no key of a headscale", ErrBad)
	case s.TailnetControlURL == "" && s.TailnetAuthKey != "" && !key.MatchString(s.TailnetAuthKey):
		return fmt.Errorf("%w: tailnet_auth_key is no key of a tailnet, which begins with tskey-; for headscale's give tailnet_control_url too", ErrBad)
	case s.ClaimCode != "" && !isCode(s.ClaimCode):
		return fmt.Errorf("%w: claim_code is not %d characters or more on one line", ErrBad, MinCode)
	}
	return nil
}

// isCode says whether a code is long enough to be no guess and can be typed.
func isCode(s string) bool {
	counted := strings.NewReplacer("-", "", " ", "").Replace(s)
	return utf8.RuneCountInString(counted) >= MinCode && len(s) <= MaxCode && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func isZone(name string) bool {
	if len(name) > 64 || !zone.MatchString(name) || name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

// use puts each value where it belongs.
func (s Seed) use(o Options) error {
	var changes []hemsyaml.Change
	for _, c := range []hemsyaml.Change{{Path: "home.host_name", Value: s.HostName}, {Path: "home.time_zone", Value: s.TimeZone},
		{Path: "tailnet.control_url", Value: s.TailnetControlURL}} {
		if c.Value != "" {
			changes = append(changes, c)
		}
	}
	if s.TailnetAuthKey != "" {
		changes = append(changes, hemsyaml.Change{Path: "tailnet.enabled", Value: true})
	}
	if len(changes) > 0 {
		err := o.Config.Set("the card's seed", changes...)
		var invalid *hemsyaml.Invalid
		if errors.As(err, &invalid) || errors.Is(err, hemsyaml.ErrPath) {
			return fmt.Errorf("%w: %w", ErrBad, err)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range []struct{ name, value string }{{TailnetKey, s.TailnetAuthKey}, {ClaimCode, s.ClaimCode}} {
		if f.value == "" {
			continue
		}
		dir := filepath.Join(o.Data, secrets)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := atomicfile.Write(filepath.Join(dir, f.name), []byte(f.value+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}
