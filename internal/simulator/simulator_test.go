package simulator

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator/ash"
)

func TestPairsReportsAndResumes(t *testing.T) {
	dir := t.TempDir()
	o := Options{State: filepath.Join(dir, "state.json"), Trace: filepath.Join(dir, "trace")}
	s := launch(t, o)
	h := dial(t, s)
	h.reset()
	h.form()
	id := h.pair()
	h.agree(id)
	s.SetPower(watts(342))
	h.await("0004 2a 560100")
	before := s.State()
	if d := before.Devices[0]; !d.Joined || d.PowerW != 342 || d.Reporting != 1 || !before.Connected || !before.NetworkUp || before.PermitOpen {
		t.Errorf("got %+v", before)
	}
	line, err := os.ReadFile(o.Trace)
	if err != nil {
		t.Fatal(err)
	}
	var first traceLine
	lines := strings.Split(strings.TrimSpace(string(line)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &first); err != nil {
		t.Fatal(err)
	}
	if first.Cluster != 0x0702 || first.Attribute != 0x0400 || first.Value != 342 || time.Since(time.Unix(0, first.Nanoseconds)) > time.Minute {
		t.Errorf("trace: got %+v", first)
	}
	if info, err := os.Stat(o.State); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("state file: %v %v, want mode 600", info.Mode(), err)
	}

	// Nothing is said goodbye to: what counts is what the file holds.
	kept, err := os.ReadFile(o.State)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	o.State = filepath.Join(dir, "again.json")
	if err := os.WriteFile(o.State, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	s = launch(t, o)
	h = dial(t, s)
	h.reset()
	h.resume()
	h.await("0004 2a 560100")
	after := s.State()
	if after.PAN != before.PAN || after.Devices[0].NodeID != before.Devices[0].NodeID || after.Devices[0].EnergyWh < before.Devices[0].EnergyWh {
		t.Errorf("after a restart: got %+v, before %+v", after, before)
	}

	// A network with another key is not the meter's.
	h.want("2000", "", "00")
	h.await("1900 91")
	h.want("6800", "840b"+wellKnown+"f00102030405060708090a0b0c0d0e0f 00 ffffffffffffffff", "00")
	h.want("1e00", "dddddddddddddddd 621a 05 0b 00 0000 00 00f8ff07", "00")
	h.await("1900 90")
	if s.State().Devices[0].Joined {
		t.Error("the meter is part of a network whose key it never got")
	}
	h.pair()
	if !s.State().Devices[0].Joined {
		t.Error("the meter did not join the new network")
	}
}

func TestPty(t *testing.T) {
	link := filepath.Join(t.TempDir(), "dongle")
	s := launch(t, Options{Pty: link})
	for range 3 { // hosts come and go
		f, err := os.OpenFile(link, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		h := attach(t, f)
		h.reset()
		h.want("0500", "", "")
		f.Close()
		for range h.frames { // the reader's end
		}
	}
	if err := s.Unplug(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(link); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link of an unplugged dongle: got %v, want none", err)
	}
	if err := s.Plug(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(link, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	attach(t, f).reset()
}

func TestPtyCarriesEveryByte(t *testing.T) {
	link := filepath.Join(t.TempDir(), "dongle")
	launch(t, Options{Pty: link})
	f, err := os.OpenFile(link, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	h := attach(t, f)
	h.reset()
	all := ""
	for c := range 256 {
		all += hex.EncodeToString([]byte{byte(c)})
	}
	h.want("8100", "80"+all[:256], "80"+all[:256])
	h.want("8100", "80"+all[256:], "80"+all[256:])
}

func TestPtyDoesNotReplaceAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(t.Context(), Options{Pty: path}); err == nil {
		s.Close()
		t.Fatal("a file gave way to the link")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "x" {
		t.Errorf("got %q %v", b, err)
	}
}

func TestTCP(t *testing.T) {
	s := launch(t, Options{Listen: "127.0.0.1:0"})
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := attach(t, c)
	h.reset()
	second, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("a second host: got %v, want the end of the connection", err)
	}
	if err := s.Unplug(); err != nil {
		t.Fatal(err)
	}
	for range h.frames { // ends with the connection
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("an unplugged dongle takes connections")
	}
	if err := s.Plug(); err != nil {
		t.Fatal(err)
	}
	if c, err = net.Dial("tcp", s.Addr().String()); err != nil {
		t.Fatal(err)
	}
	attach(t, c).reset()
}

func TestHangAndReset(t *testing.T) {
	s := launch(t, Options{})
	h := dial(t, s)
	h.reset()
	h.form()
	s.Hang()
	h.write(ash.Frame{Kind: ash.Rst}.Append(nil))
	select {
	case f := <-h.frames:
		t.Errorf("a hung dongle said %+v", f)
	case <-time.After(100 * time.Millisecond):
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if f := h.next(); f.Kind != ash.RstAck || f.Code != ash.ResetWatchdog {
		t.Errorf("after a reset: got %+v, want RSTACK of a watchdog", f)
	}
	h.reset()
	h.resume()
}

func TestGarbageFromTheHost(t *testing.T) {
	s := launch(t, Options{})
	h := dial(t, s)
	for seed := range byte(50) {
		b := make([]byte, 200)
		for i := range b {
			b[i] = byte(i)*seed + seed
		}
		h.write(b)
	}
	h.reset()
	h.form()
	if got := s.State().Line.BadFrames; got == 0 {
		t.Error("garbage was not counted")
	}
}

func TestControl(t *testing.T) {
	s := launch(t, Options{})
	server := httptest.NewServer(s.Control())
	defer server.Close()
	tests := []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", "/state", "", 200, `"eui64":"0x0015bc001b0211a5"`},
		{"PUT", "/meter/power", "342", 204, ""},
		{"GET", "/state", "", 200, `"power_w":342`},
		{"PUT", "/meter/power", " 17 \n", 204, ""},
		{"PUT", "/meter/power", "-1", 400, "whole watts"},
		{"PUT", "/meter/power", "60001", 400, "whole watts"},
		{"PUT", "/meter/power", "lots", 400, "whole watts"},
		{"PUT", "/meter/power", strings.Repeat("1", 5000), 400, "too large"},
		{"PUT", "/meter/power", "", 204, ""},
		{"POST", "/meter/button", "", 409, "permit joining"},
		{"PUT", "/line/faults", `{"lose":0.5}`, 204, ""},
		{"PUT", "/line/faults", `{"lose":2}`, 400, "between 0 and 1"},
		{"PUT", "/line/faults", `{`, 400, "the body is not like"},
		{"PUT", "/line/faults", `{}`, 204, ""},
		{"POST", "/dongle/unplug", "", 204, ""},
		{"POST", "/dongle/unplug", "", 409, "unplugged"},
		{"POST", "/dongle/reset", "", 409, "unplugged"},
		{"GET", "/state", "", 200, `"plugged":false`},
		{"POST", "/dongle/plug", "", 204, ""},
		{"POST", "/dongle/plug", "", 204, ""},
		{"POST", "/dongle/hang", "", 204, ""},
		{"GET", "/state", "", 200, `"hung":true`},
		{"POST", "/dongle/reset", "", 204, ""},
		{"GET", "/state", "", 200, `"hung":false`},
		{"GET", "/meter/power", "", 405, ""},
		{"GET", "/elsewhere", "", 404, ""},
	}
	for _, tt := range tests {
		r, err := http.NewRequest(tt.method, server.URL+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != tt.status || !strings.Contains(string(b), tt.text) {
			t.Errorf("%s %s %.20q: got %d %s (%v), want %d and %q", tt.method, tt.path, tt.body, answer.StatusCode, b, err, tt.status, tt.text)
		}
	}
}

func TestControlSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	s := launch(t, Options{Control: path})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("socket: %v %v, want mode 600", info, err)
	}
	s.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Start(t.Context(), Options{Control: path}); err == nil {
		s.Close()
		t.Error("a file gave way to the socket")
	}
}

func TestBadState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte(`{"dongle":{"network":{"key":"short"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), Options{State: path})
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "remove "+path) {
		t.Errorf("got %v, want an error that says what to do", err)
	}
}

func TestCommand(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{nil, "--pty or --listen"},
		{[]string{"--pty", "x", "more"}, `unexpected argument "more"`},
		{[]string{"--nonsense"}, "nonsense"},
		{[]string{"--listen", "127.0.0.1:0", "--report-every", "1us"}, "at least 10µs"},
		{[]string{"--listen", "127.0.0.1:-1"}, "choose another one with --listen"},
	}
	for _, tt := range tests {
		err := Command(t.Context(), tt.args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.args, err, tt.want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := Command(ctx, []string{"--listen", "127.0.0.1:0", "--pty", filepath.Join(t.TempDir(), "p")}, io.Discard); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("it took %v to stop, want less than 2 s", d)
	}
}

func TestSameSeedSameHouse(t *testing.T) {
	at := time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)
	state := func(seed uint64) []DeviceView {
		return launch(t, Options{Seed: seed, Now: func() time.Time { return at }}).State().Devices
	}
	if diff := cmp.Diff(state(5), state(5)); diff != "" {
		t.Error(diff)
	}
}
