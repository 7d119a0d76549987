// Package retained is how brokers before the journal kept their retained messages.
// Today's reads them once, with Read, and writes nothing here; what writes is for
// the tests of that.
//
// It keeps the retained messages of a broker over a restart, a kill and a power
// cut: in memory, and in one append-only log that is rewritten
// when it has grown to several times what is live. It knows files and records
// and must never know clients or the wire form of MQTT.
//
// What it promises: a message is in the operating system's hands when Put
// returns, so that a killed process loses nothing; it is on the disk at most a
// second later, so that a power cut loses at most the last second; Close loses
// nothing. Damage is repaired on opening: a torn end is cut off, a bad place in
// the middle is skipped to the next whole record, and both are reported.
package retained

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Message is one retained message. Times are Unix seconds; Expires 0 is never.
type Message struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Expires    int64
	Properties Properties
}

// Properties of MQTT 5 that belong to the message (MQTT 5, 3.3.2.3).
type Properties struct {
	Text          bool // payload format indicator 1
	ContentType   string
	ResponseTopic string
	Correlation   []byte
	User          []UserProperty
}

// UserProperty is a name with a value; names may repeat.
type UserProperty struct{ Key, Value string }

// Options of a store.
type Options struct {
	Dir string // made when absent
	// MaxTopics and MaxBytes (topics and payloads) bound what is kept; new topics
	// and larger payloads beyond them are refused. Defaults 20,000 and 64 MiB.
	MaxTopics int
	MaxBytes  int64
	// SyncEvery is how long a message may wait for the disk. Default 1 s.
	SyncEvery time.Duration
	Log       *slog.Logger
}

// Stats are counts since Open, and sizes now. Sizes are bytes.
type Stats struct {
	Topics    int
	LiveBytes int64 // of topics and payloads
	FileBytes int64
	Written   uint64 // to the log, compactions included
	Syncs     uint64
	Compacted uint64
	Refused   uint64 // messages beyond the limits
	Damaged   uint64 // places in the log that were skipped on opening
	Failed    uint64 // writes or syncs that the disk refused
}

// Store is the set of retained messages. Its methods may be called from any
// goroutine.
type Store struct {
	opt  Options
	path string
	lock *os.File

	mu       sync.Mutex
	live     map[string]Message
	liveSize int64 // records of the live messages, framed
	file     *os.File
	id       fileID
	dirty    bool      // written, not yet synced
	broken   bool      // the file lacks something that memory has: rewrite it
	delta    []Message // what came during a compaction; nil when there is none
	buf      []byte
	stats    Stats

	wake    chan struct{}
	stop    chan struct{}
	stopped chan struct{}
	closing sync.Once
}

// ErrInUse: another process has the store open.
var ErrInUse = errors.New("another broker uses it")

// Open reads the log in o.Dir, repairs it where it is damaged, and starts
// syncing in the background.
func Open(o Options) (*Store, error) {
	if o.MaxTopics == 0 {
		o.MaxTopics = 20000
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		opt:  o,
		path: filepath.Join(o.Dir, "retained.log"),
		live: make(map[string]Message),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := s.open(); err != nil {
		if s.lock != nil {
			s.lock.Close()
		}
		return nil, fmt.Errorf("opening the retained messages in %s: %w", o.Dir, err)
	}
	go s.run()
	return s, nil
}

func (s *Store) open() error {
	if err := os.MkdirAll(s.opt.Dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(s.opt.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	s.lock = lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%w: stop it, or give this one another data directory", ErrInUse)
	}
	damaged, err := s.load()
	if err != nil {
		return err
	}
	if !damaged {
		return nil
	}
	if err := s.rewrite(); err != nil {
		// A disk that is full must not keep the messages from the home: the
		// damaged log is written on, and run repairs it when it can.
		s.fail(err)
		s.wake <- struct{}{}
	}
	return nil
}

// Each calls f for every message, in no order, while the store stands still.
func (s *Store) Each(f func(Message)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.live {
		f(m)
	}
}

// Admit tells whether a message of this size would be within the limits, and
// counts the refusal if not.
func (s *Store) Admit(topic string, payload int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, known := s.live[topic]
	bytes := s.stats.LiveBytes - size(old) + int64(len(topic)+payload)
	if !known && len(s.live) >= s.opt.MaxTopics || bytes > s.opt.MaxBytes && bytes > s.stats.LiveBytes {
		s.stats.Refused++
		return false
	}
	return true
}

// Put keeps m in place of what its topic had; an empty payload is Delete.
func (s *Store) Put(m Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.live[m.Topic]; !known && len(m.Payload) == 0 {
		return
	}
	s.set(m)
	if s.delta != nil {
		s.delta = append(s.delta, m)
	}
	s.write(m)
}

// Delete forgets the topic's message.
func (s *Store) Delete(topic string) { s.Put(Message{Topic: topic}) }

// set changes memory.
func (s *Store) set(m Message) {
	if old, known := s.live[m.Topic]; known {
		s.liveSize -= recordSize(old)
		s.stats.LiveBytes -= size(old)
		delete(s.live, m.Topic)
	}
	if len(m.Payload) > 0 {
		s.live[m.Topic] = m
		s.liveSize += recordSize(m)
		s.stats.LiveBytes += size(m)
	}
	s.stats.Topics = len(s.live)
}

func size(m Message) int64 { return int64(len(m.Topic) + len(m.Payload)) }

// Stats are a copy.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Close puts everything on the disk and ends the store.
func (s *Store) Close() (err error) {
	s.closing.Do(func() {
		close(s.stop)
		<-s.stopped
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.sync()
		s.file.Close()
		s.lock.Close()
	})
	if err != nil {
		return fmt.Errorf("closing the retained messages: %w", err)
	}
	return nil
}
