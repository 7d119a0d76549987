package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func get[T any](t *testing.T, f *File, section string) T {
	t.Helper()
	var v T
	if _, err := f.Get(section, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSectionsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", Name)
	f := open(t, path)
	if ok, err := f.Get(Names, new(any)); ok || err != nil {
		t.Errorf("a section of no file: %v, %v", ok, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file came into being with nothing to say: %v", err)
	}
	want := map[string]string{"0x0015bc003f000001": "meter"}
	if err := f.Put(Names, want); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(Devices, []int{1, 2}); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	if diff := cmp.Diff(want, get[map[string]string](t, f, Names)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if err := f.Put(Names, nil); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	if ok, err := f.Get(Names, &want); ok || err != nil {
		t.Errorf("a section that was removed: %v, %v", ok, err)
	}
	if got := get[[]int](t, f, Devices); len(got) != 2 {
		t.Errorf("another section was lost: %v", got)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fi.Mode().Perm(), os.FileMode(0o600); got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
}

func TestTheFileCanBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	f := open(t, path)
	device := map[string]any{"eui64": "0x0015bc003f000001", "model": `a "quoted", {odd}: \ name`, "in": []int{0, 3, 1794},
		"more": strings.Repeat("x", 80)}
	for section, v := range map[string]any{
		"zzz": "a stranger's", Devices: []any{device, map[string]any{}}, Network: map[string]any{"channel": 11},
		Options: map[string]any{},
	} {
		if err := f.Put(section, v); err != nil {
			t.Fatal(err)
		}
	}
	want := `{
  "version": 1,
  "readable_from": 1,
  "network": {"channel": 11},
  "devices": [
    {
      "eui64": "0x0015bc003f000001",
      "in": [0, 3, 1794],
      "model": "a \"quoted\", {odd}: \\ name",
      "more": "` + strings.Repeat("x", 80) + `"
    },
    {}
  ],
  "options": {},
  "zzz": "a stranger's"
}
`
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
}

func TestWhatIsPutOffComesWithTheNextWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), Name)
		f := open(t, path)
		f.PutLater("a", 1)
		if got := get[int](t, f, "a"); got != 1 {
			t.Errorf("at once: got %d", got)
		}
		if err := f.Put("b", 2); err != nil {
			t.Fatal(err)
		}
		if got := get[int](t, open(t, path), "a"); got != 1 {
			t.Errorf("with the next: got %d", got)
		}
		f.PutLater("a", 3)
		time.Sleep(2 * laterDelay)
		if got := get[int](t, open(t, path), "a"); got != 3 {
			t.Errorf("after a while: got %d", got)
		}
		f.PutLater("a", nil)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if ok, err := open(t, path).Get("a", new(int)); ok || err != nil {
			t.Errorf("removed: %v, %v", ok, err)
		}
	})
}

func TestAWriteThatFailsChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	d := &cutDisk{}
	f, err := openOn(path, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Put("a", 1); err != nil {
		t.Fatal(err)
	}
	d.cut = true
	f.PutLater("b", 1)
	var own *Error
	if err := f.Put("a", 2); !errors.As(err, &own) || own.Hint() == "" {
		t.Errorf("got %v, want an Error with a hint", err)
	}
	if err := f.Close(); err == nil {
		t.Error("Close: what was put off is lost, and it does not say so")
	}
	if got := get[int](t, f, "a"); got != 1 {
		t.Errorf("got %d, want what is in the file", got)
	}
	d.cut = false
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	if a, b := get[int](t, f, "a"), get[int](t, f, "b"); a != 1 || b != 1 {
		t.Errorf("got %d, %d", a, b)
	}
}

func TestManyWritersAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	f := open(t, path)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := f.Put(fmt.Sprint("s", i), i); err != nil {
				t.Error(err)
			}
			f.PutLater("later", i)
		})
	}
	wg.Wait()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, path)
	for i := range 8 {
		if got := get[int](t, f, fmt.Sprint("s", i)); got != i {
			t.Errorf("section %d: got %d", i, got)
		}
	}
}

func TestFilesThatMakeNoSense(t *testing.T) {
	for name, tt := range map[string]struct{ content, want string }{
		"Empty":            {"", "cut short"},
		"CutShort":         {`{"version": 1, "readable_from": 1, "network": {"network_key": "00112233`, "cut short"},
		"Nothing":          {`null`, "does not begin"},
		"List":             {`[]`, "does not begin"},
		"NoVersion":        {`{"network":{}}`, "version"},
		"VersionIsNoNo":    {`{"version":"x","readable_from":1}`, "version"},
		"SectionTwice":     {`{"version":1,"readable_from":1,"names":{},"names":{}}`, "twice"},
		"Newer":            {`{"version":3,"readable_from":2,"network":{}}`, "newer version of hems"},
		"TrailingGarbage":  {`{"version":1,"readable_from":1}{`, "damaged"},
		"NewerButReadable": {`{"version":2,"readable_from":1,"network":{"channel":11},"novelty":7}`, ""},
		"Good":             {`{"version":1,"readable_from":1,"network":{"channel":11}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), Name)
			write(t, path, tt.content)
			f, err := Open(path)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				got := get[struct{ Channel int }](t, f, Network)
				if got.Channel != 11 {
					t.Errorf("got %+v", got)
				}
				if err := f.Put("names", 1); err != nil {
					t.Fatal(err)
				}
				if name == "NewerButReadable" && get[int](t, open(t, path), "novelty") != 7 {
					t.Error("the section of a newer version was lost")
				}
				return
			}
			var own *Error
			if !errors.As(err, &own) || own.Hint() == "" || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q, the path and a hint", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "00112233") {
				t.Errorf("the error shows a key: %v", err)
			}
			if got := read(t, path); got != tt.content {
				t.Errorf("the file was changed: %q", got)
			}
		})
	}
}

func TestTheLastStartsFileIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	if err := open(t, path).Put("a", 1); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if err := f.Put("a", 2); err != nil {
		t.Fatal(err)
	}
	if err := f.Put("a", 3); err != nil {
		t.Fatal(err)
	}
	write(t, path, "{")
	_, err := Open(path)
	var own *Error
	if !errors.As(err, &own) || !strings.Contains(own.Hint(), path+oldSuffix) {
		t.Fatalf("got %v, want the hint to name the copy", err)
	}
	if err := os.Rename(path+oldSuffix, path); err != nil {
		t.Fatal(err)
	}
	if got := get[int](t, open(t, path), "a"); got != 1 {
		t.Errorf("got %d, want what the last start found", got)
	}
}

func TestSectionsThatMakeNoSense(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	f := open(t, path)
	if err := f.Put(Names, "text"); err != nil {
		t.Fatal(err)
	}
	var own *Error
	if _, err := f.Get(Names, &map[string]string{}); !errors.As(err, &own) || !strings.Contains(err.Error(), Names) {
		t.Errorf("got %v", err)
	}
	if err := f.Put("version", 1); err == nil {
		t.Error("a section called version: no error")
	}
	if err := f.Put(Names, func() {}); err == nil {
		t.Error("a function: no error")
	}
	if got := get[string](t, f, Names); got != "text" {
		t.Errorf("got %q", got)
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "zigbee")
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	var own *Error
	if _, err := Lock(dir); !errors.As(err, &own) || own.Hint() == "" {
		t.Errorf("twice: got %v", err)
	}
	unlock()
	unlock, err = Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestLeftoversAreSweptUp(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, Name)
	old, young := filepath.Join(dir, "."+Name+".1.tmp"), filepath.Join(dir, "."+Name+".2.tmp")
	write(t, old, "{")
	write(t, young, "{")
	hours := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, hours, hours); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old one: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("one that may be another's: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"readable_from":1,"network":{"a":[1,2,{"b":"\\\"]"}]},"names":{}}`))
	f.Add([]byte(`{"version":1,"readable_from":1,"x":"` + strings.Repeat("é", 100) + `"}`))
	f.Add([]byte(`{"version":3,"readable_from":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		sections, err := parse(b)
		if err != nil {
			return
		}
		laid := make(map[string]json.RawMessage)
		for section, raw := range sections {
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatal(err)
			}
			if laid[section], err = encode(section, v); err != nil && section != "" {
				t.Fatal(err)
			} else if err != nil {
				return
			}
			var again any
			if err := json.Unmarshal(laid[section], &again); err != nil {
				t.Fatalf("%v in %s", err, laid[section])
			}
			if diff := cmp.Diff(v, again); diff != "" {
				t.Fatalf("laying out has changed it:\n%s", diff)
			}
		}
		out := compose(laid)
		again, err := parse(out)
		if err != nil {
			t.Fatalf("%v in what was composed:\n%s", err, out)
		}
		if len(again) != len(laid) {
			t.Fatalf("%d sections, had %d", len(again), len(laid))
		}
	})
}

func TestWhatIsInTheFileIsNotWrittenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), Name)
	d := &cutDisk{}
	f, err := openOn(path, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{1, 1, nil, nil, map[string]int{"a": 1}, map[string]int{"a": 1}} {
		if err := f.Put("a", v); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := d.steps, 3; got != want {
		t.Errorf("%d writes, want %d", got, want)
	}
	f.PutLater("b", 1)
	if err := f.Put("a", map[string]int{"a": 1}); err != nil {
		t.Fatal(err)
	}
	if got := get[int](t, open(t, path), "b"); got != 1 {
		t.Errorf("what was put off was not written: %d", got)
	}
}
