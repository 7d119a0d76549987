package history

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

func TestPendingIsAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked int
		var fault error
		ask := Pending(func(context.Context) (io.ReadCloser, error) {
			asked++
			if fault != nil {
				return nil, fault
			}
			var b bytes.Buffer
			p := store.Pending{Samples: map[int64][]store.Sample{7: {{Milli: int64(asked), Value: 1}}}}
			if err := p.Encode(&b); err != nil {
				t.Fatal(err)
			}
			return io.NopCloser(&b), nil
		})
		expect := func(what string, after time.Duration, wantAsked int, wantErr error) {
			t.Helper()
			time.Sleep(after) // the bubble's time
			p, err := ask(context.Background())
			if asked != wantAsked || !errors.Is(err, wantErr) || err == nil && p.Samples[7][0].Milli != int64(wantAsked) {
				t.Errorf("%s: asked %d times, %v, %v; want %d, %v", what, asked, p, err, wantAsked, wantErr)
			}
		}
		expect("the first", 0, 1, nil)
		expect("soon after", 900*time.Millisecond, 1, nil)
		expect("a second after", 100*time.Millisecond, 2, nil)
		fault = errors.New("away")
		expect("the writer is away", time.Second, 3, fault)
		expect("and not asked again", 4*time.Second, 3, fault)
		fault = nil
		expect("but later", time.Second, 4, nil)
		fault = errors.New("gone")
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := ask(cancelled); err != nil {
			t.Errorf("within the second: %v", err)
		}
	})
}

// What the writer has taken and not yet written is in every answer.
func TestAnswersHaveWhatWaits(t *testing.T) {
	s, h := home(t)
	fill(t, s, "p", "W", reading{0, 100})
	if err := s.Append(store.Reading{Entity: "p", Time: after(time.Minute), Value: 300}); err != nil {
		t.Fatal(err)
	}
	h = Open(h.path, store.ReaderOptions{Pending: func(context.Context) (store.Pending, error) { return s.Pending(), nil }})
	t.Cleanup(func() { h.Close() })
	got, err := h.Power(context.Background(), "p", midnight, after(time.Hour), time.Hour)
	if err != nil || len(got) != 1 || got[0] != (Point{midnight, 100, 200, 300, 2}) {
		t.Errorf("power: got %v, %v; want the reading that waits in it", got, err)
	}
}
