package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

// label is a step's beginning, as short as its length allows.
func label(t time.Time, step string) string {
	switch step {
	case "year":
		return t.Format("2006")
	case "month":
		return t.Format("Jan 2006")
	case "week", "day":
		return t.Format("Mon 2 Jan 2006")
	case "raw":
		return t.Format("Mon 2 Jan 15:04:05")
	}
	if strings.HasSuffix(step, "s") {
		return t.Format("Mon 2 Jan 15:04:05")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// bars is bar where somebody looks at it.
func (r *remote) bars(v, most float64) string {
	if !isTerminal(r.stdout) {
		return ""
	}
	return bar(v, most)
}

// line prints cells that stand under each other: the first to the left, the others
// to the right, a bar at the end.
func (r *remote) line(first string, cells []string, end string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-18s", first)
	for _, c := range cells {
		fmt.Fprintf(&b, " %12s", c)
	}
	if end != "" {
		b.WriteString("  " + end)
	}
	fmt.Fprintln(r.stdout, strings.TrimRight(b.String(), " "))
}

// missing says what is not there, the longest way that is still read.
func (r *remote) missing(g client.Gaps) {
	const shown = 3
	for i, m := range g.Missing {
		if i == shown {
			fmt.Fprintf(r.stdout, "missing: %d more\n", g.Gaps-shown)
			return
		}
		fmt.Fprintf(r.stdout, "missing: %s to %s\n", m.From.Format("Mon 2 Jan 2006 15:04"), m.To.Format("Mon 2 Jan 2006 15:04"))
	}
}

func figure(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func orDash(v *float64) string {
	if v == nil {
		return "–"
	}
	return figure(*v)
}

func (r *remote) historyPower(ctx context.Context, query url.Values) error {
	if !query.Has("step") {
		query.Set("points", "48") // a screenful
	}
	var v client.Power
	query.Del("windows")
	if err := r.Client.History().Ask(ctx, "power", query, &v); err != nil {
		return err
	}
	most := 0.0
	for _, m := range slices.Concat(v.Mean, v.Value) {
		most = max(most, m)
	}
	head := []string{"mean " + v.Unit, "min", "max"}
	if v.Step == "raw" {
		head = []string{v.Unit}
	}
	r.line(v.Entity, head, "")
	for i, t := range v.Time {
		at := time.UnixMilli(int64(t * 1000)).In(v.From.Location())
		if v.Step == "raw" {
			r.line(label(at, v.Step), []string{strconv.FormatFloat(v.Value[i], 'f', -1, 64)}, r.bars(v.Value[i], most))
			continue
		}
		r.line(label(at, v.Step), []string{figure(v.Mean[i]), figure(v.Min[i]), figure(v.Max[i])}, r.bars(v.Mean[i], most))
	}
	r.missing(v.Gaps)
	return nil
}

func (r *remote) historyEnergy(ctx context.Context, query url.Values) error {
	var v client.Energy
	if err := r.Client.History().Ask(ctx, "energy", query, &v); err != nil {
		return err
	}
	for i, m := range v.Meters {
		if i > 0 {
			fmt.Fprintln(r.stdout)
		}
		about := m.Entity + ", " + m.Direction
		if m.Source != "own" {
			about += ", " + m.Source
		}
		fmt.Fprintln(r.stdout, about)
		var windows []string
		for name := range m.Total.Windows {
			windows = append(windows, name)
		}
		slices.Sort(windows)
		r.line("", append([]string{"kWh", "peak kW"}, windows...), "")
		most := 0.0
		for _, row := range m.Rows {
			most = max(most, kWh(row.KWh))
		}
		for _, row := range m.Rows {
			r.energyRow(label(row.From, v.Step), row, windows, r.bars(kWh(row.KWh), most))
		}
		r.energyRow("together", m.Total, windows, "")
		r.missing(m.Gaps)
	}
	return nil
}

func kWh(n *json.Number) float64 {
	if n == nil {
		return 0
	}
	v, _ := n.Float64() // the appliance writes numbers
	return v
}

func (r *remote) energyRow(name string, row client.EnergyRow, windows []string, end string) {
	mark := ""
	switch {
	case row.KWh == nil:
	case !row.Complete:
		mark = "…"
	case row.Estimated != "":
		mark = "~"
	}
	cells := []string{mark + exact(row.KWh), exact(&row.PeakKW)}
	for _, w := range windows {
		cells = append(cells, exact(row.Windows[w].KWh))
	}
	r.line(name, cells, end)
}

// exact is a number with three decimals, and all of them where there are more.
func exact(n *json.Number) string {
	if n == nil || *n == "" {
		return "–"
	}
	whole, part, _ := strings.Cut(n.String(), ".")
	for len(part) < 3 {
		part += "0"
	}
	return whole + "." + part
}

func (r *remote) historyPeaks(ctx context.Context, query url.Values) error {
	var v client.Peaks
	if err := r.Client.History().Ask(ctx, "peaks", query, &v); err != nil {
		return err
	}
	most := 0.0
	if v.Total.Max != nil {
		most = *v.Total.Max
	}
	r.line(v.Entity, []string{"max " + v.Unit, "at", "mean", "min"}, "")
	row := func(name string, p client.PeakRow, end string) {
		at := "–"
		if p.At != nil {
			at = p.At.Format("2 Jan 15:04")
		}
		r.line(name, []string{orDash(p.Max), at, orDash(p.Mean), orDash(p.Min)}, end)
	}
	for _, p := range v.Rows {
		end := ""
		if p.Max != nil {
			end = r.bars(*p.Max, most)
		}
		row(label(p.From, v.Step), p, end)
	}
	row("together", v.Total, "")
	r.missing(v.Gaps)
	return nil
}

func (r *remote) historySeries(ctx context.Context, query url.Values) error {
	var v client.SeriesList
	if err := r.Client.History().Ask(ctx, "series", query, &v); err != nil {
		return err
	}
	width := 0
	for _, s := range v.Series {
		width = max(width, len(s.Entity))
	}
	for _, s := range v.Series {
		before := ""
		if !s.Current {
			before = " (until its unit changed)"
		}
		fmt.Fprintln(r.stdout, strings.TrimRight(fmt.Sprintf("%-*s  %-6s  %s%s", width, s.Entity, s.Unit, s.Device, before), " "))
	}
	for _, m := range v.Meters {
		fmt.Fprintf(r.stdout, "energy: %s, %s, %s\n", m.Entity, m.Direction, m.Source)
	}
	return nil
}

func (r *remote) historyState(ctx context.Context, query url.Values) error {
	var v client.States
	if err := r.Client.History().Ask(ctx, "state", query, &v); err != nil {
		return err
	}
	for _, s := range v.States {
		fmt.Fprintf(r.stdout, "%s  %s\n", s.Time.Format("Mon 2 Jan 2006 15:04:05"), printable(s.State))
	}
	if len(v.States) == 0 {
		fmt.Fprintln(r.stdout, "missing: it said nothing in this range, and nothing before")
	}
	return nil
}

// printable keeps what a device says from steering a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !strconv.IsPrint(c) {
			return '�'
		}
		return c
	}, s)
}

func (r *remote) historyAlwaysOn(ctx context.Context, query url.Values) error {
	var v client.AlwaysOn
	if err := r.Client.History().Ask(ctx, "always-on", query, &v); err != nil {
		return err
	}
	night := v.From.Format("Mon 2 Jan 2006 15:04") + " to " + v.To.Format("15:04")
	if v.Power == nil {
		fmt.Fprintf(r.stdout, "missing: there are not enough readings of %s from %s\n", v.Entity, night)
		return nil
	}
	fmt.Fprintf(r.stdout, "always on: %s W, by the lowest twentieth of %s from %s\n", figure(*v.Power), v.Entity, night)
	return nil
}
