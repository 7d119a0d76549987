// Package tree is the health of the whole in one place: a node for each thing
// that must work, each with one sentence for a householder and what to do. It
// knows how nodes add up and how they are told (JSON, Prometheus) and must never
// know what any node stands for.
package tree

// State is how a node is.
type State string

// The states, from well to worst. Note: worth knowing, nothing is wrong.
// Starting: not known yet, and not long enough to be a fault.
const (
	OK       State = "ok"
	Note     State = "note"
	Starting State = "starting"
	Failing  State = "failing"
)

func (s State) rank() int {
	switch s {
	case OK, "":
		return 0
	case Note:
		return 1
	case Starting:
		return 2
	default:
		return 3
	}
}

// Worse is the worse of two states.
func Worse(a, b State) State {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

// Node is one thing that must work, or a group of such things.
type Node struct {
	Name  string `json:"name"`  // for programs: a-z, 0-9, _ and -
	Title string `json:"title"` // for people
	State State  `json:"state"`
	// Message is one lower-case sentence for a householder; Hint is what to do
	// about it; Detail is the technical side of both.
	Message  string  `json:"message,omitempty"`
	Hint     string  `json:"hint,omitempty"`
	Detail   string  `json:"detail,omitempty"`
	Children []*Node `json:"children,omitempty"`
}

// Settle gives each node with children the worst state among itself and them,
// and returns n.
func (n *Node) Settle() *Node {
	if n.State == "" {
		n.State = OK
	}
	for _, c := range n.Children {
		n.State = Worse(n.State, c.Settle().State)
	}
	return n
}

// First is the first failing node in reading order that has no failing node
// below it, nil when none fails. n must be settled.
func (n *Node) First() *Node {
	if n.State != Failing {
		return nil
	}
	for _, c := range n.Children {
		if f := c.First(); f != nil {
			return f
		}
	}
	return n
}

// Find is the node of that name in n, nil when there is none.
func (n *Node) Find(name string) *Node {
	if n.Name == name {
		return n
	}
	for _, c := range n.Children {
		if f := c.Find(name); f != nil {
			return f
		}
	}
	return nil
}

// All calls yield for n and each node below it in reading order.
func (n *Node) All(yield func(*Node) bool) { n.walk(yield) }

func (n *Node) walk(yield func(*Node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, c := range n.Children {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}
