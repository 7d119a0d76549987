package cli

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"strings"
)

const historyUsage = `usage: hems history HOST power | peaks [-entity ENTITY] [-windows WINDOWS]
       hems history HOST energy [-entity ENTITY | -meter DEVICE] [-source own|hdf] [-windows WINDOWS]
       hems history HOST state -entity ENTITY
       hems history HOST series | always-on

What the appliance has of the past. Without -entity it is about the main meter.

  -from     where it begins (default today): 2026-11-20, 2026-11, 2026, today,
            yesterday, or a moment such as 2026-11-20T18:00
  -to       where it ends (default now); a date stands for its whole day
  -step     10s, 5m, 30m, 6h and so on, hour, day, week, month, year; raw: each reading
  -windows  the windows of a tariff: smart, day-night, or
            "day=08:00-23:00; night=23:00-08:00; peak=Mon-Fri 17:00-19:00"
  -format   table (the default), csv or json

energy is counted from the meter's own counter by the half hour: exact, "~" where a
part was estimated, "…" where a part is not known. CSV may be as long as it takes:

    hems history hems.local power -from 2026 -step raw -format csv >2026.csv
`

// past is what the flags of hems history say.
type past struct{ entity, meter, source, from, to, step, windows, format string }

func (r *remote) historyFlags(f *flag.FlagSet) {
	for name, v := range map[string]*string{
		"entity": &r.past.entity, "meter": &r.past.meter, "source": &r.past.source, "from": &r.past.from, "to": &r.past.to,
		"step": &r.past.step, "windows": &r.past.windows, "format": &r.past.format,
	} {
		f.StringVar(v, name, "", "")
	}
}

// historyVerbs are the questions, each with how its answer is printed.
var historyVerbs = map[string]func(*remote, context.Context, url.Values) error{
	"power":     (*remote).historyPower,
	"energy":    (*remote).historyEnergy,
	"peaks":     (*remote).historyPeaks,
	"series":    (*remote).historySeries,
	"state":     (*remote).historyState,
	"always-on": (*remote).historyAlwaysOn,
}

func (r *remote) history(ctx context.Context, words []string) error {
	verb := words[0]
	if v, ok := ledgerVerbs[verb]; ok && len(words) == 1+v.words {
		return v.run(r, ctx, words[1:])
	}
	if len(words) > 1 {
		fmt.Fprintf(r.stderr, "error: %q is one word too many\nhint: hems history -h\n", words[1])
		return errUsage
	}
	table, ok := historyVerbs[verb]
	if !ok {
		fmt.Fprintf(r.stderr, "error: %q is no question of hems history\nhint: hems history -h\n", verb)
		return errUsage
	}
	query := r.past.query()
	format := r.past.format
	if r.json && format == "" {
		format = "json"
	}
	switch format {
	case "", "table":
		return table(r, ctx, query)
	case "csv", "json":
		query.Set("format", format)
		complete, err := r.Client.History().Copy(ctx, r.stdout, verb, query)
		if err == nil && !complete {
			fmt.Fprintln(r.stderr, "note: readings are missing in this range")
		}
		return err
	}
	fmt.Fprintf(r.stderr, "error: there is no format %q\nhint: table, csv or json\n", format)
	return errUsage
}

// query is what was typed; the appliance says what of it makes no sense.
func (p past) query() url.Values {
	query := url.Values{}
	for name, v := range map[string]string{"entity": p.entity, "meter": p.meter, "source": p.source, "from": p.from, "to": p.to, "step": p.step, "windows": p.windows} {
		if v != "" {
			query.Set(name, v)
		}
	}
	return query
}

// blocks are eighths of a character.
var blocks = []rune(" ▏▎▍▌▋▊▉█")

// barWidth is how long a bar gets, in characters.
const barWidth = 32

// bar is a bar for v, of which the longest is most.
func bar(v, most float64) string {
	if most <= 0 || v <= 0 {
		return ""
	}
	eighths := min(int(v/most*barWidth*8+0.5), barWidth*8)
	b := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		b += string(blocks[part])
	}
	return b
}
