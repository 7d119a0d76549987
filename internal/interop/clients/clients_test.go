//go:build interop

package clients

import (
	"fmt"
	"slices"
	"testing"
)

// library is one that is tested, with the versions of MQTT it speaks.
type library struct {
	name     string
	command  func(t *testing.T) []string
	versions []int
}

var libraries = []library{
	{"PahoGo", pahoGo, []int{4, 5}},
	{"PahoPython", pahoPython, []int{4, 5}},
	{"MQTTjs", mqttJS, []int{4, 5}},
}

// visit is one library in one version over one transport.
type visit struct {
	t       *testing.T
	b       *theBroker
	command []string
	version int
	way     way
}

func TestLibraries(t *testing.T) {
	b := startBroker(t)
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			command := l.command(t)
			for _, version := range l.versions {
				for _, w := range b.ways {
					v := visit{b: b, command: command, version: version, way: w}
					for i, s := range stories {
						if i > 1 && w.name != "TCP" {
							break // the transport is behind them, the rest is the same
						}
						t.Run(fmt.Sprintf("MQTT%d/%s/%s", version, w.name, s.name), func(t *testing.T) {
							v := v
							v.t = t
							s.tell(v)
						})
					}
				}
			}
		})
	}
}

// topic is one of this test alone.
func (v visit) topic(name string) string {
	return fmt.Sprintf("clients/%s/%s", v.t.Name(), name)
}

// client starts a client that has not connected.
func (v visit) client() *driver {
	v.t.Helper()
	return drive(v.t, v.command)
}

func (v visit) hello(id string, clean bool) order {
	return order{Op: "connect", URL: v.way.url, CA: v.way.ca, Version: v.version, Clean: clean,
		ID: v.topic(id), User: v.b.user, Password: v.b.password}
}

func (v visit) connected(id string) *driver {
	v.t.Helper()
	d := v.client()
	d.must(v.hello(id, true))
	return d
}

var stories = []struct {
	name string
	tell func(visit)
}{
	{"EveryQoSBothWays", func(v visit) {
		a, b := v.connected("a"), v.connected("b")
		x, y := v.topic("x"), v.topic("y")
		a.subscribe(x, 2)
		b.subscribe(y, 2)
		for qos := range 3 {
			b.publish(x, fmt.Sprint("to a ", qos), qos, false)
			a.publish(y, fmt.Sprint("to b ", qos), qos, false)
		}
		for qos := range 3 {
			a.want(x, fmt.Sprint("to a ", qos), qos, false)
			b.want(y, fmt.Sprint("to b ", qos), qos, false)
		}
		a.nothing()
		a.must(order{Op: "disconnect"})
		b.must(order{Op: "disconnect"})
	}},
	{"Will", func(v visit) {
		w := v.topic("will")
		b := v.connected("b")
		b.subscribe(w, 1)
		a := v.client()
		hello := v.hello("a", true)
		hello.Will, hello.Payload, hello.QoS = w, "gone", 1
		a.must(hello)
		a.kill()
		b.want(w, "gone", 1, false)
		c := v.client()
		hello.ID = v.topic("c")
		c.must(hello)
		c.must(order{Op: "disconnect"})
		b.nothing()
	}},
	{"Retained", func(v visit) {
		a, x := v.connected("a"), v.topic("x")
		a.publish(x, "kept", 1, true)
		b := v.connected("b")
		b.subscribe(x, 1)
		b.want(x, "kept", 1, true)
		a.publish(x, "", 1, true)
		b.want(x, "", 1, false)
		c := v.connected("c")
		c.subscribe(x, 1)
		c.nothing()
	}},
	{"KeptSession", func(v visit) {
		x := v.topic("x")
		a := v.client()
		if r := a.must(v.hello("a", false)); r.Present {
			v.t.Error("the session was there before it began")
		}
		a.subscribe(x, 1)
		a.must(order{Op: "disconnect"})
		b := v.connected("b")
		for i := range 5 {
			b.publish(x, fmt.Sprint(i), 1, false)
		}
		a = v.client()
		if r := a.must(v.hello("a", false)); !r.Present {
			v.t.Error("the session was not kept")
		}
		for i := range 5 {
			a.want(x, fmt.Sprint(i), 1, false)
		}
		a.nothing()
	}},
	{"Shared", func(v visit) {
		x := v.topic("x")
		a, b, c := v.connected("a"), v.connected("b"), v.connected("c")
		a.subscribe("$share/g/"+x, 1)
		b.subscribe("$share/g/"+x, 1)
		const n = 10
		for i := range n {
			c.publish(x, fmt.Sprint(i), 1, false)
		}
		var got []string
		for _, d := range []*driver{a, b} {
			for {
				r := d.must(order{Op: "next", PatientMS: 500})
				if r.None {
					break
				}
				got = append(got, r.Payload)
			}
		}
		slices.Sort(got)
		if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(got, want) {
			v.t.Errorf("both together got %v, want each of %v once", got, want)
		}
	}},
	{"RequestAndResponse", func(v visit) {
		ask, answer := v.topic("ask"), v.topic("answer")
		a, b := v.connected("a"), v.connected("b")
		a.subscribe(ask, 1)
		b.subscribe(answer, 1)
		b.must(order{Op: "publish", Topic: ask, Payload: "what", QoS: 1, Answer: answer, Of: "n1"})
		r := a.next()
		if v.version == 5 && (r.Answer != answer || r.Of != "n1") {
			v.t.Errorf("the question says answer to %q, of %q; want %q and n1", r.Answer, r.Of, answer)
		}
		a.must(order{Op: "publish", Topic: answer, Payload: "that", QoS: 1, Of: r.Of})
		r = b.next()
		if r.Payload != "that" || v.version == 5 && r.Of != "n1" {
			v.t.Errorf("the answer is %q of %q, want that of n1", r.Payload, r.Of)
		}
	}},
	{"WrongPassword", func(v visit) {
		a := v.client()
		hello := v.hello("a", true)
		hello.Password = "wrong"
		if r := a.do(hello); r.OK || r.Error == "" {
			v.t.Errorf("connecting with a wrong password: got %+v, want an error", r)
		}
	}},
}
