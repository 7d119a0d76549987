//go:build interop

package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestVersionsZigbee2MQTT has the real Zigbee2MQTT form a network on a dongle
// of each protocol version it speaks, pair the meter and read it. Its adapter
// ember begins with EZSP 13; the one before, ezsp, ends there.
func TestVersionsZigbee2MQTT(t *testing.T) {
	t.Parallel()
	script, nodejs := zigbee2mqtt(t), node(t)
	for _, tt := range []struct {
		adapter string
		ezsp    int
		formed  string // what it says of the network
	}{
		{"ezsp", 8, "zigbee-herdsman started (reset)"},
		{"ezsp", 12, "zigbee-herdsman started (reset)"},
		{"ember", 13, "zigbee-herdsman started (reset)"},
		{"ember", 14, "zigbee-herdsman started (reset)"},
		{"ember", 16, "zigbee-herdsman started (reset)"},
		{"ember", 17, "zigbee-herdsman started (reset)"},
		{"ember", 18, "zigbee-herdsman started (reset)"},
		{"ember", 19, "zigbee-herdsman started (reset)"},
	} {
		t.Run(fmt.Sprintf("%sOnEZSP%d", tt.adapter, tt.ezsp), func(t *testing.T) {
			h := newHouse(t)
			h.adapter, h.ezsp = tt.adapter, tt.ezsp
			h.startDongle(t)
			settings := h.configure(t)
			// It would take this checkout for its own and build itself anew.
			notOurs := "GIT_DIR=" + filepath.Join(settings, "none")
			z := start(t, "zigbee2mqtt", []string{"ZIGBEE2MQTT_DATA=" + settings, notOurs}, nodejs, script)
			t.Logf("%.1f s: Zigbee2MQTT started", z.waitFor(t, "Zigbee2MQTT started!", time.Minute).Seconds())
			if len(z.said(tt.formed)) == 0 {
				t.Errorf("the network was not formed: %q", z.said("zigbee-herdsman started"))
			}
			pair(t, h, z)
			compare(t, h, 12)
			if v := h.look(t); v.NCP["malformed"] != 0 || v.Line["bad_frames"] != 0 || v.Line["bad_acks"] != 0 {
				t.Errorf("the dongle did not understand something: %v, line %v", v.NCP, v.Line)
			}
			z.stop(t)
			for _, bad := range []string{"fatal", "Failed to configure", "UNHANDLED"} {
				if lines := z.said(bad); len(lines) > 0 {
					t.Errorf("Zigbee2MQTT said %q", lines)
				}
			}
		})
	}
}

// TestVersionsBellows has bellows, which shares no code with Zigbee2MQTT, form a
// network on dongles of old and new versions, measure energies, and let the
// meter in; and go on with that network after a restart.
func TestVersionsBellows(t *testing.T) {
	t.Parallel()
	lib, python := bellows(t)
	for _, ezsp := range []int{8, 13, 14, 19} {
		t.Run(fmt.Sprintf("EZSP%d", ezsp), func(t *testing.T) {
			h := &house{data: t.TempDir(), bin: programs(t), ezsp: ezsp}
			h.pty = filepath.Join(h.data, "dongle")
			h.control = filepath.Join(h.data, "control.sock")
			h.startDongle(t)
			begin := func() *process {
				return start(t, "bellows", []string{"PYTHONPATH=" + lib, "PYTHONDONTWRITEBYTECODE=1"}, python,
					filepath.Join("bellows", "pair.py"), h.pty, filepath.Join(h.data, "zigbee.db"))
			}
			b := begin()
			t.Logf("%.1f s: permits joining", b.waitFor(t, "permitted", time.Minute).Seconds())
			formed := b.said("formed ")
			for _, want := range []string{fmt.Sprintf("formed ezsp=%d ", ezsp), "scanned 16"} {
				if len(b.said(want)) == 0 {
					t.Errorf("bellows did not say %q; it said:\n%s", want, b.tail())
				}
			}
			const meter = "00:15:bc:00:1b:02:11:a5"
			total := b.waitFor(t, "initialized "+meter+" frient A/S EMIZB-141 1:c0c9/0001 2:0104/0053", time.Minute)
			t.Logf("%.1f s: knows the meter", total.Seconds())
			b.end(t)

			b = begin()
			b.waitFor(t, "permitted", time.Minute)
			if got := b.said("formed "); len(got) != 1 || field(got[0], 2) != field(formed[0], 2) {
				t.Errorf("after a restart: got %q, want the network of %q", got, formed)
			}
			b.end(t)
			if v := h.look(t); v.NCP["malformed"] != 0 || v.Line["bad_frames"] != 0 || !v.Devices[0].Joined {
				t.Errorf("got %v, line %v, meter joined %v; want nothing malformed and true", v.NCP, v.Line, v.Devices[0].Joined)
			}
		})
	}
}

// field is the n-th word of a line.
func field(line string, n int) string {
	if f := strings.Fields(line); n < len(f) {
		return f[n]
	}
	return ""
}

// end closes the program's standard input and waits for it.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.input.Close()
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		t.Errorf("%s did not end with its input; its log ends:\n%s", p.name, p.tail())
	}
}

// leastPython is the oldest minor version of Python 3 that bellows runs on.
const leastPython = 11

// bellows installs what requirements.txt pins, once for each content of it, and
// returns where, and the Python that runs it.
func bellows(t *testing.T) (lib, python string) {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is not installed: install it with this system's package manager")
	}
	run(t, ".", python, "-c", fmt.Sprintf("import sys; sys.exit('Python 3.%d or newer is needed, not %%s' %% sys.version if sys.version_info < (3, %d) else 0)", leastPython, leastPython))
	pinned, err := os.ReadFile(filepath.Join("bellows", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	version, err := exec.Command(python, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root(t), "build", "interop", "bellows")
	lib, stamp := filepath.Join(dir, "lib"), filepath.Join(dir, "installed")
	want := fmt.Appendf(nil, "%x\n", sha256.Sum256(append(pinned, version...)))
	if got, err := os.ReadFile(stamp); err == nil && bytes.Equal(got, want) {
		t.Logf("bellows is in %s already", lib)
		return lib, python
	}
	os.RemoveAll(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	t.Logf("installing bellows into %s (about 45 MB)", lib)
	// A virtual environment brings pip where the system's Python has none for all.
	venv := filepath.Join(dir, "venv")
	run(t, dir, python, "-m", "venv", venv)
	requirements, err := filepath.Abs(filepath.Join("bellows", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	run(t, dir, filepath.Join(venv, "bin", "python3"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile",
		"--only-binary=:all:", "--target", lib, "-r", requirements)
	t.Logf("installed in %.1f s", time.Since(began).Seconds())
	if err := os.WriteFile(stamp, want, 0o644); err != nil {
		t.Fatal(err)
	}
	return lib, python
}
