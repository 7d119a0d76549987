package cli

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net/http"
	"strings"

	"github.com/smartcore-ireland/hems/internal/client"
)

// status prints how everything is. Its error is errSaid when something fails, so
// that a script need not read.
func (r *remote) status(ctx context.Context, _ []string) error {
	h, err := r.Health(ctx)
	if err != nil {
		return err
	}
	s, err := r.System(ctx)
	if err != nil {
		return err
	}
	u, err := r.Client.Update(ctx)
	if e := client.Refusal(err); err != nil && (e == nil || e.Status != http.StatusNotFound) {
		return err
	}
	if r.json {
		err = r.answer(struct {
			Health client.Health `json:"health"`
			System client.System `json:"system"`
			Update client.Update `json:"update"`
		}{h, s, u})
	} else {
		r.printSystem(s)
		r.printUpdate(u)
		fmt.Fprintln(r.stdout)
		r.printNode(h.Tree, "")
	}
	if err == nil && h.State == client.Failing {
		err = errSaid
	}
	return err
}

func (r *remote) printSystem(s client.System) {
	line := func(name, value string) { fmt.Fprintf(r.stdout, "%-9s %s\n", name, value) }
	on := s.Model
	if on == "" || !s.OnCard() {
		on = "a workstation, in development"
	}
	line("version", s.Version+" on "+on)
	if s.Slot != "" {
		words := s.Slot
		if s.Trial {
			words += ", on trial"
		}
		if s.Other != nil && s.Other.Whole {
			words += "; " + s.Other.Slot + " has " + s.Other.Version
		}
		line("system", words)
	}
	if s.Boot != nil && !s.Boot.At.IsZero() {
		line("since", s.Boot.At.Local().Format("Mon 2 Jan 15:04"))
	}
	if s.Perm != nil && s.Perm.Total > 0 {
		line("card", fmt.Sprintf("%.1f of %.1f GB free", float64(s.Perm.Free)/1e9, float64(s.Perm.Total)/1e9))
	}
}

func (r *remote) printUpdate(u client.Update) {
	switch v := u.Verdict; {
	case u.Busy():
		fmt.Fprintf(r.stdout, "%-9s %s\n", "update", phaseWords(u))
	case u.Available != nil:
		fmt.Fprintf(r.stdout, "%-9s %s is there\n", "update", u.Available.Version)
	case v != nil && !v.Seen:
		text, _ := verdictWords(v)
		fmt.Fprintf(r.stdout, "%-9s %s\n", "update", text)
	}
}

var signs = map[string]string{client.OK: "✓", client.Note: "•", client.Starting: "…", client.Failing: "▲"}

func (r *remote) printNode(n client.Node, indent string) {
	fmt.Fprintf(r.stdout, "%s%s %s", indent, signs[n.State], n.Title)
	if n.Message != "" {
		fmt.Fprintf(r.stdout, ": %s", n.Message)
	}
	fmt.Fprintln(r.stdout)
	if (n.State == client.Failing || n.State == client.Note) && n.Hint != "" {
		fmt.Fprintf(r.stdout, "%s  hint: %s\n", indent, n.Hint)
	}
	for _, c := range n.Children {
		r.printNode(c, indent+"  ")
	}
}

func (r *remote) logFlags(f *flag.FlagSet) {
	f.StringVar(&r.process, "process", "", "")
	f.IntVar(&r.lines, "lines", 200, "")
	f.BoolVar(&r.follow, "f", false, "")
}

// logs prints what the programs said, and with -f what they say until ctx ends.
func (r *remote) logs(ctx context.Context, _ []string) error {
	body, err := r.Logs(ctx, r.process, r.lines, r.follow)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !r.json {
			fmt.Fprintln(r.stdout, lines.Text())
		} else if err := r.answerLine(lines.Text()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil && r.follow {
		return nil // Ctrl-C is how it ends
	}
	return lines.Err()
}

// configVerbs are what hems config does, with the words each needs.
var configVerbs = map[string][2]int{"get": {0, 0}, "set": {2, 2}, "history": {0, 1}, "restore": {1, 1}}

func (r *remote) config(ctx context.Context, words []string) error {
	verb, words := words[0], words[1:]
	need, known := configVerbs[verb]
	if !known || len(words) < need[0] || len(words) > need[1] {
		fmt.Fprintf(r.stderr, "error: hems config cannot do %q\nhint: hems config HOST get | set PATH VALUE | history [ID] | restore ID\n", strings.Join(append([]string{verb}, words...), " "))
		return errUsage
	}
	switch verb {
	case "set":
		return r.setConfig(ctx, words[0], words[1])
	case "restore":
		if err := r.RestoreConfig(ctx, words[0]); err != nil {
			return err
		}
		return r.done(map[string]any{"restored": words[0]}, "hems.yaml is as it was")
	}
	c, err := r.Config(ctx)
	if err != nil {
		return err
	}
	switch {
	case verb == "get" && r.json:
		return r.answer(map[string]string{"text": c.Text})
	case verb == "get":
		_, err := fmt.Fprint(r.stdout, c.Text)
		return err
	case len(words) == 1:
		return r.printChange(c, words[0])
	case r.json:
		return r.answer(c.History)
	}
	for _, h := range c.History {
		fmt.Fprintf(r.stdout, "%-24s until %s\n", h.ID, h.At.Local().Format("Mon 2 Jan 2006 15:04:05"))
	}
	return nil
}
