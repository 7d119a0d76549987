package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/smartcore-ireland/hems/internal/client"
)

// Where programs find the interfaces of the manager and of the metrics writer:
// below each stands what is below /v1 there.
const (
	systemPrefix  = "/api/v1/system/"
	metricsPrefix = "/api/v1/metrics/"
)

// maxRefusal bounds an answer of the manager that is held in memory, in bytes.
const maxRefusal = 64 << 10

// newProxy carries requests below prefix to the socket of the part of that name.
// What may be asked is in the route table alone; explain says why there is no
// answer.
func (g *Gateway) newProxy(socket, prefix, part string, explain func(error) (int, client.Error)) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:     client.SocketTransport(socket),
		FlushInterval: -1,                                                  // logs that are followed, line by line
		ErrorLog:      slog.NewLogLogger(g.log.Handler(), slog.LevelDebug), // visitors who went away
		Rewrite: func(p *httputil.ProxyRequest) {
			kind := p.In.Header.Get("Content-Type")
			p.Out.Header = http.Header{} // no cookie, no password: who asks was settled here
			if kind != "" {
				p.Out.Header.Set("Content-Type", kind)
			}
			if seen := p.In.Header.Get("If-Match"); seen != "" {
				p.Out.Header.Set("If-Match", seen)
			}
			p.Out.Header.Set(client.ByHeader, visitorOf(p.In).user)
			// Nothing here may ask for a 1xx answer: passing one on takes every
			// header off the answer that follows, those of secure too.
			p.Out.URL = &url.URL{Scheme: "http", Host: part, Path: "/v1/" + strings.TrimPrefix(p.In.URL.Path, prefix), RawQuery: p.In.URL.RawQuery}
			p.Out.Host = part
		},
		ModifyResponse: g.takeAnswer,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				// The visitor has gone, or the gateway starts anew: an answer that ends
				// here must not look like a whole one, of status 200 and no bytes.
				panic(http.ErrAbortHandler)
			}
			status, e := explain(err)
			writeRefusal(w, status, e)
		},
	}
}

// passed are the headers of the parts' answers that go on to the visitor.
var passed = []string{"Content-Type", "Content-Length", "Content-Disposition", "Retry-After", "ETag", client.MissingHeader}

func (g *Gateway) takeAnswer(res *http.Response) error {
	for name := range res.Header {
		if !slices.Contains(passed, name) {
			res.Header.Del(name)
		}
	}
	if res.StatusCode < 400 {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if err != nil {
		return err
	}
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(b))
	res.ContentLength = int64(len(b))
	res.Header.Set("Content-Length", strconv.Itoa(len(b)))
	if u, ok := res.Request.Context().Value(uploadKey{}).(*upload); ok {
		u.drain()
	}
	return nil
}

type uploadKey struct{}

// passOn hands a request of the table to the manager.
func (g *Gateway) passOn(w http.ResponseWriter, r *http.Request) { g.pass(g.proxy, w, r) }

// passToMetrics hands a request of the table to the metrics writer.
func (g *Gateway) passToMetrics(w http.ResponseWriter, r *http.Request) { g.pass(g.metricsProxy, w, r) }

func (g *Gateway) pass(to *httputil.ReverseProxy, w http.ResponseWriter, r *http.Request) {
	if row := loadOf(r); r.ContentLength > row.body {
		status, e := g.explainSystem(&http.MaxBytesError{Limit: row.body})
		writeRefusal(w, status, e)
		return
	}
	ctx, stop := g.whileSignedIn(r)
	defer stop()
	if r.ContentLength != 0 && r.Body != nil {
		u := &upload{body: r.Body}
		ctx = context.WithValue(ctx, uploadKey{}, u)
		r = r.WithContext(ctx)
		r.Body = u
	} else {
		r = r.WithContext(ctx)
	}
	to.ServeHTTP(w, r)
}

// whileSignedIn is a context that ends when the visitor signs out: what streams
// must not outlive its session.
func (g *Gateway) whileSignedIn(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	v := visitorOf(r)
	go func() {
		for wait(ctx, g.beat) {
			if !g.still(v) {
				cancel()
			}
		}
	}()
	return ctx, cancel
}

// away is what is said while the manager does not answer.
var away = client.Error{Code: "away", Message: "the part that looks after the system does not answer",
	Hint: "it is started again by itself; try again in a few seconds, and restart the appliance if this stays"}

// recorderAway is what is said while the metrics writer does not answer.
var recorderAway = client.Error{Code: "away", Message: "the part that records readings does not answer",
	Hint: "it is started again by itself; try again in a few seconds, and look at its log if this stays"}

// explainSystem turns an error of the manager, or of the way to it, into a
// status and sentences.
func (g *Gateway) explainSystem(err error) (int, client.Error) { return g.explainAs(err, away) }

// explainMetrics is the same for the metrics writer.
func (g *Gateway) explainMetrics(err error) (int, client.Error) {
	return g.explainAs(err, recorderAway)
}

func (g *Gateway) explainAs(err error, gone client.Error) (int, client.Error) {
	var large *http.MaxBytesError
	if e := client.Refusal(err); e != nil {
		return e.Status, *e
	}
	if errors.As(err, &large) {
		return http.StatusRequestEntityTooLarge, client.Error{Code: "large",
			Message: "the upload is larger than " + formatBytes(large.Limit), Hint: "check that it is the right file"}
	}
	g.log.Warn(gone.Message, "err", err)
	return http.StatusServiceUnavailable, gone
}

// writeRefusal answers a program as the parts do.
func writeRefusal(w http.ResponseWriter, status int, e client.Error) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	writeJSONStatus(w, status, e)
}

// formatBytes writes a size as people read it, in decimal units.
func formatBytes(n int64) string {
	switch {
	case n >= 10e9:
		return fmt.Sprintf("%.0f GB", float64(n)/1e9)
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 10e6:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1000:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}
