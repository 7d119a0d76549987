package client

import (
	"context"
	"net/http"
	"time"
)

// A Node is a part of the appliance and how it is. A node's state is the worst
// of its own and its children's.
type Node struct {
	Name     string `json:"name"`              // for programs: "broker", "perm"
	Title    string `json:"title"`             // for people
	State    string `json:"state"`             // "ok", "note", "starting", "failing"
	Message  string `json:"message,omitempty"` // a sentence; empty when there is nothing to say
	Hint     string `json:"hint,omitempty"`    // what to do about it
	Detail   string `json:"detail,omitempty"`  // the technical side of it
	Children []Node `json:"children,omitempty"`
}

// The states of a node, and of the whole (which is never Note).
const (
	OK       = "ok"
	Note     = "note" // worth knowing, nothing is wrong
	Starting = "starting"
	Failing  = "failing"
)

// Health is how everything is.
type Health struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
	First *Node     `json:"first"` // the first failing part, without its children
	Tree  Node      `json:"tree"`
}

// System is what the appliance runs and on what.
type System struct {
	Version   string    `json:"version"`
	Built     time.Time `json:"built,omitzero"` // zero: not known
	Board     string    `json:"board,omitempty"`
	Model     string    `json:"model,omitempty"`
	Kind      string    `json:"kind"` // "card", or "development": no slots, no updates
	Slot      string    `json:"slot,omitempty"`
	Committed string    `json:"committed,omitempty"` // the slot that a power cycle boots
	Trial     bool      `json:"trial"`
	Other     *struct {
		Slot    string `json:"slot"`
		Version string `json:"version"`
		Whole   bool   `json:"whole"` // it can be booted
	} `json:"other,omitempty"`
	HostName string `json:"host_name,omitempty"`
	Boot     *struct {
		Slot     string    `json:"slot"`
		Boots    int       `json:"boots"`    // of this slot since it was last well
		Returned string    `json:"returned"` // the slot that was given up for this one
		At       time.Time `json:"at"`
	} `json:"boot,omitempty"`
	Perm *struct {
		State string `json:"state"` // "ok", "repaired", "memory"
		Total int64  `json:"total_bytes"`
		Free  int64  `json:"free_bytes"`
	} `json:"perm,omitempty"`
	Clock *struct {
		Synchronised bool      `json:"synchronised"`
		Source       string    `json:"source,omitempty"`
		At           time.Time `json:"at"`
	} `json:"clock,omitempty"`
	Developer bool `json:"developer"` // unsigned updates are taken
}

// OnCard reports whether the appliance runs from a card, with slots to update.
func (s System) OnCard() bool { return s.Kind == "card" }

// Health asks how everything is.
func (c *Client) Health(ctx context.Context) (h Health, err error) {
	return h, c.ask(ctx, question{method: http.MethodGet, path: "/health"}, &h)
}

// System asks what runs.
func (c *Client) System(ctx context.Context) (s System, err error) {
	return s, c.ask(ctx, question{method: http.MethodGet, path: "/system"}, &s)
}

// Claimed tells the manager that the appliance has an owner. To say it again
// changes nothing.
func (c *Client) Claimed(ctx context.Context) error {
	return c.ask(ctx, question{method: http.MethodPost, path: "/claimed"}, nil)
}

// RestartProcess starts one program again.
func (c *Client) RestartProcess(ctx context.Context, process string) error {
	return c.ask(ctx, question{method: http.MethodPost, path: "/restart", json: map[string]string{"process": process}}, nil)
}

// Reboot restarts the appliance as a whole.
func (c *Client) Reboot(ctx context.Context) error {
	return c.ask(ctx, question{method: http.MethodPost, path: "/reboot"}, nil)
}
