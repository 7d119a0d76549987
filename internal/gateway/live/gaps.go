package live

import (
	"slices"
	"time"
)

// The gap after which a meter counts as silent. It reports at least every 300 s
// even when nothing changes, and most report far more often; so the usual gap
// is the longest of the last few, within bounds.
const (
	minGap    = 10 * time.Second
	maxGap    = 300 * time.Second
	goneAfter = 15 * time.Minute
	gapsKept  = 32
)

// gaps remembers how far apart reports come.
type gaps struct {
	last time.Time
	ring [gapsKept]time.Duration
	n    int
}

func (g *gaps) arrived(t time.Time) {
	if !g.last.IsZero() {
		g.ring[g.n%gapsKept] = t.Sub(g.last)
		g.n++
	}
	g.last = t
}

// usual is the longest of the gaps kept; with few of them, maxGap.
func (g *gaps) usual() time.Duration {
	if g.n < 5 {
		return maxGap
	}
	return min(max(slices.Max(g.ring[:min(g.n, gapsKept)]), minGap), maxGap)
}
