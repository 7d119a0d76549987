// Package journal keeps what programs wrote, within a fixed size, across
// restarts, on a card that wears out: lines wait in memory and are written
// together, at once only when one of them is a warning. It knows lines and files
// and must never know what a line means beyond its level.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// Size is what all files have together at most, in bytes.
	Size = 4 << 20

	maxFiles   = 8
	maxFile    = Size / maxFiles
	maxLine    = 4 << 10   // bytes of a line's text
	maxPending = 256 << 10 // bytes that wait in memory

	writeEvery = time.Minute     // without a warning
	soon       = time.Second     // with one: those that follow it are written with it
	atMost     = 5 * time.Second // between two writes because of warnings
)

// Line is one line of a program.
type Line struct {
	At      time.Time // when it was heard, to the millisecond, UTC
	Program string    // "hems-broker"
	Stream  string    // "stdout" or "stderr"
	Text    string    // without control characters
}

// String is the line as people read it.
func (l Line) String() string {
	return l.At.UTC().Format(stamp) + " " + l.Program + " " + l.Text
}

const stamp = "2006-01-02T15:04:05.000Z"

// streams by the letter that stands for them in the files.
var streams = map[string]string{"o": "stdout", "e": "stderr"}

// encode is the line as it stands in a file.
func (l Line) encode() string {
	letter := "o"
	if l.Stream == "stderr" {
		letter = "e"
	}
	return l.At.UTC().Format(stamp) + " " + l.Program + " " + letter + " " + l.Text + "\n"
}

// decode reads what encode wrote; false for anything else, such as a line that
// a power cut left unfinished.
func decode(s string) (Line, bool) {
	f := strings.SplitN(strings.TrimSuffix(s, "\n"), " ", 4)
	if len(f) != 4 || f[1] == "" || len(f[3]) > maxLine || f[3] != Clean(f[3]) || f[1] != Clean(f[1]) {
		return Line{}, false
	}
	at, err := time.Parse(stamp, f[0])
	if err != nil || streams[f[2]] == "" {
		return Line{}, false
	}
	return Line{at, f[1], streams[f[2]], f[3]}, true
}

// Clean is text as it is kept: valid UTF-8 of at most 4 KiB, a blank for a
// tab, nothing for other control characters.
func Clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, text)
	if len(text) > maxLine {
		n := maxLine - len("…")
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n] + "…"
	}
	return text
}

// urgent tells whether a line is written soon.
func urgent(text string) bool {
	for _, w := range []string{"level=WARN", "level=ERROR", "error:", "panic:", "fatal error:"} {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// Journal is the lines of all programs. Its methods may be called from any
// goroutine.
type Journal struct {
	dir string
	log *slog.Logger

	mu        sync.Mutex
	files     []int // numbers of the files, oldest first
	size      int64 // of the newest
	pending   []Line
	waiting   int // bytes in pending
	due       time.Time
	lastSoon  time.Time
	dropped   int
	failed    bool // the last write; said once
	followers map[*follower]struct{}
	wake      chan struct{} // one token: due has come closer
}

// Open continues the journal in dir, which is made when it is not there.
func Open(dir string, log *slog.Logger) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	j := &Journal{dir: dir, log: log, followers: map[*follower]struct{}{}, wake: make(chan struct{}, 1)}
	if err := j.find(); err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	return j, nil
}

// Add keeps a line. A program name that could not be a file's is dropped.
func (j *Journal) Add(program, stream, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	l := Line{now.UTC().Truncate(time.Millisecond), program, stream, Clean(text)}
	if program == "" || strings.ContainsAny(program, " /\n") || program != Clean(program) {
		j.dropped++
		return
	}
	for f := range j.followers {
		f.tell(l)
	}
	size := len(l.encode())
	if j.waiting+size > maxPending {
		// Only a disk that takes nothing lets it come to this.
		j.write()
		if j.waiting+size > maxPending {
			j.dropped++
			return
		}
	}
	j.pending = append(j.pending, l)
	j.waiting += size
	due := now.Add(writeEvery)
	if urgent(l.Text) {
		due = now.Add(soon)
		if next := j.lastSoon.Add(atMost); next.After(due) {
			due = next
		}
		j.lastSoon = due
	}
	if j.due.IsZero() || due.Before(j.due) {
		j.due = due
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
}

// Dropped is how many lines were not kept because the disk took nothing.
func (j *Journal) Dropped() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped
}

// Run writes when it is due, until done is closed, and then what is left.
func (j *Journal) Run(done <-chan struct{}) {
	for {
		j.mu.Lock()
		wait := time.Hour
		if !j.due.IsZero() {
			wait = time.Until(j.due)
		}
		j.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-done:
			timer.Stop()
			j.Flush()
			return
		case <-j.wake:
			timer.Stop()
		case <-timer.C:
			j.Flush()
		}
	}
}

// Flush writes all that waits.
func (j *Journal) Flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.write()
}

// Tail is the last n lines of a program, or of all when program is empty,
// oldest first.
func (j *Journal) Tail(program string, n int) ([]Line, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tail(func(l Line) bool { return program == "" || l.Program == program }, n)
}

// Key is a stream of a program.
type Key struct{ Program, Stream string }

// Tails is the texts of the last n lines of each stream of each program, oldest
// first.
func (j *Journal) Tails(n int) (map[Key][]string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	all, err := j.tail(func(Line) bool { return true }, Size)
	tails := map[Key][]string{}
	for _, l := range all {
		k := Key{l.Program, l.Stream}
		if t := tails[k]; len(t) >= n {
			tails[k] = t[1:]
		}
		tails[k] = append(tails[k], l.Text)
	}
	return tails, err
}

// tail reads the newest files first, no more of them than it takes.
func (j *Journal) tail(want func(Line) bool, n int) ([]Line, error) {
	var found []Line // newest first
	for _, l := range slices.Backward(j.pending) {
		if len(found) < n && want(l) {
			found = append(found, l)
		}
	}
	var errs error
	for _, number := range slices.Backward(j.files) {
		if len(found) >= n {
			break
		}
		b, err := os.ReadFile(j.path(number))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) { // begun, but nothing was written
				errs = errors.Join(errs, err)
			}
			continue
		}
		lines := slices.Collect(strings.Lines(string(b)))
		for _, s := range slices.Backward(lines) {
			if l, ok := decode(s); ok && len(found) < n && want(l) {
				found = append(found, l)
			}
		}
	}
	slices.Reverse(found)
	if errs != nil {
		return found, fmt.Errorf("reading the journal: %w", errs)
	}
	return found, nil
}
