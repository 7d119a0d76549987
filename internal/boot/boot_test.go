package boot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/smartcore-ireland/hems/internal/boot/keeper"
	"github.com/smartcore-ireland/hems/internal/boot/report"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// TestMain is also a keeper's process, one that dies at once.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "keeper" {
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestWordsOfTheCommandLine(t *testing.T) {
	const line = "console=tty1 hems_slot=a quiet hems_trial=20 xhems_slot=c hems_slot=b hems_id= \n"
	for name, want := range map[string]string{"hems_slot": "b", "hems_trial": "20", "console": "tty1", "hems_id": "", "quiet": "", "none": ""} {
		if got := word(line, name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestTimesOfTheCommandLine(t *testing.T) {
	for line, want := range map[string]time.Duration{
		"":                         300 * time.Second,
		"hems_trial=60":            time.Minute,
		"hems_trial=10":            10 * time.Second,
		"hems_trial=9":             keeper.TrialLimit, // no system could be confirmed
		"hems_trial=3600":          time.Hour,
		"hems_trial=3601":          keeper.TrialLimit,
		"hems_trial=-60":           keeper.TrialLimit,
		"hems_trial=9999999999999": keeper.TrialLimit,
		"hems_trial=soon":          keeper.TrialLimit,
	} {
		if got := duration(line, "hems_trial", keeper.TrialLimit); got != want {
			t.Errorf("%q: got %v, want %v", line, got, want)
		}
	}
}

func TestAStepThatPanics(t *testing.T) {
	b := &start{}
	err := b.step(func() error { panic("no") })
	if err == nil || !strings.Contains(err.Error(), "no") || !strings.Contains(err.Error(), "boot_test.go") {
		t.Errorf("got %v, want what and where", err)
	}
	if err := b.step(func() error { return os.ErrExist }); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
}

// The start goes on to its end on a machine that has nothing, and tells what was
// missing.
func TestAStartOnNothing(t *testing.T) {
	dir := t.TempDir()
	kmsg := filepath.Join(dir, "dev/kmsg")
	if err := errors.Join(os.Mkdir(filepath.Dir(kmsg), 0o755), os.WriteFile(kmsg, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	b := &start{log: openLog(kmsg), proc: filepath.Join(dir, "proc"), sys: filepath.Join(dir, "sys"), dev: filepath.Join(dir, "dev"),
		perm: filepath.Join(dir, "perm"), fsck: filepath.Join(dir, "e2fsck"),
		mount: func(string, string, string, uintptr, string) error { return unix.ENODEV }}
	b.run()
	said, err := os.ReadFile(kmsg)
	if err != nil {
		t.Fatal(err)
	}
	p := b.hand.Report.Perm
	if p.State != report.Memory || p.Message != saidMemory || !strings.Contains(p.Detail, "the card was not found") {
		t.Errorf("got %+v", p)
	}
	for _, want := range []string{"reading the kernel's command line: ", "counting the boot: the card was not found", "letting programs listen on port 80: ", "handing over: "} {
		if !strings.Contains(string(said), "<5>hems-boot: "+want) {
			t.Errorf("it does not say %q but\n%s", want, said)
		}
	}
}

func TestJudge(t *testing.T) {
	for status, want := range map[int]verdict{
		0: clean, 1: corrected, 2: corrected, 3: corrected,
		4: uncorrected, 5: uncorrected, 6: uncorrected, 7: uncorrected,
		8: failed, 9: failed, 12: failed, 16: failed, 32: failed, 128: failed, 132: failed, -1: failed,
	} {
		if got := judge(status); got != want {
			t.Errorf("%d: got %v, want %v", status, got, want)
		}
	}
}

// program is a program that does what a shell script says.
func program(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "e2fsck")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCheckDoesNoMoreThanIsNeeded(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         verdict
		words        string
	}{
		{"Clean", "echo $*; exit 0", clean, "-y card"},
		{"Corrected", "echo $*; test $1 = -y && exit 1; exit 0", corrected, "-y card\n-f -y card"},
		{"LeftSomething", "echo $*; test $1 = -y && exit 4; exit 0", corrected, "-y card\n-f -y card"},
		{"FailedFirst", "echo $*; test $1 = -y && exit 8; exit 0", corrected, "-y card\n-f -y card"},
		{"NeedsMore", "echo $*; test -f $0.1 && exit 0; test $1 = -y || touch $0.1; exit 1", corrected, "-y card\n-f -y card\n-f -y card"},
		{"IsNeverDone", "echo $*; exit 1", corrected, "-y card\n-f -y card\n-f -y card\n-f -y card"},
		{"CannotBeRepaired", "echo $*; exit 4", uncorrected, "-y card\n-f -y card\n-f -y card\n-f -y card"},
		{"NoFileSystem", "echo $*; exit 8", failed, "-y card\n-f -y card\n-f -y card\n-f -y card"},
		{"Killed", "kill -9 $$", failed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, words, err := check(t.Context(), program(t, tt.script), "card")
			if got != tt.want || strings.TrimSpace(words) != tt.words || err != nil {
				t.Errorf("got %v, %q, %v, want %v, %q", got, words, err, tt.want, tt.words)
			}
		})
	}
	t.Run("NotThere", func(t *testing.T) {
		if v, _, err := check(t.Context(), "/nonexistent/e2fsck", "card"); v != failed || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, %v", v, err)
		}
	})
	t.Run("TooSlow", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if v, _, err := check(ctx, program(t, "exec sleep 60"), "card"); v != failed || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, %v", v, err)
		}
	})
	t.Run("ManyWords", func(t *testing.T) {
		_, words, err := check(t.Context(), program(t, "head -c 1000000 /dev/zero | tr '\\0' x; echo; seq 1 100000; test $1 = -y || exit 0; head -c 1000 /dev/zero | tr '\\0' y; exit 1"), "card")
		if err != nil || !strings.HasSuffix(words, "\n100000") || len(words) > 2000 || !strings.Contains(words, "\n"+strings.Repeat("y", 160)+"\n") {
			t.Errorf("got %d bytes, %v: %.500s", len(words), err, words)
		}
	})
}

func TestSalvage(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "memory")
	put := func(name, text string, mode os.FileMode) {
		t.Helper()
		name = filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	put("hems.yaml", "home:\n", 0o640)
	put("secrets/mqtt-home", "secret", 0o600)
	put("store/hems.db", strings.Repeat("x", maxSalvaged+1), 0o600)
	put(".restore/files/hems.yaml", "half", 0o600)
	put("zz/big", strings.Repeat("x", 1000), 0o600)
	if err := os.Symlink("hems.yaml", filepath.Join(from, "link")); err != nil {
		t.Fatal(err)
	}
	n, err := salvage(from, to, 100)
	if n != 2 || err == nil || !strings.Contains(err.Error(), "there is no room for it") {
		t.Errorf("got %d, %v, want 2 files and that there was no room", n, err)
	}
	got := map[string]string{}
	err = filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(to, path)
		info, ierr := d.Info()
		if ierr == nil {
			got[rel] = info.Mode().String() + " " + string(b)
		}
		return errors.Join(err, ierr)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"hems.yaml": "-rw-r----- home:\n", "secrets/mqtt-home": "-rw------- secret"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if st, err := os.Stat(filepath.Join(to, "secrets")); err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("a directory: %v, %v", st, err)
	}

	if n, err := salvage(filepath.Join(from, "nothing"), to, 100); n != 0 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a card without data: got %d, %v", n, err)
	}
}

// TestCount counts on a card that is three files, as the kernel's partitions are.
func TestCount(t *testing.T) {
	dir := t.TempDir()
	names := [3]string{}
	for i, size := range []int64{8 << 20, 1 << 20, 1 << 20} {
		names[i] = filepath.Join(dir, string(rune('1'+i)))
		if err := os.WriteFile(names[i], nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(names[i], size); err != nil {
			t.Fatal(err)
		}
	}
	dev, err := slot.OpenDevice(names[0])
	if err != nil {
		t.Fatal(err)
	}
	err = bootpart.Format(dev, 8<<20, bootpart.Options{SharedClusters: 1024, SlotClusters: 1024, Sectors: map[string][]byte{
		bootpart.ConfigFile: slot.ConfigText(slot.A), bootpart.TryFile: slot.ConfigText(slot.A), bootpart.LedgerFile: slot.Ledger{}.Text(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Close(); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 3; n++ {
		got, err := count(t.Context(), slot.A, names[0], names[1], names[2])
		if err != nil || got.Boots != n || got.Committed != slot.A || got.Trial {
			t.Errorf("start %d: got %+v, %v", n, got, err)
		}
	}
	if got, err := count(t.Context(), slot.B, names[0], names[1], names[2]); err != nil || !got.Trial || got.Committed != slot.A {
		t.Errorf("a trial: got %+v, %v", got, err)
	}
	if got, err := count(t.Context(), "", names[0], names[1], names[2]); err == nil || !strings.Contains(err.Error(), "hems_slot") {
		t.Errorf("an unknown slot: got %+v, %v", got, err)
	}
	if got, err := count(t.Context(), slot.A, names[0], names[1], filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing partition: got %+v, %v", got, err)
	}
}
