package retained

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	return openWith(t, Options{Dir: dir, SyncEvery: 10 * time.Millisecond})
}

func openWith(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func contents(s *Store) map[string]string {
	all := map[string]string{}
	s.Each(func(m Message) { all[m.Topic] = string(m.Payload) })
	return all
}

func message(topic, payload string) Message {
	return Message{Topic: topic, Payload: []byte(payload), QoS: 1}
}

func logFile(dir string) string { return filepath.Join(dir, "retained.log") }

func TestKeepsWholeMessages(t *testing.T) {
	dir := t.TempDir()
	want := Message{
		Topic: "a/b", Payload: []byte{0, 1, 2}, QoS: 2, Expires: time.Now().Unix() + 1000,
		Properties: Properties{
			Text: true, ContentType: "text/plain", ResponseTopic: "r", Correlation: []byte{9},
			User: []UserProperty{{"k", "1"}, {"k", "2"}, {"", ""}},
		},
	}
	s := open(t, dir)
	s.Put(want)
	closeStore(t, s)
	n := 0
	open(t, dir).Each(func(got Message) {
		n++
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("message (-want +got):\n%s", diff)
		}
	})
	if n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
}

func TestKeepsTheLatestAndForgetsTheDeleted(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.Put(message("a", "1"))
	s.Put(message("a", "2"))
	s.Put(message("b", "1"))
	s.Delete("b")
	s.Delete("never there")
	s.Put(message("c", ""))
	s.Put(message("d", "1"))
	want := map[string]string{"a": "2", "d": "1"}
	if diff := cmp.Diff(want, contents(s)); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	closeStore(t, s)
	if diff := cmp.Diff(want, contents(open(t, dir))); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
}

func TestForgetsWhatHasExpired(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	old := message("old", "x")
	s.Put(old)
	old.Expires = time.Now().Unix() - 1
	s.Put(old)
	closeStore(t, s)
	if got := contents(open(t, dir)); len(got) != 0 {
		t.Errorf("contents = %v, want none", got)
	}
}

func TestIsInTheFileWhenPutReturns(t *testing.T) {
	dir := t.TempDir()
	s := openWith(t, Options{Dir: dir, SyncEvery: time.Hour})
	s.Put(message("a", "1"))
	b, err := os.ReadFile(logFile(dir)) // as another process sees it after a kill
	if err != nil {
		t.Fatal(err)
	}
	sc := newScanner(bytes.NewReader(b))
	if m, err := sc.next(); err != nil || m.Topic != "a" {
		t.Errorf("the file holds %v, %v; want the message", m, err)
	}
}

func TestSyncsWithinTheInterval(t *testing.T) {
	s := openWith(t, Options{Dir: t.TempDir(), SyncEvery: 20 * time.Millisecond})
	for range 100 {
		s.Put(message("a", "1"))
	}
	for deadline := time.Now().Add(10 * time.Second); s.Stats().Syncs == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not synced")
		}
	}
	if got := s.Stats().Syncs; got > 50 {
		t.Errorf("%d syncs for 100 messages at once: they are not grouped", got)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(Options{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("second Open: %v, want ErrInUse", err)
	}
	closeStore(t, s)
	open(t, dir)
}

func TestRefusesBeyondTheLimits(t *testing.T) {
	s := openWith(t, Options{Dir: t.TempDir(), MaxTopics: 2, MaxBytes: 20})
	s.Put(message("a", "123456789")) // 10 bytes with its topic
	for _, tc := range []struct {
		name, topic string
		payload     int
		want        bool
	}{
		{"AnotherTopic", "b", 9, true},
		{"TooLarge", "b", 10, false},
		{"TheSameTopicLarger", "a", 19, true},
		{"TheSameTopicTooLarge", "a", 20, false},
	} {
		if got := s.Admit(tc.topic, tc.payload); got != tc.want {
			t.Errorf("%s: Admit = %v, want %v", tc.name, got, tc.want)
		}
	}
	s.Put(message("b", "1"))
	if s.Admit("c", 1) {
		t.Error("a third topic was admitted")
	}
	if !s.Admit("b", 1) {
		t.Error("a known topic was refused")
	}
	s.Delete("a")
	if !s.Admit("c", 1) {
		t.Error("the place of a deleted topic is not free")
	}
	if got := s.Stats().Refused; got != 3 {
		t.Errorf("%d refusals counted, want 3", got)
	}
}

func TestTheLogStaysSmall(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	payload := strings.Repeat("x", 1000)
	want := map[string]string{}
	for i := 0; s.Stats().Compacted < 3; i++ { // while it is being rewritten too
		topic, value := fmt.Sprint("t", i%20), fmt.Sprint(payload, i)
		want[topic] = value
		s.Put(message(topic, value))
		if i%500 == 0 {
			time.Sleep(time.Millisecond)
		}
		if i > 1000000 {
			t.Fatal("the log is never rewritten")
		}
	}
	s.Put(message("end", "1"))
	want["end"] = "1"
	if diff := cmp.Diff(want, contents(s)); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	closeStore(t, s)
	again := open(t, dir)
	if diff := cmp.Diff(want, contents(again)); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
	if again.Stats().Damaged != 0 {
		t.Errorf("%d damaged places", again.Stats().Damaged)
	}
	if _, err := os.Stat(logFile(dir) + ".new"); err == nil {
		t.Error("the temporary file was left")
	}
}

// logOf is a log with n messages, and where each begins and ends.
func logOf(t *testing.T, n int) (b []byte, ends []int) {
	t.Helper()
	id := fileID{1, 2, 3, 4, 5, 6, 7, 8}
	for i := range n {
		b = appendRecord(b, id, message(fmt.Sprint("t", i), "value "+fmt.Sprint(i)))
		ends = append(ends, len(b))
	}
	return b, ends
}

func TestRepairsDamage(t *testing.T) {
	whole, ends := logOf(t, 5)
	foreign := appendRecord(nil, fileID{9}, message("phantom", "from an older file"))
	for name, tc := range map[string]struct {
		log     []byte
		lost    []int
		damaged uint64
	}{
		"Whole":             {whole, nil, 0},
		"Empty":             {nil, []int{0, 1, 2, 3, 4}, 0},
		"TornEnd":           {whole[:len(whole)-3], []int{4}, 1},
		"TornInAHeader":     {whole[:ends[3]+7], []int{4}, 1},
		"ZerosAtTheEnd":     {append(bytes.Clone(whole), make([]byte, 8192)...), nil, 1},
		"ZerosInTheMiddle":  {zero(whole, ends[1]+2, ends[2]-2), []int{2}, 1},
		"ZeroPageBetween":   {splice(whole, ends[1], make([]byte, 4096)), nil, 1},
		"BadFirst":          {zero(whole, 0, 4), []int{0}, 1},
		"BadLength":         {flip(whole, ends[0]+14), []int{1}, 1},
		"BadPayload":        {flip(whole, ends[2]-1), []int{2}, 1},
		"TwoBadPlaces":      {flip(flip(whole, ends[0]-1), ends[3]-1), []int{0, 3}, 2},
		"OlderFilesRecords": {splice(whole, ends[4], foreign), nil, 1},
		"Garbage":           {splice(whole, ends[2], []byte("\xf5RET\xf5\xf5RETgarbage")), nil, 1},
		"NothingButGarbage": {bytes.Repeat([]byte("no log "), 1000), []int{0, 1, 2, 3, 4}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(logFile(dir), tc.log, 0o600); err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for i := range ends {
				want[fmt.Sprint("t", i)] = fmt.Sprint("value ", i)
			}
			for _, i := range tc.lost {
				delete(want, fmt.Sprint("t", i))
			}
			s := open(t, dir)
			if diff := cmp.Diff(want, contents(s)); diff != "" {
				t.Errorf("repaired (-want +got):\n%s", diff)
			}
			if got := s.Stats().Damaged; got != tc.damaged {
				t.Errorf("%d damaged places, want %d", got, tc.damaged)
			}
			s.Put(message("new", "1"))
			want["new"] = "1"
			closeStore(t, s)
			again := open(t, dir)
			if diff := cmp.Diff(want, contents(again)); diff != "" {
				t.Errorf("opened again (-want +got):\n%s", diff)
			}
			if got := again.Stats().Damaged; got != 0 {
				t.Errorf("%d damaged places after the repair", got)
			}
		})
	}
}

func zero(b []byte, from, to int) []byte {
	b = bytes.Clone(b)
	clear(b[from:to])
	return b
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x40
	return b
}

func splice(b []byte, at int, insert []byte) []byte {
	return bytes.Join([][]byte{b[:at], insert, b[at:]}, nil)
}

// TestEveryCutAndEveryBit: whatever is cut off or changed, what comes back is a
// part of what was written, and nothing else.
func TestEveryCutAndEveryBit(t *testing.T) {
	whole, _ := logOf(t, 4)
	check := func(what string, b []byte, least int) {
		n := 0
		sc := newScanner(bytes.NewReader(b))
		for {
			m, err := sc.next()
			if err != nil {
				break
			}
			n++
			if want := "value " + strings.TrimPrefix(m.Topic, "t"); string(m.Payload) != want {
				t.Errorf("%s: %s = %q, want %q", what, m.Topic, m.Payload, want)
			}
		}
		if n < least {
			t.Errorf("%s: %d messages left, want at least %d", what, n, least)
		}
	}
	for i := range whole {
		check(fmt.Sprint("cut at ", i), whole[:i], 0)
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			check(fmt.Sprint("bit ", bit, " of ", i), b, 3)
		}
	}
}

func TestADiskThatRefusesLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.Put(message("a", "1"))
	s.mu.Lock()
	s.file.Close() // every write fails from here
	s.mu.Unlock()
	s.Put(message("b", "2"))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if st := s.Stats(); st.Failed > 0 && st.Compacted > 0 {
			break // it was written anew
		}
		if time.Now().After(deadline) {
			t.Fatal("the log was not written anew")
		}
	}
	closeStore(t, s)
	if diff := cmp.Diff(map[string]string{"a": "1", "b": "2"}, contents(open(t, dir))); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
}

// A disk that fills tears the last record; a restart while it is full finds a
// damaged log that it cannot repair.
func TestDamageOnAFullDiskIsLivedWith(t *testing.T) {
	for _, tc := range []struct {
		name string
		log  func(whole []byte) []byte
		want map[string]string
	}{
		{"Torn", func(b []byte) []byte { return b[:len(b)-3] }, map[string]string{"a": "1", "c": "3"}},
		{"Empty", func([]byte) []byte { return nil }, map[string]string{"c": "3"}},
		{"Zeros", func(b []byte) []byte { return make([]byte, 4096) }, map[string]string{"c": "3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			s.Put(message("a", "1"))
			s.Put(message("b", "2"))
			closeStore(t, s)
			path := filepath.Join(dir, "retained.log")
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tc.log(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path+".new", 0o700); err != nil { // nothing can be rewritten
				t.Fatal(err)
			}
			s = open(t, dir)
			s.Put(message("c", "3"))
			killed, err := os.ReadFile(path) // as a kill leaves it
			if err != nil {
				t.Fatal(err)
			}
			other := t.TempDir()
			if err := os.WriteFile(filepath.Join(other, "retained.log"), killed, 0o600); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, contents(open(t, other))); diff != "" {
				t.Errorf("killed before the repair (-want +got):\n%s", diff)
			}
			if err := os.Remove(path + ".new"); err != nil { // there is room again
				t.Fatal(err)
			}
			closeStore(t, s)
			if diff := cmp.Diff(tc.want, contents(open(t, dir))); diff != "" {
				t.Errorf("after the repair (-want +got):\n%s", diff)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				s.Put(message(fmt.Sprint(g, "/", i%50), fmt.Sprint(i)))
			}
		})
	}
	wg.Wait()
	want := contents(s)
	if len(want) != 400 {
		t.Errorf("%d topics, want 400", len(want))
	}
	closeStore(t, s)
	if diff := cmp.Diff(want, contents(open(t, dir))); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
}

func FuzzScanner(f *testing.F) {
	id := fileID{1, 2, 3, 4, 5, 6, 7, 8}
	good := appendRecord(nil, id, Message{Topic: "a", Payload: []byte("x"), Properties: Properties{User: []UserProperty{{"k", "v"}}}})
	f.Add([]byte{})
	f.Add(good)
	f.Add(append(bytes.Clone(good), good[:10]...))
	f.Add([]byte(magic + "\x01\x02\x03\x04\x05\x06\x07\x08\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		// A record after the garbage is found, unless an earlier one of another
		// file has taken its place.
		sc := newScanner(bytes.NewReader(append(bytes.Clone(b), good...)))
		var last Message
		for {
			m, err := sc.next()
			if err != nil {
				break
			}
			if m.Topic == "" || m.QoS > 2 {
				t.Fatalf("an impossible message: %+v", m)
			}
			last = m
		}
		if last.Topic != "a" && sc.id == id {
			t.Errorf("the whole record after the garbage was not found")
		}
		if sc.good+sc.skipped != int64(len(b)+len(good)) {
			t.Errorf("%d bytes of records and %d skipped are not the %d there are", sc.good, sc.skipped, len(b)+len(good))
		}
	})
}

func FuzzBody(f *testing.F) {
	f.Add(appendBody(nil, Message{Topic: "a", Payload: []byte("x"), Expires: -1, Properties: Properties{Text: true, User: []UserProperty{{"k", "v"}}}}))
	f.Add([]byte{1, 0, 0, 0, 1, 'a', 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseBody(b)
		if err != nil {
			return
		}
		again, err := parseBody(appendBody(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Errorf("written and read again (-want +got):\n%s", diff)
		}
	})
}
