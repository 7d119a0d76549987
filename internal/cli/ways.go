package cli

import (
	"context"
	"fmt"
)

// wayNames are the ways in as a person calls them.
var wayNames = map[string]string{"lan": "the home's network", "tailnet": "tailnet", "funnel": "Funnel", "cloudflare": "Cloudflare Tunnel"}

// ways tells in which ways the appliance can be reached.
func (r *remote) ways(ctx context.Context, _ []string) error {
	all, err := r.Client.Ways(ctx)
	if err != nil {
		return err
	}
	if r.json {
		return r.answer(all)
	}
	for _, w := range all {
		sign, name := map[string]string{"up": "✓", "off": "–", "starting": "…"}[w.State], wayNames[w.Way]
		if sign == "" {
			sign = "▲"
		}
		if name == "" {
			name = w.Way
		}
		state := w.State
		if state == "needs-you" {
			state = "needs you"
		}
		if !w.Since.IsZero() {
			state += " since " + w.Since.Local().Format("Mon 2 Jan 15:04")
		}
		fmt.Fprintf(r.stdout, "%s %s: %s\n", sign, name, state)
		for _, line := range append([]string{w.Detail, w.Action}, w.Links...) {
			if line != "" {
				fmt.Fprintf(r.stdout, "    %s\n", line)
			}
		}
	}
	return nil
}
