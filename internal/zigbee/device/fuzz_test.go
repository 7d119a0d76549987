package device

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// fuzzed are the models that a fuzzer chooses from: every definition, and some
// devices without one.
func fuzzed(t testing.TB) []*Model {
	known := all(t, Z2M2)
	var names []string
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	var list []*Model
	for _, name := range names {
		list = append(list, known[name])
	}
	return append(list,
		For(subject("Nobody", "Something", ep(1, 1, 2, 6, 8, 12, 0x0402, 0x0405, 0x0406, 0x0500, 0x0702, 0x0b04), ep(2, 6, 0x0702, 0x0b04))),
		For(Subject{}))
}

// FuzzDecode: no sequence of frames makes a reading that JSON cannot hold, or a
// decoder that remembers without end; and what it remembers is read back.
func FuzzDecode(f *testing.F) {
	for i, tt := range decodeTable {
		f.Add(uint8(i), tt.endpoint, tt.cluster, bytesOf(f, tt.frame), bytesOf(f, tt.frame))
	}
	for i, tt := range fixtures {
		for _, s := range tt.steps {
			f.Add(uint8(i), s.endpoint, s.cluster, bytesOf(f, s.frame), bytesOf(f, tt.steps[0].frame))
		}
	}
	for i, tt := range datapointTable {
		f.Add(uint8(i), uint8(1), uint16(zcl.ClusterTuya), append([]byte{0x09, 1, tuyaReport}, bytesOf(f, tt.payload)...), []byte{0x09, 1, tuyaTime})
	}
	models := fuzzed(f)
	f.Fuzz(func(t *testing.T, which, endpoint uint8, cluster uint16, first, second []byte) {
		d := models[int(which)%len(models)].NewDecoder(nil)
		now := noon
		for i := range 20 {
			b := first
			if i%3 == 1 {
				b = second
			}
			frame, err := zcl.Parse(b)
			if err != nil {
				continue
			}
			in := Input{Time: now, Endpoint: endpoint, Cluster: cluster, Frame: frame}
			if !frame.ClusterSpecific {
				if frame.Command == zcl.CommandReadResponse {
					in.Attributes, _ = zcl.ParseReadResponse(frame.Payload)
				} else {
					in.Attributes, _ = zcl.ParseReport(frame.Payload)
				}
			}
			readings, notes := d.Decode(in)
			check(t, readings, notes)
			now = now.Add(time.Second)
			readings, notes = d.Tick(now)
			check(t, readings, notes)
		}
		memory := d.Memory()
		if len(memory) > maxMemory {
			t.Fatalf("it remembers %d bytes", len(memory))
		}
		if memory != nil && !json.Valid(memory) {
			t.Fatalf("it remembers %q", memory)
		}
		again := d.Model().NewDecoder(memory)
		if got := again.Memory(); string(got) != string(memory) {
			t.Fatalf("it remembers %s, and then %s", memory, got)
		}
	})
}

func check(t *testing.T, readings []Reading, notes []Note) {
	t.Helper()
	for _, r := range readings {
		if _, err := json.Marshal(r.Value); err != nil || r.Key == "" {
			t.Fatalf("%+v: %v", r, err)
		}
	}
	if len(notes) > maxNotes {
		t.Fatalf("%d notes", len(notes))
	}
}

// FuzzSet: no message makes an action that cannot be sent.
func FuzzSet(f *testing.F) {
	for i, s := range []string{`{"state":"ON","on_time":1e300}`, `{"brightness":-1}`, `{"warning":{"mode":"burglar","duration":1e9}}`, `{"countdown":43200}`,
		`{"read":{"cluster":"genOnOff","attributes":["onOff"]}}`, `{"write":{"cluster":6,"payload":{"0x4003":{"value":1,"type":48}}}}`, `{"command":{"cluster":6,"command":2,"payload":[1]}}`,
		`{"unit_summation":1,"overload_protection":200,"update_frequency":5,"occupied_heating_setpoint":"21"}`, `{"scene_store":{"ID":1}}`} {
		f.Add(uint8(i), "l1", []byte(s))
	}
	models := fuzzed(f)
	f.Fuzz(func(t *testing.T, which uint8, endpoint string, b []byte) {
		var message map[string]any
		if json.Unmarshal(b, &message) != nil {
			return
		}
		m := models[int(which)%len(models)]
		actions, now, _ := m.SetWith(message, endpoint, message, message)
		for _, a := range actions {
			for _, v := range a.Attributes {
				if v.Value.Type == zcl.NoData {
					t.Fatalf("writes nothing: %+v", a)
				}
			}
			if len(a.IDs) > maxAttributes || len(a.Payload) > 80 {
				t.Fatalf("asks for too much: %+v", a)
			}
		}
		if _, err := json.Marshal(now); err != nil {
			t.Fatalf("state %v: %v", now, err)
		}
		m.Poll(message)
		m.Get([]string{endpoint}, endpoint)
		d := m.NewDecoder(b)
		d.Options(message)
	})
}

// FuzzDatapoints: what parses is written back as the same bytes.
func FuzzDatapoints(f *testing.F) {
	for _, tt := range datapointTable {
		f.Add(bytesOf(f, tt.payload))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, list, err := parseDatapoints(b)
		if err != nil || len(list) == maxDatapoints {
			return
		}
		if got := appendDatapoints(nil, seq, list...); string(got) != string(b) {
			t.Fatalf("%x is written back as %x", b, got)
		}
	})
}
