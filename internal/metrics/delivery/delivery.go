// Package delivery brings what is in the store to one time-series server: the
// line protocol, HTTP, what servers answer and what that means for each line, and
// how far a server is. It must never know MQTT, where readings come from, or
// pages.
//
// A server that does not answer holds up its own readings alone, and those wait
// in the store. Nothing is passed over because of another line: what a server
// refuses is taken apart until the line is found, which is then put aside in the
// store with the server's reason.
package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Destination is a time-series server that is sent every reading.
type Destination struct {
	// Name is that of its cursor in the store: a destination that is called
	// otherwise is a new one.
	Name string
	// Kind is what server it is; empty: InfluxDB2.
	Kind Kind
	// URL is the server's address: http or https, with a path in front of the
	// server's own if there is one.
	URL string
	// Org and Bucket are InfluxDB 2's.
	Org, Bucket string
	// Database and RetentionPolicy are InfluxDB 1's; 3 has the first.
	Database, RetentionPolicy string
	// Tenant is the account of a VictoriaMetrics cluster, "0" or "12:3"; empty:
	// a single server.
	Tenant string
	// User goes with Password.
	User string
	// Token and Password are asked for at each request, so that their files may
	// appear or change later; nil: none is sent.
	Token, Password Secret
	// Authority is the certificate, in PEM, of whoever vouches for the server,
	// instead of the system's authorities; Certificate and Key are ours. They
	// are asked for at each connection; nil: none.
	Authority, Certificate, Key Secret
	// Measurement is the name of all lines; default "sensor".
	Measurement string
	// Every is the least time between requests that are not full: default
	// 10 s. A full one has 5,000 lines.
	Every time.Duration
	// From is where a destination begins that is new.
	From Start
	// Window is how much is sent again after the server was away or has started
	// again: what it answered for that long before may be lost. Default: two
	// minutes for VictoriaMetrics, otherwise nothing.
	Window time.Duration
}

// Secret reads a secret from where it is kept.
type Secret func() (string, error)

// Start is where a new destination begins; the zero value is everything.
type Start struct {
	Now bool      // with what is committed from now on
	At  time.Time // with what was read then; zero: with everything
}

const (
	maxLines   = 5000
	sendEvery  = 10 * time.Second
	httpWithin = 30 * time.Second
	// victoriaWindow covers what VictoriaMetrics was seen to lose at kill -9 (12 s
	// with its default of flushing every 5 s), and flushing every 60 s.
	victoriaWindow = 2 * time.Minute
)

// Options put a Sender together.
type Options struct {
	Log *slog.Logger
	// Changed is called when trouble begins or ends; nil: nobody asks.
	Changed func()
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// check completes d and says what is wrong with it.
func (d *Destination) check() error {
	d.Kind = cmp.Or(d.Kind, InfluxDB2)
	d.Measurement = cmp.Or(d.Measurement, "sensor")
	if d.Every <= 0 {
		d.Every = sendEvery
	}
	if d.Window == 0 && d.Kind == VictoriaMetrics {
		d.Window = victoriaWindow
	}
	if d.Name == "" {
		return errors.New("a destination has no name")
	}
	if err := checkMeasurement(d.Measurement); err != nil {
		return fmt.Errorf("destination %s: %w", d.Name, err)
	}
	return nil
}
