package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/smartcore-ireland/hems/internal/client"
)

// doctor tells what is not well and what to do about it, and how Home Assistant
// takes what comes through the appliance. Its error is errSaid when something is
// to be done.
func (r *remote) doctor(ctx context.Context, _ []string) error {
	h, err := r.Health(ctx)
	if err != nil {
		return err
	}
	home, err := r.HomeAssistant(ctx)
	if e := client.Refusal(err); err != nil && (e == nil || e.Status != http.StatusNotFound) { // an older appliance
		return err
	}
	ill := h.State == client.Failing || home.State == "untrusted" || home.State == "strange"
	if r.json {
		err = r.answer(struct {
			Health        client.Health        `json:"health"`
			HomeAssistant client.HomeAssistant `json:"home_assistant"`
		}{h, home})
		if err != nil {
			return err
		}
	} else {
		if n := r.printIll(h.Tree); n == 0 {
			fmt.Fprintln(r.stdout, signs[client.OK], "all parts are well")
		}
		r.printHomeAssistant(home)
	}
	if ill {
		return errSaid
	}
	return nil
}

// printIll prints what there is to say of the parts, and returns how much that was.
func (r *remote) printIll(n client.Node) (count int) {
	if n.Message != "" && (n.State == client.Failing || n.State == client.Note) {
		fmt.Fprintf(r.stdout, "%s %s: %s\n", signs[n.State], n.Title, n.Message)
		if n.Hint != "" {
			fmt.Fprintf(r.stdout, "  %s\n", n.Hint)
		}
		count = 1
	}
	for _, c := range n.Children {
		count += r.printIll(c)
	}
	return count
}

func (r *remote) printHomeAssistant(h client.HomeAssistant) {
	if h.URL == "" {
		return
	}
	sign := signs[client.Failing]
	switch h.State {
	case "ok":
		sign = signs[client.OK]
	case "":
		sign, h.Message = signs[client.Starting], "It was not asked yet."
	}
	fmt.Fprintf(r.stdout, "%s Home Assistant (%s): %s\n", sign, h.URL, h.Message)
	if h.Hint != "" {
		fmt.Fprintf(r.stdout, "  %s\n", h.Hint)
	}
	if h.Lines != "" {
		fmt.Fprintf(r.stdout, "  its configuration.yaml must have:\n\n    %s\n", strings.ReplaceAll(strings.TrimSpace(h.Lines), "\n", "\n    "))
	}
}
