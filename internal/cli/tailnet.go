package cli

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

var tailnetVerbs = map[string]bool{"status": true, "up": true, "down": true, "sign-in": true, "leave": true, "control": true, "devices": true, "funnel": true}

// tailnet tells how the appliance's node in a tailnet is, and changes that.
func (r *remote) tailnet(ctx context.Context, words []string) error {
	do, arguments := "status", []string(nil)
	if len(words) > 0 {
		do, arguments = words[0], words[1:]
	}
	q := client.TailnetChange{Do: do}
	switch {
	case do == "status" && len(arguments) == 0:
		return r.tailnetStatus(ctx)
	case do == "up" && len(arguments) == 0:
		q.Do = "on"
		if r.keyFile != "" {
			b, err := os.ReadFile(r.keyFile)
			if err != nil {
				return fmt.Errorf("reading the tailnet's key: %w", err)
			}
			q.Do, q.Key = "key", strings.TrimSpace(string(b))
		}
	case do == "down" && len(arguments) == 0:
		q.Do = "off"
	case (do == "leave" || do == "sign-in") && len(arguments) == 0:
	case do == "devices":
		q.Devices = arguments
	case do == "control" && len(arguments) <= 1:
		q.ControlURL = strings.Join(arguments, "")
	case do == "funnel" && len(arguments) == 1:
		q.Funnel = arguments[0]
	default:
		fmt.Fprint(r.stderr, "error: that is nothing to do about a tailnet\nhint: hems tailnet -h\n")
		return errUsage
	}
	if err := r.Client.ChangeTailnet(ctx, q); err != nil {
		return err
	}
	if q.Do == "on" || q.Do == "key" || q.Do == "sign-in" {
		return r.awaitTailnet(ctx)
	}
	if r.json {
		return r.answer(struct{}{})
	}
	return nil
}

// awaitTailnet waits until the node is up or needs somebody.
func (r *remote) awaitTailnet(ctx context.Context) error {
	deadline := time.Now().Add(time.Minute)
	for {
		v, err := r.Client.Tailnet(ctx)
		if err == nil && (v.Tailnet.State == "up" || v.SignIn != "" || v.Tailnet.State == "needs-you") || time.Now().After(deadline) {
			return r.tailnetStatus(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.every):
		}
	}
}

func (r *remote) tailnetStatus(ctx context.Context) error {
	v, err := r.Client.Tailnet(ctx)
	if err != nil {
		return err
	}
	if r.json {
		return r.answer(v)
	}
	for _, w := range []client.Way{v.Tailnet, v.Internet} {
		fmt.Fprintf(r.stdout, "%s: %s\n", wayNames[w.Way], w.State)
		for _, line := range append([]string{w.Detail, w.Action}, w.Links...) {
			if line != "" {
				fmt.Fprintf(r.stdout, "    %s\n", line)
			}
		}
	}
	if v.SignIn != "" {
		fmt.Fprintf(r.stdout, "sign in here to add it: %s\n", v.SignIn)
	}
	for _, d := range v.Devices {
		fmt.Fprintf(r.stdout, "reachable through it: %s\n", d)
	}
	return nil
}
