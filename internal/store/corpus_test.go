package store

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smartcore-ireland/hems/internal/store/pages"
)

// TestCorpus is the table of what can be wrong with the files, and of what comes
// of it.
func TestCorpus(t *testing.T) {
	w := newWorld(t, 12, 30)
	edit := func(t *testing.T, path string, f func(b []byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, f(b), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	do := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	page := func(b []byte, n int) []byte { return b[(n-1)*pages.Size:][:pages.Size] }
	for _, c := range []struct {
		name    string
		withLog bool
		damage  func(t *testing.T, path string)
		// What comes of it: nothing is lost; some is, and it is told of when; or
		// all is. Salvaged: a new file was begun.
		want     string
		salvaged bool
	}{
		{"Untouched", false, func(*testing.T, string) {}, "all", false},
		{"UntouchedWithLog", true, func(*testing.T, string) {}, "all", false},
		{"IndexOfLogIsGarbage", true, func(t *testing.T, path string) {
			do(t, os.WriteFile(path+"-shm", bytes.Repeat([]byte("garbage "), 4096), 0o600))
		}, "all", false},
		{"StateIsGarbage", false, func(t *testing.T, path string) {
			do(t, os.WriteFile(path+".state", []byte("{garbage"), 0o600))
		}, "all", false},
		{"StateAndFirstPageAreGarbage", false, func(t *testing.T, path string) {
			do(t, os.WriteFile(path+".state", []byte("{garbage"), 0o600))
			edit(t, path, func(b []byte) []byte { clear(page(b, 1)); return b })
		}, "readings", true},
		{"FirstPageIsZero", false, func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte { clear(page(b, 1)); return b })
		}, "all", true},
		{"HeaderIsZero", false, func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte { clear(b[:100]); return b })
		}, "all", true},
		{"PageSizeInHeader", false, func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte { b[16] = 0x40; return b })
		}, "all", true},
		{"FreeListIsNonsense", false, func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte {
				binary.BigEndian.PutUint32(b[32:], 77777)
				binary.BigEndian.PutUint32(b[36:], 5)
				return b
			})
		}, "all", true},
		{"LogDamagedInItsMiddle", true, func(t *testing.T, path string) {
			edit(t, path+"-wal", func(b []byte) []byte { b[32+7*(24+pages.Size)+999] ^= 4; return b })
		}, "readings", true},
		{"LogWithoutItsHeader", true, func(t *testing.T, path string) {
			edit(t, path+"-wal", func(b []byte) []byte { clear(b[:32]); return b })
		}, "readings", true},
		{"FileAfterItsLogWasSetAside", true, func(t *testing.T, path string) {
			// A power cut between the two renames.
			do(t, os.Rename(path, path+salvageSuffix+"20261121T000000.000Z"))
		}, "all", true},
		{"BothSetAside", true, func(t *testing.T, path string) {
			for _, suffix := range []string{"", "-wal"} {
				do(t, os.Rename(path+suffix, path+salvageSuffix+"20261121T000000.000Z"+suffix))
			}
		}, "all", true},
		{"Link", false, func(t *testing.T, path string) {
			do(t, os.Rename(path, path+".elsewhere"))
			do(t, os.Symlink("hems.db.elsewhere", path))
		}, "all", false},
		{"DamagedBehindALink", false, func(t *testing.T, path string) {
			do(t, os.Rename(path, path+".elsewhere"))
			do(t, os.Symlink("hems.db.elsewhere", path))
			edit(t, path, func(b []byte) []byte { clear(page(b, 1)); return b })
		}, "all", true},
		{"CutInHalf", false, func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte { return b[:len(b)/2] })
		}, "some", true},
		{"CutInAPage", false, func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte { return b[:len(b)-1000] })
		}, "some", true},
		{"NoDatabase", false, func(t *testing.T, path string) {
			do(t, os.WriteFile(path, []byte(strings.Repeat("a letter to the editor\n", 5000)), 0o600))
		}, "nothing", true},
		{"Zeros", false, func(t *testing.T, path string) {
			edit(t, path, func(b []byte) []byte { clear(b); return b })
		}, "nothing", true},
		{"Empty", false, func(t *testing.T, path string) { do(t, os.Truncate(path, 0)) }, "nothing", true},
		{"Gone", false, func(t *testing.T, path string) { do(t, os.Remove(path)) }, "nothing", true},
		{"Directory", false, func(t *testing.T, path string) {
			do(t, os.Remove(path))
			do(t, os.MkdirAll(filepath.Join(path, "deep"), 0o700))
		}, "nothing", true},
		{"AnotherDatabase", false, func(t *testing.T, path string) {
			edit(t, path, func([]byte) []byte { return otherDatabase(t) })
		}, "nothing", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := w.put(t, c.withLog)
			c.damage(t, path)
			if c.want == "nothing" {
				w.begunAnew(t, path, c.salvaged)
				return
			}
			o := w.live(t, path)
			if got := o.check.Salvage != nil; got != c.salvaged {
				t.Errorf("a new file was begun: got %v, want %v; %s", got, c.salvaged, o.log)
			}
			switch lost := len(o.lost); {
			case c.want == "all" && (lost > 0 || o.lostText > 0):
				t.Errorf("%d readings and %d texts are lost", lost, o.lostText)
			case c.want == "readings" && lost > 0:
				t.Errorf("%d readings are lost", lost)
			case c.want == "some" && (lost == 0 || lost == len(w.truth)):
				t.Errorf("%d of %d readings are lost", lost, len(w.truth))
			}
			if left := (&Store{path: path}).sources(); len(left) != 0 {
				t.Errorf("%v still wait to be taken over", left)
			}
		})
	}
}

// begunAnew fails the test unless a store opens where nothing is left, and works.
func (w *world) begunAnew(t *testing.T, path string, told bool) {
	t.Helper()
	s := open(t, path, Options{Now: w.clock.now})
	id := register(t, s, "p", "W")
	appendAll(t, s, at("p", 0, 1))
	commit(t, s)
	settle(s)
	if got := allSamples(t, reader(t, path), id); len(got) != 1 {
		t.Errorf("got %d readings, want the new one", len(got))
	}
	if got := s.Check().Salvage; (got != nil && !got.Ended.IsZero() && got.Saved == 0) != told {
		t.Errorf("it is told: got %+v, want %v", got, told)
	}
}

// otherDatabase is a sound SQLite database with tables of the same names that
// are something else.
func otherDatabase(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.db")
	s := open(t, path, Options{})
	for _, q := range []string{`DROP TABLE block`, `DROP TABLE cursor`, `CREATE TABLE cursor (x, y, z)`,
		`CREATE TABLE block (data TEXT)`, `INSERT INTO block VALUES ('x')`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
		if _, err := s.db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	s.db.Close()
	s.db = nil
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever a few bytes are changed to, opening ends, no value is wrong, nothing
// is sent twice, and what is missing is told of.
func FuzzDamage(f *testing.F) {
	w := newWorld(f, 3, 4)
	f.Add(uint32(0), uint64(0), false, uint32(0), uint16(0))
	f.Add(uint32(100), uint64(0xff), false, uint32(5000), uint16(600))
	f.Add(uint32(40000), uint64(1), true, uint32(9000), uint16(1))
	f.Fuzz(func(t *testing.T, at uint32, change uint64, inLog bool, zeroAt uint32, zeros uint16) {
		path := w.put(t, inLog)
		file := path
		if inLog {
			file += "-wal"
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			b[(int(at)+i)%len(b)] ^= byte(change >> (8 * i))
		}
		from := int(zeroAt) % len(b)
		clear(b[from:min(from+int(zeros)%pages.Size, len(b))])
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		w.live(t, path)
	})
}
