package mqttclient

import (
	"io"
	"time"
)

// gathered is how many bytes are read at once where they gather.
const gathered = 16 << 10

// gatherer reads what has come together in a while: after a read that has
// emptied the line it lets some time pass before the next. What comes on a line that
// was quiet for that long is read at once.
type gatherer struct {
	from  io.Reader
	wait  time.Duration
	empty bool // all that there was has been read
}

func (g *gatherer) Read(p []byte) (int, error) {
	if g.empty {
		time.Sleep(g.wait)
	}
	n, err := g.from.Read(p)
	g.empty = n < len(p)
	return n, err
}
