package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBlockCacheAnswersAsWithout(t *testing.T) {
	var c blockCache
	var e encoder
	for round := range 2 {
		for i := range 50 {
			columns := []column{one(1, float64(i), 2, 3), one(2, 0.5, float64(i)/10)}
			b, err := e.blob(columns)
			if err != nil {
				t.Fatal(err)
			}
			for _, only := range []int64{0, 1, 2, 3} {
				want, err := decodeBlob(b, only)
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.decode(b, only)
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(column{})); err != nil || diff != "" {
					t.Fatalf("round %d, block %d, series %d: %v (-want +got):\n%s", round, i, only, err, diff)
				}
			}
			damaged := append([]byte(nil), b...)
			damaged[len(damaged)-1] ^= 1
			if _, err := c.decode(damaged, 1); !errors.Is(err, errBlob) {
				t.Errorf("a damaged block: got error %v, want %v", err, errBlob)
			}
		}
	}
	if len(c.plain) != 50 {
		t.Errorf("%d blocks are kept, want 50", len(c.plain))
	}
}

func TestBlockCacheIsBounded(t *testing.T) {
	var c blockCache
	for i := range 3000 {
		c.keep(fmt.Sprint(i), make([]byte, 10_000))
		if c.size > maxCached {
			t.Fatalf("after %d blocks it holds %d bytes, want %d at most", i+1, c.size, maxCached)
		}
	}
	if len(c.plain) != len(c.order) || len(c.plain) < 100 || c.plain["2999"] == nil {
		t.Errorf("%d blocks and %d in order are kept, want the last", len(c.plain), len(c.order))
	}
	c.keep("large", make([]byte, maxCached))
	if c.plain["large"] != nil {
		t.Error("a block that would take all room is kept")
	}
}
