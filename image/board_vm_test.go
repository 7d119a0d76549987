//go:build vm

package image

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// What a kernel of these tests does when it has printed its text.
const (
	psciOff   = 0x8400_0008 // Arm Power State Coordination Interface, 5.1: SYSTEM_OFF
	psciReset = 0x8400_0009 // SYSTEM_RESET
	hang      = 0
)

// kernel is a 64-bit Arm image of a few instructions: it prints text on QEMU's
// serial port, starts the watchdog if it is to, and calls the machine's firmware
// or hangs. Its header is that of Documentation/arch/arm64/booting.rst.
func kernel(text string, watchdog bool, call uint32) []byte {
	code := []uint32{
		0x10000001 | 13<<5, // adr   x1, the text
		0xd2a12000,         // movz  x0, #0x0900, lsl #16: the serial port
		0x38401422,         // ldrb  w2, [x1], #1
		0x34000062,         // cbz   w2, after the loop
		0x39000002,         // strb  w2, [x0]
		0x17fffffd,         // b     the next letter
	}
	if watchdog {
		code = append(code,
			0xd2800d00, // movz  x0, #0x0068
			0xf2a201e0, // movk  x0, #0x100f, lsl #16
			0xf2c00800, // movk  x0, #0x0040, lsl #32: its lock register
			0x52800042, // movz  w2, #2
			0x39000002, // strb  w2, [x0]
		)
	}
	if call != hang {
		code = append(code,
			0x52800000|call&0xffff<<5, // movz  w0, the call
			0x72b08000,                // movk  w0, #0x8400, lsl #16
			0xd4000002,                // hvc   #0
		)
	}
	code = append(code, 0x14000000) // b     here
	code[0] = 0x10000001 | uint32(len(code))<<5
	const header = 64
	b := make([]byte, header)
	le := binary.LittleEndian
	le.PutUint32(b, 0x14000000|header/4) // b     the code
	for _, c := range code {
		b = le.AppendUint32(b, c)
	}
	b = append(append(b, text...), 0)
	le.PutUint64(b[16:], uint64(len(b))) // image_size
	copy(b[56:], "ARM\x64")
	return b
}

// newCard is a card with a boot partition of 8 MiB whose slots have these
// kernels, nil for none, and a watchdog of a second.
func newCard(t *testing.T, a, b []byte) string {
	t.Helper()
	disk := filepath.Join(t.TempDir(), "card.img")
	const first, end = 64, 64 + 8<<20/sector
	one := [2]uint64{34, 40}
	if err := os.WriteFile(disk, table([2]uint64{first, end - 1}, one, one, one), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(end * sector); err != nil {
		t.Fatal(err)
	}
	text := func(slot bootpart.Slot) []byte {
		b := fmt.Appendf(nil, "kernel=k\nkernel_watchdog_timeout=1\nos_prefix=%s/\n", slot)
		return append(b, strings.Repeat(" ", bootpart.SectorBytes-len(b))...)
	}
	dev := offset{f, first * sector}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(bootpart.Format(dev, 8<<20, bootpart.Options{SharedClusters: 1024, SlotClusters: 1024, Sectors: map[string][]byte{
		bootpart.ConfigFile: text(bootpart.A), bootpart.TryFile: text(bootpart.B),
	}}))
	must(bootpart.WriteShared(dev, []bootpart.File{{Name: "start4.elf", Data: []byte("s")}, {Name: "fixup4.dat", Data: []byte("f")}}))
	for slot, k := range map[bootpart.Slot][]byte{bootpart.A: a, bootpart.B: b} {
		if k != nil {
			must(bootpart.WriteSlot(dev, slot, []bootpart.File{
				{Name: "k", Data: k}, {Name: "bcm2711-rpi-4-b.dtb", Data: []byte("d")}, {Name: "cmdline.txt", Data: []byte("console=tty1")}, {Name: "overlays/README", Data: []byte("r")},
			}))
		}
	}
	return disk
}

const (
	tries     = "[    1.000000] reboot: Restarting system with command '0 tryboot'\r\n"
	restarts  = "[    1.000000] reboot: Restarting system\r\n"
	panics    = "[    1.000000] Kernel panic - not syncing: Attempted to kill init!\r\n"
	powersOff = "[    1.000000] reboot: Power down\r\n"
)

func TestTheBoard(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b []byte
		want []string // what the board did
		err  error
	}{
		{"SwitchesItselfOff", kernel(powersOff, false, psciOff), nil,
			[]string{"boots a/k by config.txt", "powered off"}, nil},
		{"TriesTheOtherSlotOnce", kernel(tries, false, psciReset), kernel(panics, false, psciReset), []string{
			"boots a/k by config.txt", "resets: reboot, with the tryboot flag set: 0 tryboot",
			"boots b/k by tryboot.txt", "resets: panic: Attempted to kill init!",
			"boots a/k by config.txt", "resets: reboot, with the tryboot flag set: 0 tryboot",
		}, ErrResets},
		{"AlsoReturnsFromAPlainReboot", kernel(tries, false, psciReset), kernel(restarts, false, psciReset), []string{
			"boots a/k by config.txt", "resets: reboot, with the tryboot flag set: 0 tryboot",
			"boots b/k by tryboot.txt", "resets: reboot",
			"boots a/k by config.txt", "resets: reboot, with the tryboot flag set: 0 tryboot",
		}, ErrResets},
		{"ReturnsFromAHang", kernel(tries, false, psciReset), kernel("hangs\n", false, hang), []string{
			"boots a/k by config.txt", "resets: reboot, with the tryboot flag set: 0 tryboot",
			"boots b/k by tryboot.txt", "resets: watchdog never opened: hangs",
			"boots a/k by config.txt", "resets: reboot, with the tryboot flag set: 0 tryboot",
		}, ErrResets},
		{"ReturnsFromAKernelOfGarbage", kernel(tries, false, psciReset), []byte(strings.Repeat("garbage ", 1000)), []string{
			"boots a/k by config.txt", "resets: reboot, with the tryboot flag set: 0 tryboot",
			"boots b/k by tryboot.txt", "resets: watchdog never opened",
			"boots a/k by config.txt", "resets: reboot, with the tryboot flag set: 0 tryboot",
		}, ErrResets},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			v := &VM{Disk: newCard(t, tt.a, tt.b), Console: filepath.Join(t.TempDir(), "console.log"), Resets: 2,
				Events: func(e Event) { got = append(got, e.String()) }}
			if err := v.Run(t.Context()); !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("what the board did (-want +got):\n%s", diff)
			}
			if v.Pid() != 0 {
				t.Errorf("the machine still runs as process %d", v.Pid())
			}
		})
	}
}

// TestAPowerCutLosesTheTry: the board stands still before a slot without a
// kernel, and after the power was cut it boots the committed one.
func TestAPowerCutLosesTheTry(t *testing.T) {
	var got []Kind
	v := &VM{Disk: newCard(t, kernel(tries, false, psciReset), nil), Console: filepath.Join(t.TempDir(), "console.log")}
	v.Events = func(e Event) {
		got = append(got, e.Kind)
		if e.Kind == StandsStill {
			go v.PowerCut()
		}
	}
	for range 2 {
		if err := v.Run(t.Context()); !errors.Is(err, ErrPowerCut) {
			t.Fatalf("got %v", err)
		}
	}
	want := []Kind{Booted, Reset, StandsStill, PowerCut, Booted, Reset, StandsStill, PowerCut}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestTheFlagAtTheFirstBoot: it leads to the slot to be tried, once.
func TestTheFlagAtTheFirstBoot(t *testing.T) {
	var got []string
	v := &VM{Disk: newCard(t, kernel(powersOff, false, psciOff), kernel(panics, false, psciReset)), Console: filepath.Join(t.TempDir(), "console.log"), Try: true,
		Events: func(e Event) { got = append(got, e.Slot()) }}
	if err := v.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "", "a", ""}, got); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
}

// TestAWatchdogThatRunsIsNotTheFirmwares: once the system has started the
// watchdog, kernel_watchdog_timeout is over.
func TestAWatchdogThatRunsIsNotTheFirmwares(t *testing.T) {
	var got []string
	v := &VM{Disk: newCard(t, kernel("runs\n", true, hang), nil), Console: filepath.Join(t.TempDir(), "console.log"),
		Events: func(e Event) { got = append(got, e.String()) }}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := v.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"boots a/k by config.txt"}, got); diff != "" {
		t.Errorf("what the board did (-want +got):\n%s", diff)
	}
}

// offset is a disk from one of its bytes on.
type offset struct {
	f  *os.File
	at int64
}

func (o offset) ReadAt(b []byte, at int64) (int, error) {
	return io.NewSectionReader(o.f, o.at, 1<<40).ReadAt(b, at)
}
func (o offset) WriteAt(b []byte, at int64) (int, error) { return o.f.WriteAt(b, o.at+at) }
