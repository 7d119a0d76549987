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

// fsckWithin bounds all runs of e2fsck at a start. A card is not given up for
// being slow, but the keeper's patience ends too (keeper.Care).
const fsckWithin = 12 * time.Minute

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

// tail is the end of what a program printed, without empty lines. Lines are cut:
// that of a broken bitmap names each block.
func tail(text string, lines int) string {
	const longest = 160
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, strings.ToValidUTF8(line[:min(len(line), longest)], "?"))
		}
	}
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// check checks a file system that is not mounted, and repairs it. When nothing is
// known to be wrong that is the journal's replay and no more. After a repair it is
// checked once more, all of it, until nothing is left to be done: one repair may
// uncover another. The words are e2fsck's, of all runs.
//
// It is never asked for safe repairs alone ("-p"): it may delete a broken journal
// then and give up over something else, and no later run makes a new journal,
// without which each power cut does harm.
func check(ctx context.Context, program, device string, options ...string) (v verdict, words string, err error) {
	v, words, err = fsck(ctx, program, device, append(options, "-y")...)
	if err != nil || v == clean {
		return v, words, err
	}
	for range 3 {
		again, more, err := fsck(ctx, program, device, "-f", "-y")
		words += "\n" + more
		switch {
		case err != nil:
			return failed, words, err
		case again == clean:
			return corrected, words, nil
		}
		v = again
	}
	return v, words, nil
}
