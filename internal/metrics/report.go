package metrics

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/health"
	"github.com/smartcore-ireland/hems/internal/mqttclient"
	"github.com/smartcore-ireland/hems/internal/store"
)

// reportEvery is how often health is looked at when nothing asks for it.
const reportEvery = 10 * time.Second

// lookAtHealth asks for the health report to be brought up to date.
func (w *Writer) lookAtHealth() {
	select {
	case w.reports <- struct{}{}:
	default:
	}
}

// reportHealth publishes the report when it changes and when the broker is new
// to it, until ctx ends.
func (w *Writer) reportHealth(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var published health.Report
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.reports:
			asked = true
		}
		report := w.health(ctx)
		if report == published && !asked || !w.client.Connected() {
			continue
		}
		message := mqttclient.Message{Topic: health.Topic(process), Payload: report.Payload(), QoS: 1, Retain: true}
		if err := w.client.Publish(ctx, message); err == nil {
			published = report
		}
	}
}

// health is what the process says of itself. A destination that is away is no
// failure of ours: its readings wait in the store.
func (w *Writer) health(ctx context.Context) health.Report {
	w.mu.Lock()
	openErr, s, dropped := w.openErr, w.store, w.counts.Dropped
	w.mu.Unlock()
	if s == nil {
		message := "the store of readings is being opened"
		if openErr != nil {
			message = "the store of readings cannot be opened: " + openErr.Error()
		}
		return health.Report{State: health.Failing, Message: message, Hint: "look for a full or read-only disk; it is tried again by itself"}
	}
	if err := s.Failure(); err != nil {
		return storeTrouble(err, dropped)
	}
	report := health.Report{State: health.OK}
	var messages, hints []string
	if n, waits := w.waitingForClock(); waits {
		messages = append(messages, about(int64(n))+" readings wait for the clock to be set")
	}
	if message, hint := soundness(s.Check(), w.o.Now(), w.o.Zone); message != "" {
		messages, hints = append(messages, message), append(hints, hint)
	}
	if message, hint := shortage(s.Room(), w.o.Zone); message != "" {
		messages, hints = append(messages, message), append(hints, hint)
	}
	if n := w.troubleCount(); n >= manyTroubles {
		messages = append(messages, about(int64(n))+" things that devices say cannot be used")
		hints = append(hints, "GET /api/v1/metrics/trouble says which and why")
	}
	for _, d := range w.senders {
		if kept, more, err := s.AsideCount(ctx, d.Cursor()); err == nil && kept > 0 {
			messages = append(messages, fmt.Sprintf("%s does not take %s readings, which are put aside", d.Name, about(kept+more)))
			hints = append(hints, "look at them under Destinations, mend the cause, and send them again")
		}
		trouble, hint := d.Trouble()
		if trouble == "" {
			continue
		}
		backlog, err := s.Backlog(ctx, d.Cursor())
		if err != nil {
			continue // the store's own failure is reported above, next time
		}
		wait := about(backlog) + " readings wait"
		if backlog == 1 {
			wait = "one reading waits"
		}
		messages = append(messages, fmt.Sprintf("%s for %s: %s", wait, d.Name, trouble))
		if hint != "" {
			hints = append(hints, hint)
		}
	}
	report.Message, report.Hint = strings.Join(messages, "; "), strings.Join(hints, "; ")
	return report
}

// storeTrouble is the report while the store takes nothing.
func storeTrouble(err error, dropped uint64) health.Report {
	message := "readings cannot be stored and wait in memory: " + err.Error()
	if dropped > 0 {
		message = fmt.Sprintf("readings cannot be stored, and %s were lost: %v", about(int64(dropped)), err)
	}
	return health.Report{State: health.Failing, Message: message, Hint: "look for a full or read-only disk; storing resumes by itself"}
}

// shortage says that readings were deleted before their time.
func shortage(room store.Room, zone *time.Location) (message, hint string) {
	if room.Short == "" || room.Since.IsZero() {
		return "", ""
	}
	return fmt.Sprintf("the readings before %s were deleted, because %s; what they came to in five minutes and days is kept",
			room.Since.In(zone).Format("2 January 2006"), room.Short),
		"make room on the card, keep readings for fewer days (metrics.keep_days), or use a larger card"
}

// about writes a number with two significant digits, so that a report does not
// change with every reading.
func about(n int64) string {
	if n < 100 {
		return fmt.Sprint(n)
	}
	scale := math.Pow(10, math.Floor(math.Log10(float64(n)))-1)
	return fmt.Sprintf("about %.0f", math.Round(float64(n)/scale)*scale)
}
