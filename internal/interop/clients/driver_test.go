//go:build interop

package clients

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
	"time"
)

// order is what a driver is told: connect, subscribe, publish, next, disconnect.
type order struct {
	Op string `json:"op"`

	URL       string `json:"url,omitempty"` // mqtt://, mqtts://, ws://, wss://
	CA        string `json:"ca,omitempty"`  // a file
	Version   int    `json:"version,omitempty"`
	ID        string `json:"id,omitempty"`
	User      string `json:"user,omitempty"`
	Password  string `json:"password,omitempty"`
	Clean     bool   `json:"clean"`
	Will      string `json:"will,omitempty"` // topic
	Filter    string `json:"filter,omitempty"`
	Topic     string `json:"topic,omitempty"`
	Payload   string `json:"payload,omitempty"`
	QoS       int    `json:"qos"`
	Retain    bool   `json:"retain"`
	Answer    string `json:"answer,omitempty"` // response topic
	Of        string `json:"of,omitempty"`     // correlation data
	PatientMS int    `json:"patient_ms,omitempty"`
}

// reply is what a driver answers; of a message to next, of a success to all else.
type reply struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	Present bool   `json:"present"` // the session
	Granted int    `json:"granted"`
	None    bool   `json:"none"` // no message came in time

	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	QoS     int    `json:"qos"`
	Retain  bool   `json:"retain"`
	Answer  string `json:"answer"`
	Of      string `json:"of"`
}

// driver is one running program with one client.
type driver struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

func drive(t *testing.T, command []string) *driver {
	t.Helper()
	d := &driver{t: t, cmd: exec.Command(command[0], command[1:]...), lines: make(chan string, 100)}
	d.cmd.Stderr = t.Output()
	in, err := d.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.in = in
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s := bufio.NewScanner(out)
		for s.Scan() {
			d.lines <- s.Text()
		}
		close(d.lines)
	}()
	t.Cleanup(d.kill)
	return d
}

// kill ends the program without a word to the broker.
func (d *driver) kill() {
	if d.cmd.ProcessState == nil {
		d.cmd.Process.Kill()
		d.cmd.Wait()
	}
}

func (d *driver) do(o order) reply {
	d.t.Helper()
	line, err := json.Marshal(o)
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		d.t.Fatalf("%s: %v", o.Op, err)
	}
	select {
	case text, ok := <-d.lines:
		if !ok {
			d.t.Fatalf("%s: the driver ended", o.Op)
		}
		var r reply
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			d.t.Fatalf("%s: the driver said %q: %v", o.Op, text, err)
		}
		return r
	case <-time.After(30 * time.Second):
		d.t.Fatalf("%s: no answer within 30 s", o.Op)
		return reply{}
	}
}

// must fails the test unless the order succeeds.
func (d *driver) must(o order) reply {
	d.t.Helper()
	r := d.do(o)
	if !r.OK {
		d.t.Fatalf("%s %s%s: %s", o.Op, o.Topic, o.Filter, r.Error)
	}
	return r
}

func (d *driver) subscribe(filter string, qos int) {
	d.t.Helper()
	if r := d.must(order{Op: "subscribe", Filter: filter, QoS: qos}); r.Granted != qos {
		d.t.Errorf("subscribing to %s: granted %d, want %d", filter, r.Granted, qos)
	}
}

func (d *driver) publish(topic, payload string, qos int, retain bool) {
	d.t.Helper()
	d.must(order{Op: "publish", Topic: topic, Payload: payload, QoS: qos, Retain: retain})
}

func (d *driver) next() reply {
	d.t.Helper()
	r := d.must(order{Op: "next", PatientMS: 15000})
	if r.None {
		d.t.Fatal("no message came within 15 s")
	}
	return r
}

// want checks the next message.
func (d *driver) want(topic, payload string, qos int, retain bool) {
	d.t.Helper()
	r := d.next()
	if r.Topic != topic || r.Payload != payload || r.QoS != qos || r.Retain != retain {
		d.t.Errorf("got %s %q, QoS %d, retained %v; want %s %q, QoS %d, retained %v",
			r.Topic, r.Payload, r.QoS, r.Retain, topic, payload, qos, retain)
	}
}

// nothing checks that no message comes.
func (d *driver) nothing() {
	d.t.Helper()
	if r := d.must(order{Op: "next", PatientMS: 300}); !r.None {
		d.t.Errorf("got %s %q, want nothing", r.Topic, r.Payload)
	}
}
