package delivery

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/smartcore-ireland/hems/internal/store"
)

// always answers everything in one way.
func always(code int, body string) rule {
	return func(int, []string) reply { return reply{code: code, body: body} }
}

// until answers the first n requests in one way and then takes everything.
func until(n int, first reply) rule {
	return func(i int, _ []string) reply {
		if i <= n {
			return first
		}
		return reply{code: http.StatusNoContent}
	}
}

// has returns those of the lines that have the text.
func has(text string, lines []string) (bad []string) {
	for _, l := range lines {
		if strings.Contains(l, text) {
			bad = append(bad, l)
		}
	}
	return bad
}

// refuses answers a request with a line that has the text, of which nothing is
// stored, as InfluxDB 2 and VictoriaMetrics do with a line that cannot be read.
func refuses(text string, code int) rule {
	return func(_ int, lines []string) reply {
		if len(has(text, lines)) > 0 {
			return reply{code: code, body: `{"code":"invalid","message":"unable to parse '` + text + `'"}`}
		}
		return reply{code: http.StatusNoContent}
	}
}

// drops stores all lines but those that have the text; count is whether it says
// how many those are.
func drops(text string, code int, format string) rule {
	return func(_ int, lines []string) reply {
		bad := has(text, lines)
		if len(bad) == 0 {
			return reply{code: http.StatusNoContent}
		}
		body := format
		if strings.Contains(format, "%d") {
			body = fmt.Sprintf(format, len(bad))
		}
		return reply{code: code, body: body, keep: func(l string) bool { return !strings.Contains(l, text) }}
	}
}

// takesAtMost answers 413 to more than n lines.
func takesAtMost(n int) rule {
	return func(_ int, lines []string) reply {
		if len(lines) > n {
			return reply{code: http.StatusRequestEntityTooLarge, body: `{"code":"request too large"}`}
		}
		return reply{code: http.StatusNoContent}
	}
}

// What servers were seen to answer, and what becomes of each line: of 30 readings
// of each of a, b and c.
func TestSenderHandlesAnswers(t *testing.T) {
	const (
		second, minute = time.Second, time.Minute
		oneOfB         = "entity_id=b,unit_of_measurement=W value=7.5"
		conflict       = `{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict: input field \"value\" on measurement \"sensor\" is type float, already exists as type integer dropped=%d"}`
		tooOld         = `{"code":"unprocessable entity","message":"failure writing points to database: partial write: points beyond retention policy dropped=%d"}`
	)
	for _, tc := range []struct {
		name     string
		rule     rule
		kind     Kind
		aside    string // lines with it are put aside, and the others arrive
		waits    []time.Duration
		stuck    bool   // nothing arrives and the cursor stays
		log      string // is logged
		requests int    // at most
	}{
		{name: "Taken", requests: 1},
		{name: "TakenWith200", rule: func(_ int, l []string) reply {
			return reply{code: 200, body: "{}", keep: func(string) bool { return true }}
		}, requests: 1},
		{name: "OneBadLineAndNothingStored", rule: refuses(oneOfB, 400), aside: oneOfB, log: "unable to parse", requests: 20},
		{name: "OneBadLineAndTheOthersStored", kind: InfluxDB1, rule: drops(oneOfB, 400, `{"error":"partial write: unable to parse 'x': invalid number dropped=0"}`),
			aside: oneOfB, log: "unable to parse", requests: 20},
		{name: "OneBadSeries", rule: refuses("entity_id=a", 400), aside: "entity_id=a", log: "are put aside", requests: 160},
		{name: "TypeConflict", rule: drops(oneOfB, 422, conflict), aside: oneOfB, log: "field type conflict", requests: 20},
		{name: "TypeConflictOfASeries", rule: drops("entity_id=c", 422, conflict), aside: "entity_id=c", log: "field type conflict", requests: 30},
		{name: "TypeConflictOfInfluxDB1", kind: InfluxDB1, rule: drops(oneOfB, 400, `{"error":"partial write: field type conflict dropped=%d"}`), aside: oneOfB, log: "field type conflict", requests: 20},
		{name: "OlderThanTheBucketKeeps", rule: drops("entity_id=a", 422, tooOld), aside: "entity_id=a", log: "points beyond retention policy", requests: 30},
		{name: "AllOlderThanTheBucketKeeps", rule: drops("sensor", 422, tooOld), aside: "sensor", log: "points beyond retention policy", requests: 1},
		{name: "OlderInTheWordsOfLaterVersions", rule: drops("entity_id=b", 422, `{"message":"partial write: dropped %d points outside retention policy of duration 1h0m0s"}`), aside: "entity_id=b", requests: 30},
		{name: "DroppedWithoutACount", rule: drops(oneOfB, 422, `{"message":"partial write"}`), aside: oneOfB, requests: 20},
		{name: "PartialWriteOfInfluxDB3", kind: InfluxDB3, rule: drops(oneOfB, 400, `{"error":"partial write of line protocol occurred","data":[{"original_line":"x","line_number":2,"error_message":"invalid column type"}]}`),
			aside: oneOfB, log: "invalid column type", requests: 20},
		{name: "WrongToken", rule: until(2, reply{code: 401, body: `{"code":"unauthorized","message":"unauthorized access"}`}), waits: []time.Duration{minute, minute}, log: "check the token", requests: 3},
		{name: "NoPermission", rule: until(1, reply{code: 403}), waits: []time.Duration{minute}, log: "permission to write to bucket home_assistant", requests: 2},
		{name: "NoBucket", rule: until(1, reply{code: 404, body: `{"message":"bucket \"x\" not found"}`}), waits: []time.Duration{minute}, log: "not found", requests: 2},
		{name: "TooLarge", rule: takesAtMost(20), requests: 20},
		{name: "BadPrecision", rule: always(400, `{"code":"invalid","message":"invalid precision"}`), stuck: true, log: "refuses every reading", requests: 12 * 60},
		{name: "BrokenGzipAtFirst", rule: until(1, reply{code: 500, body: `{"code":"internal error","message":"unexpected EOF"}`}), waits: []time.Duration{second}, requests: 2},
		{name: "PoisonedLine", rule: refuses("entity_id=a,unit_of_measurement=W value=0.5", 500), aside: "entity_id=a,unit_of_measurement=W value=0.5",
			waits: []time.Duration{second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second}, log: "are put aside", requests: 30},
		{name: "BrokenForEver", rule: always(500, ""), stuck: true, requests: 12 * 60},
		{name: "Overloaded", rule: until(3, reply{code: 503}), waits: []time.Duration{second, 2 * second, 4 * second}, requests: 4},
		{name: "RetryAfterSeconds", rule: until(1, reply{code: 429, header: http.Header{"Retry-After": {"17"}}}), waits: []time.Duration{17 * second}, requests: 2},
		{name: "RetryAfterADate", rule: until(1, reply{code: 503, header: http.Header{"Retry-After": {"Fri, 20 Nov 2026 13:02:00 GMT"}}}), waits: []time.Duration{2 * minute}, requests: 2},
		{name: "RetryAfterFar", rule: until(1, reply{code: 503, header: http.Header{"Retry-After": {"999999"}}}), waits: []time.Duration{time.Hour}, requests: 2},
		{name: "RetryAfterNonsense", rule: until(1, reply{code: 429, header: http.Header{"Retry-After": {"soon"}}}), waits: []time.Duration{second}, requests: 2},
		{name: "GatewayError", rule: until(1, reply{code: 502, body: "<html>bad gateway</html>"}), waits: []time.Duration{second}, requests: 2},
		{name: "NoAnswer", rule: until(1, reply{code: hangUp}), waits: []time.Duration{second}, requests: 2},
		// The answer is lost, and the lines are not: they are sent twice and are there once.
		{name: "StoredWithoutAnAnswer", rule: until(1, reply{code: hangUp, keep: func(string) bool { return true }}), waits: []time.Duration{second}, requests: 2},
		{name: "BackoffIsBounded", rule: until(9, reply{code: 504}), waits: []time.Duration{1 * second, 2 * second, 4 * second, 8 * second, 16 * second, 32 * second, minute, minute, minute}, requests: 10},
		{name: "Redirect", rule: until(1, reply{code: 307, header: http.Header{"Location": {"http://192.0.2.1/"}}}), waits: []time.Duration{minute}, requests: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := newServer(t)
			srv.rule = tc.rule
			r := newRig(t, srv.URL, func(d *Destination) { d.Kind = tc.kind; d.Database = "homes" })
			want := r.readings(t, 30, "a", "b", "c")
			r.sendAll(t)
			if tc.stuck {
				if got := r.backlog(t); len(srv.lines()) != 0 || got != 90 || len(r.asideLines(t)) != 0 {
					t.Errorf("got %d lines, a backlog of %d and %d aside, want none, 90 and none", len(srv.lines()), got, len(r.asideLines(t)))
				}
			} else {
				isAside := func(l string) bool { return tc.aside != "" && strings.Contains(l, tc.aside) }
				arrived := slices.DeleteFunc(slices.Clone(want), isAside)
				if diff := cmp.Diff(arrived, srv.lines(), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("lines (-want +got):\n%s", diff)
				}
				aside := slices.DeleteFunc(slices.Clone(want), func(l string) bool { return !isAside(l) })
				if diff := cmp.Diff(aside, r.asideLines(t), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("lines aside (-want +got):\n%s", diff)
				}
				if got := r.backlog(t); got != 0 {
					t.Errorf("backlog: got %d, want 0", got)
				}
				if what, _ := r.Trouble(); what != "" {
					t.Errorf("trouble at the end: got %q, want none", what)
				}
				if diff := cmp.Diff(tc.waits, r.waits); diff != "" {
					t.Errorf("waits (-want +got):\n%s", diff)
				}
			}
			if srv.requests > tc.requests {
				t.Errorf("got %d requests, want at most %d", srv.requests, tc.requests)
			}
			if !strings.Contains(r.log.String(), tc.log) {
				t.Errorf("log: got\n%s\nwant something with %q", r.log.String(), tc.log)
			}
			if strings.Contains(r.log.String(), token) {
				t.Errorf("the token is in the log:\n%s", r.log.String())
			}
		})
	}
}

// A few readings are as much as a minute brings. That all of them are refused
// says nothing of them when the server refuses whatever it is sent.
func TestSenderPassesNothingOverWhereAllIsRefused(t *testing.T) {
	const page = "<!DOCTYPE html><title>Sign in</title>"
	poison := func(_ int, l []string) reply {
		if strings.HasPrefix(l[0], "#") {
			return reply{code: http.StatusNoContent}
		}
		return reply{code: 400, body: "unable to parse"}
	}
	for _, tc := range []struct {
		name    string
		rule    rule
		backlog int64
		aside   int
		log     string
	}{
		{"HTTPWhereItExpectsHTTPS", always(400, "The plain HTTP request was sent to HTTPS port"), 2, 0, "refuses every reading"},
		{"TooLargeWhateverItsSize", always(413, ""), 2, 0, "refuses every reading"},
		{"APageOfSomethingElse", always(200, page), 2, 0, "check the address"},
		{"OnlyTheLines", poison, 0, 2, "are put aside"},
		{"OKWithJSON", always(200, "{}"), 0, 0, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv := newServer(t)
			srv.rule = tc.rule
			r := newRig(t, srv.URL)
			r.readings(t, 1, "a", "b")
			r.sendAll(t)
			if got := r.backlog(t); got != tc.backlog {
				t.Errorf("backlog: got %d, want %d", got, tc.backlog)
			}
			if got := len(r.asideLines(t)); got != tc.aside {
				t.Errorf("got %d lines aside, want %d", got, tc.aside)
			}
			if !strings.Contains(r.log.String(), tc.log) {
				t.Errorf("log: got\n%s\nwant something with %q", r.log.String(), tc.log)
			}
			if r.limit < leastLines {
				t.Errorf("a request is prepared for %d lines, want %d or more", r.limit, leastLines)
			}
		})
	}
}

// A server that breaks at every line of a batch may be broken, or the lines may
// be: what follows them tells.
func TestSenderIsNotHeldUpForEverByABatchThatBreaksTheServer(t *testing.T) {
	srv := newServer(t)
	srv.rule = refuses("entity_id=a", 500)
	r := newRig(t, srv.URL)
	r.readings(t, 3, "a")
	r.sendAll(t) // gives up after twelve waits: nothing else is there to try
	if got := r.backlog(t); got != 3 || len(r.asideLines(t)) != 0 {
		t.Errorf("without further readings: a backlog of %d and %d aside, want 3 and none", got, len(r.asideLines(t)))
	}
	want := r.readings(t, 1, "b")
	r.waits, r.limit = nil, 3
	r.sendAll(t)
	if got := r.backlog(t); got != 0 || len(r.asideLines(t)) != 3 {
		t.Errorf("with a reading that the server takes: a backlog of %d and %d aside, want 0 and 3", got, len(r.asideLines(t)))
	}
	if diff := cmp.Diff(want, srv.lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// What was put aside is sent again when a person says so, and is gone from there
// when the server takes it.
func TestReadingsAsideAreSentAgain(t *testing.T) {
	srv := newServer(t)
	srv.rule = refuses("entity_id=b", 400)
	r := newRig(t, srv.URL)
	want := r.readings(t, 5, "a", "b")
	r.sendAll(t)
	ctx := context.Background()
	again := func(wantAside int) {
		t.Helper()
		if n, err := r.ResendAside(ctx, r.store); err != nil || n != int64(5) {
			t.Fatalf("got %d, %v, want 5", n, err)
		}
		if err := r.resendAside(ctx, r.store); err != nil {
			t.Fatal(err)
		}
		if got := len(r.asideLines(t)); got != wantAside {
			t.Errorf("got %d aside, want %d", got, wantAside)
		}
	}
	srv.rule = refuses("entity_id=b", 422)
	again(5)
	if list, err := r.store.ListAside(ctx, r.Cursor(), 0, 10, false); err != nil || !strings.Contains(list[0].Reason, "422") || list[0].Again {
		t.Errorf("got %+v, %v; want the new reason", list[0], err)
	}
	srv.rule = nil
	again(0)
	if diff := cmp.Diff(want, srv.lines()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// asideLines are those that were put aside, in order.
func (r *rig) asideLines(t *testing.T) []string {
	t.Helper()
	list, err := r.store.ListAside(context.Background(), r.Cursor(), 0, store.MaxAside, false)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, a := range list {
		lines = append(lines, a.Line)
		if a.Reason == "" || a.Put.IsZero() {
			t.Errorf("%s is aside without a reason or a time", a.Line)
		}
	}
	slices.Sort(lines)
	return lines
}
