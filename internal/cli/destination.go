package cli

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

const destinationUsage = `usage: hems destination list HOST
       hems destination resend HOST NAME -from TIME
       hems destination aside HOST NAME [-resend]

The databases that are sent every reading: how far each is, and what it does not
take. What they are is in the configuration: hems config HOST get.

resend sends everything again that was read since a moment, for a database that
was added later, was emptied, or has lost something. What an InfluxDB has already
stays as it is; VictoriaMetrics keeps it once with -dedup.minScrapeInterval=1ms.

  -from    2026-11-20, 2026-11-20T18:00:00Z, or everything

aside prints the readings that a database does not take, with its reason, and with
-resend has them sent again.
`

// destinationVerbs are what hems destination does, with the words that each needs.
var destinationVerbs = map[string]int{"list": 0, "resend": 1, "aside": 1}

// hostFirst puts the appliance before the verb, where other commands have it.
func hostFirst(words []string, verbs map[string]int) []string {
	if len(words) < 2 {
		return words
	}
	if need, ok := verbs[words[0]]; ok && len(words) > need+1 {
		return append([]string{words[1], words[0]}, words[2:]...)
	}
	return words
}

func (r *remote) destinationFlags(f *flag.FlagSet) {
	f.StringVar(&r.from, "from", "", "")
	f.BoolVar(&r.again, "resend", false, "")
}

func (r *remote) destination(ctx context.Context, words []string) error {
	verb, words := words[0], words[1:]
	need, known := destinationVerbs[verb]
	if !known || len(words) != need {
		fmt.Fprintf(r.stderr, "error: hems destination cannot do %q\nhint: hems destination -h\n", strings.Join(append([]string{verb}, words...), " "))
		return errUsage
	}
	switch verb {
	case "list":
		return r.listDestinations(ctx)
	case "resend":
		return r.resend(ctx, words[0])
	}
	return r.aside(ctx, words[0])
}

func (r *remote) listDestinations(ctx context.Context) error {
	list, err := r.Client.Metrics().Destinations(ctx)
	if err != nil {
		return err
	}
	if r.json {
		return r.answer(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(r.stdout, "readings are sent nowhere: name a database in hems.yaml, below metrics.destinations")
	}
	for _, d := range list {
		fmt.Fprintf(r.stdout, "%s %s: %s\n", destinationSigns[d.State], d.Name, destinationWords(d))
		line := func(name, value string) { fmt.Fprintf(r.stdout, "    %-8s %s\n", name, value) }
		line("server", d.Kind+" at "+d.URL)
		if d.Message != "" {
			line("why", d.Message)
		}
		if d.Hint != "" {
			line("hint", d.Hint)
		}
		if d.Lost > 0 {
			line("lost", fmt.Sprintf("%d readings were deleted for their age, or for want of room, before they were sent", d.Lost))
		}
		if n := d.Aside + d.AsideMore; n > 0 {
			line("aside", fmt.Sprintf("%d readings that it does not take: hems destination aside %s %s", n, r.host, d.Name))
		}
	}
	return nil
}

var destinationSigns = map[string]string{client.UpToDate: "✓", client.Sending: "…", client.Waiting: "•", client.Refusing: "▲"}

// destinationWords are the state with its figures.
func destinationWords(d client.Destination) string {
	words := d.State
	if d.Backlog == 0 {
		return words
	}
	if d.State != client.UpToDate {
		words += fmt.Sprintf(", %.0f %%", 100*min(d.Progress, 0.99))
	}
	words += fmt.Sprintf(", %d readings wait", d.Backlog)
	if !d.Oldest.IsZero() && d.State != client.UpToDate {
		words += " since " + d.Oldest.Local().Format("Mon 2 Jan 15:04")
	}
	if d.State == client.Sending && d.Rate >= 1 {
		words += fmt.Sprintf(", %.0f a second", d.Rate)
	}
	if d.Rest > 0 {
		words += ", done in about " + (time.Duration(max(1, d.Rest)) * time.Second).String()
	}
	return words
}

func (r *remote) resend(ctx context.Context, name string) error {
	from, err := r.moment()
	if err != nil {
		return err
	}
	n, err := r.Client.Metrics().Resend(ctx, name, from)
	if err != nil {
		return err
	}
	return r.sentAgain(n, "hems destination list "+r.host)
}

// moment is what -from says; the zero time is everything.
func (r *remote) moment() (time.Time, error) {
	if r.from == "everything" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, "2006-01-02T15:04"} {
		if at, err := time.ParseInLocation(form, r.from, time.Local); err == nil {
			return at, nil
		}
	}
	at, err := time.Parse(time.RFC3339, r.from)
	if err != nil {
		fmt.Fprintf(r.stderr, "error: -from %q is no moment\nhint: -from 2026-11-20, or -from everything\n", r.from)
		return at, errUsage
	}
	return at, nil
}

func (r *remote) sentAgain(n client.Resent, next string) error {
	if r.json {
		return r.answer(n)
	}
	_, err := fmt.Fprintf(r.stdout, "%d readings are sent again; how far that is: %s\n", n.Readings, next)
	return err
}

func (r *remote) aside(ctx context.Context, name string) error {
	m := r.Client.Metrics()
	if r.again {
		n, err := m.ResendAside(ctx, name)
		if err != nil {
			return err
		}
		return r.sentAgain(n, "hems destination list "+r.host)
	}
	all := []client.Aside{}
	for after := int64(0); ; {
		list, err := m.Aside(ctx, name, after)
		if err != nil {
			return err
		}
		if len(list) == 0 || list[len(list)-1].ID <= after {
			break
		}
		after = list[len(list)-1].ID
		if r.json {
			all = append(all, list...)
			continue
		}
		for _, a := range list {
			fmt.Fprintf(r.stdout, "%s\n    %s\n", strings.ReplaceAll(a.Line, "\n", "⏎"), a.Reason)
		}
	}
	if r.json {
		return r.answer(all)
	}
	return nil
}
