package manager

import (
	"context"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/manager/gokrazy"
	"github.com/smartcore-ireland/hems/internal/manager/journal"
)

const (
	ringSize   = 100                    // lines of a stream that gokrazy holds
	ringSilent = 300 * time.Millisecond // after which what it held has all come
	ringLimit  = 3 * time.Second        // of waiting for that
	maxFollow  = 64                     // programs that are followed
)

// keepLogs follows every program that init supervises, until ctx ends.
func (m *Manager) keepLogs(ctx context.Context) {
	known, err := m.journal.Tails(ringSize)
	if err != nil {
		m.log.Warn("the logs of before cannot be read whole", "err", err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	followed := map[string]bool{}
	for {
		for _, p := range m.watch.Programs() {
			if followed[p.Path] || len(followed) >= maxFollow {
				continue
			}
			followed[p.Path] = true
			t := &transcript{program: p.Name, journal: m.journal, last: map[string][]string{
				"stdout": known[journal.Key{Program: p.Name, Stream: "stdout"}],
				"stderr": known[journal.Key{Program: p.Name, Stream: "stderr"}],
			}}
			wg.Go(func() { t.keep(ctx, m.init, p.Path) })
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// transcript is what one program writes, on its way into the journal.
type transcript struct {
	program string
	journal *journal.Journal
	last    map[string][]string // the last lines of each stream, at most ringSize
}

// keep follows the program, again after each loss of the connection.
func (t *transcript) keep(ctx context.Context, init *gokrazy.Client, path string) {
	for ctx.Err() == nil {
		t.follow(ctx, init, path)
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
	}
}

// follow takes one connection's lines. It begins with those that init holds, of
// which we know some already.
func (t *transcript) follow(ctx context.Context, init *gokrazy.Client, path string) {
	lines := make(chan [2]string, 4*ringSize)
	go func() {
		defer close(lines)
		// Why it ended is no news: init says that it is there by other ways.
		_ = init.Follow(ctx, path, func(stream, line string) { lines <- [2]string{stream, line} })
	}()
	held := map[string][]string{}
	silent := time.NewTimer(ringLimit)
	for deadline := time.Now().Add(ringLimit); time.Now().Before(deadline); {
		select {
		case l, ok := <-lines:
			if ok {
				held[l[0]] = append(held[l[0]], journal.Clean(l[1]))
				silent.Reset(ringSilent)
				continue
			}
		case <-silent.C:
		}
		break
	}
	silent.Stop()
	for stream, all := range held {
		for _, line := range journal.Unheard(t.last[stream], all) {
			t.add(stream, line)
		}
	}
	for l := range lines {
		t.add(l[0], l[1])
	}
}

func (t *transcript) add(stream, line string) {
	line = journal.Clean(line)
	t.journal.Add(t.program, stream, line)
	last := append(t.last[stream], line)
	t.last[stream] = last[max(0, len(last)-ringSize):]
}
