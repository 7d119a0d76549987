package delivery

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// taker is a server that costs nothing.
type taker struct{}

func (taker) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDelivery is the whole sending side: an hour of 250 series at 10 s is
// read from the store, written as lines, packed, posted and the cursor moved. The
// CPU time of all threads is told per line.
func BenchmarkDelivery(b *testing.B) {
	st, err := store.Open(filepath.Join(b.TempDir(), "hems.db"), store.Options{CommitInterval: 24 * time.Hour, MaxPending: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	ctx := context.Background()
	const series, rounds = 250, 360
	for e := range series {
		if _, err := st.Register(store.Series{Entity: fmt.Sprintf("device_%d_power", e), Unit: "W"}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range rounds {
		for e := range series {
			at := noon.Add(time.Duration(i)*10*time.Second + time.Duration(e)*time.Millisecond)
			if err := st.Append(store.Reading{Entity: fmt.Sprintf("device_%d_power", e), Time: at, Value: float64(i*7%100+e) / 10}); err != nil {
				b.Fatal(err)
			}
		}
		if i%6 == 5 { // once a minute
			if err := st.Commit(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	s, err := New(Destination{Name: "x", URL: "http://192.0.2.1"}, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	s.http.Transport = taker{}
	lines := 0
	before := cpu(b)
	for b.Loop() {
		if _, err := s.Resend(ctx, st, time.Unix(0, 0)); err != nil {
			b.Fatal(err)
		}
		for {
			n, err := s.step(ctx, st)
			if err != nil {
				b.Fatal(err)
			}
			if lines += n; n == 0 {
				break
			}
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(lines), "cpu-ns/line")
	b.ReportMetric(0, "ns/op")
}
