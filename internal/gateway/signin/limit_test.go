package signin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestAddressThatFailsOftenMustWait(t *testing.T) {
	d, _, c := seeded(t)
	for i := range addressBurst {
		if err := d.Enter(context.Background(), home, "owner", "wrong"); !errors.Is(err, ErrRefused) {
			t.Fatalf("attempt %d: got %v, want %v", i+1, err, ErrRefused)
		}
	}
	err := d.Enter(context.Background(), home, "owner", "a cup of tea")
	var many *TooManyError
	if !errors.As(err, &many) || !errors.Is(err, ErrTooMany) || many.Wait <= 0 || many.Wait > addressRefill {
		t.Fatalf("attempt %d with the right password: got %v, want to wait up to %v", addressBurst+1, err, addressRefill)
	}
	if err := d.Enter(context.Background(), netip.MustParseAddr("192.168.1.21"), "owner", "a cup of tea"); err != nil {
		t.Errorf("another address: got %v, want to enter", err)
	}
	c.pass(many.Wait)
	if err := d.Enter(context.Background(), home, "owner", "a cup of tea"); err != nil {
		t.Errorf("after waiting: got %v, want to enter", err)
	}
}

func TestRightPasswordsAreNotCounted(t *testing.T) {
	d, _, _ := seeded(t)
	for i := range 3 * addressBurst {
		if err := d.Enter(context.Background(), home, "owner", "a cup of tea"); err != nil {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
	}
}

func TestManyAddressesTogetherMustWait(t *testing.T) {
	d, _, c := seeded(t)
	var err error
	for i := range globalBurst + 1 {
		err = d.Enter(context.Background(), netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}), "owner", "wrong")
	}
	if !errors.Is(err, ErrTooMany) {
		t.Fatalf("attempt %d: got %v, want %v", globalBurst+1, err, ErrTooMany)
	}
	c.pass(globalRefill)
	if err := d.Enter(context.Background(), home, "owner", "a cup of tea"); err != nil {
		t.Errorf("after %v: got %v, want to enter", globalRefill, err)
	}
}

func TestNetworkIsWhatOneVisitorHas(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.168.1.20", "192.168.1.20", true},
		{"192.168.1.20", "192.168.1.21", false},
		{"192.168.1.20", "::ffff:192.168.1.20", true},
		{"2001:db8::1", "2001:db8::ffff:1", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		got := network(netip.MustParseAddr(tt.a)) == network(netip.MustParseAddr(tt.b))
		if got != tt.same {
			t.Errorf("%s and %s are one visitor: got %v, want %v", tt.a, tt.b, got, tt.same)
		}
	}
	if got := network(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address: got %v, want the zero prefix", got)
	}
}

func TestLimiterForgetsBeyondItsBound(t *testing.T) {
	c := newClock()
	l := newLimiter(c.now)
	for i := range maxAddresses + 100 {
		l.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		l.all = bucket{} // this test is not about everybody together
	}
	if got := len(l.byAddr); got > maxAddresses {
		t.Errorf("addresses remembered: got %d, want at most %d", got, maxAddresses)
	}
}

func TestVerificationWaitsItsTurn(t *testing.T) {
	d, _, _ := seeded(t)
	d.accounts.turn <- struct{}{} // someone else is being verified
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	for i := range 2 * addressBurst { // and is not counted as a failure meanwhile
		if err := d.Enter(ctx, home, "owner", "a cup of tea"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("attempt %d: got %v, want %v", i+1, err, context.DeadlineExceeded)
		}
	}
	<-d.accounts.turn
	if err := d.Enter(context.Background(), home, "owner", "a cup of tea"); err != nil {
		t.Errorf("with the turn free: %v", err)
	}
}

func TestParseHash(t *testing.T) {
	good := newHash("tea", cheap).String()
	if h, err := parseHash(good); err != nil || !h.matches("tea") || h.matches("coffee") {
		t.Fatalf("parseHash(%q): got %v, want a hash of tea alone", good, err)
	}
	for name, s := range map[string]string{
		"Empty":         "",
		"OtherKind":     "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw",
		"OtherVersion":  "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw",
		"HugeMemory":    "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw",
		"NoTime":        "$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw",
		"ShortSalt":     "$argon2id$v=19$m=64,t=1,p=1$c2E$a2V5a2V5a2V5a2V5a2V5aw",
		"ShortKey":      "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5",
		"NotBase64":     "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$%%%%",
		"CostsMissing":  "$argon2id$v=19$m=64$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw",
		"NegativeCosts": "$argon2id$v=19$m=-64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseHash(s); !errors.Is(err, errHash) {
				t.Errorf("got %v, want %v", err, errHash)
			}
		})
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(newHash("tea", cheap).String())
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5aw")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHash(s)
		if err != nil {
			return
		}
		again, err := parseHash(h.String())
		if err != nil {
			t.Fatalf("parseHash(%q) gave %q, which is refused: %v", s, h, err)
		}
		if got, want := fmt.Sprint(again), fmt.Sprint(h); got != want {
			t.Errorf("read again: got %s, want %s", got, want)
		}
	})
}

// BenchmarkVerify is what one sign-in costs with the real parameters.
func BenchmarkVerify(b *testing.B) {
	h := newHash("a cup of tea", DefaultParams)
	b.ReportAllocs()
	for b.Loop() {
		h.matches("a cup of tea")
	}
}
