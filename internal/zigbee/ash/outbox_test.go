package ash

import (
	"bytes"
	"errors"
	"testing"
)

// little is a line that takes three bytes at a time.
type little struct{ got []byte }

func (l *little) TryWrite(p []byte) (int, error) {
	n := min(3, len(p))
	l.got = append(l.got, p[:n]...)
	return n, nil
}

func TestWhatALineDoesNotTakeIsForTheWriter(t *testing.T) {
	line := &little{}
	o := outbox{line: line, wake: make(chan struct{}, 1)}
	say := func(text string) {
		t.Helper()
		if !o.add([]byte(text)) {
			t.Fatal("no room")
		}
		if err := o.send(); err != nil {
			t.Fatal(err)
		}
	}
	woken := func() bool {
		select {
		case <-o.wake:
			return true
		default:
			return false
		}
	}
	say("abc")
	if woken() {
		t.Error("the writer was woken for nothing")
	}
	say("defgh")
	if !woken() {
		t.Fatal("the writer was not woken for the rest")
	}
	b := o.take() // the writer writes
	say("ijk")
	if woken() {
		t.Error("the writer was woken while it writes")
	}
	line.got = append(line.got, b...)
	o.taken(b, len(b))
	if !woken() {
		t.Fatal("the writer was not woken for what came meanwhile")
	}
	line.got = append(line.got, o.take()...)
	if want := "abcdefghijk"; !bytes.Equal(line.got, []byte(want)) {
		t.Errorf("got %q, want %q", line.got, want)
	}
}

type broken struct{ err error }

func (b broken) TryWrite([]byte) (int, error) { return 0, b.err }

func TestALineThatFailsSaysSoAtOnce(t *testing.T) {
	want := errors.New("unplugged")
	o := outbox{line: broken{want}, wake: make(chan struct{}, 1)}
	o.add([]byte("x"))
	if err := o.send(); err != want {
		t.Errorf("got %v, want %v", err, want)
	}
	if o.add(make([]byte, maxUnsent+1)) {
		t.Error("there is room for more than fits")
	}
}
