package updates

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/update/bundle"
)

// Times of the feed.
const (
	feedEvery = 24 * time.Hour
	feedFirst = 15 * time.Minute // after the start
	feedAgain = time.Hour        // after a failure
	nightFrom = 3                // o'clock, when an update installs itself
	nightTo   = 4
)

// Bounds of what a feed may send.
const (
	maxFeed  = 64 << 10 // bytes
	maxNotes = 8 << 10  // bytes
	download = 2 * time.Hour
)

// Available is what the feed has that is newer than what runs.
type Available struct {
	Version string `json:"version"`
	Size    int64  `json:"size"` // bytes
	Notes   string `json:"notes"`

	url    string
	sha256 [sha256.Size]byte
}

// newHTTP is a client that goes nowhere but where it may.
func newHTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:   30 * time.Second,
			ResponseHeaderTimeout: time.Minute,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= 5 {
				return errors.New("it leads from one address to the next")
			}
			return mayAsk(r.URL)
		},
	}
}

// mayAsk: by https, or by http on this very machine.
func mayAsk(u *url.URL) error {
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return fmt.Errorf("%s is not an address that begins with https://", u.Redacted())
	}
	return nil
}

// Check looks at the feed now.
func (m *Machine) Check(ctx context.Context) error {
	feed := m.o.Settings().Feed
	if feed == "" {
		return ErrNoFeed
	}
	a, err := m.ask(ctx, feed)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.lookedAt = time.Now().Add(feedAgain - feedEvery)
		return ErrFeed.With("%w", err)
	}
	m.lookedAt = time.Now()
	m.available = nil
	if bundle.Older(m.o.Version, a.Version) {
		m.available = a
	}
	return nil
}

func (m *Machine) get(ctx context.Context, address string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err == nil {
		err = mayAsk(req.URL)
	}
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "smartcore-hems/"+m.o.Version)
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := m.o.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("it answers %s", resp.Status)
	}
	return resp, nil
}

func (m *Machine) ask(ctx context.Context, feed string) (*Available, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	resp, err := m.get(ctx, feed)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxFeed+1))
	if err != nil {
		return nil, err
	}
	return parseFeed(text, resp.Request.URL)
}

// parseFeed reads what a feed at an address says. The bundle's address may be
// relative to it.
func parseFeed(text []byte, at *url.URL) (*Available, error) {
	if len(text) > maxFeed {
		return nil, fmt.Errorf("it says more than %d bytes", maxFeed)
	}
	var f struct {
		Version string `json:"version"`
		URL     string `json:"url"`
		Size    int64  `json:"size"`
		SHA256  string `json:"sha256"`
		Notes   string `json:"notes"`
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("it is no feed: %w", err)
	}
	a := &Available{Version: strings.TrimPrefix(f.Version, "v"), Size: f.Size, Notes: f.Notes}
	to, err := at.Parse(f.URL)
	if err == nil {
		err = mayAsk(to)
	}
	sum, sumErr := hex.DecodeString(f.SHA256)
	switch {
	case !bundle.ValidVersion(f.Version):
		return nil, fmt.Errorf("its version is %.40q", f.Version)
	case err != nil || f.URL == "":
		return nil, fmt.Errorf("its url is wrong: %w", errors.Join(err))
	case f.Size <= 0 || f.Size > bundle.DefaultMaxSize:
		return nil, fmt.Errorf("its size is %d bytes", f.Size)
	case sumErr != nil || len(sum) != sha256.Size:
		return nil, errors.New("its sha256 has not 64 hexadecimal digits")
	case len(f.Notes) > maxNotes:
		return nil, fmt.Errorf("its notes have more than %d bytes", maxNotes)
	}
	a.url = to.String()
	copy(a.sha256[:], sum)
	return a, nil
}

// InstallAvailable fetches what the feed has and installs it. It returns when
// that has begun.
func (m *Machine) InstallAvailable() error {
	m.mu.Lock()
	a, busy := m.available, m.busy || m.ended
	m.mu.Unlock()
	switch {
	case a == nil:
		return ErrNothing
	case busy:
		return ErrBusy
	case m.Trying():
		return ErrTrial
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), download)
		defer cancel()
		if err := m.fetch(ctx, a); err != nil {
			m.o.Log.Error("the update that is available was not installed", "version", a.Version, "err", err)
		}
	}()
	return nil
}

func (m *Machine) fetch(ctx context.Context, a *Available) error {
	resp, err := m.get(ctx, a.url)
	if err != nil {
		err = ErrFeed.With("%w", err)
		m.judged(Failed, a.Version, err, false)
		return err
	}
	defer resp.Body.Close()
	body := &summed{r: io.LimitReader(resp.Body, a.Size+1), left: a.Size, sum: sha256.New(), want: a.sha256}
	return m.receive(ctx, body, a.Size, false, false)
}

// summed reads what must have a size and a SHA-256: anything else is an error at
// its end.
type summed struct {
	r    io.Reader
	left int64
	sum  hash.Hash
	want [sha256.Size]byte
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	s.left -= int64(n)
	if s.left < 0 {
		return n, errors.New("more came than the feed says")
	}
	if err == io.EOF && (s.left > 0 || subtle.ConstantTimeCompare(s.sum.Sum(nil), s.want[:]) != 1) {
		return n, errors.New("what came is not what the feed says")
	}
	return n, err
}

// Follow looks at the feed every day and installs at night what it has, where
// that is wanted, until ctx ends.
func (m *Machine) Follow(ctx context.Context) {
	if m.o.Card == nil {
		return
	}
	m.mu.Lock()
	m.lookedAt = time.Now().Add(feedFirst - feedEvery)
	m.mu.Unlock()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		set, at := m.o.Settings(), time.Now()
		m.mu.Lock()
		due := set.Feed != "" && at.Sub(m.lookedAt) >= feedEvery
		if set.Feed == "" {
			m.available = nil
		}
		m.mu.Unlock()
		if due {
			if err := m.Check(ctx); err != nil {
				m.o.Log.Warn("looking for updates", "err", err)
			}
		}
		if set.Automatic && set.Feed != "" && m.tonight(at, set.Zone) {
			if err := m.InstallAvailable(); err != nil {
				m.o.Log.Warn("the update that is available is not installed", "err", err)
			}
		}
	}
}

// tonight tells whether what is available may install itself now: at night, when
// nothing else is done, and only if it has not been tried already.
func (m *Machine) tonight(at time.Time, zone *time.Location) bool {
	if zone == nil {
		zone = time.Local
	}
	hour := at.In(zone).Hour()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.available == nil || m.busy || m.ended || m.trial != nil || m.probation || hour < nightFrom || hour >= nightTo {
		return false
	}
	v := m.story.Verdict
	if v == nil {
		return true
	}
	returned := v.Version == m.available.Version && v.Result != Installed
	leftBehind := v.From == m.available.Version && v.Result == Installed // somebody went back from it
	return !returned && !leftBehind
}
