package manager

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/smartcore-ireland/hems/internal/manager/board"
	"github.com/smartcore-ireland/hems/internal/manager/tree"
)

// getMetrics answers in Prometheus' text format.
func (m *Manager) getMetrics(w http.ResponseWriter, _ *http.Request) error {
	c := m.now.Load()
	if c == nil {
		return errEarly
	}
	var b bytes.Buffer
	if err := tree.WriteGauges(&b, c.root); err != nil {
		return err
	}
	f := c.facts
	family := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	gauge := func(name, help string, v any) {
		family(name, "gauge", help)
		fmt.Fprintf(&b, "%s %v\n", name, v)
	}
	family("hems_build_info", "gauge", "The version that runs.")
	fmt.Fprintf(&b, "hems_build_info{version=%s,slot=%s} 1\n", tree.Label(m.o.Version), tree.Label(f.boot.Slot))
	if len(f.programs) > 0 {
		family("hems_process_restarts_total", "counter", "Times that a program ended by itself and was started again.")
		for _, p := range f.programs {
			fmt.Fprintf(&b, "hems_process_restarts_total{process=%s} %d\n", tree.Label(p.Name), p.Restarts)
		}
		family("hems_process_held", "gauge", "Whether a program keeps ending and is held back.")
		for _, p := range f.programs {
			fmt.Fprintf(&b, "hems_process_held{process=%s} %d\n", tree.Label(p.Name), bit(!p.Held.IsZero()))
		}
	}
	family("hems_perm_bytes", "gauge", "Room for data on the card, in bytes.")
	fmt.Fprintf(&b, "hems_perm_bytes{room=\"total\"} %d\nhems_perm_bytes{room=\"free\"} %d\n", f.space.Total, f.space.Free)
	if n, err := board.Written(m.o.Root, m.o.Data); err == nil { // a file system in memory has no disk
		family("hems_perm_written_bytes_total", "counter", "Bytes written to the data's partition since the start.")
		fmt.Fprintf(&b, "hems_perm_written_bytes_total %d\n", n)
	}
	gauge("hems_clock_synchronised", "Whether a time server has confirmed the time since the start.", bit(f.clock.Synchronised))
	gauge("hems_developer", "Whether systems that nobody signed are let in.", bit(f.developer))
	if f.booted {
		gauge("hems_boots", "Starts of this system without two healthy minutes, this one included.", f.boot.Boots)
		gauge("hems_trial", "Whether the system that runs is on trial.", bit(f.update.trial))
	}
	if !f.reading.IsZero() {
		gauge("hems_last_reading_seconds", "When the last reading came, in seconds since 1970.", f.reading.Unix())
	}
	if f.sensors.Measured {
		gauge("hems_board_celsius", "Temperature of the processor in degrees Celsius.", f.sensors.Celsius)
	}
	if f.sensors.Powered {
		gauge("hems_board_undervoltage", "Whether the supply is or was too weak since the start.", bit(f.sensors.UnderVoltage))
	}
	if m.journal != nil {
		family("hems_log_lines_dropped_total", "counter", "Lines of programs that were not kept, because the card took nothing.")
		fmt.Fprintf(&b, "hems_log_lines_dropped_total %d\n", m.journal.Dropped())
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // an error of sending is the asker's
	return nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
