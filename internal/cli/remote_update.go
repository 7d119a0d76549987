package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

const (
	awayLimit   = 10 * time.Minute // a restart and a trial take less
	updateLimit = time.Hour
	endLimit    = 30 * time.Second // without a word of the update that was sent
)

// update sends a bundle and waits for its verdict.
func (r *remote) update(ctx context.Context, words []string) error {
	f, err := os.Open(words[0])
	if err != nil {
		return hinted{err, "make one with hems release"}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	before, err := r.free(ctx)
	if err != nil {
		return err
	}
	sent := &counted{Reader: f, total: info.Size(), say: func(percent int) { r.progress(fmt.Sprintf("sending %d %%", percent)) }}
	if _, err := r.SendUpdate(ctx, sent, info.Size(), r.older); err != nil {
		r.progressEnd()
		if e := client.Refusal(err); e != nil && strings.Contains(e.Code, "older") && !r.older {
			e.Hint = fmt.Sprintf("hems update %s %s -older", r.host, words[0])
		}
		return err
	}
	return r.await(ctx, before)
}

// rollback boots the version before and waits for its verdict.
func (r *remote) rollback(ctx context.Context, _ []string) error {
	before, err := r.free(ctx)
	if err != nil {
		return err
	}
	if err := r.Rollback(ctx); err != nil {
		return err
	}
	return r.await(ctx, before)
}

// free is the last verdict, when no update is under way.
func (r *remote) free(ctx context.Context) (*client.Verdict, error) {
	u, err := r.Client.Update(ctx)
	if err != nil {
		return nil, err
	}
	if u.Busy() {
		return nil, hinted{fmt.Errorf("another update is under way: %s", phaseWords(u)), "hems status " + r.host}
	}
	return u.Verdict, nil
}

// await goes through the restarts of an update to its verdict.
func (r *remote) await(ctx context.Context, before *client.Verdict) error {
	ctx, cancel := context.WithTimeout(ctx, updateLimit)
	defer cancel()
	defer r.progressEnd()
	heard, idle := time.Now(), time.Time{}
	for {
		u, err := r.Client.Update(ctx)
		refused := client.Refusal(err)
		switch {
		case err == nil:
			heard = time.Now()
		case refused != nil && refused.Status < 500:
			return err // signed out: the password was changed
		case ctx.Err() != nil:
			return fmt.Errorf("given up waiting for the verdict; the update goes on by itself: %w", context.Cause(ctx))
		case time.Since(heard) > awayLimit:
			return hinted{fmt.Errorf("the appliance has not answered for %v", awayLimit), "look at it, and pull its plug if it stays away: the version before starts then"}
		default:
			r.progress("restarting")
		}
		if err == nil && !u.Busy() && !u.Verdict.Same(before) {
			return r.verdict(u.Verdict)
		}
		if err == nil && !u.Busy() {
			if idle.IsZero() {
				idle = time.Now()
			}
			if time.Since(idle) > endLimit {
				return hinted{errors.New("the update ended without a verdict"), "hems logs " + r.host + " -process hems-manager"}
			}
		} else if err == nil {
			idle = time.Time{}
			r.progress(phaseWords(u))
		}
		select {
		case <-ctx.Done():
		case <-time.After(r.every):
		}
	}
}

// verdict prints how an update went. Only one that is installed and confirmed is
// no error.
func (r *remote) verdict(v *client.Verdict) error {
	r.progressEnd()
	text, good := verdictWords(v)
	switch {
	case r.json:
		if err := r.answer(v); err != nil {
			return err
		}
		if !good {
			return errSaid
		}
		return nil
	case good:
		_, err := fmt.Fprintln(r.stdout, text)
		return err
	}
	return hinted{errors.New(text), "hems diagnostics " + r.host}
}

// verdictWords say how an update went, and whether it is installed.
func verdictWords(v *client.Verdict) (text string, good bool) {
	why, as := "", "as before"
	if v.Why != "" {
		why = ": " + strings.TrimSuffix(v.Why, ".")
	}
	if v.From != "" {
		as = "the appliance runs " + v.From + " as before"
	}
	switch v.Result {
	case client.Installed:
		if text = "installed: " + v.Version; v.From != "" {
			text += " (it was " + v.From + ")"
		}
		return text, true
	case client.Returned:
		return fmt.Sprintf("the update to %s was tried and did not work%s; %s", v.Version, why, as), false
	case client.Refused:
		return fmt.Sprintf("the update to %s was refused%s; %s", v.Version, why, as), false
	}
	return fmt.Sprintf("the update to %s failed%s; %s", v.Version, why, as), false
}

func phaseWords(u client.Update) string {
	text := u.Phase
	if u.Version != "" {
		text += " " + u.Version
	}
	if u.Progress > 0 && u.Progress < 1 {
		text += fmt.Sprintf(" %d %%", int(u.Progress*100))
	}
	return text
}

// counted tells how much of a file was read.
type counted struct {
	io.Reader
	total, n int64
	last     int
	say      func(percent int)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	if c.total > 0 {
		if percent := int(100 * c.n / c.total); percent != c.last {
			c.last = percent
			c.say(percent)
		}
	}
	return n, err
}

// progress shows how far something is: in one line of a terminal, otherwise a
// line for each new word.
func (r *remote) progress(text string) {
	word, _, _ := strings.Cut(text, " ")
	switch {
	case r.json:
	case isTerminal(r.stderr):
		fmt.Fprintf(r.stderr, "\r\x1b[K%s", text)
	case word != r.shown:
		fmt.Fprintln(r.stderr, word)
	}
	r.shown = word
}

// progressEnd clears the line of progress.
func (r *remote) progressEnd() {
	if r.shown != "" && !r.json && isTerminal(r.stderr) {
		fmt.Fprint(r.stderr, "\r\x1b[K")
	}
	r.shown = ""
}
