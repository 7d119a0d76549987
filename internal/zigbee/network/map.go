package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
	"github.com/smartcore-ireland/hems/internal/zigbee/zdo"
)

// Map is who hears whom in the network, and over whom messages go.
type Map struct {
	At    time.Time
	Nodes []MapNode // the coordinator first, then devices in the order they joined
}

// MapNode is one node of a Map. Only the coordinator and routers are asked;
// end devices are found among their parents' neighbours.
type MapNode struct {
	EUI64  zcl.EUI64
	NodeID uint16
	// Type is "Coordinator", or TypeRouter and so on.
	Type       string
	Asked      bool
	Neighbours []zdo.Neighbour
	Routes     []zdo.Route // when asked for
	// Relays are the nodes over which the node's last message with a route
	// record has come, the one next to it first; nil when none was heard.
	Relays []uint16
	// NeighboursErr and RoutesErr say why a node that was asked has not told
	// all; what came before is kept.
	NeighboursErr, RoutesErr error
}

// typeCoordinator is the Type of the coordinator in a Map.
const typeCoordinator = "Coordinator"

const (
	mapParallel = 4   // nodes asked at once
	mapPages    = 128 // parts of a table, each with an entry at least
)

// Map asks the coordinator and all routers for their neighbours, and with
// routes for their routing tables too. Nodes that do not answer are in the map
// with the reason. It takes seconds, and longer with each router that is away;
// when ctx ends it gives what is known by then.
func (n *Network) Map(ctx context.Context, routes bool) (Map, error) {
	s, err := n.up()
	if err != nil {
		return Map{}, err
	}
	n.mu.Lock()
	m := Map{At: time.Now(), Nodes: []MapNode{{EUI64: s.eui64, Type: typeCoordinator, Asked: true}}}
	asked := []*member{nil}
	for _, d := range n.devicesLocked() {
		member := n.devices[d.EUI64]
		m.Nodes = append(m.Nodes, MapNode{
			EUI64: d.EUI64, NodeID: d.NodeID, Type: cmp.Or(d.Type, TypeUnknown),
			Asked: d.Type == TypeRouter, Relays: member.relays,
		})
		asked = append(asked, member)
	}
	n.mu.Unlock()

	var work sync.WaitGroup
	turns := make(chan struct{}, mapParallel)
	for i := range m.Nodes {
		node := &m.Nodes[i]
		if !node.Asked {
			continue
		}
		turns <- struct{}{}
		work.Go(func() {
			defer func() { <-turns }()
			node.Neighbours, node.NeighboursErr = n.neighbours(ctx, s, asked[i])
			if routes && !errors.Is(node.NeighboursErr, ErrTimeout) && !errors.Is(node.NeighboursErr, ErrNotDelivered) {
				node.Routes, node.RoutesErr = n.routes(ctx, s, asked[i])
			} else if routes {
				node.RoutesErr = node.NeighboursErr
			}
		})
	}
	work.Wait()
	return m, s.ended()
}

// ended gives ErrDown when the session is over.
func (s *session) ended() error {
	if s.ctx.Err() != nil {
		return ErrDown
	}
	return nil
}

// neighbours reads the neighbour table of a router, of the coordinator for nil.
func (n *Network) neighbours(ctx context.Context, s *session, d *member) ([]zdo.Neighbour, error) {
	return readTable(ctx, func(ctx context.Context, start uint8) ([]zdo.Neighbour, uint8, error) {
		r, err := askNode[zdo.LqiResponse](ctx, n, s, d, zdo.LqiRequest{Start: start})
		return r.Neighbours, r.Total, err
	})
}

// routes reads the routing table of a router, of the coordinator for nil.
func (n *Network) routes(ctx context.Context, s *session, d *member) ([]zdo.Route, error) {
	return readTable(ctx, func(ctx context.Context, start uint8) ([]zdo.Route, uint8, error) {
		r, err := askNode[zdo.RtgResponse](ctx, n, s, d, zdo.RtgRequest{Start: start})
		return r.Routes, r.Total, err
	})
}

// readTable reads a table part by part. A table that shrinks meanwhile, or a
// device that gives nothing more, ends it.
func readTable[E any](ctx context.Context, page func(ctx context.Context, start uint8) ([]E, uint8, error)) ([]E, error) {
	var all []E
	for range mapPages {
		part, total, err := page(ctx, uint8(len(all)))
		if errors.Is(err, ErrTimeout) && ctx.Err() == nil {
			part, total, err = page(ctx, uint8(len(all)))
		}
		if err != nil {
			return all, err
		}
		all = append(all, part...)
		if len(part) == 0 || len(all) >= int(total) {
			break
		}
	}
	return all, nil
}

// askNode asks a device, or the coordinator for nil.
func askNode[R zdo.Response](ctx context.Context, n *Network, s *session, d *member, q zdo.Message) (r R, err error) {
	if d != nil {
		return askDevice[R](ctx, n, s, d, func(uint16) zdo.Message { return q })
	}
	m, err := s.ask(ctx, 0, q, n.timing.Request)
	if err != nil {
		return r, err
	}
	r, ok := m.(R)
	if !ok {
		return r, errOddAnswer
	}
	if st := r.Result(); st != zdo.StatusSuccess {
		return r, zdoRefusal{st}
	}
	return r, nil
}

// CoordinatorCheck gives the routers that the coordinator has no way to: they
// are not among its neighbours, and do not answer. Such a router was perhaps
// taken out of its socket, or belongs to a network that was formed before.
func (n *Network) CoordinatorCheck(ctx context.Context) (missing []zcl.EUI64, err error) {
	s, err := n.up()
	if err != nil {
		return nil, err
	}
	near, err := n.neighbours(ctx, s, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the dongle for its neighbours: %w", err)
	}
	n.mu.Lock()
	var routers []*member
	for _, d := range n.devices {
		if d.Type == TypeRouter && !slices.ContainsFunc(near, func(e zdo.Neighbour) bool { return e.EUI64 == d.EUI64 }) {
			routers = append(routers, d)
		}
	}
	n.mu.Unlock()
	var mu sync.Mutex
	var work sync.WaitGroup
	turns := make(chan struct{}, mapParallel)
	for _, d := range routers {
		turns <- struct{}{}
		work.Go(func() {
			defer func() { <-turns }()
			_, err := askDevice[zdo.NodeDescResponse](ctx, n, s, d, func(node uint16) zdo.Message { return zdo.NodeDescRequest{NWKAddr: node} })
			var refused zdoRefusal
			if err != nil && !errors.As(err, &refused) {
				mu.Lock()
				defer mu.Unlock()
				missing = append(missing, d.EUI64)
			}
		})
	}
	work.Wait()
	if err := errors.Join(s.ended(), context.Cause(ctx)); err != nil {
		return nil, err
	}
	slices.Sort(missing)
	return missing, nil
}
