package signin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Errors of a claim, beside those of Enter.
var (
	// ErrClaimed means that the appliance has an owner: somebody was faster.
	ErrClaimed = errors.New("this appliance has an owner already")
	// ErrCode means that the claim code was wrong.
	ErrCode = errors.New("that is not the claim code")
	// ErrNotFromHere means that this visitor may not claim, or not any more.
	ErrNotFromHere = errors.New("this appliance cannot be claimed from here now")
)

// ClaimTime is how long after power-up an appliance without a claim code can be
// claimed.
const ClaimTime = time.Hour

// Wrong claim codes from one address: ten at once, then one every two minutes.
// All addresses together are bounded as passwords are.
const (
	codeBurst  = 10
	codeRefill = 2 * time.Minute
)

// maxCode bounds the file with the code, in bytes.
const maxCode = 256

// Claims says how an appliance without an owner gets one: by the code that was
// put on its card or, where there is none, by being the first to come from the
// home's own network soon after power-up.
type Claims struct {
	CodeFile  string                // holds the code; "" or a file that is not there: none
	Pending   string                // while this file is there, whether there is a code is not known yet
	SinceBoot func() time.Duration  // time since power-up; nil: without a code nobody may claim
	Loopback  bool                  // this machine's own programs count as the home's network
	Networks  func() []netip.Prefix // the networks this machine is in; nil: none
}

// A Way is how a visitor may claim the appliance.
type Way int

// The ways of a visitor.
const (
	WayTaken     Way = iota // not at all: it has an owner
	WayCode                 // with the code
	WayOpen                 // freely, for a while
	WayLate                 // from here, but not any more before a power cycle
	WayElsewhere            // not from here, but from the home's network
	WayWait                 // in a moment: the appliance is still setting itself up
)

// WayFor says how a visitor from addr may claim, and for how long that is open
// when it is WayOpen.
func (d *Door) WayFor(addr netip.Addr) (Way, time.Duration) {
	if d.Claimed() {
		return WayTaken, 0
	}
	if exists(d.claims.Pending) {
		return WayWait, 0
	}
	if exists(d.claims.CodeFile) {
		return WayCode, 0
	}
	left := time.Duration(0)
	if d.claims.SinceBoot != nil {
		left = ClaimTime - d.claims.SinceBoot()
	}
	switch {
	case !d.claims.local(addr):
		return WayElsewhere, 0
	case left <= 0:
		return WayLate, 0
	}
	return WayOpen, left
}

// exists says whether a file is there. One that cannot be looked at counts as
// being there: the doubt must not open the door.
func exists(path string) bool {
	if path == "" {
		return false
	}
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// local reports whether addr is in the home's own network: a private, unique
// local or link-local address, or one in the same IPv6 network as this machine
// (a phone prefers such an address where the provider gives one).
func (c Claims) local(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	switch {
	case !addr.IsValid() || addr.IsMulticast() || addr.IsUnspecified():
		return false
	case addr.IsLoopback():
		return c.Loopback
	case addr.IsPrivate() || addr.IsLinkLocalUnicast():
		return true
	}
	if !addr.Is6() || c.Networks == nil {
		return false
	}
	for _, n := range c.Networks() {
		if n.Addr().Is6() && n.Bits() >= 64 && n.Masked().Contains(addr) {
			return true
		}
	}
	return false
}

// Claim makes the owner's account for a visitor from addr, on disk before it
// returns nil, and deletes the code, which is of no use any more. The errors are
// ErrClaimed, ErrCode, ErrNotFromHere, those of Enter, or, for the person who
// chose them, what is wrong with the name or the password.
func (d *Door) Claim(ctx context.Context, addr netip.Addr, code, user, password string) error {
	way, _ := d.WayFor(addr)
	switch way {
	case WayTaken:
		return ErrClaimed
	case WayOpen:
	case WayCode:
		if err := d.checkCode(addr, code); err != nil {
			return err
		}
	default:
		return ErrNotFromHere
	}
	if err := d.accounts.first(ctx, user, password); err != nil {
		return err
	}
	if way == WayCode {
		if err := os.Remove(d.claims.CodeFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.log.Info("the used claim code is left to the manager to delete", "err", err)
		}
	}
	d.log.Info("the appliance was claimed", "user", CleanUser(user), "address", addr)
	return nil
}

// checkCode counts a try and judges it, in a time that does not depend on how
// much of the code was right.
func (d *Door) checkCode(addr netip.Addr, code string) error {
	if wait := d.codes.take(addr); wait > 0 {
		return &TooManyError{Wait: wait}
	}
	want, err := readCode(d.claims.CodeFile)
	if err != nil {
		d.codes.giveBack(addr) // not judged, so not counted
		return err
	}
	a, b := sha256.Sum256([]byte(cleanCode(code))), sha256.Sum256([]byte(want))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return ErrCode
	}
	d.codes.giveBack(addr)
	return nil
}

func readCode(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCode))
	if err != nil {
		return "", err
	}
	code := cleanCode(string(b))
	if code == "" {
		return "", errors.New("the file with the claim code is empty: write the card again, or delete the file to claim without a code")
	}
	return code, nil
}

// cleanCode is the form in which codes are compared: as they are read from paper
// and typed on a phone, in either case, with or without what divides them.
func cleanCode(code string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -\t\r\n", r) {
			return -1
		}
		return r
	}, code))
}
