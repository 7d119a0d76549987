package network

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/ezsp"
)

// Routers learn the way to the coordinator from its many-to-one route
// requests, and send along the way that their messages take. The dongle keeps
// these ways and sends back along them; one of EZSP 8 must be told.

// manyToOne is the kind of our route requests: a concentrator with room for
// all routes.
const manyToOne = 0xFFF9

const (
	maxRelays = 30 // hops of the longest way
	// routeErrorsFor routes that break within routeErrorsIn ask for new ones.
	routeErrorsFor = 3
	routeErrorsIn  = time.Minute
)

// routeRecord keeps the way that a device's message has taken. It is also news
// of who has which address.
func (n *Network) routeRecord(s *session, r ezsp.RouteRecord) {
	if len(r.Relays) > maxRelays {
		n.stats.malformed.Add(1)
		return
	}
	n.moved(r.EUI64, r.Source)
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.devices[r.EUI64]; d != nil && !slices.Equal(d.relays, r.Relays) {
		d.relays = r.Relays
	}
}

// routeError notes that a way is broken: the next message is to find another.
func (n *Network) routeError(s *session, e ezsp.RouteError) {
	n.stats.routeErrors.Add(1)
	n.mu.Lock()
	if d := n.nodes[e.Target]; d != nil {
		d.relays = nil
	}
	n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.routeErrorsSince) > routeErrorsIn {
		s.routeErrorsSince, s.routeErrors = now, 0
	}
	if s.routeErrors++; s.routeErrors == routeErrorsFor {
		select {
		case s.askRoutes <- struct{}{}:
		default:
		}
	}
}

// announceRoutes asks for routes at the start, after routes have broken, and
// now and then.
func (s *session) announceRoutes(ctx context.Context) {
	tick := time.NewTicker(s.n.timing.RouteRequest)
	defer tick.Stop()
	for {
		const everywhere = 0 // radius
		err := s.ez.SendManyToOneRouteRequest(ctx, manyToOne, everywhere)
		if err != nil {
			s.n.log.Debug("could not ask for routes", "err", err)
		}
		select {
		case <-tick.C:
		case <-s.askRoutes:
		case <-ctx.Done():
			return
		}
	}
}

// hostRoutes is the last version of EZSP whose NCP does not keep the ways.
const hostRoutes = 8

// launch sends a unicast, along the way that is known where the NCP must be
// told. Nothing may come between the way and its message.
func (s *session) launch(ctx context.Context, node uint16, f ezsp.APSFrame, tag uint8, payload []byte) error {
	if s.ez.Version() > hostRoutes || s.noSourceRoutes.Load() {
		_, err := s.ez.SendUnicast(ctx, node, f, tag, payload)
		return err
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	s.n.mu.Lock()
	var relays []uint16
	if d := s.n.nodes[node]; d != nil {
		relays = d.relays
	}
	s.n.mu.Unlock()
	if len(relays) > 0 {
		relays = slices.Clone(relays)
		slices.Reverse(relays) // from us to the device
		var refused *ezsp.InvalidCommandError
		if err := s.ez.SetSourceRoute(ctx, node, relays); errors.As(err, &refused) {
			s.noSourceRoutes.Store(true)
		}
	}
	_, err := s.ez.SendUnicast(ctx, node, f, tag, payload)
	return err
}
