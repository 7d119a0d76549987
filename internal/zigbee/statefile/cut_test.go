package statefile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// cutDisk loses power after so many operations: every one after that fails.
type cutDisk struct {
	osDisk
	left  int // operations until the cut, when positive
	cut   bool
	steps int
}

var errCut = errors.New("no power")

func (d *cutDisk) step() error {
	d.steps++
	if d.left > 0 {
		d.left--
		d.cut = d.left == 0
		return nil
	}
	if d.cut {
		return errCut
	}
	return nil
}

func (d *cutDisk) do(f func() error) error {
	if err := d.step(); err != nil {
		return err
	}
	return f()
}

func (d *cutDisk) write(path string, b []byte) error {
	return d.do(func() error { return d.osDisk.write(path, b) })
}
func (d *cutDisk) link(a, b string) error {
	return d.do(func() error { return d.osDisk.link(a, b) })
}
func (d *cutDisk) rename(a, b string) error {
	return d.do(func() error { return d.osDisk.rename(a, b) })
}
func (d *cutDisk) remove(p string) error {
	return d.do(func() error { return d.osDisk.remove(p) })
}
func (d *cutDisk) syncDir(p string) error {
	return d.do(func() error { return d.osDisk.syncDir(p) })
}

// The files of an earlier release.
var before = map[string]string{
	"network.json": `{"version":1,"channel":15,"network_key":"00112233445566778899aabbccddeeff"}`,
	"devices.json": `{"version":1,"devices":[{"eui64":"0x0015bc003f000001"},{"eui64":"0x0015bc003f000002"}]}`,
	"names.json":   `{"0x0015bc003f000001":"meter"}`,
}

// house is a directory of an earlier release's files.
func house(t *testing.T, files map[string]string) (path string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	return filepath.Join(dir, Name)
}

// inside is what matters of a state.
func inside(t *testing.T, f *File) map[string]any {
	t.Helper()
	got := map[string]any{}
	for _, s := range []string{Network, Devices, Names, Groups} {
		var v any
		if ok, err := f.Get(s, &v); err != nil {
			t.Fatal(err)
		} else if ok {
			got[s] = v
		}
	}
	return got
}

var taken = map[string]any{
	Network: map[string]any{"channel": 15.0, "network_key": "00112233445566778899aabbccddeeff"},
	Devices: []any{map[string]any{"eui64": "0x0015bc003f000001"}, map[string]any{"eui64": "0x0015bc003f000002"}},
	Names:   map[string]any{"0x0015bc003f000001": "meter"},
}

func TestTakesOverTheFilesOfAnEarlierRelease(t *testing.T) {
	path := house(t, before)
	dir := filepath.Dir(path)
	f := open(t, path)
	if diff := cmp.Diff(taken, inside(t, f)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := len(f.Notes()); got != len(before) {
		t.Errorf("%d notes: %q", got, f.Notes())
	}
	for name, content := range before { // an update that is rolled back finds them
		for _, p := range []string{name, name + migratedSuffix} {
			if got := read(t, filepath.Join(dir, p)); got != content {
				t.Errorf("%s: got %s", p, got)
			}
		}
	}
	if err := f.Put(Names, map[string]string{"0x0015bc003f000001": "renamed"}); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	if got := get[map[string]string](t, f, Names)["0x0015bc003f000001"]; got != "renamed" {
		t.Errorf("the second start took the old name again: %q", got)
	}
	if len(f.Notes()) > 0 {
		t.Errorf("the second start has to say %q", f.Notes())
	}
	// A day later nobody goes back.
	was := get[record](t, f, takenOver)
	was.At = was.At.Add(-keepFor)
	if err := f.Put(takenOver, was); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	for name, content := range before {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
		if got := read(t, filepath.Join(dir, name+migratedSuffix)); got != content {
			t.Errorf("%s%s: got %s", name, migratedSuffix, got)
		}
	}
	if ok, err := f.Get(takenOver, new(any)); ok || err != nil {
		t.Errorf("the record is still there: %v", err)
	}
	if got := get[map[string]string](t, open(t, path), Names)["0x0015bc003f000001"]; got != "renamed" {
		t.Errorf("got %q", got)
	}
}

func TestAnUpdateThatWasRolledBack(t *testing.T) {
	path := house(t, before)
	f := open(t, path)
	if err := f.Put(Groups, []int{1}); err != nil {
		t.Fatal(err)
	}
	// The earlier release runs again, and gives a name.
	if err := (osDisk{}).write(filepath.Join(filepath.Dir(path), "names.json"), []byte(`{"0x0015bc003f000001":"new"}`)); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	want := maps.Clone(taken)
	want[Names], want[Groups] = map[string]any{"0x0015bc003f000001": "new"}, []any{1.0}
	if diff := cmp.Diff(want, inside(t, f)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := len(f.Notes()); got != 1 {
		t.Errorf("%q, want one note", f.Notes())
	}
}

func TestFilesOfAnotherTimeAreNotUsed(t *testing.T) {
	path := house(t, nil)
	if err := open(t, path).Put(Names, map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(filepath.Dir(path), "names.json")
	write(t, old, `{"a":"c"}`)
	f := open(t, path)
	if got := get[map[string]string](t, f, Names)["a"]; got != "b" {
		t.Errorf("got %q", got)
	}
	if got := read(t, old+ignoredSuffix); got != `{"a":"c"}` {
		t.Errorf("got %s", got)
	}
	if len(f.Notes()) != 1 {
		t.Errorf("got %q", f.Notes())
	}
}

func TestEarlierFilesThatMakeNoSense(t *testing.T) {
	for name, tt := range map[string]struct {
		file, content, want string
		taken               bool
	}{
		"NetworkCutShort":    {"network.json", `{"version":1,"network_key":"0011`, "cannot be read", false},
		"NetworkOfLaterForm": {"network.json", `{"version":9}`, "form 9", false},
		"NetworkWithoutForm": {"network.json", `{}`, "cannot be read", false},
		"DevicesOfLaterForm": {"devices.json", `{"version":9}`, "form 9", false},
		"DevicesCutShort":    {"devices.json", `{"version":1,`, "", true},
		"NamesCutShort":      {"names.json", `{"0x`, "cannot be read", false},
		"NamesAreNone":       {"names.json", `[]`, "cannot be read", false},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(before)
			files[tt.file] = tt.content
			path := house(t, files)
			old := filepath.Join(filepath.Dir(path), tt.file)
			f, err := Open(path)
			if tt.taken {
				if err != nil {
					t.Fatal(err)
				}
				if got := read(t, old+unreadableSuffix); got != tt.content {
					t.Errorf("it was not kept: %q", got)
				}
				if got := inside(t, f); len(got) != 2 {
					t.Errorf("got %v", got)
				}
				return
			}
			var own *Error
			if !errors.As(err, &own) || own.Hint() == "" || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), old) {
				t.Errorf("got %v, want %q, the path and a hint", err, tt.want)
			}
			if got := read(t, old); got != tt.content {
				t.Errorf("it was changed: %q", got)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s was written: %v", path, err)
			}
		})
	}
}

// The power goes after each operation of taking over, and of putting away a day
// later; whatever is on the disk then, nothing is lost.
func TestPowerCutsWhileTakingOver(t *testing.T) {
	aDayLater := func(t *testing.T, path string) {
		f := open(t, path)
		was := get[record](t, f, takenOver)
		was.At = was.At.Add(-keepFor)
		if err := f.Put(takenOver, was); err != nil {
			t.Fatal(err)
		}
	}
	for name, prepare := range map[string]func(*testing.T, string){"First": func(*testing.T, string) {}, "Later": aDayLater} {
		t.Run(name, func(t *testing.T) {
			whole := &cutDisk{}
			path := house(t, before)
			prepare(t, path)
			if _, err := openOn(path, whole); err != nil {
				t.Fatal(err)
			}
			if whole.steps < 5 {
				t.Fatalf("only %d operations", whole.steps)
			}
			for cut := 1; cut <= whole.steps; cut++ {
				path := house(t, before)
				prepare(t, path)
				_, err := openOn(path, &cutDisk{left: cut})
				if (err == nil) != (cut == whole.steps) && !errors.Is(err, errCut) {
					t.Errorf("cut after %d of %d: got %v", cut, whole.steps, err)
				}
				f := open(t, path)
				if diff := cmp.Diff(taken, inside(t, f)); diff != "" {
					t.Errorf("cut after %d of %d (-want +got):\n%s", cut, whole.steps, diff)
				}
				for name := range before {
					if got := read(t, filepath.Join(filepath.Dir(path), name+migratedSuffix)); got != before[name] {
						t.Errorf("cut after %d: %s: got %s", cut, name, got)
					}
				}
			}
		})
	}
}

// A process that writes all the time is killed; what it said was committed is
// there when it is back.
func TestAKilledWriterLosesNothingCommitted(t *testing.T) {
	if path := os.Getenv("STATEFILE_WRITER"); path != "" {
		writeForever(t, path)
	}
	path := filepath.Join(t.TempDir(), Name)
	last := 0
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAKilledWriterLosesNothingCommitted$")
		cmd.Env = append(os.Environ(), "STATEFILE_WRITER="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("the writer says %q", lines.Text())
			}
			last = n
			if n%20 == round { // at another moment of the write each time
				time.Sleep(time.Duration(round) * 100 * time.Microsecond)
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		for lines.Scan() { // what it had said before it was killed
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				last = n
			}
		}
		_ = cmd.Wait() // killed
		f := open(t, path)
		a, b := get[int](t, f, "a"), get[int](t, f, "b")
		if a != b || a < last || a > last+1 {
			t.Fatalf("round %d: committed %d, found %d and %d", round, last, a, b)
		}
		last = a
	}
	if last == 0 {
		t.Error("nothing was ever written")
	}
}

// writeForever commits numbers and says which.
func writeForever(t *testing.T, path string) {
	f := open(t, path)
	pad := strings.Repeat("x", 100<<10)
	for n := get[int](t, f, "a") + 1; ; n++ {
		if err := f.PutAll(map[string]any{"a": n, "b": n, "pad": pad}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if _, err := io.WriteString(os.Stdout, strconv.Itoa(n)+"\n"); err != nil {
			os.Exit(1)
		}
	}
}
