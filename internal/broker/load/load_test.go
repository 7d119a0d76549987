package load

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/broker"
)

// start runs our broker in this process.
func start(t *testing.T) Broker {
	t.Helper()
	dir := t.TempDir()
	b, err := broker.New(broker.Options{
		TCP: []string{"127.0.0.1:0"}, Dir: filepath.Join(dir, "broker"), Secrets: filepath.Join(dir, "secrets"),
		Users: map[string]broker.Access{"load": {Read: []string{"#"}, Write: []string{"#"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-b.Ready()
	for len(b.Addresses()) == 0 {
		time.Sleep(time.Millisecond)
	}
	password, err := broker.ReadPassword(filepath.Join(dir, "secrets"), "load")
	if err != nil {
		t.Fatal(err)
	}
	return Broker{Address: b.Addresses()[0], User: "load", Password: password}
}

func TestShapesCountWhatArrives(t *testing.T) {
	b := start(t)
	for _, f := range []FanIn{
		{Publishers: 5, Each: 100, Size: 50},
		{Publishers: 5, Each: 100, Size: 50, QoS: 1},
		{Publishers: 5, Each: 100, Size: 50, QoS: 1, Window: 10},
	} {
		r, err := f.Run(b)
		if err != nil || r.Arrived != 500 || r.Lost() != 0 || r.Rate <= 0 {
			t.Errorf("%+v: got %+v, %v; want 500 arrived", f, r, err)
		}
	}
	for qos := range byte(2) {
		r, err := FanOut{Subscribers: 10, Messages: 50, QoS: qos, Size: 50}.Run(b)
		if err != nil || r.Arrived != 500 || r.Rate <= 0 {
			t.Errorf("fan-out of QoS %d: got %+v, %v; want 500 arrived", qos, r, err)
		}
	}
	l, err := Steady{PerSecond: 200, For: 500 * time.Millisecond}.Run(b)
	if err != nil || l.Arrived != 100 || l.Median <= 0 || l.Median > l.P99 {
		t.Errorf("steady: got %+v, %v; want 100 arrived", l, err)
	}
	if err := Retain(b, 100, 50); err != nil {
		t.Error(err)
	}
	c, err := b.Dial("after", true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Subscribe("retained/#", 0); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := c.Receive(quiet, func(_, _ []byte) bool { n++; return n < 100 }); err != nil || n != 100 {
		t.Errorf("%d retained messages came (%v), want 100", n, err)
	}
}

func TestDialRefused(t *testing.T) {
	b := start(t)
	b.Password = "wrong"
	if c, err := b.Dial("x", true); err == nil {
		c.Close()
		t.Error("connected with a wrong password")
	}
}
