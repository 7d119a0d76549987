// Package clock keeps the computer's clock right by SNTP, on computers that
// forget the time when they are switched off. It knows time servers, how far to
// believe them, the kernel's clock and the one with a battery. It must never
// know who reads the time.
package clock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"
)

const (
	// slewBelow is the offset up to which the clock is only made to run faster
	// or slower: no moment is there twice or missing. (RFC 5905, 10: STEPT.)
	slewBelow = 128 * time.Millisecond
	// doubtAbove is the offset that a clock which was right does not have by
	// itself: a second round must say the same.
	doubtAbove = 10 * time.Second
	// sameWithin is how far two rounds that say the same may be apart.
	sameWithin = time.Second
	// life is how long after its building a system may run: a time later than
	// that is nobody's.
	life = 50 * 365 * 24 * time.Hour
	// saveEvery is how often the time is kept on disk.
	saveEvery = time.Hour
)

// tempo is how often servers are asked.
type tempo struct {
	first, last time.Duration // between rounds until the first success: doubled from first to last
	least, most time.Duration // afterwards, likewise
	answer      time.Duration // how long an answer may take
}

var usual = tempo{
	first: 2 * time.Second, last: 64 * time.Second,
	least: 64 * time.Second, most: 1024 * time.Second,
	answer: 5 * time.Second,
}

// Options say whom to ask and where to keep things. Servers, Dir and Runtime are
// required.
type Options struct {
	// Servers are asked: "host" or "host:port".
	Servers []string
	// Dir is where the time is kept across boots, in the file clock.json;
	// Runtime where the file clock.json tells other processes that the clock is
	// synchronised, see Synchronised.
	Dir, Runtime string
	// Built is when the system was built: no clock is right before that.
	Built time.Time
	// Clock is the clock to keep right; nil: the kernel's.
	Clock Clock
	Log   *slog.Logger

	tempo tempo
}

// Run keeps the clock right until ctx ends. At the start a clock that has
// forgotten the time is moved forward, never back, to the latest of what the
// battery's clock, the disk and the build know. Servers that do not answer or
// cannot be believed are asked again for ever. The error is for options that
// cannot work.
func Run(ctx context.Context, o Options) error {
	if o.Dir == "" || o.Runtime == "" || len(o.Servers) == 0 {
		return errors.New("keeping the clock: it needs time servers and directories")
	}
	if o.Clock == nil {
		o.Clock = Kernel{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.tempo == (tempo{}) {
		o.tempo = usual
	}
	k := &keeper{Options: o, resolver: net.DefaultResolver, quiet: map[string]time.Time{}}
	k.begin()
	defer k.save()
	return k.run(ctx)
}

// keeper is the state of Run.
type keeper struct {
	Options
	resolver *net.Resolver

	synchronised bool      // since this boot
	doubt        *opinion  // what the last round said, which nobody believed yet
	saved        time.Time // the time on disk
	savedAt      time.Time // when that was written; for the monotonic clock
	said         string    // the last failure that was logged, without its particulars
	saidAt       time.Time
	quiet        map[string]time.Time
}

// opinion is what a round of questions says.
type opinion struct {
	offset time.Duration // to be added to the clock
	source string
	voices int // servers that agree
}

func (k *keeper) run(ctx context.Context) error {
	wait := k.tempo.first
	for {
		was := k.synchronised
		op, err := k.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = k.follow(op)
		}
		k.tell(err)
		if time.Since(k.savedAt) >= saveEvery {
			k.save()
		}
		switch {
		case k.synchronised && (k.doubt != nil || !was):
			wait = k.tempo.least
		case k.doubt != nil:
			wait = k.tempo.first
		case k.synchronised:
			wait = min(max(2*wait, k.tempo.least), k.tempo.most)
		default:
			wait = min(2*wait, k.tempo.last)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// tell logs what is wrong, once and then now and then, and that it is right
// again.
func (k *keeper) tell(err error) {
	if err == nil {
		if k.said != "" {
			k.said = ""
			k.Log.Info("time servers give the time again")
		}
		return
	}
	// What follows has ports and milliseconds in it, which are others each time.
	what, _, _ := strings.Cut(err.Error(), ":")
	if what == k.said && time.Since(k.saidAt) < saveEvery {
		return
	}
	k.said, k.saidAt = what, time.Now()
	k.Log.Warn("the clock is not being set", "err", err, "synchronised", k.synchronised)
}

// follow sets the clock as far as the opinion is to be believed. The error says
// why it is not.
func (k *keeper) follow(op opinion) error {
	now := k.Clock.Now()
	if at := now.Add(op.offset); at.Before(k.Built) || at.After(k.Built.Add(life)) {
		return fmt.Errorf("%s says it is %s, which it cannot be for a system of %s", op.source, at.UTC().Format(time.DateOnly), k.Built.UTC().Format(time.DateOnly))
	}
	size := op.offset.Abs()
	alone := op.voices < 2 && len(k.Servers) > 1
	if size < slewBelow && k.synchronised {
		k.doubt = nil
		if err := k.Clock.Slew(op.offset); err != nil {
			return fmt.Errorf("adjusting the clock: %w", err)
		}
		return k.done(op, false)
	}
	if alone || size > doubtAbove && k.synchronised {
		before := k.doubt
		k.doubt = &op
		if before == nil || (before.offset-op.offset).Abs() > sameWithin {
			k.Log.Warn("time servers want the clock set; they are asked once more before it is", "by", op.offset, "source", op.source, "agree", op.voices)
			return nil
		}
	}
	k.doubt = nil
	if err := k.Clock.Step(op.offset); err != nil {
		return fmt.Errorf("setting the clock: %w", err)
	}
	switch {
	case !k.synchronised:
		k.Log.Info("the clock is set", "by", op.offset, "source", op.source, "agree", op.voices)
	default:
		k.Log.Warn("the clock was wrong and is set", "by", op.offset, "source", op.source, "agree", op.voices)
	}
	return k.done(op, true)
}

// done tells everybody that the clock is right.
func (k *keeper) done(op opinion, stepped bool) error {
	first := !k.synchronised
	k.synchronised = true
	err := k.announce(op)
	if first || stepped {
		k.save()
	}
	return err
}
