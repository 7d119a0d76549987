package simulator

import (
	"bufio"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/ash"
)

// hostEnd is the least host there can be: it answers every DATA frame with an
// ACK and sends one command at a time.
type hostEnd struct {
	t        *testing.T
	line     io.ReadWriteCloser
	frames   chan ash.Frame
	number   uint8
	expected uint8
	sequence uint8
	callback []string // identifier and parameters of callbacks, in hexadecimal
}

func attach(t *testing.T, line io.ReadWriteCloser) *hostEnd {
	t.Helper()
	h := &hostEnd{t: t, line: line, frames: make(chan ash.Frame, 256)}
	t.Cleanup(func() { line.Close() })
	go func() {
		defer close(h.frames)
		var d ash.Decoder
		r := bufio.NewReader(line)
		for {
			c, err := r.ReadByte()
			if err != nil {
				return
			}
			if f, bad, done := d.Byte(c); done && bad == nil {
				h.frames <- f
			}
		}
	}()
	return h
}

func (h *hostEnd) next() ash.Frame {
	h.t.Helper()
	select {
	case f, ok := <-h.frames:
		if !ok {
			h.t.Fatal("the dongle closed the line")
		}
		return f
	case <-time.After(time.Minute):
		h.t.Fatal("the dongle says nothing for 10 s")
	}
	return ash.Frame{}
}

// reset begins a session and agrees on the version.
func (h *hostEnd) reset() {
	h.t.Helper()
	h.write([]byte{0x1A})
	h.write(ash.Frame{Kind: ash.Rst}.Append(nil))
	for f := h.next(); f.Kind != ash.RstAck || f.Version != 2 || f.Code != 0x0B; f = h.next() {
	}
	h.number, h.expected = 0, 0
	h.want("0000", "0d", "0d024074")
}

func (h *hostEnd) write(b []byte) {
	h.t.Helper()
	if _, err := h.line.Write(b); err != nil {
		h.t.Fatal(err)
	}
}

// data returns the next DATA frame's content, acknowledged.
func (h *hostEnd) data() string {
	h.t.Helper()
	for {
		f := h.next()
		if f.Kind != ash.Data || f.Number != h.expected {
			continue
		}
		h.expected = (h.expected + 1) & 7
		h.write(ash.Frame{Kind: ash.Ack, Ack: h.expected}.Append(nil))
		return hex.EncodeToString(f.Data)
	}
}

// command sends a command, by identifier and parameters in the byte order of
// the wire, and returns the response's parameters.
func (h *hostEnd) command(id, params string) string {
	h.t.Helper()
	h.sequence++
	head := hex.EncodeToString([]byte{h.sequence})
	b, err := hex.DecodeString(head + "0001" + id + strings.ReplaceAll(params, " ", ""))
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(ash.Frame{Kind: ash.Data, Number: h.number, Ack: h.expected, Data: b}.Append(nil))
	h.number = (h.number + 1) & 7
	for {
		got := h.data()
		if strings.HasPrefix(got, head+"8001") {
			if !strings.HasPrefix(got, head+"8001"+id) {
				h.t.Fatalf("command %s %s: got %s", id, params, got)
			}
			return got[10:]
		}
		h.callback = append(h.callback, got[6:])
	}
}

func (h *hostEnd) want(id, params, answer string) {
	h.t.Helper()
	if got := h.command(id, params); got != strings.ReplaceAll(answer, " ", "") {
		h.t.Fatalf("command %s %s: got %s, want %s", id, params, got, answer)
	}
}

// await returns the next callback that holds text.
func (h *hostEnd) await(text string) string {
	h.t.Helper()
	text = strings.ReplaceAll(text, " ", "")
	for {
		for i, c := range h.callback {
			if strings.Contains(c, text) {
				h.callback = h.callback[i+1:]
				return c
			}
		}
		h.callback = []string{h.data()[6:]}
	}
}

const wellKnown = "5a6967426565416c6c69616e63653039"

// form forms a network.
func (h *hostEnd) form() {
	h.t.Helper()
	h.want("0200", "01 0401 0500 00 00 00", "00")
	h.want("1700", "0300", "93")
	h.want("6800", "840b"+wellKnown+"000102030405060708090a0b0c0d0e0f 00 ffffffffffffffff", "00")
	h.want("1e00", "dddddddddddddddd 621a 05 0b 00 0000 00 00f8ff07", "00")
	h.await("1900 90")
}

// resume brings the network up that the dongle has.
func (h *hostEnd) resume() {
	h.t.Helper()
	h.want("0200", "01 0401 0500 00 00 00", "00")
	h.want("1700", "0300", "00")
	h.await("1900 90")
}

// pair lets the meter in and returns its short address, as on the wire.
func (h *hostEnd) pair() (id string) {
	h.t.Helper()
	h.want("1101", "ffffffffffffffff"+wellKnown+"00", "00000000")
	h.want("5500", "0003", "00")
	h.want("2200", "3c", "00")
	join := h.await("a511021b00bc1500 01 00 0000")
	h.want("2200", "00", "00")
	return join[4:8]
}

// agree binds metering and asks for reports of power at any change.
func (h *hostEnd) agree(id string) {
	h.t.Helper()
	bind := "01 a511021b00bc1500 02 0207 03 78563412004b1200 01"
	h.command("3400", "00"+id+"0000 2100 00 00 4011 0000 00 01 16"+bind)
	h.await("2180")
	h.command("3400", "00"+id+"0401 0207 01 02 4011 0000 00 02 0e 10 07 06 00 0004 2a 0000 3c00 010000")
	h.await("1807 0700")
}

func launch(t *testing.T, o Options) *Simulator {
	t.Helper()
	o.Latency = time.Millisecond
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func dial(t *testing.T, s *Simulator) *hostEnd {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		line, err := s.Dial(t.Context())
		if err == nil {
			return attach(t, line)
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func watts(n int64) *int64 { return &n }
