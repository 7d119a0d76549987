package development

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/smartcore-ireland/hems/appliance"
)

// hostOfMachine is this host's loopback as QEMU's user network shows it to the
// machine.
const hostOfMachine = "10.0.2.2"

// gokrazy keeps what the programs print in memory alone, unless this file below
// /perm names a host that takes it by syslog (RFC 3164 over UDP).
var syslogTarget = filepath.Join("remote_syslog", "target")

// logAddress is where this host takes what the machine's programs print: the UDP
// port beside the TCP port for MQTT, which is as much this machine's own.
func (d *run) logAddress(host string) string {
	return net.JoinHostPort(host, strconv.Itoa(d.Env.Number(appliance.PortMQTT)))
}

// seedLog tells the machine where its programs' output goes.
func (d *run) seedLog(perm string) error {
	file := filepath.Join(perm, syslogTarget)
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = os.WriteFile(file, []byte(d.logAddress(hostOfMachine)+"\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("telling the machine where to log: %w", err)
	}
	return nil
}

// collectLog adds what the machine's programs print to w until stop is called.
func (d *run) collectLog(w io.Writer) (stop func(), err error) {
	c, err := net.ListenPacket("udp", d.logAddress("127.0.0.1"))
	if err != nil {
		return nil, fmt.Errorf("taking the machine's log: %w: set HEMS_PORT_BASE to a free range", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				return // closed
			}
			line := bytes.TrimRight(b[:n], "\n")
			if bytes.HasPrefix(line, []byte("<")) { // the priority, the same for all
				_, line, _ = bytes.Cut(line, []byte(">"))
			}
			fmt.Fprintf(w, "%s\n", line)
		}
	}()
	return func() { c.Close(); <-done }, nil
}
