package flash

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Progress is how far something is.
type Progress struct {
	Phase       string // "checking", "writing", "verifying"
	Done, Total int64  // bytes; Total is 0 when it is not known
	Elapsed     time.Duration
	Finished    bool // the last one of its phase
}

// Rate is bytes in a second since the phase began.
func (p Progress) Rate() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	return float64(p.Done) / p.Elapsed.Seconds()
}

// Left is the time left at that rate, 0 when it is not known.
func (p Progress) Left() time.Duration {
	if p.Rate() <= 0 || p.Total <= p.Done {
		return 0
	}
	return time.Duration(float64(p.Total-p.Done) / p.Rate() * float64(time.Second))
}

// String is the progress as a line.
func (p Progress) String() string {
	if p.Total == 0 {
		return fmt.Sprintf("%-9s %8s  %s/s", p.Phase, Size(p.Done), Size(int64(p.Rate())))
	}
	s := fmt.Sprintf("%-9s %8s of %s  %3d %%  %s/s", p.Phase, Size(p.Done), Size(p.Total), p.percent(), Size(int64(p.Rate())))
	if p.Finished {
		return s + fmt.Sprintf("  after %v", p.Elapsed.Round(time.Second))
	}
	return s + fmt.Sprintf("  %v left", p.Left().Round(time.Second))
}

func (p Progress) percent() int {
	if p.Total == 0 {
		return 0
	}
	return int(100 * p.Done / p.Total)
}

// A meter counts and tells at most a few times a second.
type meter struct {
	p     Progress
	began time.Time
	told  time.Time
	tell  func(Progress)
}

const tellEvery = 200 * time.Millisecond

func newMeter(phase string, total int64, tell func(Progress)) *meter {
	return &meter{p: Progress{Phase: phase, Total: total}, began: time.Now(), tell: tell}
}

func (m *meter) add(n int) {
	m.p.Done += int64(n)
	if now := time.Now(); m.tell != nil && now.Sub(m.told) >= tellEvery {
		m.told = now
		m.p.Elapsed = now.Sub(m.began)
		m.tell(m.p)
	}
}

func (m *meter) end() {
	if m.tell != nil {
		m.p.Elapsed, m.p.Finished = time.Since(m.began), true
		m.tell(m.p)
	}
}

// Bar shows progress on a terminal, in place.
func Bar(w io.Writer) func(Progress) {
	return func(p Progress) {
		const width = 24
		bar := ""
		if p.Total > 0 {
			full := int(int64(width) * p.Done / p.Total)
			bar = "  [" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "]"
		}
		fmt.Fprintf(w, "\r\033[K%s%s", p, bar)
		if p.Finished {
			fmt.Fprintln(w)
		}
	}
}

// Lines shows progress where there is no terminal: a line each tenth of the way.
func Lines(w io.Writer) func(Progress) {
	phase, tenth := "", -1
	return func(p Progress) {
		if p.Phase != phase {
			phase, tenth = p.Phase, -1
		}
		if now := p.percent() / 10; now > tenth || p.Finished {
			tenth = now
			fmt.Fprintln(w, p)
		}
	}
}
