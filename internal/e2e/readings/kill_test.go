//go:build e2e

package readings

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

var (
	kills = flag.Int("kills", 10, "how often the writer, or the broker, is killed")
	cuts  = flag.Int("cuts", 5, "how often TestPowerCuts cuts the power")
)

// moment waits for a random moment within some commits.
func moment() { time.Sleep(time.Duration(20+rand.IntN(1500)) * time.Millisecond) }

// TestKillsOfTheWriter kills the metrics writer at random moments while ten
// devices publish at QoS 1: all that was acknowledged is stored, once, and is at
// the database, once.
func TestKillsOfTheWriter(t *testing.T) {
	t.Parallel()
	h := newHouse(t, tempDir(t), influx1(t), influx2(t))
	for i := range 10 {
		h.add(fmt.Sprint("d", i), 1)
	}
	h.start()
	wait := h.publish(2, 10*time.Millisecond)
	for range *kills {
		moment()
		h.metrics.end(t, syscall.SIGKILL)
		h.startMetrics()
	}
	moment()
	wait()
	h.complete()
	h.enough(20 * *kills)
}

// TestKillsOfTheBroker kills the broker in the same way, and starts it anew.
func TestKillsOfTheBroker(t *testing.T) {
	t.Parallel()
	h := newHouse(t, tempDir(t), victoria(t))
	for i := range 10 {
		h.add(fmt.Sprint("d", i), 1)
	}
	h.start()
	wait := h.publish(2, 10*time.Millisecond)
	for i := range *kills {
		moment()
		h.broker.end(t, []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[i%2])
		h.startBroker()
	}
	moment()
	wait()
	h.complete()
	h.enough(20 * *kills)
}

// TestKillCostsQoS0TheCommitInterval: what is published at QoS 0 is lost by a
// kill of the writer where it was not committed, and nothing before or after:
// the broker keeps it for the writer while it is away.
func TestKillCostsQoS0TheCommitInterval(t *testing.T) {
	t.Parallel()
	// Bounds what the machine may add to the commit interval where it is busy.
	const slack = 10 * time.Second
	h := newHouse(t, tempDir(t), influx1(t))
	d := h.add("d", 0)
	h.start()
	wait := h.publish(1, 10*time.Millisecond)
	time.Sleep(slack + 5*time.Second)
	killed := time.Now()
	h.metrics.end(t, syscall.SIGKILL)
	dead := time.Now()
	time.Sleep(8 * time.Second)
	h.startMetrics()
	moment()
	wait()
	kept := h.complete()
	have := map[int]bool{}
	for _, p := range kept[d.entity()] {
		have[int(p.Value)] = true
	}
	var lost []int
	for n := 1; n < d.next; n++ {
		if !have[n] {
			lost = append(lost, n)
		}
	}
	if len(lost) == 0 {
		t.Log("it was killed right after a commit")
		return
	}
	first, last := lost[0], lost[len(lost)-1]
	t.Logf("%d of %d readings are lost, from %v before the kill to %v after it", len(lost), d.next-1,
		killed.Sub(d.sent[first]).Round(time.Millisecond), d.sent[last].Sub(killed).Round(time.Millisecond))
	if len(lost) != last-first+1 {
		t.Errorf("what is lost is not in a row: %v", lost)
	}
	if age := killed.Sub(d.sent[first]); age > commitEvery+slack {
		t.Errorf("a reading of %v before the kill is lost; at most %v may be", age, commitEvery)
	}
	if late := d.sent[last].Sub(dead); late > 4*time.Second {
		t.Errorf("a reading of %v after the end is lost", late)
	}
}

// TestTheProofCanFail: a loss is seen. The store is as it was some time before.
func TestTheProofCanFail(t *testing.T) {
	t.Parallel()
	h := newHouse(t, tempDir(t), influx1(t))
	d := h.add("d", 1)
	h.start()
	h.metrics.end(t, syscall.SIGTERM)
	before := copyOf(t, filepath.Join(h.data, "store"))
	h.startMetrics()
	known := len(h.stored()[d.entity()])
	h.slowly("readings to be committed", func() bool { d.reading(1); return len(h.stored()[d.entity()]) > known+2 })
	h.metrics.end(t, syscall.SIGTERM)
	if err := os.RemoveAll(filepath.Join(h.data, "store")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(before, filepath.Join(h.data, "store")); err != nil {
		t.Fatal(err)
	}
	h.startMetrics()
	if _, lost, _ := h.counted(); lost == 0 {
		t.Errorf("of %d readings that were acknowledged none is missed", h.count())
	}
}

// copyOf is a copy of a directory, beside it.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := dir + ".copy"
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
