package tree

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Answer is the health of the whole as it is served.
type Answer struct {
	State State     `json:"state"` // ok, starting or failing
	At    time.Time `json:"at"`
	First *First    `json:"first"` // null while nothing fails
	Tree  *Node     `json:"tree"`
}

// First is the first thing wrong, without what is below it.
type First struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	State   State  `json:"state"`
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// Tell is what is served of a settled root.
func Tell(root *Node, at time.Time) Answer {
	a := Answer{State: root.State, At: at.UTC(), Tree: root}
	if a.State == Note {
		a.State = OK
	}
	if f := root.First(); f != nil {
		a.First = &First{f.Name, f.Title, f.State, f.Message, f.Hint, f.Detail}
	}
	return a
}

// WriteGauges writes the nodes as Prometheus text: 1 is well or worth knowing,
// 0 is failing or not known yet.
func WriteGauges(w io.Writer, root *Node) error {
	var b strings.Builder
	b.WriteString("# HELP hems_health Whether a part of the appliance works (1) or not (0).\n# TYPE hems_health gauge\n")
	for n := range root.All {
		v := 0
		if n.State == OK || n.State == Note {
			v = 1
		}
		fmt.Fprintf(&b, "hems_health{node=%s} %d\n", Label(n.Name), v)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Label is a value of a Prometheus label, quoted.
func Label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
