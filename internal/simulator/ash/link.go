package ash

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Options of a link; the zero value of each field but Handler is usable.
type Options struct {
	Handler Handler
	Window  int    // DATA frames in flight towards the host, 1 to 7; 0 means 5
	Boot    uint8  // reset code told to a host that does not begin with RST; 0 means power on
	Noise   *Noise // harms the line in both directions
	Log     *slog.Logger
	// Flush drops what the host has not read yet. It is called at each RST,
	// so that a host which reopened a buffered line does not read the past.
	Flush func()
}

// Link is one line between a host and the co-processor.
type Link struct {
	handler Handler
	window  int
	noise   *Noise
	log     *slog.Logger
	flush   func()
	wake    chan struct{} // the writer has something to look at

	mu        sync.Mutex
	counters  Counters
	hung      bool
	connected bool  // between RST and failure
	code      uint8 // why not connected: reset or error code
	// what the writer has to say, besides DATA
	sendRstAck, sendError, sendAck, sendNak bool
	// from the host
	expected uint8 // frmNum that comes next
	reject   bool  // a NAK went out and the frame it asked for has not come
	// to the host
	next      uint8 // frmNum of the next new frame
	inFlight  []*sent
	resend    int // how many of inFlight, from the end, must be sent again
	responses [][]byte
	callbacks [][]byte
	notReady  time.Time // callbacks wait until then
	ackTime   time.Duration
	timeouts  int // in a row
	timer     *time.Timer
}

// sent is a DATA frame that the host has not acknowledged.
type sent struct {
	number uint8
	data   []byte
	at     time.Time
	again  bool // was retransmitted: says nothing about the line's speed
}

// New returns a link that waits for Run.
func New(o Options) *Link {
	l := &Link{handler: o.Handler, window: o.Window, noise: o.Noise, log: o.Log, flush: o.Flush,
		code: o.Boot, wake: make(chan struct{}, 1), ackTime: ackTimeInit}
	if l.window < 1 || l.window > maxWindow {
		l.window = defaultWindow
	}
	if l.code == 0 {
		l.code = ResetPowerOn
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.flush == nil {
		l.flush = func() {}
	}
	return l
}

// Run serves the host at the other end of line until parent ends or the line
// fails, and closes line. It returns nil when parent ended or the host closed
// the line.
func (l *Link) Run(parent context.Context, line io.ReadWriteCloser) error {
	ctx, cancel := context.WithCancel(parent)
	stop := context.AfterFunc(ctx, func() { line.Close() })
	written := make(chan error, 1)
	go func() {
		err := l.write(ctx, line)
		cancel()
		written <- err
	}()
	err := l.read(line)
	cancel()
	werr := <-written
	stop()
	line.Close()
	l.mu.Lock()
	l.connected = false
	l.clear()
	l.mu.Unlock()
	switch {
	case parent.Err() != nil:
		return nil
	case errors.Is(err, io.EOF):
		return werr
	}
	return err
}

func (l *Link) read(line io.Reader) error {
	var d Decoder
	buf := make([]byte, 512)
	for {
		n, err := line.Read(buf)
		for _, c := range l.noise.Pass(buf[:n]) {
			f, bad, done := d.Byte(c)
			if !done {
				continue
			}
			if bad != nil {
				l.receiveBad(bad)
			} else {
				l.receive(f)
			}
			l.poke()
		}
		if err != nil {
			return err
		}
	}
}

func (l *Link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// receiveBad asks once for what a spoiled frame may have carried.
func (l *Link) receiveBad(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counters.BadFrames++
	l.log.Debug("spoiled frame", "problem", err)
	if l.connected && !l.hung {
		l.askAgain()
	}
}

func (l *Link) askAgain() {
	if !l.reject {
		l.reject = true
		l.sendNak = true
	}
}

func (l *Link) receive(f Frame) {
	l.mu.Lock()
	if l.hung {
		l.mu.Unlock()
		return
	}
	if f.Kind == Rst {
		l.mu.Unlock()
		l.reset()
		return
	}
	if !l.connected {
		// UG101 section 4.4: a failed NCP answers everything but RST with ERROR.
		l.sendError = true
		l.mu.Unlock()
		return
	}
	deliver := l.accept(f)
	l.mu.Unlock()
	if deliver {
		l.handler.Frame(f.Data)
	}
}

// accept does the bookkeeping for a frame of a connected host and says whether
// its data is new.
func (l *Link) accept(f Frame) bool {
	switch f.Kind {
	case RstAck, Error: // only an NCP sends these
		l.counters.BadFrames++
		return false
	}
	if !l.acknowledged(f.Ack) {
		l.counters.BadAcks++
		l.log.Debug("acknowledges what was not sent", "frame", f.Kind, "ack", f.Ack)
		l.askAgain()
		return false
	}
	switch f.Kind {
	case Ack, Nak:
		if f.NotReady {
			l.notReady = time.Now().Add(remoteNotReady)
			time.AfterFunc(remoteNotReady+time.Millisecond, l.poke)
		} else {
			l.notReady = time.Time{}
		}
		if f.Kind == Nak {
			l.counters.NaksReceived++
			l.resend = len(l.inFlight)
		}
		return false
	}
	switch {
	case f.Number == l.expected:
		l.expected = (l.expected + 1) & 7
		l.reject, l.sendNak = false, false
		l.sendAck = true
		l.counters.DataReceived++
		return true
	case f.Retransmit:
		l.counters.Duplicates++
		l.sendAck = true
	default:
		l.counters.OutOfSequence++
		l.askAgain()
	}
	return false
}

// reset begins a new session, as RST asks.
func (l *Link) reset() {
	l.handler.Reset()
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	l.counters.Resets++
	l.connected = true
	l.code = resetSoftware
	l.sendRstAck = true
	l.log.Info("host connected")
}

func (l *Link) clear() {
	l.sendRstAck, l.sendError, l.sendAck, l.sendNak = false, false, false, false
	l.expected, l.reject = 0, false
	l.next, l.inFlight, l.resend = 0, nil, 0
	l.responses, l.callbacks = nil, nil
	l.notReady = time.Time{}
	l.ackTime, l.timeouts = ackTimeInit, 0
	l.stopTimer()
}

// Reboot is the co-processor starting again by itself: the host is told with
// an RSTACK that carries code, and must send RST before anything else.
func (l *Link) Reboot(code uint8) {
	l.mu.Lock()
	l.clear()
	l.hung, l.connected = false, false
	l.code = code
	l.sendRstAck = true
	l.mu.Unlock()
	l.poke()
}

// Hang makes the link deaf and mute until Reboot.
func (l *Link) Hang() {
	l.mu.Lock()
	l.clear()
	l.hung, l.connected = true, false
	l.mu.Unlock()
}

// Connected says whether a host has reset the link and not been given up since.
func (l *Link) Connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.connected
}

// Counters returns what the link has seen so far.
func (l *Link) Counters() Counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counters
}
