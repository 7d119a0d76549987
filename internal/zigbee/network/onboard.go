package network

import (
	"context"
	"errors"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/device"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// A device that could not be interviewed or configured is left alone for a
// while before it is tried again when it speaks: for retryAfter at first, twice
// as long each time, and retryLongest at last, for its battery's sake.
const (
	retryAfter   = time.Minute
	retryLongest = 6 * time.Hour
)

// fail notes a failure. Network.mu is held.
func (d *member) fail() {
	d.failedAt = time.Now()
	d.failures++
}

// leftAlone reports whether a device is not to be bothered after a failure.
// Network.mu is held.
func (d *member) leftAlone() bool {
	if d.failedAt.IsZero() {
		return false
	}
	wait := retryAfter << min(max(d.failures-1, 0), 16)
	return time.Since(d.failedAt) < min(wait, retryLongest)
}

// setUpAgain is how often a device is set up again because what it says of
// itself makes another setup.
const setUpAgain = 5 * time.Minute

// maxOnboarding bounds how many devices are interviewed or configured at once.
const maxOnboarding = 8

// resumeWork goes on with what a restart or a lost dongle has cut.
func (n *Network) resumeWork(s *session) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.devices {
		d.failedAt = time.Time{}
		n.onboard(s, d)
	}
}

// onboard starts the interview and configuration of a device, whatever of it
// is still to be done. n.mu is held.
func (n *Network) onboard(s *session, d *member) {
	if d.working || d.NodeID == unknownNode || s.ctx.Err() != nil || s.since.IsZero() {
		return
	}
	if d.leftAlone() {
		return
	}
	if d.Interview == InterviewSuccessful {
		// Another version of the setup came with another version of this program.
		m := n.modelOf(d)
		if len(m.setup) == 0 || d.Configured && (d.ConfiguredAs == m.version || time.Since(d.setUp) < setUpAgain) {
			return
		}
	}
	d.working = true
	s.spawn(func(ctx context.Context) {
		select {
		case s.onboarding <- struct{}{}:
			defer func() { <-s.onboarding }()
		case <-ctx.Done():
			n.mu.Lock()
			d.working = false
			n.mu.Unlock()
			return
		}
		for {
			n.onboardNow(ctx, s, d)
			n.mu.Lock()
			if !d.again || s.ctx.Err() != nil {
				d.working, d.again = false, false
				n.mu.Unlock()
				return
			}
			d.beginAgain()
			n.mu.Unlock()
		}
	})
}

// beginAgain makes everything of a device still to be done. Network.mu is held.
func (d *member) beginAgain() {
	d.again, d.failedAt, d.failures = false, time.Time{}, 0
	d.Interview, d.Configured = InterviewPending, false
}

// onboardNow does what is to be done; it tells of faults itself.
func (n *Network) onboardNow(ctx context.Context, s *session, d *member) {
	n.mu.Lock()
	interviewed := d.Interview == InterviewSuccessful
	n.mu.Unlock()
	if !interviewed && n.interview(ctx, s, d) != nil {
		return
	}
	n.mu.Lock()
	nothing := len(n.modelOf(d).setup) == 0
	n.mu.Unlock()
	if !nothing {
		n.configure(ctx, s, d)
	}
}

// Subject is what the device's model follows from.
func (d Device) Subject() device.Subject {
	s := device.Subject{
		Identity:    device.Identity{ManufacturerName: d.ManufacturerName, ModelID: d.ModelID, ManufacturerCode: d.ManufacturerCode},
		PowerSource: d.PowerSource,
		SWBuildID:   d.SWBuildID,
		DateCode:    d.DateCode,
		Told:        d.Told,
	}
	if d.AppVersion != nil {
		s.AppVersion = *d.AppVersion
	}
	for _, e := range d.Endpoints {
		s.Endpoints = append(s.Endpoints, device.Endpoint{ID: e.ID, Profile: e.Profile, DeviceID: e.DeviceID, In: e.In, Out: e.Out})
	}
	return s
}

// Interview asks a device again what it is, and waits for the end of it.
// Nothing known is lost when it fails.
func (n *Network) Interview(ctx context.Context, e zcl.EUI64) error {
	return n.exclusively(ctx, e, n.interview)
}

// Configure binds a device to us and sets its reporting again, and waits for
// the end of it.
func (n *Network) Configure(ctx context.Context, e zcl.EUI64) error {
	return n.exclusively(ctx, e, func(ctx context.Context, s *session, d *member) error {
		n.mu.Lock()
		nothing := len(n.modelOf(d).setup) == 0
		n.mu.Unlock()
		if nothing {
			return errors.New("the device's model is not known: there is nothing to configure")
		}
		return n.configure(ctx, s, d)
	})
}

// exclusively does work on a device that nothing else works on. A device that
// sleeps is waited for, as Do does.
func (n *Network) exclusively(ctx context.Context, e zcl.EUI64, work func(context.Context, *session, *member) error) error {
	return n.whenAwake(ctx, e, func(ctx context.Context, _ *session, _ *member) error { return n.exclusivelyNow(ctx, e, work) })
}

func (n *Network) exclusivelyNow(ctx context.Context, e zcl.EUI64, work func(context.Context, *session, *member) error) error {
	s, err := n.up()
	if err != nil {
		return err
	}
	n.mu.Lock()
	d := n.devices[e]
	switch {
	case d == nil:
		n.mu.Unlock()
		return ErrUnknownDevice{e}
	case d.working:
		n.mu.Unlock()
		return errors.New("the device is being interviewed or configured already")
	}
	d.working = true
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		d.working = false
		if d.again { // it has joined anew meanwhile
			d.beginAgain()
			n.onboard(s, d)
		}
	}()
	return work(ctx, s, d)
}

// node gives a device's present address, how long it may take to answer, and
// whether it is still in the list.
func (n *Network) node(d *member) (node uint16, wait time.Duration, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.devices[d.EUI64] != d {
		return 0, 0, ErrUnknownDevice{d.EUI64}
	}
	if d.NodeID == unknownNode {
		return 0, 0, errNoAddress
	}
	return d.NodeID, n.wait(d), nil
}

var errNoAddress = errors.New("the device's address is not known: it must speak first")

// takeTurn waits until no other request to the device is under way: sleepy
// devices have room for one message, and small ones lose track of more.
func (d *member) takeTurn(ctx context.Context) (done func(), err error) {
	select {
	case <-d.turn:
		return func() { d.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// askDevice sends a ZDO request that ask makes for the device's address, and
// gives the response, which is an R that says success.
func askDevice[R zdo.Response](ctx context.Context, n *Network, s *session, d *member, ask func(node uint16) zdo.Message) (r R, err error) {
	done, err := d.takeTurn(ctx)
	if err != nil {
		return r, err
	}
	defer done()
	node, wait, err := n.node(d)
	if err != nil {
		return r, err
	}
	m, err := s.ask(ctx, node, ask(node), wait)
	if err != nil {
		return r, err
	}
	r, ok := m.(R)
	if !ok {
		return r, errOddAnswer
	}
	if st := r.Result(); st != zdo.StatusSuccess {
		n.stats.refused.Add(1)
		return r, zdoRefusal{st}
	}
	return r, nil
}

// zdoRefusal is a device's answer to a ZDO request that says no.
type zdoRefusal struct{ status zdo.Status }

func (e zdoRefusal) Error() string { return "the device refuses: " + e.status.String() }

func isStatus(err error, st zdo.Status) bool {
	var refusal zdoRefusal
	return errors.As(err, &refusal) && refusal.status == st
}

// requestDevice sends a ZCL command.
func (n *Network) requestDevice(ctx context.Context, s *session, d *member, endpoint uint8, cluster uint16, q zcl.Frame) (zcl.Frame, error) {
	done, err := d.takeTurn(ctx)
	if err != nil {
		return zcl.Frame{}, err
	}
	defer done()
	node, wait, err := n.node(d)
	if err != nil {
		return zcl.Frame{}, err
	}
	n.mu.Lock()
	profile := d.profile(endpoint)
	n.mu.Unlock()
	r, err := s.request(ctx, node, endpoint, profile, cluster, q, wait)
	var refused *RefusedError
	if errors.As(err, &refused) {
		n.stats.refused.Add(1)
	}
	return r, err
}

// firstMakersProfile is where the profiles of manufacturers begin. Source: Zigbee
// specification §2.2.5.
const firstMakersProfile = 0xc000

// profile is what a request to an endpoint names: the endpoint's own where that
// is its maker's, which answers to no other, else home automation, which all of
// the public profiles answer to. Network.mu is held.
func (d *member) profile(endpoint uint8) uint16 {
	for _, e := range d.Endpoints {
		if e.ID == endpoint && e.Profile >= firstMakersProfile {
			return e.Profile
		}
	}
	return zcl.ProfileHomeAutomation
}

// tries is how often a step is tried with a device that does not answer.
const tries = 3

// persist does a step until it succeeds or fails for good. A device that
// refuses will do so again; one that does not answer may have slept.
func (n *Network) persist(ctx context.Context, step func() error) error {
	for try := 1; ; try++ {
		err := step()
		if err == nil || try == tries || !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrNotDelivered) {
			return err
		}
		if err := sleep(ctx, n.timing.InterviewWait); err != nil {
			return err
		}
	}
}
