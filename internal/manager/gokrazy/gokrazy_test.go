package gokrazy_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/manager/gokrazy"
	"github.com/smartcore-ireland/hems/internal/manager/gokrazy/gokrazytest"
)

const broker, zigbee = "/user/hems-broker", "/user/hems-zigbee"

func TestServicesAreListed(t *testing.T) {
	s := gokrazytest.Start(t, broker, zigbee)
	c := gokrazy.New(s.Socket)
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range st.Services {
		if v.Pid == 0 || v.Stopped || time.Since(v.StartTime) > time.Minute {
			t.Errorf("%s: %+v, want it running", v.Name(), v)
		}
		got = append(got, v.Name())
	}
	if diff := cmp.Diff([]string{"hems-broker", "hems-zigbee"}, got); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if got, want := st.BuildTimestamp, "2026-04-18T08:56:48Z"; got != want {
		t.Errorf("build timestamp %q, want %q", got, want)
	}
}

func TestStopAndStart(t *testing.T) {
	s := gokrazytest.Start(t, broker, zigbee)
	c := gokrazy.New(s.Socket)
	steps := []struct {
		name string
		do   func() error
		runs bool
	}{
		{"Stop", func() error { return c.Stop(t.Context(), broker, false) }, false},
		{"StopAgain", func() error { return c.Stop(t.Context(), broker, true) }, false},
		{"Start", func() error { return c.Start(t.Context(), broker) }, true},
		{"Kill", func() error { return c.Stop(t.Context(), broker, true) }, false},
		{"StartAgain", func() error { return c.Start(t.Context(), broker) }, true},
		{"StopADeafOne", func() error { s.Deafen(broker); return c.Stop(t.Context(), broker, false) }, true},
		{"KillIsNoMoreThanTheStop", func() error { return c.Stop(t.Context(), broker, true) }, true},
		{"TakeTheStopBack", func() error { return c.Start(t.Context(), broker) }, true},
		{"AndKill", func() error { return c.Stop(t.Context(), broker, true) }, false},
	}
	for _, tt := range steps {
		if err := tt.do(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := s.Running(broker); got != tt.runs {
			t.Errorf("%s: running is %v, want %v", tt.name, got, tt.runs)
		}
	}
	if !s.Running(zigbee) {
		t.Error("another program was stopped")
	}
}

func TestWhatInitRefusesIsSaid(t *testing.T) {
	s := gokrazytest.Start(t, broker)
	c := gokrazy.New(s.Socket)
	err := c.Stop(t.Context(), "/user/none", false)
	if err == nil || !strings.Contains(err.Error(), "service not found") {
		t.Errorf("got %v, want what init said", err)
	}
	if _, err := gokrazy.New(filepath.Join(t.TempDir(), "none")).Services(t.Context()); err == nil {
		t.Error("no error without an init")
	}
}

func TestFollowsBothStreams(t *testing.T) {
	s := gokrazytest.Start(t, broker)
	c := gokrazy.New(s.Socket)
	s.Write(broker, "stderr", "before: it listened")
	long := strings.Repeat("x", 3*gokrazy.MaxLine)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := make(chan [2]string, 8)
	done := make(chan error, 1)
	go func() {
		done <- c.Follow(ctx, broker, func(stream, line string) { heard <- [2]string{stream, line} })
	}()
	next := func() [2]string {
		select {
		case l := <-heard:
			return l
		case err := <-done:
			t.Fatalf("following ended: %v", err)
		case <-time.After(20 * time.Second):
			t.Fatal("nothing heard")
		}
		panic("unreachable")
	}
	got := [][2]string{next()}
	for _, l := range [][2]string{{"stdout", "hello"}, {"stderr", ""}, {"stdout", long}, {"stderr", "data: of its own"}} {
		s.Write(broker, l[0], l[1])
		got = append(got, next())
	}
	want := [][2]string{{"stderr", "before: it listened"}, {"stdout", "hello"}, {"stderr", ""}, {"stdout", long[:gokrazy.MaxLine]}, {"stderr", "data: of its own"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v, want context.Canceled", err)
	}
}

func TestFollowingEndsWithTheConnection(t *testing.T) {
	s := gokrazytest.Start(t, broker)
	c := gokrazy.New(s.Socket)
	done := make(chan error, 1)
	s.Write(broker, "stdout", "x")
	go func() { done <- c.Follow(t.Context(), broker, func(string, string) { s.Close() }) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("still following")
	}
	if err := c.Follow(t.Context(), broker, nil); err == nil {
		t.Error("no error without an init")
	}
}
