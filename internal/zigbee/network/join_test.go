package network

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func TestPairsTheMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		d := w.pair()

		var steps []string
		var kinds []Kind
		for _, e := range w.seen {
			switch e.Kind {
			case InterviewStep:
				if e.Err != nil {
					t.Errorf("step %q: %v", e.Step, e.Err)
				}
				steps = append(steps, e.Step)
			case Joined, InterviewStarted, InterviewSucceeded, Configured:
				kinds = append(kinds, e.Kind)
			}
		}
		wantSteps := []string{"Node descriptor", "Endpoints", "Endpoint 1", "Endpoint 2", "Model", "Basic information"}
		if diff := cmp.Diff(wantSteps, steps[:min(len(steps), len(wantSteps))]); diff != "" {
			t.Errorf("steps of the interview (-want +got):\n%s", diff)
		}
		for _, want := range []string{"Binding 0x0702 of endpoint 2", "Reporting 0x0702 of endpoint 2", "Reading 0x0702 of endpoint 2",
			"Binding 0x0001 of endpoint 2", "Reporting 0x0001 of endpoint 2", "Binding 0x0020 of endpoint 2"} {
			if !slices.Contains(steps, want) {
				t.Errorf("no step %q in %q", want, steps)
			}
		}
		wantKinds := []Kind{Joined, InterviewStarted, InterviewSucceeded, Configured}
		if diff := cmp.Diff(wantKinds, kinds); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if d.EUI64 != meterEUI64 || d.Type != TypeEndDevice || d.ManufacturerName != "frient A/S" || d.ModelID != "EMIZB-141" ||
			d.ManufacturerCode != zcl.ManufacturerDevelco || d.PowerSource != 3 || d.DateCode == "" || d.SWBuildID != "3.1.2" || d.HWVersion == nil || *d.HWVersion != 102 ||
			d.Interview != InterviewSuccessful || !d.Configured || !d.Available || d.LinkQuality == 0 {
			t.Errorf("got %+v", d)
		}
		if v := w.sim.State().Devices[0]; !v.Joined || v.NodeID != d.NodeID || v.Reporting < 3 {
			t.Errorf("the meter says %+v", v)
		}
		power := reportingOf(d, zcl.ClusterMetering, zcl.AttrInstantaneousDemand)
		if power == nil || power.Max == 0 || power.Max > 300 {
			t.Errorf("got power reporting %+v, want at least every 300 s", power)
		}
		bound := map[uint16]bool{}
		for _, e := range d.Endpoints {
			for _, b := range e.Bindings {
				bound[b.Cluster] = b.Target == simulator.DefaultEUI64 && b.TargetEndpoint == ourEndpoint
			}
		}
		if diff := cmp.Diff(map[uint16]bool{zcl.ClusterMetering: true, zcl.ClusterPowerConfig: true, zcl.ClusterPollControl: true}, bound); diff != "" {
			t.Errorf("bindings (-want +got):\n%s", diff)
		}
		// The first values were read, not waited for.
		read := map[uint16]bool{}
		for _, e := range w.seen {
			if e.Kind == MessageReceived && e.Message.Frame.Command == zcl.CommandReadResponse && e.Message.Cluster != zcl.ClusterBasic {
				for _, a := range e.Message.Attributes {
					if _, ok := a.Value.Float(); ok {
						read[a.ID] = true
					}
				}
			}
		}
		for _, id := range []uint16{zcl.AttrInstantaneousDemand, zcl.AttrSummationDelivered, zcl.AttrBatteryPercentage} {
			if !read[id] {
				t.Errorf("attribute %s was not read", hex16(id))
			}
		}
	})
}

func reportingOf(d Device, cluster, attribute uint16) *Reporting {
	for _, e := range d.Endpoints {
		for _, r := range e.Reporting {
			if r.Cluster == cluster && r.Attribute == attribute {
				return &r
			}
		}
	}
	return nil
}

func TestReportsArriveWithTheirValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.pair()
		watts := int64(342)
		w.sim.SetPower(&watts)
		e := w.await(MessageReceived, func(e Event) bool {
			for _, a := range e.Message.Attributes {
				v, ok := a.Value.Float()
				if ok && e.Message.Cluster == zcl.ClusterMetering && a.ID == zcl.AttrInstantaneousDemand && v == 342 {
					return true
				}
			}
			return false
		})
		if m := e.Message; m.Endpoint != 2 || m.Frame.Command != zcl.CommandReport || m.LQI == 0 || m.RSSI >= 0 {
			t.Errorf("got %+v", m)
		}
		// Nothing changes any more: it is reported all the same.
		start := time.Now()
		w.report()
		if got := time.Since(start); got > 301*time.Second {
			t.Errorf("the next report came after %v, want at most 300 s", got)
		}
	})
}

func TestAMeterWithNothingNewReportsEvery300Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.pair()
		still := int64(0) // W: neither the power nor the energy changes
		w.sim.SetPower(&still)
		w.report()
		for _, id := range []uint16{zcl.AttrInstantaneousDemand, zcl.AttrSummationDelivered} {
			last := time.Now()
			for range 24 {
				e := w.await(MessageReceived, func(e Event) bool {
					return e.Message.Frame.Command == zcl.CommandReport && e.Message.Cluster == zcl.ClusterMetering &&
						slices.ContainsFunc(e.Message.Attributes, func(a zcl.Attribute) bool { return a.ID == id })
				})
				if gap := e.Time.Sub(last); gap > 295*time.Second {
					t.Fatalf("attribute 0x%04x was reported after %v", id, gap)
				}
				last = e.Time
			}
		}
	})
}

func TestTheNetworkClosesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		start := time.Now()
		if err := w.net.PermitJoin(t.Context(), 59500*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		e := w.await(PermitJoinChanged, nil)
		if got, want := e.Info.PermitUntil.Sub(start).Round(time.Second), time.Minute; got != want {
			t.Errorf("open for %v, want %v", got, want)
		}
		if !w.sim.State().PermitOpen {
			t.Error("the dongle is not open")
		}
		w.await(PermitJoinChanged, func(e Event) bool { return e.Info.PermitUntil.IsZero() })
		if got := time.Since(start).Round(time.Second); got != time.Minute {
			t.Errorf("closed after %v, want 1m", got)
		}
		time.Sleep(time.Second) // the dongle's own clock may strike after ours
		if w.sim.State().PermitOpen || !w.net.Info().PermitUntil.IsZero() {
			t.Error("still open")
		}
	})
}

func TestTheNetworkClosesWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		if err := w.net.PermitJoin(t.Context(), time.Hour); err != nil { // more than there is
			t.Fatal(err)
		}
		if e := w.await(PermitJoinChanged, nil); time.Until(e.Info.PermitUntil) > maxPermit {
			t.Errorf("open until %v", e.Info.PermitUntil)
		}
		if err := w.net.PermitJoin(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		w.await(PermitJoinChanged, func(e Event) bool { return e.Info.PermitUntil.IsZero() })
		if w.sim.State().PermitOpen {
			t.Error("the dongle is still open")
		}
	})
}

func TestTheNetworkIsClosedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		if err := w.net.PermitJoin(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.start()
		w.awaitUp()
		if err := w.sim.PressButton(); err == nil {
			t.Error("a device could join after a restart")
		}
	})
}

func TestPermitJoinStaysAcrossALostDongle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		if err := w.net.PermitJoin(t.Context(), 2*time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := w.sim.Reset(); err != nil {
			t.Fatal(err)
		}
		w.awaitUp()
		if !w.sim.State().PermitOpen {
			t.Error("the network is closed after the dongle's restart")
		}
	})
}

func TestRemoveMakesADeviceLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.pair()
		if err := w.net.PermitJoin(t.Context(), 0); err != nil { // or it joins again at once
			t.Fatal(err)
		}
		if err := w.net.Remove(t.Context(), meterEUI64, false); err != nil {
			t.Fatal(err)
		}
		if e := w.await(Left, nil); e.Device.ModelID != "EMIZB-141" {
			t.Errorf("got %+v", e.Device)
		}
		if got := w.net.Devices(); len(got) != 0 {
			t.Errorf("still there: %+v", got)
		}
		time.Sleep(5 * time.Second) // it answers first and leaves then
		if w.sim.State().Devices[0].Joined {
			t.Error("the meter is still in the network")
		}
		if err := w.net.Remove(t.Context(), meterEUI64, false); !errors.As(err, new(ErrUnknownDevice)) {
			t.Errorf("removing it again: got %v", err)
		}
	})
}

func TestForcedRemoveNeedsNoNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.pair()
		if err := w.sim.Unplug(); err != nil {
			t.Fatal(err)
		}
		w.awaitDown()
		if err := w.net.Remove(t.Context(), meterEUI64, false); !errors.Is(err, ErrDown) {
			t.Errorf("without force: got %v", err)
		}
		if err := w.net.Remove(t.Context(), meterEUI64, true); err != nil {
			t.Errorf("with force: %v", err)
		}
		w.await(Left, nil)
	})
}

func TestADeviceThatWasResetIsSetUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		first := w.pair()
		synctest.Wait() // until its configuration is over
		// It left without a word that reached us, and joins anew.
		w.net.mu.Lock()
		s := w.net.session
		w.net.mu.Unlock()
		w.net.trustCenterJoin(s, ezsp.TrustCenterJoin{NodeID: first.NodeID, EUI64: meterEUI64, Status: ezsp.UnsecuredJoin})
		w.await(Joined, nil)
		if d := w.await(Configured, nil).Device; d.Interview != InterviewSuccessful || reportingOf(d, zcl.ClusterMetering, zcl.AttrInstantaneousDemand) == nil {
			t.Errorf("got %+v", d)
		}
		if got := len(w.net.Devices()); got != 1 {
			t.Errorf("got %d devices", got)
		}
	})
}

func TestAJoinToldTwiceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.letJoin()
		e := w.await(InterviewStep, nil)
		w.net.mu.Lock()
		s := w.net.session
		w.net.mu.Unlock()
		w.net.trustCenterJoin(s, ezsp.TrustCenterJoin{NodeID: e.Device.NodeID, EUI64: meterEUI64, Status: ezsp.UnsecuredJoin})
		w.await(Configured, nil)
		time.Sleep(time.Minute)
		w.report()
		interviews := 0
		for _, e := range w.seen {
			if e.Kind == InterviewStarted {
				interviews++
			}
		}
		if interviews != 1 {
			t.Errorf("interviewed %d times", interviews)
		}
	})
}

func TestADeviceResetInItsInterviewIsInterviewedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.letJoin()
		e := w.await(InterviewStep, nil)
		w.net.mu.Lock()
		s := w.net.session
		w.net.devices[meterEUI64].joinTold = time.Now().Add(-time.Minute)
		w.net.mu.Unlock()
		w.net.trustCenterJoin(s, ezsp.TrustCenterJoin{NodeID: e.Device.NodeID, EUI64: meterEUI64, Status: ezsp.UnsecuredJoin})
		w.await(InterviewStarted, nil)
		if d := w.await(Configured, nil).Device; reportingOf(d, zcl.ClusterMetering, zcl.AttrInstantaneousDemand) == nil {
			t.Errorf("got %+v", d)
		}
	})
}

func TestADeviceResetWhileAPersonConfiguresItIsSetUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		first := w.pair()
		time.Sleep(time.Minute)
		w.net.mu.Lock()
		s, d := w.net.session, w.net.devices[meterEUI64]
		w.net.mu.Unlock()
		<-d.turn // the configuration waits for its first answer
		done := make(chan error)
		go func() { done <- w.net.Configure(t.Context(), meterEUI64) }()
		synctest.Wait()
		w.net.trustCenterJoin(s, ezsp.TrustCenterJoin{NodeID: first.NodeID, EUI64: meterEUI64, Status: ezsp.UnsecuredJoin})
		d.turn <- struct{}{}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w.await(InterviewStarted, nil)
		if d := w.await(Configured, nil).Device; d.Interview != InterviewSuccessful {
			t.Errorf("got %+v", d)
		}
	})
}

func TestARejoinWithANewAddressIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		d := w.pair()
		w.net.mu.Lock()
		s := w.net.session
		w.net.mu.Unlock()
		w.net.trustCenterJoin(s, ezsp.TrustCenterJoin{NodeID: 0x4242, EUI64: meterEUI64, Status: ezsp.SecuredRejoin})
		if e := w.await(Announced, nil); e.Device.NodeID != 0x4242 || !e.Device.Configured {
			t.Errorf("got %+v", e.Device)
		}
		// Another device gets the old address: the two are not mixed up.
		w.net.trustCenterJoin(s, ezsp.TrustCenterJoin{NodeID: d.NodeID, EUI64: 0xABCD, Status: ezsp.SecuredRejoin})
		w.net.mu.Lock()
		defer w.net.mu.Unlock()
		if got := w.net.nodes[d.NodeID].EUI64; got != 0xABCD {
			t.Errorf("the old address belongs to %v", got)
		}
		if got := w.net.nodes[0x4242].EUI64; got != meterEUI64 {
			t.Errorf("the new address belongs to %v", got)
		}
	})
}

func TestAnInterviewGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.letJoin()
		w.await(InterviewStep, func(e Event) bool { return e.Step == "Endpoints" })
		w.stop()
		w.start()
		if d := w.net.Devices(); len(d) != 1 || d[0].Interview != InterviewPending {
			t.Fatalf("after the restart: %+v", d)
		}
		if d := w.await(Configured, nil).Device; d.Interview != InterviewSuccessful {
			t.Errorf("got %+v", d)
		}
	})
}

func TestAJoinIsSavedBeforeItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		// found is what a process that is killed when the join is told finds when
		// it is back.
		found := func() Device {
			t.Helper()
			w.await(Joined, nil)
			n, err := New(Options{Dial: unusedDial, Dir: w.dir})
			if err != nil {
				t.Fatal(err)
			}
			d, _ := n.Device(meterEUI64)
			return d
		}
		w.letJoin()
		if d := found(); d.EUI64 != meterEUI64 || d.Interview != InterviewPending {
			t.Errorf("after the join: got %+v", d)
		}
		first := w.await(Configured, nil).Device
		time.Sleep(time.Second) // it is saved as configured

		w.net.mu.Lock()
		s := w.net.session
		w.net.mu.Unlock()
		w.net.trustCenterJoin(s, ezsp.TrustCenterJoin{NodeID: first.NodeID, EUI64: meterEUI64, Status: ezsp.UnsecuredJoin})
		if d := found(); d.EUI64 != meterEUI64 || d.Configured || d.Interview != InterviewPending {
			t.Errorf("after it was reset and has joined again: got %+v", d)
		}
	})
}

func TestReadAndInterviewOnRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		w.pair()
		ctx := t.Context()
		got, err := w.net.Read(ctx, meterEUI64, 2, zcl.ClusterBasic, 0, zcl.AttrModelIdentifier, 0x7777)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[1].Status != zcl.StatusUnsupportedAttr {
			t.Errorf("got %+v", got)
		}
		if s, _ := got[0].Value.Text(); s != "EMIZB-141" {
			t.Errorf("got model %q", s)
		}
		if _, err := w.net.Read(ctx, meterEUI64, 2, zcl.ClusterMetering, zcl.ManufacturerDevelco, 0x0300); err != nil {
			t.Errorf("a manufacturer's attribute: %v", err)
		}
		if err := w.net.Interview(ctx, meterEUI64); err != nil {
			t.Errorf("Interview: %v", err)
		}
		if err := w.net.Configure(ctx, meterEUI64); err != nil {
			t.Errorf("Configure: %v", err)
		}
		if _, err := w.net.Read(ctx, 1, 2, 0, 0, 0); !errors.As(err, new(ErrUnknownDevice)) {
			t.Errorf("an unknown device: got %v", err)
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := w.net.Read(cancelled, meterEUI64, 2, 0, 0, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: got %v", err)
		}
	})
}

func TestADeviceThatIsGoneGivesAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start(func(o *Options) { o.Timing.Queue = 2 * time.Second })
		w.awaitUp()
		w.pair()
		if err := w.sim.Silence(simulator.DefaultMeterEUI64, true); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err := w.net.Read(t.Context(), meterEUI64, 2, zcl.ClusterBasic, 0, 0)
		if !errors.Is(err, ErrNotDelivered) && !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
		if got := time.Since(start); got > w.net.timing.SleepyRequest+seekFor {
			t.Errorf("it took %v to say so", got)
		}
		if err := w.net.Interview(t.Context(), meterEUI64); !errors.As(err, new(ErrAsleep)) || !strings.Contains(errors.Unwrap(err).Error(), "node descriptor") {
			t.Errorf("interview: got %v", err)
		}
		if d, _ := w.net.Device(meterEUI64); d.ModelID != "EMIZB-141" || d.Interview != InterviewFault {
			t.Errorf("got %+v", d)
		}
	})
}
