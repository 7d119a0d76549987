package slot_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/image/firmware"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

func status(t testing.TB, k *slot.Card) slot.Status {
	t.Helper()
	s, err := k.Status()
	must(t, err)
	return s
}

func TestAnUpdateFromStageToTheEndOfProbation(t *testing.T) {
	ctx := context.Background()
	c := newCard(t, newSystem("1.0.0", 9000))
	old := c.open(t, slot.A)
	if diff := cmp.Diff(slot.Status{Running: "a", Committed: "a"}, status(t, old)); diff != "" {
		t.Errorf("a new card (-want +got):\n%s", diff)
	}
	if got, err := old.Target(); err != nil || got != slot.B {
		t.Errorf("the update goes to %q, %v", got, err)
	}
	s := newSystem("2.0.0", 9000)
	must(t, old.Stage(ctx, slot.B, s.content(), nil))
	if diff := cmp.Diff(slot.Status{Running: "a", Committed: "a"}, status(t, old)); diff != "" {
		t.Errorf("staged (-want +got):\n%s", diff)
	}
	must(t, old.Arm(ctx, slot.B))
	if diff := cmp.Diff(slot.Status{Running: "a", Committed: "a", Tries: "b"}, status(t, old)); diff != "" {
		t.Errorf("armed (-want +got):\n%s", diff)
	}

	tried := c.open(t, slot.B)
	if diff := cmp.Diff(slot.Status{Running: "b", Committed: "a", Tries: "b", Trial: true}, status(t, tried)); diff != "" {
		t.Errorf("tried (-want +got):\n%s", diff)
	}
	if got, err := tried.CountBoot(ctx); err != nil || got != (slot.Boot{Committed: "a", Trial: true}) {
		t.Errorf("the trial: %+v, %v", got, err)
	}
	if _, err := tried.Target(); !errors.Is(err, slot.ErrInUse) {
		t.Errorf("an update in a trial: %v", err)
	}
	must(t, tried.Commit())
	want := slot.Status{Running: "b", Committed: "b", Ledger: slot.Ledger{Good: "a", Probation: true}}
	if diff := cmp.Diff(want, status(t, tried)); diff != "" {
		t.Errorf("committed (-want +got):\n%s", diff)
	}
	must(t, tried.Commit()) // once more does nothing
	if got, err := tried.CountBoot(ctx); err != nil || got != (slot.Boot{Committed: "b", Boots: 1, Probation: true}) {
		t.Errorf("the first start of the new: %+v, %v", got, err)
	}
	must(t, tried.ClearBoots())
	if got := status(t, tried).Ledger; got != (slot.Ledger{Good: "a", Probation: true, Boots: 1}) {
		t.Errorf("healthy for a moment in probation: %+v", got)
	}
	must(t, tried.EndProbation())
	if got := status(t, tried).Ledger; got != (slot.Ledger{Good: "a"}) {
		t.Errorf("after probation: %+v", got)
	}
}

func TestLookAndVerify(t *testing.T) {
	ctx := context.Background()
	s := newSystem("1.0.0", 9000)
	c := newCard(t, s)
	k := c.open(t, slot.A)
	got, err := k.Look(slot.A)
	must(t, err)
	if diff := cmp.Diff(slot.Contents{Slot: "a", Version: "1.0.0"}, got); diff != "" || !got.Whole() {
		t.Errorf("slot a (-want +got):\n%s", diff)
	}
	if got, err = k.Look(slot.B); err != nil || got.Whole() || got.Version != "" {
		t.Errorf("an empty slot: %+v, %v", got, err)
	}
	if m, err := k.Verify(ctx, slot.A); err != nil || m.Root.Size != int64(len(s.root)) {
		t.Errorf("a whole slot: %+v, %v", m.Root, err)
	}
	if _, err := k.Verify(ctx, slot.B); !errors.Is(err, slot.ErrNotWhole) {
		t.Errorf("an empty slot: %v", err)
	}

	without := func(name string) []bootpart.File {
		return slices.DeleteFunc(s.files(t, slot.A), func(f bootpart.File) bool { return f.Name == name })
	}
	dtbs := slices.DeleteFunc(s.files(t, slot.A), func(f bootpart.File) bool { return strings.HasSuffix(f.Name, ".dtb") })
	other := newSystem("1.0.1", 9000).files(t, slot.A)
	tests := map[string]struct {
		files []bootpart.File
		look  bool // seen at a glance
	}{
		"no kernel":                {without(slot.KernelFile), true},
		"no command line":          {without(slot.CommandLineFile), true},
		"no README":                {without(slot.OverlaysReadme), true},
		"no manifest":              {without(slot.ManifestFile), true},
		"no device tree":           {dtbs, true},
		"another slot's":           {s.files(t, slot.B), true},
		"an overlay missing":       {without("overlays/an-overlay-with-a-long-name-1.0.0-1.dtbo"), false},
		"a file too many":          {append(s.files(t, slot.A), bootpart.File{Name: "more.txt"}), false},
		"another system's kernel":  {append(without(slot.KernelFile), other[0]), false},
		"another system's root":    {other, false},
		"a manifest that is none":  {append(without(slot.ManifestFile), bootpart.File{Name: slot.ManifestFile, Data: []byte("{")}), false},
		"a manifest of no root":    {append(without(slot.ManifestFile), bootpart.File{Name: slot.ManifestFile, Data: []byte("{}")}), false},
		"a command line of others": {append(without(slot.CommandLineFile), other[len(other)-2]), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCard(t, s)
			must(t, bootpart.WriteSlot(c.dev(boot), slot.A, test.files))
			got, err := c.open(t, slot.A).Look(slot.A)
			must(t, err)
			if got.Whole() == test.look {
				t.Errorf("at a glance: %+v", got)
			}
			if _, err := c.open(t, slot.A).Verify(ctx, slot.A); !errors.Is(err, slot.ErrNotWhole) {
				t.Errorf("when all is read: %v", err)
			}
		})
	}
	for _, at := range []int{0, 5000, len(s.root) - 1} {
		c.parts[rootA][at] ^= 1
		if _, err := k.Verify(ctx, slot.A); !errors.Is(err, slot.ErrNotWhole) {
			t.Errorf("byte %d of the root: %v", at, err)
		}
		c.parts[rootA][at] ^= 1
	}
}

func TestStageRefusesBeforeItGivesUpTheOtherSlot(t *testing.T) {
	ctx := context.Background()
	change := func(f func(*slot.Content)) slot.Content {
		c := newSystem("3.0.0", 9000).content()
		f(&c)
		return c
	}
	big := func() []byte {
		b := bytes.Clone(newSystem("3.0.0", 9000).root)
		return append(b, make([]byte, rootSize)...)
	}()
	tests := map[string]struct {
		to      slot.Slot
		content slot.Content
		is      error
	}{
		"the running slot":         {slot.B, change(func(*slot.Content) {}), slot.ErrInUse},
		"no slot":                  {"", change(func(*slot.Content) {}), nil},
		"a root too large":         {slot.A, change(func(c *slot.Content) { c.Root, c.RootSize = bytes.NewReader(big), int64(len(big)) }), bootpart.ErrTooLarge},
		"boot files too large":     {slot.A, change(func(c *slot.Content) { c.Boot[0].Data = make([]byte, 600<<10) }), bootpart.ErrTooLarge},
		"a root that is none":      {slot.A, change(func(c *slot.Content) { c.Root = strings.NewReader(strings.Repeat("x", int(c.RootSize))) }), nil},
		"no root":                  {slot.A, change(func(c *slot.Content) { c.Root, c.RootSize = strings.NewReader(""), 0 }), nil},
		"a root said to be short":  {slot.A, change(func(c *slot.Content) { c.RootSize = 5000 }), nil},
		"a root that is short":     {slot.A, change(func(c *slot.Content) { c.Root = io.LimitReader(c.Root, 300) }), io.ErrUnexpectedEOF},
		"no kernel":                {slot.A, change(func(c *slot.Content) { c.Boot = c.Boot[1:] }), nil},
		"no device tree":           {slot.A, change(func(c *slot.Content) { c.Boot = c.Boot[:1] }), nil},
		"words in the version":     {slot.A, change(func(c *slot.Content) { c.Version = "3 init=/bin/sh" }), nil},
		"no version":               {slot.A, change(func(c *slot.Content) { c.Version = "" }), nil},
		"no partition number":      {slot.A, change(func(c *slot.Content) { c.PartUUID = "" }), nil},
		"words in the number":      {slot.A, change(func(c *slot.Content) { c.PartUUID += " x" }), nil},
		"a file of a wrong name":   {slot.A, change(func(c *slot.Content) { c.Boot = append(c.Boot, bootpart.File{Name: "../b/x"}) }), nil},
		"a file twice":             {slot.A, change(func(c *slot.Content) { c.Boot = append(c.Boot, bootpart.File{Name: "VMLINUZ.GZ"}) }), nil},
		"a reader that gives none": {slot.A, change(func(c *slot.Content) { c.Root = iotest.ErrReader(io.ErrClosedPipe) }), io.ErrClosedPipe},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCard(t, newSystem("1.0.0", 9000))
			c.update(t, slot.A, newSystem("2.0.0", 9000))
			k := c.open(t, slot.B)
			c.log = nil
			err := k.Stage(ctx, test.to, test.content, nil)
			if err == nil || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want %v", err, test.is)
			}
			if len(c.log) > 0 {
				t.Errorf("%d writes and syncs before the error", len(c.log))
			}
			must(t, k.Arm(ctx, slot.A)) // the other slot is still good
		})
	}
}

func TestWhatWentWrongWhileWritingIsNotTried(t *testing.T) {
	ctx := context.Background()
	s := newSystem("3.0.0", 9000)
	cancelled, cancel := context.WithCancel(ctx)
	tests := map[string]struct {
		ctx     context.Context
		prepare func(*card, *slot.Content)
		is      error
	}{
		"the root changes on the card": {ctx, func(c *card, _ *slot.Content) {
			c.damage = func(part int, off int64, p []byte) {
				if part == rootA && len(p) > 600 {
					p[600] ^= 1
				}
			}
		}, slot.ErrDiffers},
		"a boot file changes on the card": {ctx, func(c *card, _ *slot.Content) {
			kernel := s.boot[0].Data[:100]
			c.damage = func(part int, off int64, p []byte) {
				if i := bytes.Index(p, kernel); part == boot && i >= 0 {
					p[i+50] ^= 1
				}
			}
		}, slot.ErrDiffers},
		"the root does not end":    {ctx, func(_ *card, k *slot.Content) { k.Root = io.MultiReader(k.Root, strings.NewReader("x")) }, nil},
		"the disk ends its writes": {ctx, func(c *card, _ *slot.Content) { c.budget = 30 }, errCut},
		"somebody thinks again":    {cancelled, func(_ *card, k *slot.Content) { k.Root = cancelling{k.Root, cancel} }, context.Canceled},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCard(t, newSystem("1.0.0", 9000))
			c.update(t, slot.A, newSystem("2.0.0", 9000))
			k := c.open(t, slot.B)
			content := s.content()
			test.prepare(c, &content)
			err := k.Stage(test.ctx, slot.A, content, nil)
			if err == nil || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v, want %v", err, test.is)
			}
			c.budget, c.damage = -1, nil
			if err := k.Arm(ctx, slot.A); !errors.Is(err, slot.ErrNotWhole) {
				t.Errorf("it was armed: %v", err)
			}
			in, version, err := start(&c.parts, firmware.Zero2W, true)
			if err != nil || version != "2.0.0" {
				t.Errorf("slot %s boots, version %s, %v", in, version, err)
			}
			must(t, k.Stage(ctx, slot.A, s.content(), nil))
			must(t, k.Arm(ctx, slot.A))
		})
	}
}

// TestALongRootIsWrittenInParts is about roots of more than one block.
func TestALongRootIsWrittenInParts(t *testing.T) {
	ctx := context.Background()
	c := newCard(t, newSystem("1.0.0", 9000))
	c.parts[rootB] = random("before", 4<<20)
	s := newSystem("2.0.0", 100_000)
	s.root = append(s.root, random("more", 3<<20-77)...)
	k := c.open(t, slot.A)

	content := s.content()
	content.Root = io.MultiReader(io.LimitReader(content.Root, 2<<20), iotest.ErrReader(io.ErrClosedPipe))
	if err := k.Stage(ctx, slot.B, content, nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a root that breaks off: %v", err)
	}
	if err := k.Arm(ctx, slot.B); !errors.Is(err, slot.ErrNotWhole) {
		t.Errorf("it was armed: %v", err)
	}
	must(t, k.Stage(ctx, slot.B, s.content(), nil))
	must(t, s.whole(t, &c.parts, slot.B))
	end := (len(s.root) + bootpart.SectorBytes - 1) / bootpart.SectorBytes * bootpart.SectorBytes
	if !bytes.Equal(c.parts[rootB][end:], random("before", 4<<20)[end:]) {
		t.Error("it wrote beyond the root's last sector")
	}
	must(t, k.Arm(ctx, slot.B))
}

// cancelling ends a context when it is read.
type cancelling struct {
	io.Reader
	cancel func()
}

func (c cancelling) Read(p []byte) (int, error) { c.cancel(); return c.Reader.Read(p) }

func TestOnlyWhatIsWholeIsArmed(t *testing.T) {
	ctx := context.Background()
	c := newCard(t, newSystem("1.0.0", 9000))
	if err := c.open(t, slot.A).Arm(ctx, slot.B); !errors.Is(err, slot.ErrNotWhole) {
		t.Errorf("an empty slot: %v", err)
	}
	if err := c.open(t, slot.A).Arm(ctx, slot.A); !errors.Is(err, slot.ErrInUse) {
		t.Errorf("the running slot: %v", err)
	}
	must(t, c.open(t, slot.A).Stage(ctx, slot.B, newSystem("2.0.0", 9000).content(), nil))
	if err := c.open(t, slot.A).Arm(ctx, slot.B); !errors.Is(err, slot.ErrNotWhole) {
		t.Errorf("what another process staged: %v", err)
	}
	c.update(t, slot.A, newSystem("2.0.0", 9000))
	k := c.open(t, slot.B)
	c.parts[rootA][700] ^= 1
	if err := k.Arm(ctx, slot.A); !errors.Is(err, slot.ErrNotWhole) {
		t.Errorf("a slot that has changed: %v", err)
	}
	c.parts[rootA][700] ^= 1
	must(t, k.Arm(ctx, slot.A))
	must(t, k.Disarm())
	if got := status(t, k); got.Tries != "" {
		t.Errorf("disarmed: %+v", got)
	}
}

func TestProgressGoesUpToTheEnd(t *testing.T) {
	c := newCard(t, newSystem("1.0.0", 9000))
	var last, total int64
	calls := 0
	err := c.open(t, slot.A).Stage(context.Background(), slot.B, newSystem("2.0.0", 50_000).content(), func(done, all int64) {
		if calls++; done < last || done > all || total != 0 && all != total {
			t.Errorf("%d of %d after %d of %d", done, all, last, total)
		}
		last, total = done, all
	})
	must(t, err)
	if last != total || total < 300_000 || calls < 5 {
		t.Errorf("it ended with %d of %d after %d calls", last, total, calls)
	}
}
