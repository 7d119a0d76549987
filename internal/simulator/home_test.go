package simulator

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator/devices"
	"github.com/smartcore-ireland/hems/internal/simulator/node"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

func TestParseDevices(t *testing.T) {
	tests := []struct {
		list string
		want []string
		bad  string // part of the error
	}{
		{"EMIZB-141", []string{"EMIZB-141"}, ""},
		{" emizb-141 , nous a1z,SNZB-02D*2,SPLZB-131+code", []string{"EMIZB-141", "TS011F", "SNZB-02D", "SNZB-02D", "SPLZB-131+code"}, ""},
		{"SPLZB-131+code * 2", []string{"SPLZB-131+code", "SPLZB-131+code"}, ""},
		{"", nil, "no device is called"},
		{"EMIZB-141,", nil, "no device is called"},
		{"toaster", nil, "choose among"},
		{"EMIZB-141*0", nil, "no number of devices"},
		{"EMIZB-141*x", nil, "no number of devices"},
		{"EMIZB-141*501", nil, "do not fit"},
		{"EMIZB-141*300,TS011F*300", nil, "do not fit"},
	}
	for _, tt := range tests {
		got, err := ParseDevices(tt.list)
		if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) != (tt.bad == "") || err != nil && !strings.Contains(err.Error(), tt.bad) {
			t.Errorf("%q: got %q %v, want %q and %q", tt.list, got, err, tt.want, tt.bad)
		}
	}
}

func TestADevicesAddress(t *testing.T) {
	s := launch(t, Options{Devices: []string{"TS011F", "EMIZB-141", "EMIZB-141", "SNZB-02D"}})
	v := s.State().Devices
	if len(v) != 4 || v[1].EUI64 != DefaultMeterEUI64 {
		t.Fatalf("got %+v, want the first meter at its address", v)
	}
	for i, d := range v {
		m, err := devices.Find(d.Model)
		if err != nil {
			t.Fatal(err)
		}
		if i != 1 && d.EUI64 != m.Address(i) {
			t.Errorf("device %d: got %v, want %v", i, d.EUI64, m.Address(i))
		}
	}
	for _, bad := range [][]string{{"toaster"}, slices.Repeat([]string{"EMIZB-141"}, 501)} {
		if s, err := Start(t.Context(), Options{Devices: bad}); err == nil {
			s.Close()
			t.Errorf("a house with %d devices like %q started", len(bad), bad[0])
		}
	}
}

// house is a house with one of each device, and its control requests.
func house(t *testing.T, o Options) (*Simulator, func(method, path, body string) (int, string)) {
	o.Devices = devices.Models()
	s := launch(t, o)
	server := httptest.NewServer(s.Control())
	t.Cleanup(server.Close)
	return s, func(method, path, body string) (int, string) {
		r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(b)
	}
}

func address(t *testing.T, s *Simulator, model string) string {
	t.Helper()
	for _, d := range s.State().Devices {
		if d.Model == model {
			return d.EUI64.String()
		}
	}
	t.Fatalf("no %s in the house", model)
	return ""
}

func TestDeviceControl(t *testing.T) {
	s, ask := house(t, Options{})
	plug := "/devices/" + address(t, s, "TS011F")
	tests := []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"PUT", plug + "/values", `{"power":123,"voltage":231.5,"state":"OFF"}`, 204, ""},
		{"PUT", plug + "/values", `{"state":true}`, 204, ""},
		{"PUT", plug + "/values", `{"power":null,"energy":7}`, 204, ""},
		{"PUT", plug + "/values", `{}`, 204, ""},
		{"PUT", plug + "/values", `{"power":123,"humidity":3}`, 400, `no "humidity"`},
		{"PUT", plug + "/values", `{"power":4001}`, 400, "power cannot be 4001"},
		{"PUT", plug + "/values", `{"power":"much"}`, 400, "is no value"},
		{"PUT", plug + "/values", `{"power":[1]}`, 400, "is no value"},
		{"PUT", plug + "/values", `123`, 400, "the body is not like"},
		{"PUT", plug + "/values", ``, 400, "the body is not like"},
		{"PUT", plug + "/values", `null`, 400, "the body is not like"},
		{"PUT", plug + "/values", `{"power":` + strings.Repeat(" ", 5000) + `1}`, 400, "too large"},
		{"POST", plug + "/button", "", 409, "permit joining"},
		{"POST", plug + "/leave", "", 409, "not part of the network"},
		{"POST", plug + "/rejoin", "", 409, "not part of the network"},
		{"POST", plug + "/silence", "", 204, ""},
		{"POST", plug + "/button", "", 409, "silent"},
		{"POST", plug + "/speak", "", 204, ""},
		{"POST", plug + "/restart", "", 204, ""},
		{"POST", plug + "/dance", "", 404, ""},
		{"GET", plug + "/values", "", 405, ""},
		{"PUT", "/devices/0x0000000000000001/values", `{"power":1}`, 404, "no device has this address"},
		{"POST", "/devices/0x0000000000000001/button", "", 404, "no device has this address"},
		{"POST", "/devices/toaster/button", "", 404, "no address"},
	}
	for _, tt := range tests {
		status, text := ask(tt.method, tt.path, tt.body)
		if status != tt.status || !strings.Contains(text, tt.text) {
			t.Errorf("%s %s %.40q: got %d %s, want %d and %q", tt.method, tt.path, tt.body, status, text, tt.status, tt.text)
		}
	}
	for _, d := range s.State().Devices {
		if d.Model != "TS011F" {
			continue
		}
		// After the restart the counter reads zero for a while; what was set
		// together with something wrong was not set.
		if d.Values["voltage"] != 231.5 || d.Values["state"] != 1 || d.Values["power"] == 123 || d.Values["energy"] != 0 || d.Role != "router" {
			t.Errorf("got %+v", d)
		}
		if diff := cmp.Diff([]string{"voltage"}, d.Held); diff != "" {
			t.Errorf("held (-want +got):\n%s", diff)
		}
	}
	// Every device shows what it measures, and takes each of it back again.
	for _, d := range s.State().Devices {
		if len(d.Values) == 0 {
			t.Errorf("%s measures nothing", d.Model)
		}
		values := map[string]any{}
		for name, v := range d.Values {
			values[name] = v
		}
		if err := s.SetValues(d.EUI64, values); err != nil {
			t.Errorf("%s: %v", d.Model, err)
		}
		for name := range values {
			values[name] = nil
		}
		if err := s.SetValues(d.EUI64, values); err != nil {
			t.Errorf("%s: %v", d.Model, err)
		}
	}
	for _, d := range s.State().Devices {
		if len(d.Held) != 0 {
			t.Errorf("%s: %v are held after they were released", d.Model, d.Held)
		}
	}
	if status, text := ask("GET", "/state", ""); status != 200 || !json.Valid([]byte(text)) {
		t.Errorf("state: got %d %.100s", status, text)
	}
}

func TestAHouseJoins(t *testing.T) {
	o := Options{Devices: []string{"EMIZB-141", "TS011F", "SNZB-02D", "SPLZB-131+code"}, State: filepath.Join(t.TempDir(), "state.json")}
	s := launch(t, o)
	h := dial(t, s)
	h.reset()
	h.form()
	h.pair()
	h.want("2200", "3c", "00") // the meter alone was let in
	// The plug joins at the dongle, the thermometer through the plug.
	v := s.State().Devices
	eui := func(i int) string {
		return hex.EncodeToString(binary.LittleEndian.AppendUint64(nil, uint64(v[i].EUI64)))
	}
	plug := h.await(eui(1) + "01 00 0000")
	h.await(eui(2) + "01 00" + plug[4:8])
	h.want("2200", "00", "00")
	v = s.State().Devices
	if !v[0].Joined || !v[1].Joined || !v[2].Joined || v[3].Joined {
		t.Fatalf("got %+v, want all to have joined but the one with an install code", v)
	}
	if code := v[3].InstallCode; len(code) != 36 || v[0].InstallCode != "" {
		t.Errorf("install codes: got %q and %q", code, v[0].InstallCode)
	}
	if err := s.Rejoin(v[1].EUI64); err != nil {
		t.Error(err)
	}
	if after := s.State().Devices[1]; after.NodeID == v[1].NodeID {
		t.Errorf("after it came back: got address %04x, want another", after.NodeID)
	}
	if err := s.Leave(v[2].EUI64); err != nil {
		t.Error(err)
	}
	if err := s.Silence(v[1].EUI64, true); err != nil {
		t.Error(err)
	}
	before := s.State().Devices
	s.Close()

	// The others are remembered also by a house in which they are not.
	o.Devices = []string{"EMIZB-141"}
	s = launch(t, o)
	s.Close()
	o.Devices = []string{"EMIZB-141", "TS011F", "SNZB-02D", "SPLZB-131+code"}
	after := launch(t, o).State().Devices
	for i := range after {
		if i != 2 && (after[i].NodeID != before[i].NodeID || after[i].Joined != before[i].Joined) {
			t.Errorf("device %d after a restart: got %+v, before %+v", i, after[i], before[i])
		}
	}
}

// TestOldState loads a state file of when the meter was alone.
func TestOldState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	old := `{"dongle":{},"meter":{"joined":true,"id":31292,"network":{"pan":6754,"extended_pan":5,"channel":20,"key":"000102030405060708090a0b0c0d0e0f"},
		"bindings":[{"endpoint":2,"cluster":1794,"target":"0x00124b0012345678","target_endpoint":1}],
		"reporting":[{"endpoint":2,"cluster":1794,"attribute":1024,"min":10,"max":600,"change":5}]},
		"register":{"offset_wh":570,"fixed_w":3600,"since":"2026-11-21T12:00:00Z","energy_then_ws":360000,"pulses":500}}`
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 30, 0, 0, time.UTC)
	o := Options{State: path, Now: func() time.Time { return now }}
	for range 2 { // the second time from what the first one wrote
		s := launch(t, o)
		d := s.State().Devices[0]
		if d.EnergyWh != 570+100+1800 || d.PowerW != 3600 || d.FixedW == nil || *d.FixedW != 3600 || d.NodeID != 31292 ||
			d.Values["pulse_configuration"] != 500 {
			t.Errorf("got %+v", d)
		}
		if diff := cmp.Diff([]node.Binding{{Endpoint: 2, Cluster: 0x0702, Target: radio.EUI64(DefaultEUI64), TargetEndpoint: 1}}, d.Bindings); diff != "" {
			t.Errorf("bindings (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]node.Reporting{{Endpoint: 2, Cluster: 0x0702, Attribute: 0x0400, Min: 10, Max: 600, Change: 5}}, d.Reports); diff != "" {
			t.Errorf("reports (-want +got):\n%s", diff)
		}
		s.Close()
	}
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), "register") {
		t.Errorf("the state file was not written anew: %v\n%s", err, b)
	}
}

func TestNoMeterToHold(t *testing.T) {
	s := launch(t, Options{Devices: []string{"TS011F"}})
	s.SetPower(watts(5))
	if err := s.PressButton(); !errors.Is(err, ErrNoDevice) {
		t.Errorf("got %v, want %v", err, ErrNoDevice)
	}
}
