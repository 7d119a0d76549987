package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// fsckWithin bounds one run of e2fsck. A card is not given up for being slow, but
// the keeper's patience ends too (keeper.Care).
const fsckWithin = 6 * time.Minute

// A verdict is what e2fsck made of a file system.
type verdict int

const (
	clean       verdict = iota // nothing was wrong, or a journal had to be replayed
	corrected                  // it was wrong and is right now
	uncorrected                // it is still wrong
	failed                     // e2fsck could not do its work
)

// The bits of e2fsck's exit status (e2fsck(8)). The second is for a file system
// that was mounted meanwhile, which ours is not.
const (
	fsckCorrected, fsckReboot, fsckUncorrected = 1, 2, 4
)

// judge reads an exit status. Any further bit is a failure, whatever else was
// done: an operational error (8), a mistake in its arguments (16), cancelled
// (32), a missing library (128).
func judge(status int) verdict {
	switch {
	case status < 0 || status&^(fsckCorrected|fsckReboot|fsckUncorrected) != 0:
		return failed
	case status&fsckUncorrected != 0:
		return uncorrected
	case status != 0:
		return corrected
	}
	return clean
}

// fsck runs e2fsck and returns its verdict and its words, which are bounded.
func fsck(ctx context.Context, program, device string, options ...string) (verdict, string, error) {
	ctx, cancel := context.WithTimeout(ctx, fsckWithin)
	defer cancel()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append(options, device)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	words := tail(said.String(), 12)
	if exit := new(exec.ExitError); err == nil || errors.As(err, &exit) && ctx.Err() == nil {
		return judge(cmd.ProcessState.ExitCode()), words, nil
	}
	return failed, words, fmt.Errorf("running e2fsck: %w", errors.Join(err, ctx.Err()))
}

// tail is the end of what a program printed.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// check checks a file system that is not mounted, and repairs it: first what can
// be repaired without losing anything, which is quick when nothing is wrong; and
// when that is not enough, whatever can be. The words are e2fsck's.
func check(ctx context.Context, program, device string) (v verdict, words string, err error) {
	v, words, err = fsck(ctx, program, device, "-p")
	if err != nil || v == clean || v == corrected {
		return v, words, err
	}
	for range 2 { // a repair may uncover what only a second one repairs
		var more string
		v, more, err = fsck(ctx, program, device, "-f", "-y")
		words += "\n" + more
		if err != nil || v == clean || v == corrected {
			break
		}
	}
	if v == clean {
		v = corrected
	}
	return v, words, err
}
