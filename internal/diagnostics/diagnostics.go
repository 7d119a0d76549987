// Package diagnostics makes one file (zip) of everything that helps to find a
// fault and that a person can send to somebody else: no secret is in it. It knows
// what is taken along and how secrets are found and hidden, and must never know
// what a fault is.
//
// Three things keep secrets out. Only hems.yaml is taken along as a file, with
// the values of keys that sound like secrets hidden; of all others there are
// names and sizes. Everything in the file goes through a Redactor that knows the
// values of the appliance's secrets. And in what programs say, whatever follows a
// word such as "password" is hidden too, for the secrets that nobody knows.
package diagnostics

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// maxMember bounds what one part may say, in bytes; more is cut off.
const maxMember = 16 << 20

// A Part is a file in the file.
type Part struct {
	Name  string // "health.json"
	Write func(context.Context, io.Writer) error
	// Said is of text that programs wrote: words such as "password" hide what
	// follows them.
	Said bool
}

// Options are what Write needs.
type Options struct {
	Data   string // the data directory
	Config string // hems.yaml in it
	Parts  []Part
	Known  []string         // secrets that are in no file
	Kernel string           // the kernel's log; "": /dev/kmsg
	Proc   string           // "": /proc
	Now    func() time.Time // nil: time.Now
}

// Write writes the zip. What cannot be had says so in its place; the error is
// w's, and that the secrets themselves could not be read, without which nothing
// may be written.
func Write(ctx context.Context, w io.Writer, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Kernel == "" {
		o.Kernel = "/dev/kmsg"
	}
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	redactor, err := o.redactor()
	if err != nil {
		return fmt.Errorf("looking for secrets, so that none is shown: %w", err)
	}
	parts := append([]Part{
		{Name: "hems.yaml", Write: o.writeConfig},
		{Name: "files.txt", Write: o.writeFiles},
		{Name: "machine.txt", Write: o.writeMachine},
		{Name: "kernel.txt", Write: o.writeKernel, Said: true},
	}, o.Parts...)
	z := zip.NewWriter(w)
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		to, err := z.CreateHeader(&zip.FileHeader{Name: p.Name, Method: zip.Deflate, Modified: o.Now().UTC()})
		if err != nil {
			return err
		}
		if err := o.member(ctx, to, p, redactor); err != nil {
			return err
		}
	}
	return z.Close()
}

// member writes one part; the error is w's.
func (o Options) member(ctx context.Context, w io.Writer, p Part, r *Redactor) error {
	out := r.Writer(w, p.Said)
	err := p.Write(ctx, &limited{w: out, left: maxMember})
	if errors.Is(err, errCut) {
		err = fmt.Errorf("only the first %d MB are here", maxMember>>20)
	}
	if err != nil && out.err == nil {
		fmt.Fprintf(out, "\nerror: %v\n", err)
	}
	return out.Close()
}

var errCut = errors.New("too long")

// limited takes so many bytes and no more.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		n, err := l.w.Write(p[:l.left])
		l.left = 0
		return n, errors.Join(err, errCut)
	}
	l.left -= len(p)
	return l.w.Write(p)
}

// writeConfig writes hems.yaml without its secrets.
func (o Options) writeConfig(_ context.Context, w io.Writer) error {
	b, err := readBounded(filepath.Join(o.Data, o.Config), 1<<20)
	if err != nil {
		return err
	}
	_, err = w.Write(redactYAML(b, o.isSecretsName))
	return err
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// Handler answers GET /v1/diagnostics. options are asked for each time.
func Handler(options func() Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := options()
		now := o.Now
		if now == nil {
			now = time.Now
		}
		h := w.Header()
		h.Set("Content-Type", "application/zip")
		h.Set("Content-Disposition", `attachment; filename="hems-diagnostics-`+now().UTC().Format("20060102-1504")+`.zip"`)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		if err := Write(r.Context(), w, o); err != nil {
			panic(http.ErrAbortHandler) // the caller must not take it for whole
		}
	})
}
