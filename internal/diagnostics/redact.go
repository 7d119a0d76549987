package diagnostics

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Hidden is what is shown in the place of a secret.
const Hidden = "[redacted]"

// minSecret is the shortest value, in bytes, that is looked for: a shorter one
// would hide half of every text.
const minSecret = 4

// maxLine is how much of a line is held at a time, in bytes.
const maxLine = 256 << 10

// A Redactor hides values that are known to be secret.
type Redactor struct{ values *strings.Replacer }

// NewRedactor returns one that hides the given values, each line of those that
// have several, and each as JSON, URLs and base64 write it.
func NewRedactor(values []string) *Redactor {
	set := map[string]bool{}
	add := func(v string) {
		if len(v) >= minSecret {
			set[v] = true
		}
	}
	for _, v := range values {
		v = strings.TrimSpace(v)
		for line := range strings.SplitSeq(v, "\n") {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "-----") { // of PEM, the same for all
				continue
			}
			add(line)
			if len(line) < minSecret {
				continue
			}
			if b, err := json.Marshal(line); err == nil {
				add(string(b[1 : len(b)-1]))
			}
			add(url.QueryEscape(line))
			add(url.PathEscape(line))
			add(base64.StdEncoding.EncodeToString([]byte(line)))
			add(base64.RawURLEncoding.EncodeToString([]byte(line)))
		}
	}
	longest := make([]string, 0, len(set))
	for v := range set {
		longest = append(longest, v)
	}
	slices.SortFunc(longest, func(a, b string) int { // so that no part of a secret remains of it
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	var pairs []string
	for _, v := range longest {
		pairs = append(pairs, v, Hidden)
	}
	return &Redactor{values: strings.NewReplacer(pairs...)}
}

// Text hides the values in a text, and who signs in within an address.
func (r *Redactor) Text(s string) string {
	s = r.values.Replace(s)
	if !strings.Contains(s, "://") { // which most lines do not have
		return s
	}
	return userInfo.ReplaceAllString(s, "${1}"+Hidden+"@")
}

var (
	// secretWord is what names a secret.
	secretWord = `(?:pass(?:word|wd|phrase)?|token|secret|credential|api[_-]?key|auth[_-]?key|network[_-]?key|link[_-]?key|private[_-]?key|claim[_-]?code|authorization|cookie)`
	userInfo   = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/\s@"'<>]*@`)
	// said is a name of a secret and its value: "password=x", "token": "x".
	said = regexp.MustCompile(`(?i)([\w.-]*` + secretWord + `[\w.-]*["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|'[^']*'?|(?:Basic |Bearer |Digest )?[^\s"',;&)}\]]+)`)
	// bearer is a value of the header Authorization, wherever it stands.
	bearer = regexp.MustCompile(`(?i)\b(Basic|Bearer) [A-Za-z0-9+/=._~-]{8,}`)
)

// Writer hides in what is written to it, line by line. Close writes the rest.
func (r *Redactor) Writer(w io.Writer, said bool) *RedactingWriter {
	return &RedactingWriter{r: r, w: w, said: said}
}

// RedactingWriter is a Redactor's.
type RedactingWriter struct {
	r    *Redactor
	w    io.Writer
	said bool
	line []byte // not ended yet
	err  error
}

// Write takes p; what of it ends a line is written on.
func (w *RedactingWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			i = len(p) - 1
		}
		w.line = append(w.line, p[:i+1]...)
		p = p[i+1:]
		switch {
		case w.line[len(w.line)-1] == '\n':
			w.flush()
		case len(w.line) > maxLine: // a secret may lie across any place where it were cut
			w.line = append(w.line[:0], "[a line too long to be looked through]"...)
		}
	}
	if w.err != nil {
		return 0, w.err
	}
	return n, nil
}

func (w *RedactingWriter) flush() {
	s := w.r.Text(string(w.line))
	if w.said {
		s = bearer.ReplaceAllString(s, "${1} "+Hidden)
		s = said.ReplaceAllString(s, "${1}"+Hidden)
	}
	w.line = w.line[:0]
	if w.err == nil {
		_, w.err = io.WriteString(w.w, s)
	}
}

// Close writes what has no end of line. It does not close what is below.
func (w *RedactingWriter) Close() error {
	if len(w.line) > 0 {
		w.flush()
	}
	return w.err
}
