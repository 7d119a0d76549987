package zigbee

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/network"
	"github.com/smartcore-ireland/hems/internal/zigbee/serialport"
)

// socket is the machine's USB socket: what Linux shows of a dongle in /dev and
// /sys.
type socket struct {
	t    *testing.T
	root string
	line string // the dongle's terminal
}

func (s socket) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s socket) link(name, to string) {
	s.t.Helper()
	path := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		s.t.Fatal(err)
	}
}

// plug shows a Sonoff ZBDongle-E under a name.
func (s socket) plug(name string) {
	for file, text := range map[string]string{"idVendor": "1a86", "idProduct": "55d4", "serial": "20240122184111",
		"manufacturer": "ITEAD", "product": "SONOFF Zigbee 3.0 USB Dongle Plus V2", "1-1:1.0/bInterfaceNumber": "00"} {
		s.write("sys/devices/usb1/1-1/"+file, text)
	}
	s.link("sys/class/tty/"+name+"/device", filepath.Join(s.root, "sys/devices/usb1/1-1/1-1:1.0"))
	s.link("dev/"+name, s.line)
}

func (s socket) pull(name string) {
	s.t.Helper()
	for _, gone := range []string{"dev/" + name, "sys/class/tty/" + name, "sys/devices/usb1"} {
		if err := os.RemoveAll(filepath.Join(s.root, gone)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestADonglePulledComesBackUnderAnotherName pulls the dongle out of a running
// coordinator and plugs it in again as another device: the network is resumed
// without a start of the process.
func TestADonglePulledComesBackUnderAnotherName(t *testing.T) {
	for _, port := range []string{serialport.Auto, "ttyACM0"} {
		t.Run(port, func(t *testing.T) {
			t.Parallel()
			s := socket{t: t, root: t.TempDir()}
			s.line = filepath.Join(s.root, "line")
			sim, err := simulator.Start(t.Context(), simulator.Options{Pty: s.line})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { sim.Close() })
			s.plug("ttyACM0")
			o := serialport.Options{Port: port, Root: s.root, Memory: filepath.Join(t.TempDir(), "dongle.json")}
			if port != serialport.Auto {
				o.Port = filepath.Join(s.root, "dev", port)
			}
			finder := serialport.NewFinder(o)
			n, err := network.New(network.Options{
				Dial:   func(ctx context.Context) (io.ReadWriteCloser, error) { return finder.Open(ctx) },
				Dir:    t.TempDir(),
				Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
				Timing: network.Timing{RetryMin: 50 * time.Millisecond, RetryMax: 100 * time.Millisecond},
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- n.Run(ctx) }()
			defer func() { cancel(); <-done }()

			await := func(want network.State) network.Info {
				t.Helper()
				for range 2000 {
					if i := n.Info(); i.State == want {
						return i
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Fatalf("the network is %v (%v), want %v", n.Info().State, n.Info().Err, want)
				return network.Info{}
			}
			before := await(network.Up)
			if err := sim.Unplug(); err != nil {
				t.Fatal(err)
			}
			s.pull("ttyACM0")
			await(network.Down)
			if err := sim.Plug(); err != nil {
				t.Fatal(err)
			}
			s.plug("ttyACM1")
			if after := await(network.Up); after.PANID != before.PANID || after.EUI64 != before.EUI64 {
				t.Errorf("after it came back: PAN %04x of %v, want %04x of %v", after.PANID, after.EUI64, before.PANID, before.EUI64)
			}
		})
	}
}
