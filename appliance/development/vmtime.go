package development

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
)

// timeAddress is where this host gives the machine the time: the UDP port beside
// the TCP port for updates. What is on the internet may be out of reach here.
func (d *run) timeAddress(host string) string {
	return net.JoinHostPort(host, strconv.Itoa(d.Env.Number(appliance.PortUpdate)))
}

// seedTime tells the machine whom to ask for the time.
func (d *run) seedTime(perm string) error {
	file := filepath.Join(perm, "hems", appliance.ConfigFile)
	text := fmt.Sprintf("# This machine is a virtual one and has its host's time.\ntime:\n  servers: [%q]\n", d.timeAddress(hostOfMachine))
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o600)
	}
	if err != nil {
		return fmt.Errorf("telling the machine whom to ask for the time: %w", err)
	}
	return nil
}

// giveTime answers SNTP until stop is called.
func (d *run) giveTime() (stop func(), err error) {
	c, err := net.ListenPacket("udp", d.timeAddress("127.0.0.1"))
	if err != nil {
		return nil, fmt.Errorf("giving the machine the time: %w: set HEMS_PORT_BASE to a free range", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1024)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return // closed
			}
			if answer := timeAnswer(b[:n], time.Now()); answer != nil {
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
	return func() { c.Close(); <-done }, nil
}

const (
	ntpSize = 48
	// ntpEpoch is 1970 in the seconds of NTP, which count from 1900.
	ntpEpoch = 2208988800
)

// timeAnswer answers a question of RFC 5905, figure 8; nil: it is none.
func timeAnswer(question []byte, now time.Time) []byte {
	const client, server, version = 3, 4, 4
	if len(question) < ntpSize || question[0]&7 != client {
		return nil
	}
	stamp := uint64(now.Unix()+ntpEpoch)<<32 | uint64(now.Nanosecond())<<32/1e9
	a := make([]byte, ntpSize)
	a[0], a[1], a[2], a[3] = version<<3|server, 1, question[2], 0xec // stratum 1; precision 1 µs
	copy(a[12:], "HOST")
	binary.BigEndian.PutUint64(a[16:], stamp)
	copy(a[24:], question[40:48])
	binary.BigEndian.PutUint64(a[32:], stamp)
	binary.BigEndian.PutUint64(a[40:], stamp)
	return a
}
