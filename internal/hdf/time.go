package hdf

import (
	"slices"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// calendar says which moments a local stamp may mean. It is made by stepping
// through UTC and looking at what a clock on the wall showed.
type calendar struct {
	zone *time.Location
	days map[date]*[48][]int64
	last date
	at   *[48][]int64
}

func newCalendar(zone *time.Location) *calendar {
	return &calendar{zone: zone, days: map[date]*[48][]int64{}}
}

// moments are the unix seconds at which clocks showed this half hour of this
// day: one, two where the hour came twice, none where it was left out.
func (c *calendar) moments(d date, half int) []int64 {
	if d != c.last || c.at == nil {
		at := c.days[d]
		if at == nil {
			at = &[48][]int64{}
			from, to := ledger.Day(int(d.year), time.Month(d.month), int(d.day), c.zone)
			for t := from; t < to; t += ledger.SlotSeconds {
				hour, minute, _ := time.Unix(t, 0).In(c.zone).Clock()
				if minute%30 == 0 {
					at[hour*2+minute/30] = append(at[hour*2+minute/30], t)
				}
			}
			c.days[d] = at
		}
		c.last, c.at = d, at
	}
	return c.at[half]
}

// stamped is a row with the moment it was stamped.
type stamped struct {
	row
	at int64
	// place counts rows in the order of time, as the file has it.
	place int
}

// sequence is the rows of one kind and one meter, oldest first.
type sequence []stamped

// place finds the moment of each row. The rows of an hour that came twice are
// told apart by where they stand: their values may well be the same.
func (t *table) place(zone *time.Location) (map[[2]int]sequence, error) {
	days := newCalendar(zone)
	t.file.NewestLast = t.newestLast()
	rows := t.rows
	if !t.file.NewestLast {
		slices.Reverse(rows)
	}
	all := map[[2]int]sequence{}
	twice := map[date]bool{}
	for i, r := range rows {
		moments := days.moments(r.date, r.half)
		s := stamped{row: r, place: i}
		switch len(moments) {
		case 0:
			t.fault(r.line, "there was no such time: clocks went forward")
			continue
		case 1:
			s.at = moments[0]
		default:
			twice[r.date] = true
		}
		key := [2]int{int(r.kind), r.serial}
		all[key] = append(all[key], s)
	}
	for d := range twice {
		t.passes(all, days, d)
	}
	return all, nil
}

// newestLast reports whether the file goes from old to new.
func (t *table) newestLast() bool {
	last := map[[2]int]int{} // by kind and meter
	up, down := 0, 0
	for i, r := range t.rows {
		key := [2]int{int(r.kind), r.serial}
		if j, ok := last[key]; ok {
			switch c := compareStamps(t.rows[j], r); {
			case c < 0:
				up++
			case c > 0:
				down++
			}
		}
		last[key] = i
	}
	return up > down
}

func compareStamps(a, b row) int {
	return slices.Compare([]int{int(a.date.year), int(a.date.month), int(a.date.day), a.half},
		[]int{int(b.date.year), int(b.date.month), int(b.date.day), b.half})
}

// passes gives the rows of an hour that came twice on a day their moments. Of
// each kind and meter, the second pass begins where the stamps go back
// (01:30, 01:00); in files that are sorted by their stamps it is each second
// row of a stamp. Where neither tells, because rows are missing, it is told by
// where the other kinds' passes change in the file, and at last by which
// neighbour a row has.
func (t *table) passes(all map[[2]int]sequence, days *calendar, d date) {
	type part struct {
		rows []*stamped
		s    sequence
		from int
	}
	var open []part
	endFirst, beginSecond := -1, -1 // places where a kind that tells changes pass
	for _, s := range all {
		p := part{s: s}
		for i := range s {
			if s[i].date == d && len(days.moments(d, s[i].half)) > 1 {
				if len(p.rows) == 0 {
					p.from = i
				}
				p.rows = append(p.rows, &s[i])
			}
		}
		if len(p.rows) == 0 {
			continue
		}
		second, told := secondPass(p.rows)
		if !told {
			open = append(open, p)
			continue
		}
		for i, r := range p.rows {
			pass := 0
			if second[i] {
				pass = 1
				if beginSecond < 0 || r.place < beginSecond {
					beginSecond = r.place
				}
			} else {
				endFirst = max(endFirst, r.place)
			}
			r.at = days.moments(d, r.half)[pass]
		}
	}
	for _, p := range open {
		// Whether rows stand right before the hour's first time, and right
		// after its second.
		n := len(p.rows)
		begin, end := days.moments(d, p.rows[0].half)[0], days.moments(d, p.rows[n-1].half)[1]
		before := p.from > 0 && p.s[p.from-1].at == begin-ledger.SlotSeconds
		after := p.from+n < len(p.s) && p.s[p.from+n].at == end+ledger.SlotSeconds
		for _, r := range p.rows {
			moments := days.moments(d, r.half)
			switch {
			case endFirst >= 0 && r.place < endFirst:
				r.at = moments[0]
			case beginSecond >= 0 && r.place > beginSecond:
				r.at = moments[1]
			case !before && after:
				t.file.Guessed++
				r.at = moments[1]
			default:
				t.file.Guessed++
				r.at = moments[0]
			}
		}
	}
}

// secondPass tells which rows, oldest first, of an hour that comes twice are of
// the second time. told is false when the rows alone do not say it.
func secondPass(rows []*stamped) (second []bool, told bool) {
	second = make([]bool, len(rows))
	back := -1 // where the stamps go back
	for i := 1; i < len(rows); i++ {
		if rows[i].half < rows[i-1].half {
			if back >= 0 {
				back = -2
				break
			}
			back = i
		}
	}
	if back > 0 {
		for i := back; i < len(rows); i++ {
			second[i] = true
		}
		return second, true
	}
	seen := map[int]bool{}
	repeats := 0
	for i, r := range rows {
		if seen[r.half] {
			second[i] = true
			repeats++
		}
		seen[r.half] = true
	}
	if repeats == 0 {
		return second, false
	}
	// 01:00, 01:30, 01:30 and 01:00, 01:00, 01:30: the change is between the two.
	if repeats == 1 {
		later := false
		for i := range rows {
			later = later || second[i]
			second[i] = later
		}
	}
	return second, true
}
