package journal

import (
	"time"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// writer is what belongs to the goroutine that flushes.
type writer struct {
	batch batch // taken from pending and not yet on the disk
	retry time.Duration
	at    time.Time // of the next try
	segs  segments
}

// run takes what waits and flushes it, when pace says so.
func (l *Log) run() {
	defer close(l.stopped)
	for l.step() {
	}
	l.w.segs.close()
	l.lock.Close()
}

// step does one thing, or waits for one to do; false: the log is closed.
func (l *Log) step() bool {
	l.mu.Lock()
	now := time.Now()
	if l.durable > l.told {
		l.told = l.durable
		f, mark := l.notify, l.seq(l.told)
		l.mu.Unlock()
		if f != nil {
			f(mark)
		}
		return true
	}
	if l.w.batch.count > 0 && l.w.batch.end() <= l.cut {
		l.w.batch.reset() // a state stands for it
		l.taken = 0
	}
	due := l.due(now)
	if due.IsZero() || due.After(now) {
		if l.closing {
			l.end()
			l.mu.Unlock()
			return false
		}
		l.sleeping = due
		l.mu.Unlock()
		l.sleep(due.Sub(now), due.IsZero())
		return true
	}
	last := l.closing // one try is enough then
	l.take()
	roll := l.roll
	l.roll, l.forced, l.sleeping = false, false, now
	cut := l.cut
	l.mu.Unlock()
	n, err := l.w.segs.write(&l.w.batch, roll, cut)
	l.mu.Lock()
	l.wrote(n, err)
	if err != nil && last {
		l.end()
		l.mu.Unlock()
		return false
	}
	l.mu.Unlock()
	return true
}

// due is when the writer has something to write; zero: nothing does.
func (l *Log) due(now time.Time) time.Time {
	now1 := l.forced || l.closing
	switch {
	case l.w.batch.count > 0: // the disk refused it
		if now1 {
			return now
		}
		return l.w.at
	case l.pending.count == 0 || l.hole:
		return time.Time{}
	case now1:
		return now
	}
	return l.pace.due(now, l.pending.bytes())
}

func (l *Log) sleep(d time.Duration, forever bool) {
	if forever {
		<-l.wake
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-l.wake:
	case <-t.C:
	}
}

// take moves what waits to the writer, unless it has a batch already.
func (l *Log) take() {
	if l.w.batch.count > 0 {
		return
	}
	l.w.batch, l.pending = l.pending, l.w.batch
	l.pending.reset()
	l.taken = l.w.batch.bytes()
	l.pace.empty()
}

// wrote notes what became of a flush.
func (l *Log) wrote(n int64, err error) {
	now := time.Now()
	l.stats.Written += uint64(n)
	l.stats.Size = l.w.segs.size() + l.stats.StateBytes
	if err != nil {
		l.stats.Failures++
		l.failed(err)
		l.w.retry = min(max(2*l.w.retry, firstRetry), lastRetry)
		l.w.at = now.Add(l.w.retry)
		l.signal()
		return
	}
	if l.failing != nil {
		l.opt.Log.Info("the disk takes the journal again", "directory", l.dir)
	}
	l.failing, l.w.retry = nil, 0
	l.stats.Flushes++
	l.logBytes += n
	l.durable = max(l.durable, l.w.batch.end())
	l.w.batch.reset()
	l.taken = 0
	l.pace.flushed(now)
	l.signal()
}

// failed logs the 1st, 2nd, 4th, 8th… time that the disk refused.
func (l *Log) failed(err error) {
	l.failing = err
	if n := l.stats.Failures; n&(n-1) == 0 {
		l.opt.Log.Error("the journal cannot be written: nothing more is acknowledged until the disk takes it",
			"directory", l.dir, "error", err, "times", n)
	}
}

// end closes the log for its callers.
func (l *Log) end() {
	l.closed = true
	switch {
	case l.hole:
		l.closeErr = errOverflow
	case l.durable < l.last:
		l.closeErr = l.failing
	}
	l.signal()
}
