package retained

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	growth     = 4         // the log is rewritten when this many times the live records
	minCompact = 256 << 10 // but not while it is smaller than this
)

// load reads the log into memory and opens it for appending; damaged says that
// it should be rewritten, as one that was not there or is empty.
func (s *Store) load() (damaged bool, err error) {
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	sc := newScanner(f)
	now := time.Now().Unix()
	for {
		m, err := sc.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			f.Close()
			return false, fmt.Errorf("reading %s: %w", s.path, err)
		}
		if m.Expires != 0 && m.Expires <= now {
			m = Message{Topic: m.Topic}
		}
		s.set(m)
	}
	s.stats.Damaged = sc.damaged
	s.stats.FileBytes = sc.good + sc.skipped
	s.file, s.id = f, sc.id
	if sc.damaged > 0 || !sc.hasID {
		if sc.damaged > 0 {
			s.opt.Log.Warn("the store of retained messages was damaged and has been repaired",
				"file", s.path, "places", sc.damaged, "bytes_dropped", sc.skipped, "messages", len(s.live))
		}
		if !sc.hasID {
			_, err = rand.Read(s.id[:])
		}
		return true, err
	}
	return false, nil
}

// write appends m to the log. A disk that refuses leaves the file broken, and
// run writes it anew when it can.
func (s *Store) write(m Message) {
	s.buf = appendRecord(s.buf[:0], s.id, m)
	n, err := s.file.Write(s.buf)
	s.stats.Written += uint64(n)
	s.stats.FileBytes += int64(n)
	if err != nil {
		s.fail(err)
	}
	if cap(s.buf) > 64<<10 {
		s.buf = nil
	}
	s.dirty = true
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// fail counts and logs, the 1st, 2nd, 4th, 8th… time, what the disk refused.
func (s *Store) fail(err error) {
	s.broken = true
	s.stats.Failed++
	if n := s.stats.Failed; n&(n-1) == 0 {
		s.opt.Log.Error("retained messages cannot be written: they live in memory only until the disk takes them",
			"file", s.path, "error", err, "times", n)
	}
}

// run syncs at most once in SyncEvery, and rewrites the log when it has grown
// or is broken.
func (s *Store) run() {
	defer close(s.stopped)
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
		}
		select {
		case <-s.stop:
			return
		case <-time.After(s.opt.SyncEvery):
		}
		s.mu.Lock()
		file, dirty := s.file, s.dirty
		s.dirty = false
		rewrite := s.broken || s.stats.FileBytes > max(minCompact, growth*s.liveSize)
		s.mu.Unlock()
		if dirty {
			s.synced(file.Sync()) // others go on writing meanwhile
		}
		if rewrite {
			if err := s.compact(); err != nil {
				s.mu.Lock()
				s.fail(err)
				s.mu.Unlock()
				select { // try again
				case s.wake <- struct{}{}:
				default:
				}
			}
		}
	}
}

func (s *Store) synced(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Syncs++
	if err != nil {
		s.fail(err)
	}
}

func (s *Store) sync() error {
	if s.broken {
		return s.rewrite()
	}
	if !s.dirty {
		return nil
	}
	s.dirty = false
	s.stats.Syncs++
	return s.file.Sync()
}

// rewrite makes the log anew from memory, while the caller holds the lock or is
// alone.
func (s *Store) rewrite() error {
	messages := make([]Message, 0, len(s.live))
	for _, m := range s.live {
		messages = append(messages, m)
	}
	f, id, n, err := s.writeNew(messages)
	if err != nil {
		return err
	}
	return s.replace(f, id, n)
}

// compact is rewrite beside the running store: what comes meanwhile is written
// to both files.
func (s *Store) compact() error {
	s.mu.Lock()
	messages := make([]Message, 0, len(s.live))
	for _, m := range s.live {
		messages = append(messages, m)
	}
	s.delta = []Message{}
	s.mu.Unlock()

	f, id, n, err := s.writeNew(messages)

	s.mu.Lock()
	defer s.mu.Unlock()
	delta := s.delta
	s.delta = nil
	if err != nil {
		return err
	}
	var late []byte
	for _, m := range delta {
		late = appendRecord(late, id, m)
	}
	if len(late) > 0 {
		_, err = f.Write(late)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			return err
		}
	}
	s.stats.Compacted++
	return s.replace(f, id, n+int64(len(late)))
}

// writeNew writes and syncs a new log beside the old one. It streams, because
// all messages together may be large.
func (s *Store) writeNew(messages []Message) (f *os.File, id fileID, n int64, err error) {
	if _, err := rand.Read(id[:]); err != nil {
		return nil, id, 0, err
	}
	name := s.path + ".new"
	f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, id, 0, err
	}
	w := bufio.NewWriterSize(f, 64<<10)
	var buf []byte
	for _, m := range messages {
		buf = appendRecord(buf[:0], id, m)
		n += int64(len(buf))
		if _, err = w.Write(buf); err != nil {
			break
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		os.Remove(name)
		return nil, id, 0, fmt.Errorf("writing %s: %w", name, err)
	}
	return f, id, n, nil
}

// replace puts the new log, n bytes long, in the place of the old one.
func (s *Store) replace(f *os.File, id fileID, n int64) error {
	err := os.Rename(f.Name(), s.path)
	if err != nil {
		f.Close()
		return err
	}
	if s.file != nil {
		s.file.Close()
	}
	s.file, s.id = f, id
	s.dirty, s.broken = false, false
	s.stats.Written += uint64(n)
	s.stats.FileBytes = n
	d, err := os.Open(s.opt.Dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
