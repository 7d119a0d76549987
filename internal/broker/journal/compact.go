package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

const stateName = "state"

// stateBatch is about the bytes of a batch in a state.
const stateBatch = 128 << 10

// ErrAppended: records were appended while the state was emitted, so it is not
// the state at any one point. The old state and the log stay as they are.
var ErrAppended = errors.New("records were appended while the state was emitted: emit it under the lock that appending takes")

// WantsCompaction tells that a new state is worth while: when the log has grown
// to twice what the state takes, so that the bytes written for states stay below
// half of those of the log, or when only a state makes the log whole again.
func (l *Log) WantsCompaction() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.again) {
		return false
	}
	return l.hole || l.distrust || l.logBytes >= max(l.opt.Segment-2*grow, l.opt.Segment/2, 2*l.stats.StateBytes)
}

// Compact writes a state in the place of all records so far. state is called
// once, at once, and calls emit for everything that is to be kept. It has to
// hold what keeps others from appending from its first emit to its last; between
// the two Append would make Compact return ErrAppended. What is appended later is
// not held back: Compact then writes, which takes as long as the disk takes, and
// belongs on a goroutine of its own. A state that emits nothing stands for the
// records that were appended when Compact was called.
func (l *Log) Compact(state func(emit func(kind byte, body []byte))) error {
	l.compactMu.Lock()
	defer l.compactMu.Unlock()
	s := stateFile{log: l}
	l.mu.Lock()
	if l.closed || l.closing {
		l.mu.Unlock()
		return ErrClosed
	}
	s.cut = l.last
	l.mu.Unlock()
	state(s.emit)
	if s.count == 0 {
		s.begin(s.cut)
	}
	err := s.err
	if err == nil {
		err = s.write()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Written += uint64(s.written)
	if err != nil {
		l.again = time.Now().Add(lastRetry)
		if !errors.Is(err, ErrAppended) {
			l.stats.Failures++
			l.failedState(err)
		}
		return fmt.Errorf("compacting the journal: %w", err)
	}
	l.stats.Compactions++
	l.stats.StateBytes = s.size
	l.cut = s.cut
	l.logBytes -= s.logBytes
	l.distrust, l.stateErr = false, nil
	if l.hole && s.cut >= l.holeEnd {
		l.hole = false
		l.failing = nil
	}
	l.durable = max(l.durable, s.cut)
	l.signal()
	l.wakeWriter()
	return nil
}

func (l *Log) failedState(err error) {
	l.stateErr = err
	if l.hole {
		l.failing = err
	}
	if n := l.stats.Failures; n&(n-1) == 0 {
		l.opt.Log.Error("the state cannot be written: the journal grows until the disk takes it", "directory", l.dir, "error", err, "times", n)
	}
}

// stateFile is a state on its way to the disk.
type stateFile struct {
	log      *Log
	cut      uint64
	logBytes int64 // of the log up to here
	count    uint64
	batches  []batch
	err      error
	size     int64
	written  int64
}

// begin is the point of the log at which the state is.
func (s *stateFile) begin(cut uint64) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if cut == 0 {
		cut = l.last
	}
	s.cut, s.logBytes = cut, l.logBytes
	l.overflow = false
	l.roll = true
}

func (s *stateFile) emit(kind byte, body []byte) {
	if s.err != nil {
		return
	}
	if s.count == 0 {
		s.begin(0)
	}
	s.log.mu.Lock()
	if s.log.last != s.cut {
		s.err = ErrAppended
	}
	s.log.mu.Unlock()
	if n := len(s.batches); n == 0 || s.batches[n-1].bytes() >= stateBatch {
		s.batches = append(s.batches, batch{first: s.count + 1})
	}
	s.batches[len(s.batches)-1].add(kind, body)
	s.count++
}

// write puts the state in the place of the one before. Its name is always the
// same, so that whoever copies the directory while the broker runs, segments
// first, gets a state that fits them.
func (s *stateFile) write() error {
	l := s.log
	tmp, path := filepath.Join(l.dir, stateName+".tmp"), filepath.Join(l.dir, stateName)
	l.gen++
	_ = l.fs.Remove(tmp) // one that the disk once refused is not written on
	err := s.writeTo(tmp, l.gen)
	if err == nil {
		err = l.fs.Rename(tmp, path)
	}
	if err != nil {
		_ = l.fs.Remove(tmp)
		return err
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return fmt.Errorf("syncing %s: %w", l.dir, err)
	}
	return nil
}

func (s *stateFile) writeTo(path string, gen uint64) (err error) {
	f, err := s.log.fs.Open(path, true)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	h := header{version: version, kind: kindState, number: gen, first: s.cut, count: s.count, salt: newSalt()}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	off := int64(pageSize)
	for i := range s.batches {
		b := s.batches[i].seal(h.salt)
		if _, err := f.WriteAt(b, off); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		off += int64(len(b))
		s.batches[i] = batch{}
	}
	s.size, s.written = off, off
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", path, err)
	}
	return nil
}
