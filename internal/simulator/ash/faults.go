package ash

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// Faults are the chances, 0 to 1 for each byte and each direction, that the
// line harms it.
type Faults struct {
	Lose      float64 `json:"lose"`      // the byte vanishes
	Flip      float64 `json:"flip"`      // one of its bits is inverted
	Duplicate float64 `json:"duplicate"` // it arrives twice
}

// Check says what is wrong with the chances, if anything.
func (f Faults) Check() error {
	for _, p := range []struct {
		name   string
		chance float64
	}{{"lose", f.Lose}, {"flip", f.Flip}, {"duplicate", f.Duplicate}} {
		if !(p.chance >= 0 && p.chance <= 1) {
			return fmt.Errorf("chance %q is %v: it must be between 0 and 1", p.name, p.chance)
		}
	}
	return nil
}

// Noise harms bytes by the Faults it was last given. The same seed harms the
// same stream in the same way. A nil *Noise harms nothing.
type Noise struct {
	mu     sync.Mutex
	random *rand.Rand
	faults Faults
}

// NewNoise returns a line that is clean until Set says otherwise.
func NewNoise(seed uint64) *Noise {
	return &Noise{random: rand.New(rand.NewPCG(seed, 0x6e6f697365))}
}

// Set changes the chances from the next byte on.
func (n *Noise) Set(f Faults) error {
	if err := f.Check(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = f
	return nil
}

// Pass returns what is left of b after it went over the line. b itself is not
// changed; it is returned as it is while the line is clean.
func (n *Noise) Pass(b []byte) []byte {
	if n == nil {
		return b
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.faults == (Faults{}) {
		return b
	}
	out := make([]byte, 0, len(b)+4)
	for _, c := range b {
		if n.random.Float64() < n.faults.Lose {
			continue
		}
		if n.random.Float64() < n.faults.Flip {
			c ^= 1 << n.random.IntN(8)
		}
		out = append(out, c)
		if n.random.Float64() < n.faults.Duplicate {
			out = append(out, c)
		}
	}
	return out
}
