package metrics

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/store"
)

// Destination is a time-series server with InfluxDB's /api/v2/write.
type Destination struct {
	// Name is that of its cursor in the store: a destination that is called
	// otherwise is a new one and is sent everything.
	Name string
	// URL is the server's address: http or https, with a path in front of
	// /api/v2/write if there is one.
	URL string
	// Org and Bucket are InfluxDB 2's; other servers pass them over.
	Org, Bucket string
	// Token is asked for at each request, so that its file may appear or
	// change later; nil: no token is sent.
	Token func() (string, error)
	// Measurement is the name of all lines; default "sensor".
	Measurement string
	// Every is the least time between requests that are not full: default
	// 10 s. A full one has 5,000 lines.
	Every time.Duration
}

const (
	maxLines   = 5000
	sendEvery  = 10 * time.Second
	httpWithin = 30 * time.Second
)

// sender brings the store's readings to one destination.
type sender struct {
	Destination
	log     *slog.Logger
	http    *http.Client
	gzip    *gzip.Writer // used anew for each request: it is large
	target  string
	lines   lines
	changed func()                                          // called when trouble begins or ends
	pause   func(ctx context.Context, d time.Duration) bool // false: ctx ended
	jitter  func(d time.Duration) time.Duration

	limit int // lines in a request; the server may have asked for fewer

	mu      sync.Mutex
	problem *problem // nil: the last request was answered for
	aside   uint64   // lines the server does not take
}

func newSender(d Destination, log *slog.Logger) (*sender, error) {
	u, err := url.Parse(d.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("destination %s: its address should be like http://192.0.2.1:8086", d.Name)
	}
	if d.Name == "" {
		return nil, errors.New("a destination has no name")
	}
	if d.Measurement == "" {
		d.Measurement = "sensor"
	}
	if d.Every <= 0 {
		d.Every = sendEvery
	}
	if err := checkMeasurement(d.Measurement); err != nil {
		return nil, fmt.Errorf("destination %s: %w", d.Name, err)
	}
	u = u.JoinPath("api/v2/write")
	q := u.Query()
	q.Set("org", d.Org)
	q.Set("bucket", d.Bucket)
	q.Set("precision", "ns")
	u.RawQuery = q.Encode()
	packer, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: 2 * time.Minute,
		TLSHandshakeTimeout: 10 * time.Second, DisableCompression: true,
	}
	return &sender{
		Destination: d,
		log:         log.With("destination", d.Name),
		gzip:        packer,
		http: &http.Client{
			Transport: transport, Timeout: httpWithin,
			// A redirect would take the token to another server.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		target:  u.String(),
		lines:   lines{measurement: d.Measurement},
		changed: func() {},
		pause:   pause,
		jitter:  withJitter,
		limit:   maxLines,
	}, nil
}

// cursor is the name of the destination's cursor in the store.
func (s *sender) cursor() string { return "destination/" + s.Name }

// trouble says why the destination is not being served and what to do; empty
// when it is.
func (s *sender) trouble() (what, hint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem == nil {
		return "", ""
	}
	return s.problem.Error(), s.problem.hint
}

// setProblem notes how the last attempt went; nil: well.
func (s *sender) setProblem(p *problem) {
	s.mu.Lock()
	before := s.problem
	s.problem = p
	s.mu.Unlock()
	switch {
	case p == nil && before != nil:
		s.log.Info("the destination takes readings again")
	case p != nil && (before == nil || before.Error() != p.Error()):
		s.log.Warn("readings wait in the store for a destination", "err", p, "hint", p.hint)
	default:
		return
	}
	s.changed()
}

// run sends what is behind the cursor, until ctx ends.
func (s *sender) run(ctx context.Context, st *store.Store) {
	defer s.http.CloseIdleConnections()
	for ctx.Err() == nil {
		advanced := st.Advanced() // before looking, so that no commit is missed
		began := time.Now()
		n, err := s.step(ctx, st)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Error("the store does not give the readings to send; it is tried again", "err", err)
			s.pause(ctx, s.Every)
		case n >= s.limit: // there is more
		default:
			// Wait for more, and no less than Every from request to request.
			if n > 0 && !s.pause(ctx, s.Every-time.Since(began)) {
				return
			}
			if n == 0 {
				select {
				case <-advanced:
				case <-ctx.Done():
				}
			}
		}
	}
}

// step sends one batch and moves the cursor behind it once it has been
// answered for. It returns how many readings that were; the error is the
// store's.
func (s *sender) step(ctx context.Context, st *store.Store) (n int, err error) {
	batch, err := st.Next(ctx, s.cursor(), s.limit)
	if err != nil || len(batch.Items) == 0 {
		return 0, err
	}
	points := makePoints(batch.Items, st.Series())
	if !s.deliver(ctx, points) {
		return 0, nil
	}
	if err := st.Advance(ctx, s.cursor(), batch); err != nil {
		return 0, err // it is sent again, which changes nothing at the server
	}
	return len(batch.Items), nil
}

func makePoints(items []store.Item, series map[int64]store.Series) []point {
	points := make([]point, 0, len(items))
	for _, i := range items {
		d, ok := series[i.Series]
		if !ok {
			continue // its description was in a damaged part of the file
		}
		points = append(points, point{entity: d.Entity, unit: d.Unit, time: i.Time, value: i.Value})
	}
	return points
}
