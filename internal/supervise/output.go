package supervise

import (
	"bytes"
	"fmt"
	"io"
	"sync"
)

// maxLine bounds what a child can make us hold: a longer line is cut into
// several.
const maxLine = 64 << 10

// Prefixer writes the lines of several processes to one writer, each line
// whole and headed by its process's name.
type Prefixer struct {
	W     io.Writer
	Width int  // names are padded to this
	Color bool // names in a colour of their own

	mu   sync.Mutex
	next int
}

// colours that read well on dark and on light terminals
var colours = []int{36, 33, 35, 32, 34, 31}

// Writer is the writer for one process. Its Write never fails for want of a
// newline: an unfinished line waits for the rest.
func (p *Prefixer) Writer(name string) io.Writer {
	p.mu.Lock()
	defer p.mu.Unlock()
	prefix := fmt.Sprintf("%-*s │ ", p.Width, name)
	if p.Color {
		prefix = fmt.Sprintf("\x1b[%dm%-*s │\x1b[0m ", colours[p.next%len(colours)], p.Width, name)
	}
	p.next++
	return &prefixed{to: p, prefix: prefix}
}

type prefixed struct {
	to     *Prefixer
	prefix string
	buf    []byte // the unfinished line; guarded by to.mu
}

func (w *prefixed) Write(b []byte) (int, error) {
	w.to.mu.Lock()
	defer w.to.mu.Unlock()
	w.buf = append(w.buf, b...)
	for {
		i := bytes.IndexByte(w.buf, '\n')
		if i < 0 && len(w.buf) < maxLine {
			return len(b), nil
		}
		line := w.buf
		if i >= 0 {
			line = w.buf[:i]
		}
		if _, err := fmt.Fprintf(w.to.W, "%s%s\n", w.prefix, line); err != nil {
			return 0, err
		}
		if i < 0 {
			w.buf = w.buf[:0]
		} else {
			w.buf = append(w.buf[:0], w.buf[i+1:]...)
		}
	}
}
