package signin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// unclaimed is a door without an owner, on a machine that was powered up a
// minute ago.
func unclaimed(t *testing.T, settings ...func(*Claims)) (*Door, string, *clock) {
	t.Helper()
	dir, c := t.TempDir(), newClock()
	claims := Claims{
		CodeFile: filepath.Join(dir, "claim-code"), Pending: filepath.Join(dir, "pending"),
		SinceBoot: func() time.Duration { return time.Minute },
		Networks: func() []netip.Prefix {
			return []netip.Prefix{netip.MustParsePrefix("2001:db8:1:2::5/64"), netip.MustParsePrefix("203.0.113.5/24")}
		},
	}
	for _, s := range settings {
		s(&claims)
	}
	d, err := Open(Options{Dir: filepath.Join(dir, "gateway"), Log: discard, Clock: c.now, Params: cheap, Claims: claims})
	if err != nil {
		t.Fatal(err)
	}
	return d, dir, c
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWayOfEachVisitor(t *testing.T) {
	for addr, want := range map[string]Way{
		"192.168.1.20":        WayOpen,
		"10.0.2.2":            WayOpen,
		"172.31.255.1":        WayOpen,
		"169.254.7.7":         WayOpen,
		"fd00::1":             WayOpen,
		"fe80::1%eth0":        WayOpen,
		"::ffff:192.168.1.20": WayOpen,
		"2001:db8:1:2::99":    WayOpen, // in this machine's own network
		"2001:db8:1:3::99":    WayElsewhere,
		"203.0.113.9":         WayElsewhere, // beside this machine, but a provider's network
		"172.32.0.1":          WayElsewhere,
		"100.64.0.1":          WayElsewhere,
		"8.8.8.8":             WayElsewhere,
		"::ffff:8.8.8.8":      WayElsewhere,
		"127.0.0.1":           WayElsewhere,
		"::1":                 WayElsewhere,
		"::ffff:127.0.0.1":    WayElsewhere,
		"0.0.0.0":             WayElsewhere,
		"ff02::1":             WayElsewhere,
	} {
		d, _, _ := unclaimed(t)
		if got, _ := d.WayFor(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v, want %v", addr, got, want)
		}
	}
	d, _, _ := unclaimed(t)
	if got, _ := d.WayFor(netip.Addr{}); got != WayElsewhere {
		t.Errorf("no address: got %v, want %v", got, WayElsewhere)
	}
	d, _, _ = unclaimed(t, func(c *Claims) { c.Loopback = true })
	for _, addr := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} {
		if got, _ := d.WayFor(netip.MustParseAddr(addr)); got != WayOpen {
			t.Errorf("%s where loopback counts: got %v, want %v", addr, got, WayOpen)
		}
	}
	d, _, _ = unclaimed(t, func(c *Claims) { c.SinceBoot = nil })
	if got, _ := d.WayFor(home); got != WayLate {
		t.Errorf("power-up unknown: got %v, want %v", got, WayLate)
	}
}

func TestClaimIsOpenForAnHourAfterPowerUp(t *testing.T) {
	up := 59*time.Minute + 59*time.Second
	d, _, _ := unclaimed(t, func(c *Claims) { c.SinceBoot = func() time.Duration { return up } })
	if got, left := d.WayFor(home); got != WayOpen || left != time.Second {
		t.Errorf("a second before the end: got %v for %v, want %v for 1s", got, left, WayOpen)
	}
	up = time.Hour
	if got, _ := d.WayFor(home); got != WayLate {
		t.Errorf("after an hour: got %v, want %v", got, WayLate)
	}
	if err := d.Claim(t.Context(), home, "", "aoife", "a pot of coffee"); !errors.Is(err, ErrNotFromHere) {
		t.Errorf("claiming after an hour: got %v, want %v", err, ErrNotFromHere)
	}
	up = 5 * time.Second // a power cycle
	if err := d.Claim(t.Context(), home, "", "Aoife ", "a pot of coffee"); err != nil {
		t.Fatalf("claiming after a power cycle: %v", err)
	}
	if err := d.Enter(t.Context(), home, "aoife", "a pot of coffee"); err != nil {
		t.Errorf("entering as the owner: %v", err)
	}
	if got, _ := d.WayFor(home); got != WayTaken {
		t.Errorf("once claimed: got %v, want %v", got, WayTaken)
	}
	if err := d.Claim(t.Context(), home, "", "eve", "a pot of poison"); !errors.Is(err, ErrClaimed) {
		t.Errorf("a second claim: got %v, want %v", err, ErrClaimed)
	}
}

func TestClaimByCode(t *testing.T) {
	d, dir, c := unclaimed(t, func(c *Claims) { c.SinceBoot = func() time.Duration { return 100 * time.Hour } })
	file := filepath.Join(dir, "claim-code")
	write(t, file, "K7QM-2XWP\n")
	far := netip.MustParseAddr("203.0.113.9") // the code is enough, from anywhere and at any time
	if got, _ := d.WayFor(far); got != WayCode {
		t.Fatalf("with a code: got %v, want %v", got, WayCode)
	}
	for i := range codeBurst {
		if err := d.Claim(t.Context(), far, "K7QM-2XWQ", "aoife", "a pot of coffee"); !errors.Is(err, ErrCode) {
			t.Fatalf("wrong code %d: got %v, want %v", i+1, err, ErrCode)
		}
	}
	var many *TooManyError
	if err := d.Claim(t.Context(), far, "K7QM-2XWP", "aoife", "a pot of coffee"); !errors.As(err, &many) || many.Wait > codeRefill {
		t.Fatalf("the right code after ten wrong ones: got %v, want to wait up to %v", err, codeRefill)
	}
	c.pass(many.Wait)
	if err := d.Claim(t.Context(), far, "K7QM-2XWP", "aoife", "short"); err == nil || errors.Is(err, ErrCode) {
		t.Fatalf("a short password: got %v, want what is wrong with it", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("the code after a claim that failed: %v", err)
	}
	if err := d.Claim(t.Context(), far, " k7qm 2xwp ", "aoife", "a pot of coffee"); err != nil {
		t.Fatalf("the right code: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the code after the claim: got %v, want it deleted", err)
	}
}

func TestCodeThatCannotBeReadOpensNothing(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, path string){
		"Empty": func(t *testing.T, path string) { write(t, path, " \n") },
		"Folder": func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, dir, _ := unclaimed(t)
			prepare(t, filepath.Join(dir, "claim-code"))
			for _, code := range []string{"", " ", "-"} {
				if err := d.Claim(t.Context(), home, code, "aoife", "a pot of coffee"); err == nil || d.Claimed() {
					t.Errorf("the code %q: got %v, want an error", code, err)
				}
			}
		})
	}
	d, dir, _ := unclaimed(t)
	write(t, filepath.Join(dir, "pending"), "{}")
	if got, _ := d.WayFor(home); got != WayWait {
		t.Errorf("before it is known whether there is a code: got %v, want %v", got, WayWait)
	}
	if err := d.Claim(t.Context(), home, "", "aoife", "a pot of coffee"); !errors.Is(err, ErrNotFromHere) {
		t.Errorf("claiming before it is known: got %v, want %v", err, ErrNotFromHere)
	}
}

func TestOneOfManyClaimsWins(t *testing.T) {
	d, _, _ := unclaimed(t)
	const n = 20
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = d.Claim(context.Background(), home, "", fmt.Sprintf("person%d", i), "a pot of coffee")
		})
	}
	close(start)
	wg.Wait()
	won := 0
	for i, err := range errs {
		switch {
		case err == nil:
			won++
			if d.Enter(t.Context(), home, fmt.Sprintf("person%d", i), "a pot of coffee") != nil {
				t.Errorf("person%d won and cannot enter", i)
			}
		case !errors.Is(err, ErrClaimed):
			t.Errorf("person%d: got %v, want %v", i, err, ErrClaimed)
		}
	}
	if won != 1 || d.accounts.count() != 1 {
		t.Errorf("winners: got %d with %d accounts, want 1 and 1", won, d.accounts.count())
	}
}

func FuzzCleanCode(f *testing.F) {
	f.Add("K7QM-2XWP\n")
	f.Add(" é\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if once := cleanCode(s); cleanCode(once) != once {
			t.Errorf("cleanCode(%q) is %q, which is cleaned further to %q", s, once, cleanCode(once))
		}
	})
}
