package device

import (
	"runtime"
	"testing"
	"time"
)

func TestDevicesOfOneKindShareTheirModel(t *testing.T) {
	plug := func() Subject {
		return Subject{
			Identity:  Identity{ManufacturerName: "shared", ModelID: "plug"},
			Endpoints: []Endpoint{{ID: 1, Profile: 0x0104, In: []uint16{6, 0x0702}}},
		}
	}
	a, b := For(plug()), For(plug())
	if a != b {
		t.Error("equal devices have models of their own")
	}
	for name, change := range map[string]func(*Subject){
		"Form":     func(s *Subject) { s.Form = Z2M2 },
		"Clusters": func(s *Subject) { s.Endpoints[0].In = []uint16{6} },
		"Told":     func(s *Subject) { s.Told = []Told{{Endpoint: 1, Cluster: 0x0702, Attribute: 0x0300, Value: 1}} },
		"Model":    func(s *Subject) { s.ModelID += "2" },
	} {
		s := plug()
		if change(&s); For(s) == a {
			t.Errorf("a device with another %s has the same model", name)
		}
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	key := plug().key()
	for range 100 { // those in use alone are kept
		runtime.GC()
		compiled.Lock()
		_, known := compiled.of[key]
		compiled.Unlock()
		if !known {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("a model that nobody uses is kept")
}
