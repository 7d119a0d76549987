package clock

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzMemory: whatever is on the disk, the clock is moved forward only, and not
// beyond the life of the system.
func FuzzMemory(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-24T12:00:00Z"}`), int64(0))
	f.Add([]byte(`{"time":"9999-12-31T23:59:59Z"}`), int64(-1))
	f.Add([]byte(`{"time":"0000-01-01T00:00:00Z"}`), int64(1<<40))
	f.Add([]byte(`[`), int64(-1<<60))
	f.Fuzz(func(t *testing.T, disk []byte, wrong int64) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), disk, 0o600); err != nil {
			t.Fatal(err)
		}
		c := &fake{wrong: time.Duration(wrong % (1 << 61))}
		before := c.Now()
		k := &keeper{Options: Options{Dir: dir, Runtime: t.TempDir(), Built: built, Clock: c, Log: slog.New(slog.DiscardHandler)}}
		k.begin()
		switch after := c.Now(); {
		case after.Before(before):
			t.Errorf("%s: moved from %v back to %v", disk, before, after)
		case after.Before(built):
			t.Errorf("%s: it says %v, before the build", disk, after)
		case after.After(built.Add(life)) && before.Before(built.Add(life-time.Hour)):
			t.Errorf("%s: moved from %v to %v", disk, before, after)
		}
	})
}

// FuzzServer: whatever is written as a server has addresses or an error.
func FuzzServer(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "127.0.0.1:1", "[::1]:123", "::1", "127.0.0.1:70000", ":", "[::1", "127.0.0.1:-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, server string) {
		if _, err := netip.ParseAddr(server); err != nil {
			if _, err := netip.ParseAddrPort(server); err != nil {
				return // a name: nobody is asked here
			}
		}
		k := &keeper{}
		got, err := k.resolve(t.Context(), server)
		if err != nil || len(got) != 1 || !got[0].IsValid() {
			t.Errorf("%q: %v, %v", server, got, err)
		}
	})
}
