package image

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// The watchdog's place in the machine: its slot, and with it the address of its
// lock register (Intel 6300ESB ICH datasheet, 16.5.1.13 "WDT Lock Register":
// offset 68h, bit 1 is "watchdog timer enable") in QEMU's memory of configuration
// registers for PCI (hw/arm/virt.c: VIRT_HIGH_PCIE_ECAM), 32 KiB for a slot.
const (
	watchdogSlot = "0x1e"
	watchdogLock = 0x40_1000_0000 + 0x1e<<15 + 0x68
	watchdogOn   = 0x02
)

// A monitor is QEMU's control socket, in its machine protocol (QMP): what ended
// the machine, and whether its watchdog runs.
type monitor struct {
	conn    io.ReadWriter
	answers chan string
	done    chan struct{}

	mu     sync.Mutex
	events map[string]string // event to its reason or action
}

// newMonitor begins to follow a machine that waits for it (-S), and lets it go; it
// ends with the connection.
func newMonitor(conn io.ReadWriter) *monitor {
	m := &monitor{conn: conn, answers: make(chan string, 1), done: make(chan struct{}), events: map[string]string{}}
	go m.follow()
	// Nothing is told before the first of these.
	for _, command := range []string{"qmp_capabilities", "cont"} {
		if m.send(command, nil) == nil {
			m.answer()
		}
	}
	return m
}

func (m *monitor) follow() {
	defer close(m.done)
	lines := bufio.NewScanner(m.conn)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var msg struct {
			Event  string
			Data   struct{ Reason, Action string }
			Return json.RawMessage
			Error  json.RawMessage
		}
		if json.Unmarshal(lines.Bytes(), &msg) != nil {
			continue
		}
		if msg.Event != "" {
			m.mu.Lock()
			m.events[msg.Event] = msg.Data.Reason + msg.Data.Action
			m.mu.Unlock()
			continue
		}
		if msg.Return == nil && msg.Error == nil {
			continue // the greeting
		}
		var text string
		_ = json.Unmarshal(msg.Return, &text) // an answer that is no text is the empty one
		select {
		case m.answers <- text:
		default: // nobody waits any more
		}
	}
}

func (m *monitor) send(command string, arguments map[string]string) error {
	select {
	case <-m.answers: // one that came too late
	default:
	}
	b, err := json.Marshal(struct {
		Execute   string            `json:"execute"`
		Arguments map[string]string `json:"arguments,omitempty"`
	}{command, arguments})
	if err != nil {
		return err
	}
	_, err = m.conn.Write(append(b, '\n'))
	return err
}

// answer is the answer to the last command, "" when there is none.
func (m *monitor) answer() string {
	select {
	case text := <-m.answers:
		return text
	case <-m.done:
	case <-time.After(10 * time.Second): // the machine is busy: asked again later
	}
	return ""
}

// watchdogRuns asks the watchdog itself.
func (m *monitor) watchdogRuns() bool {
	if err := m.send("human-monitor-command", map[string]string{"command-line": fmt.Sprintf("xp /1bx 0x%x", watchdogLock)}); err != nil {
		return false
	}
	_, value, _ := strings.Cut(m.answer(), ": 0x")
	var lock int
	_, err := fmt.Sscanf(value, "%x", &lock)
	return err == nil && lock&watchdogOn != 0
}

// wait returns when the machine has said its last.
func (m *monitor) wait() { <-m.done }

func (m *monitor) saw(event string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.events[event]
	return ok
}

// reason is why the machine ended: guest-reset, guest-shutdown, or another.
func (m *monitor) reason() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events["SHUTDOWN"]
}
