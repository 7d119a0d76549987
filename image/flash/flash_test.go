package flash

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// made writes an image of that many bytes, and returns it.
func made(t *testing.T, name string, size int) []byte {
	t.Helper()
	b := make([]byte, size)
	if _, err := rand.NewChaCha8([32]byte{}).Read(b); err != nil {
		t.Fatal(err)
	}
	clear(b[size/3 : size/2]) // zeros are written like anything else
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsOnTheCardAfterwards(t *testing.T) {
	for _, tt := range []struct {
		name   string
		image  int
		card   int // before
		packed bool
	}{
		{"CardOfTheImagesSize", chunk + 512*7, chunk + 512*7, false},
		{"LargerCard", chunk, 2*chunk + 512, false},
		{"CardThatEndsSoonAfter", chunk + 512, chunk + 4*512, false},
		{"FileThatGrows", 3*chunk + 1, 0, false},
		{"Packed", 2*chunk + 512, 3 * chunk, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			image, card := filepath.Join(dir, "image"), filepath.Join(dir, "card")
			want := made(t, image, tt.image)
			before := bytes.Repeat([]byte("old"), tt.card/3+1)[:tt.card]
			if err := os.WriteFile(card, before, 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.packed {
				image = pack(t, image)
			}
			phases := map[string]Progress{}
			asked := 0
			err := Run(t.Context(), Options{Image: image, Disk: card, Force: true,
				Confirm:  func(d Disk, i Image) error { asked++; return nil },
				Progress: func(p Progress) { phases[p.Phase] = p }})
			if err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(card)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != max(tt.image, tt.card) || !bytes.Equal(got[:len(want)], want) {
				t.Errorf("the card is of %d bytes and does not begin with the image", len(got))
			}
			end := max(tt.image, tt.card-tail)
			if rest := got[tt.image:min(end, len(got))]; !bytes.Equal(rest, before[min(tt.image, len(before)):min(end, len(before))]) {
				t.Errorf("what is neither image nor end of the card was changed")
			}
			if rest := got[min(end, len(got)):]; !bytes.Equal(rest, make([]byte, len(rest))) {
				t.Errorf("the old table at the end of the card is there still")
			}
			for _, phase := range []string{"writing", "verifying"} {
				if p := phases[phase]; p.Done != int64(tt.image) || p.Total != p.Done || !p.Finished {
					t.Errorf("%s ended with %+v", phase, p)
				}
			}
			if asked != 1 {
				t.Errorf("the person was asked %d times", asked)
			}
		})
	}
}

func pack(t *testing.T, image string) string {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image+".gz", packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return image + ".gz"
}

var errNo = errors.New("no")

func TestNothingIsWrittenAfterARefusal(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	made(t, image, 2*chunk)
	damaged := pack(t, image)
	b, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(damaged, b[:len(b)-100], 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		image  string
		change func(*Options)
		want   string
	}{
		{"PersonSaysNo", image, func(o *Options) { o.Confirm = func(Disk, Image) error { return errNo } }, "no"},
		{"FileNotForced", image, func(o *Options) { o.Force = false }, "it is a file"},
		{"ImageMissing", filepath.Join(dir, "none"), func(*Options) {}, `build it with "make image"`},
		{"ImageEmpty", empty, func(*Options) {}, "it is empty"},
		{"ImageIsADirectory", dir, func(*Options) {}, "it is not a file"},
		{"ImageDamaged", damaged, func(*Options) {}, "unpacking: unexpected EOF: copy or build it again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			card := filepath.Join(t.TempDir(), "card")
			before := bytes.Repeat([]byte("old"), 1000)
			if err := os.WriteFile(card, before, 0o600); err != nil {
				t.Fatal(err)
			}
			o := Options{Image: tt.image, Disk: card, Force: true}
			tt.change(&o)
			if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %q", err, tt.want)
			}
			if got, err := os.ReadFile(card); err != nil || !bytes.Equal(got, before) {
				t.Errorf("the card was written to: %v", err)
			}
		})
	}
}

// TestAChangedByteIsFound: between writing and verifying one byte of the card
// changes, as a bad card would have it.
func TestAChangedByteIsFound(t *testing.T) {
	for name, at := range map[string]int64{"First": 0, "InTheSecondChunk": chunk + 5, "Last": 2*chunk + 511, "InTheEndOfTheCard": 4*chunk - 1} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			image, card := filepath.Join(dir, "image"), filepath.Join(dir, "card")
			made(t, image, 2*chunk+512)
			if err := os.WriteFile(card, make([]byte, 4*chunk), 0o600); err != nil {
				t.Fatal(err)
			}
			err := Run(t.Context(), Options{Image: image, Disk: card, Force: true, Progress: func(p Progress) {
				if p.Phase != "writing" || !p.Finished {
					return
				}
				f, err := os.OpenFile(card, os.O_RDWR, 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				b := make([]byte, 1)
				if _, err := f.ReadAt(b, at); err != nil {
					t.Error(err)
				}
				b[0] ^= 1
				if _, err := f.WriteAt(b, at); err != nil {
					t.Error(err)
				}
			}})
			if !errors.Is(err, ErrVerify) {
				t.Errorf("got %v, want %v", err, ErrVerify)
			}
		})
	}
}

func TestAnotherProgramHasTheCard(t *testing.T) {
	dir := t.TempDir()
	image, card := filepath.Join(dir, "image"), filepath.Join(dir, "card")
	made(t, image, 1000)
	made(t, card, 1000)
	f, err := os.Open(card)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), Options{Image: image, Disk: card, Force: true}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v, want %v", err, ErrBusy)
	}
}

func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	image, card := filepath.Join(dir, "image"), filepath.Join(dir, "card")
	made(t, image, 3*chunk)
	made(t, card, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := Run(ctx, Options{Image: image, Disk: card, Force: true, Progress: func(Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "write it again") {
		t.Errorf("got %v", err)
	}
}

func TestSeedComesLast(t *testing.T) {
	dir := t.TempDir()
	image, card := filepath.Join(dir, "image"), filepath.Join(dir, "card")
	want := made(t, image, 5000)
	made(t, card, 5000)
	err := Run(t.Context(), Options{Image: image, Disk: card, Force: true, Seed: func(_ context.Context, path string, drop func() error) error {
		got, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(got, want) {
			err = errors.New("the image is not there yet")
		}
		return errors.Join(err, drop(), errNo)
	}})
	if !errors.Is(err, errNo) || err.Error() != "no" {
		t.Errorf("got %v, want %v alone", err, errNo)
	}
}

func TestProgressInWords(t *testing.T) {
	p := Progress{Phase: "writing", Done: 500_000_000, Total: 1_500_000_000, Elapsed: 20 * time.Second}
	for _, tt := range []struct {
		name string
		p    Progress
		want string
	}{
		{"OnItsWay", p, "writing   500.0 MB of 1.5 GB   33 %  25.0 MB/s  40s left"},
		{"LengthUnknown", Progress{Phase: "checking", Done: 2_000_000_000, Elapsed: 10 * time.Second}, "checking    2.0 GB  200.0 MB/s"},
		{"AtOnce", Progress{Phase: "writing", Total: 1_500_000_000}, "writing    0 bytes of 1.5 GB    0 %  0 bytes/s  0s left"},
		{"Done", Progress{Phase: "verifying", Done: 1000, Total: 1000, Elapsed: time.Second, Finished: true}, "verifying 1000 bytes of 1000 bytes  100 %  1000 bytes/s  after 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.String(); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
	var bar, lines bytes.Buffer
	show, list := Bar(&bar), Lines(&lines)
	for i := range int64(101) {
		p := Progress{Phase: "writing", Done: i, Total: 100, Elapsed: time.Second, Finished: i == 100}
		show(p)
		list(p)
	}
	if got := strings.Count(bar.String(), "\n"); got != 1 || !strings.Contains(bar.String(), "[============            ]") {
		t.Errorf("the bar takes %d lines: %q", got, bar.String())
	}
	if got := strings.Count(lines.String(), "\n"); got != 11 {
		t.Errorf("there are %d lines, want 11:\n%s", got, lines.String())
	}
}
