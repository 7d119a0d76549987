// Command build builds programs of other people ahead of the tests that run
// them: by their names, or all.
package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/smartcore-ireland/hems/internal/testservers"
)

func main() {
	for _, p := range testservers.All {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], p.Name) {
			continue
		}
		if _, err := p.Build(os.Stderr); err != nil {
			fmt.Fprintf(os.Stderr, "error: %v\n", err)
			os.Exit(1)
		}
	}
}
