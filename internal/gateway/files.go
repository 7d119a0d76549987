package gateway

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// dist is what the bundler makes of the scripts (git-ignored; empty on a fresh
// clone, and everything must build without it). The styles and icons need no
// bundler.
//
//go:embed all:ui/dist
var dist embed.FS

//go:embed ui/static
var static embed.FS

// A file is served from memory, under a name that changes with its content, so
// that browsers keep it for ever.
type file struct {
	name    string // with its hash: style.1a2b3c4d.css
	kind    string // media type
	body    []byte
	gzipped []byte // nil when it does not help
}

// files are all of them, by the name in the URL.
type files struct {
	bundled bool
	static  map[string]*file // before sign-in: /static/
	script  map[string]*file // after sign-in: /script/
	names   map[string]string
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".png": "image/png",
}

func openFiles() (*files, error) {
	f := &files{static: map[string]*file{}, script: map[string]*file{}, names: map[string]string{}}
	if err := f.load(static, "ui/static", f.static); err != nil {
		return nil, err
	}
	if err := f.load(dist, "ui/dist", f.script); err != nil {
		return nil, err
	}
	f.bundled = f.names["main.js"] != ""
	return f, nil
}

func (f *files) load(from fs.FS, dir string, into map[string]*file) error {
	entries, err := fs.ReadDir(from, dir)
	if err != nil {
		return fmt.Errorf("the dashboard's files: %w", err)
	}
	for _, e := range entries {
		kind := mediaTypes[path.Ext(e.Name())]
		if kind == "" || e.IsDir() {
			continue
		}
		body, err := fs.ReadFile(from, path.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("the dashboard's files: %w", err)
		}
		made, err := newFile(e.Name(), kind, body)
		if err != nil {
			return fmt.Errorf("the dashboard's files: %w", err)
		}
		into[made.name] = made
		f.names[e.Name()] = made.name
	}
	return nil
}

func newFile(name, kind string, body []byte) (*file, error) {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	f := &file{name: strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext, kind: kind, body: body}
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(body); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if buf.Len() < len(body)*9/10 {
		f.gzipped = buf.Bytes()
	}
	return f, nil
}

// styleURL and scriptURL are for the pages; empty when there is no such file.
func (f *files) staticURL(name string) string { return f.url("/static/", name) }
func (f *files) scriptURL(name string) string { return f.url("/script/", name) }

func (f *files) url(prefix, name string) string {
	if n := f.names[name]; n != "" {
		return prefix + n
	}
	return ""
}

func (f *files) serveStatic(w http.ResponseWriter, r *http.Request) {
	serveFile(w, r, f.static, "public")
}
func (f *files) serveScript(w http.ResponseWriter, r *http.Request) {
	serveFile(w, r, f.script, "private")
}

func serveFile(w http.ResponseWriter, r *http.Request, from map[string]*file, cache string) {
	f := from[r.PathValue("name")]
	if f == nil {
		private(w)
		http.Error(w, "there is no such file; load the page again", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", cache+", max-age=31536000, immutable")
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	body := f.body
	if f.gzipped != nil && acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.gzipped
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		coding, q, _ := strings.Cut(part, ";")
		if strings.TrimSpace(coding) == "gzip" {
			return !slices.Contains([]string{"q=0", "q=0.0", "q=0.00", "q=0.000"}, strings.TrimSpace(q))
		}
	}
	return false
}

// writeCompressed sends a page or an answer, gzipped when the visitor can read
// that and it is worth it.
func writeCompressed(w http.ResponseWriter, r *http.Request, status int, kind string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Add("Vary", "Accept-Encoding")
	if len(body) < 1024 || !acceptsGzip(r) {
		w.WriteHeader(status)
		_, _ = w.Write(body) // the visitor has gone
		return
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	z := gzip.NewWriter(w)
	_, _ = z.Write(body)
	_ = z.Close()
}
