package slot_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/smartcore-ireland/hems/image/firmware"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

var torture = flag.Int("torture", 30, "states of the disk that TestEveryCut makes up for each time until a sync")

// state is a card whose writes are replayed one by one: what is on the disk for
// certain, and what was written since the last sync of its part.
type state struct {
	parts   [partCount][]byte
	pending []event

	// What may boot now, by version; and where each version stands.
	may     map[string]system
	where   map[string]slot.Slot
	config  int64 // where config.txt is in the boot partition
	checks  int
	updates int
	failed  []string
}

func newState(t testing.TB, c *card) *state {
	t.Helper()
	s := &state{may: map[string]system{}, where: map[string]slot.Slot{}}
	for i := range c.parts {
		s.parts[i] = append([]byte(nil), c.parts[i]...)
	}
	text, err := bootpart.ReadSector(c.dev(boot), bootpart.ConfigFile)
	must(t, err)
	s.config = int64(bytes.Index(c.parts[boot], text))
	return s
}

// boots says that from now on exactly these may boot.
func boots(in slot.Slot, systems ...system) func(*state) {
	return func(s *state) {
		clear(s.may)
		for i, sys := range systems {
			s.may[sys.version] = sys
			s.where[sys.version] = in
			if i > 0 {
				s.where[sys.version] = in.Other()
			}
		}
	}
}

// apply writes events and returns what takes them back.
func (s *state) apply(events []event) (undo func()) {
	type before struct {
		e   event
		old []byte
	}
	var olds []before
	for _, e := range events {
		at := s.parts[e.part][e.off:][:len(e.data)]
		olds = append(olds, before{e, append([]byte(nil), at...)})
		copy(at, e.data)
	}
	return func() {
		for i := len(olds) - 1; i >= 0; i-- {
			copy(s.parts[olds[i].e.part][olds[i].e.off:], olds[i].old)
		}
	}
}

// check asks every kind of board what it boots, and looks whether all of that is
// there.
func (s *state) check(t testing.TB, what string, tryboot bool) (booted slot.Slot) {
	s.checks++
	board := firmware.Boards[s.checks%len(firmware.Boards)]
	in, version, err := start(&s.parts, board, tryboot)
	sys, ok := s.may[version]
	switch {
	case err != nil:
	case !ok || s.where[version] != in:
		err = fmt.Errorf("it boots version %s from slot %s", version, in)
	default:
		err = sys.whole(t, &s.parts, in)
	}
	if err != nil {
		s.failed = append(s.failed, fmt.Sprintf("%s on the %s: %v", what, board.Name, err))
	}
	return in
}

// replay goes through the log of a card: at each write the disk as it is when all
// were done in order, and at each sync some of the disks that are possible when
// the power is cut before it: any of the writes, whole or in part, in any order.
func (s *state) replay(t testing.TB, log []event, samples int, rnd *rand.Rand) {
	for i, e := range log {
		switch {
		case e.mark != nil:
			e.mark(s)
			continue
		case e.sync:
			s.tear(t, i, samples, rnd)
			var rest []event
			for _, p := range s.pending {
				if p.part == e.part {
					copy(s.parts[p.part][p.off:], p.data)
				} else {
					rest = append(rest, p)
				}
			}
			s.pending = rest
		default:
			s.pending = append(s.pending, e)
		}
		undo := s.apply(s.pending)
		s.check(t, fmt.Sprintf("after event %d", i), false)
		undo()
	}
	s.tear(t, len(log), samples, rnd)
}

// tear checks disks on which not all pending writes have arrived.
func (s *state) tear(t testing.TB, at, samples int, rnd *rand.Rand) {
	if len(s.pending) == 0 {
		return
	}
	for n := range samples {
		undo := s.apply(s.torn(rnd))
		booted := s.check(t, fmt.Sprintf("at event %d, torn state %d", at, n), false)
		if len(s.failed) == 0 && s.checks%97 == 0 {
			s.updateAfter(t, booted)
		}
		undo()
	}
}

// torn is a subset of the pending writes: each is missing, whole, or of some of
// its sectors only; and among those that are missing some are neither old nor
// new. config.txt is the one sector of which the card must keep the old or the
// new. What a card may lose of sectors that were not written at all is not made
// up here.
func (s *state) torn(rnd *rand.Rand) []event {
	var out []event
	for _, i := range rnd.Perm(len(s.pending)) {
		e := s.pending[i]
		switch rnd.IntN(3) {
		case 0:
		case 1:
			out = append(out, e)
		default:
			missing := rnd.Float64()
			for off := 0; off < len(e.data); off += bootpart.SectorBytes {
				one := event{part: e.part, off: e.off + int64(off), data: e.data[off:][:bootpart.SectorBytes]}
				switch {
				case rnd.Float64() >= missing:
					out = append(out, one)
				case rnd.IntN(4) == 0 && (one.part != boot || one.off != s.config):
					one.data = random(fmt.Sprint(rnd.Uint64()), bootpart.SectorBytes)
					out = append(out, one)
				}
			}
		}
	}
	return out
}

// updateAfter installs one more update on a disk that a cut has left.
func (s *state) updateAfter(t testing.TB, booted slot.Slot) {
	s.updates++
	c := &card{budget: -1}
	for i := range s.parts {
		c.parts[i] = append([]byte(nil), s.parts[i]...)
	}
	k := c.open(t, booted)
	if b, err := k.CountBoot(context.Background()); err != nil {
		t.Fatalf("counting the start after a cut: %v", err)
	} else if b.GaveUp {
		return
	}
	next := newSystem("after-the-cut", 9000)
	c.update(t, booted, next)
	if in, version, err := start(&c.parts, firmware.Pi5, false); err != nil || in != booted.Other() || version != next.version {
		t.Fatalf("after an update that followed a cut slot %s boots, version %s: %v", in, version, err)
	}
	must(t, next.whole(t, &c.parts, booted.Other()))
	must(t, c.open(t, booted.Other()).EndProbation())
}

// life is what happens to a card in some years: two good updates, one that is cut
// and tried again, one that has to be given up after it was confirmed, and a
// return that a person asks for.
func life(t testing.TB, c *card, size int) {
	ctx := context.Background()
	v1, v2, v3, v4, v5 := newSystem("1.0.0", size), newSystem("2.0.0", size*3/2), newSystem("3.0.0", size/2), newSystem("4.0.0", size), newSystem("5.0.0-rc.1", size)

	update := func(from slot.Slot, old, s system) {
		t.Helper()
		to := from.Other()
		running := c.open(t, from)
		must(t, running.Stage(ctx, to, s.content(), nil))
		must(t, running.Arm(ctx, to))
		tried := c.open(t, to)
		if b, err := tried.CountBoot(ctx); err != nil || !b.Trial {
			t.Fatalf("the trial is taken for %+v, %v", b, err)
		}
		// From here on the old or the new one.
		c.mark(boots(from, old, s))
		must(t, tried.Commit())
		c.mark(boots(to, s))
	}
	healthy := func(s slot.Slot) {
		t.Helper()
		k := c.open(t, s)
		_, err := k.CountBoot(ctx)
		must(t, err)
		must(t, k.ClearBoots())
		must(t, k.EndProbation())
	}

	c.mark(boots(slot.A, v1))
	healthy(slot.A)
	update(slot.A, v1, v2)
	healthy(slot.B)
	update(slot.B, v2, v3)
	healthy(slot.A)

	// One that is cut in its middle, and the same again.
	c.budget = size / 2 / bootpart.SectorBytes
	if err := c.open(t, slot.A).Stage(ctx, slot.B, v4.content(), nil); !errors.Is(err, errCut) {
		t.Fatalf("a cut update ended with %v", err)
	}
	c.budget = -1
	healthy(slot.A)
	update(slot.A, v3, v4)

	// It never gets healthy: the third start gives it up.
	for n := 1; ; n++ {
		if n == slot.ProbationBoots {
			c.mark(boots(slot.B, v4, v3))
		}
		b, err := c.open(t, slot.B).CountBoot(ctx)
		must(t, err)
		if b.GaveUp != (n == slot.ProbationBoots) {
			t.Fatalf("start %d: %+v", n, b)
		}
		if b.GaveUp {
			break
		}
	}
	c.mark(boots(slot.A, v3))
	healthy(slot.A)

	// A good one, from which a person goes back.
	update(slot.A, v3, v5)
	healthy(slot.B)
	must(t, c.open(t, slot.B).Arm(ctx, slot.A))
	c.mark(boots(slot.B, v5, v3))
	must(t, c.open(t, slot.A).Commit())
	c.mark(boots(slot.A, v3))
	healthy(slot.A)
}

func (s *state) report(t *testing.T) {
	t.Logf("%d states of the disk, %d updates on such, %d neither the old nor the new system whole", s.checks, s.updates, len(s.failed))
	for _, f := range s.failed[:min(len(s.failed), 10)] {
		t.Error(f)
	}
}

// TestEveryCut cuts the power at every write of a card's life, with the writes
// since the last sync torn and in any order: always the old or the new system
// boots, and all of it is there.
func TestEveryCut(t *testing.T) {
	size := 20_000
	if *torture > 100 {
		size = 100_000
	}
	c := newCard(t, newSystem("1.0.0", size))
	s := newState(t, c)
	life(t, c, size)
	seed := uint64(1)
	if *torture > 100 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d, %d events", seed, len(c.log))
	s.replay(t, c.log, *torture, rand.New(rand.NewPCG(seed, 0)))
	s.report(t)
	if s.checks < 1000 || s.updates < 3 {
		t.Errorf("only %d states and %d updates were checked", s.checks, s.updates)
	}
}

// TestARestartThatTriesLeadsToAWholeSystem looks at restarts with the word tryboot
// at every write, whoever asked for one: without a cut, so all writes are done.
func TestARestartThatTriesLeadsToAWholeSystem(t *testing.T) {
	c := newCard(t, newSystem("1.0.0", 9000))
	s := newState(t, c)
	all := map[string]system{}
	life(t, c, 9000)
	for i, e := range c.log {
		if e.mark != nil {
			e.mark(s)
			for v, sys := range s.may {
				all[v] = sys
			}
			continue
		}
		if e.sync {
			continue
		}
		s.apply([]event{e})
		in, version, err := start(&s.parts, firmware.Pi4, true)
		if err != nil {
			t.Fatalf("after event %d: %v", i, err)
		}
		sys, ok := all[version]
		if !ok { // it is tried before it may be committed
			sys = map[string]system{"2.0.0": newSystem("2.0.0", 13500), "3.0.0": newSystem("3.0.0", 4500), "4.0.0": newSystem("4.0.0", 9000), "5.0.0-rc.1": newSystem("5.0.0-rc.1", 9000)}[version]
		}
		if err := sys.whole(t, &s.parts, in); err != nil {
			t.Fatalf("after event %d: %v", i, err)
		}
	}
}

// TestTheCutsCanFail shows that TestEveryCut sees what it is there for: a card
// that is told to sync and does not, a commit that overtakes what it commits,
// and a slot that is overwritten while it boots.
func TestTheCutsCanFail(t *testing.T) {
	run := func(t *testing.T, c *card, log []event, s *state) {
		t.Helper()
		s.replay(t, log, 25, rand.New(rand.NewPCG(7, 7)))
		if len(s.failed) == 0 {
			t.Errorf("%d states of the disk, and nothing was seen", s.checks)
		}
	}
	for part, name := range []string{"boot partition", "root a", "root b"} {
		t.Run("a sync that is none: "+name, func(t *testing.T) {
			c := newCard(t, newSystem("1.0.0", 9000))
			c.lie = func(p int) bool { return p == part }
			s := newState(t, c)
			life(t, c, 9000)
			run(t, c, c.log, s)
		})
	}
	t.Run("a commit before the sync", func(t *testing.T) {
		c := newCard(t, newSystem("1.0.0", 9000))
		s := newState(t, c)
		life(t, c, 9000)
		// Take the first commit, and move it before the sync that ends the writing of
		// the boot files.
		commit, sync := -1, -1
		for i, e := range c.log {
			if e.mark == nil && !e.sync && len(e.data) == bootpart.SectorBytes && slot.ParseConfig(e.data) == slot.B && commit < 0 {
				commit = i // the first is tryboot.txt: the same text
			}
			if e.sync && e.part == boot && commit < 0 {
				sync = i
			}
		}
		var config event
		for _, e := range c.log[commit+1:] {
			if len(e.data) == bootpart.SectorBytes && slot.ParseConfig(e.data) == slot.B {
				config = e
				break
			}
		}
		log := append([]event(nil), c.log[:sync]...)
		log = append(log, event{mark: boots(slot.A, newSystem("1.0.0", 9000), newSystem("2.0.0", 13500))}, config)
		log = append(log, c.log[sync:]...)
		run(t, c, log[:sync+3], s)
	})
	t.Run("a slot overwritten while it boots", func(t *testing.T) {
		c := newCard(t, newSystem("1.0.0", 9000))
		s := newState(t, c)
		c.mark(boots(slot.A, newSystem("1.0.0", 9000)))
		must(t, bootpart.WriteSlot(c.dev(boot), slot.A, newSystem("2.0.0", 9000).files(t, slot.A)))
		run(t, c, c.log, s)
	})
}
