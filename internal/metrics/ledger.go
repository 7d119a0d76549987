package metrics

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/hdf"
	"github.com/smartcore-ireland/hems/internal/ledger"
	"github.com/smartcore-ireland/hems/internal/store"
)

// kWh is an amount of energy as JSON: a number with as many decimals as it has.
type kWh ledger.Energy

func (e kWh) MarshalJSON() ([]byte, error) { return []byte(ledger.Energy(e).Decimal(3)), nil }

// Times in answers are civil ones of the home, with their offset: the hour that
// comes twice is told apart.
func (w *Writer) local(unix int64) string {
	return time.Unix(unix, 0).In(w.zone()).Format("2006-01-02T15:04:05Z07:00")
}

func (w *Writer) zone() *time.Location { return w.o.Zone }

// Taken is what became of a file of ESB Networks. It never holds an MPRN.
type taken struct {
	Form   string     `json:"form"`
	Last3  string     `json:"mprn_ends_in"`
	Rows   int        `json:"rows"`
	Import *takenSide `json:"import,omitempty"`
	Export *takenSide `json:"export,omitempty"`
	// Registers is how many readings of daily registers were in it.
	Registers *store.Change `json:"registers,omitempty"`
	Meters    int           `json:"meters"` // serial numbers
	// What could not be used, or was not there.
	Unknown    map[string]int `json:"unknown,omitempty"`
	Faults     []hdf.Fault    `json:"faults,omitempty"`
	FaultCount int            `json:"fault_count,omitempty"`
	Duplicates int            `json:"duplicates,omitempty"`
	Outliers   int            `json:"outliers,omitempty"`
	Guessed    int            `json:"guessed,omitempty"`
}

// takenSide is one direction of a file.
type takenSide struct {
	From, To  string
	HalfHours int
	Missing   int // half hours in between
	Gaps      []takenGap
	store.Change
	Energy kWh
}

func (s takenSide) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		From      string     `json:"from"`
		To        string     `json:"to"`
		HalfHours int        `json:"half_hours"`
		Missing   int        `json:"missing"`
		Gaps      []takenGap `json:"gaps,omitempty"`
		New       int        `json:"new"`
		Same      int        `json:"same"`
		Changed   int        `json:"changed"`
		Energy    kWh        `json:"kwh"`
	}{s.From, s.To, s.HalfHours, s.Missing, s.Gaps, s.New, s.Same, s.Changed, s.Energy})
}

type takenGap struct {
	From      string `json:"from"`
	To        string `json:"to"`
	HalfHours int    `json:"half_hours"`
}

// maxGaps is how many gaps are told one by one.
const maxGaps = 100

func (w *Writer) side(slots []ledger.Slot, c store.Change) *takenSide {
	if len(slots) == 0 {
		return nil
	}
	s := &takenSide{From: w.local(slots[0].Start), To: w.local(slots[len(slots)-1].End()), HalfHours: len(slots), Change: c}
	for _, v := range slots {
		s.Energy += kWh(v.Energy)
	}
	for _, g := range hdf.Gaps(slots) {
		s.Missing += g.Slots()
		if len(s.Gaps) < maxGaps {
			s.Gaps = append(s.Gaps, takenGap{w.local(g.From), w.local(g.To), g.Slots()})
		}
	}
	return s
}

// takeFile takes a file of ESB Networks into the ledger.
func (w *Writer) takeFile(ctx context.Context, s *store.Store, data []byte) (t taken, meter string, err error) {
	key, err := s.LedgerKey(ctx)
	if err != nil {
		return t, "", err
	}
	f, err := hdf.Parse(data, hdf.Options{Zone: w.zone(), Key: key})
	if err != nil {
		return t, "", err
	}
	slots := store.FileSlots{Meter: f.Meter, Source: ledger.HDF, Import: f.Import, Export: f.Export}
	for _, r := range f.Registers {
		slots.Registers = append(slots.Registers, store.Register{Kind: uint8(r.Kind), Serial: r.Serial, At: r.At, Value: r.Value})
	}
	slots.Report = func(c store.FileChange) any {
		t = taken{
			Form: f.Form, Last3: f.Last3, Rows: f.Rows, Import: w.side(f.Import, c.Import), Export: w.side(f.Export, c.Export),
			Meters: f.Serials, Unknown: f.Unknown, Faults: f.Faults, FaultCount: f.FaultCount,
			Duplicates: f.Duplicates, Outliers: f.Outliers, Guessed: f.Guessed,
		}
		if len(f.Registers) > 0 {
			t.Registers = &c.Registers
		}
		return t
	}
	c, err := s.TakeFile(ctx, slots)
	if err != nil {
		return t, "", err
	}
	w.log.Info("a file of ESB Networks is in the ledger", "form", f.Form, "rows", f.Rows, "faults", f.FaultCount,
		"new", c.Import.New+c.Export.New, "changed", c.Import.Changed+c.Export.Changed)
	return t, f.Meter, nil
}

// proofs is what registers say of the half hours of a meter.
type proofs struct {
	Proven       int     `json:"proven"`
	Filled       int     `json:"filled"`       // with half hours missing
	Contradicted int     `json:"contradicted"` // the half hours are not what the register counted
	Lost         kWh     `json:"lost_kwh"`     // of missing half hours, by 24-hour registers
	BandsAgree   int     `json:"bands_agree"`  // moments at which night, peak and off-peak add up
	BandsDiffer  int     `json:"bands_differ"`
	Told         []proof `json:"told,omitempty"` // the filled and contradicted, the latest first
}

type proof struct {
	Direction string `json:"direction"`
	Band      string `json:"band"`
	From      string `json:"from"`
	To        string `json:"to"`
	Counted   kWh    `json:"counted_kwh"`
	Sum       kWh    `json:"half_hours_kwh"`
	Missing   int    `json:"missing"`
	Lost      kWh    `json:"lost_kwh"`
	Verdict   string `json:"verdict"`
}

// allTime is a range that all slots are in.
var allTime = [2]time.Time{time.Unix(0, 0), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}

// prove compares what files said of a meter's half hours and registers.
func (w *Writer) prove(ctx context.Context, r *store.Reader, meter string) (*proofs, error) {
	registers, err := r.Registers(ctx, meter)
	if err != nil || len(registers) == 0 {
		return nil, err
	}
	imported, err := fileSlots(ctx, r, meter, ledger.Import, allTime[0], allTime[1])
	if err != nil {
		return nil, err
	}
	exported, err := fileSlots(ctx, r, meter, ledger.Export, allTime[0], allTime[1])
	if err != nil {
		return nil, err
	}
	of := make([]hdf.Register, len(registers))
	for i, v := range registers {
		of[i] = hdf.Register{Kind: hdf.Kind(v.Kind), Serial: v.Serial, At: v.At, Value: v.Value}
	}
	p := &proofs{}
	p.BandsAgree, p.BandsDiffer = hdf.BandsAgree(of)
	for _, v := range hdf.Prove(imported, exported, of, w.zone()) {
		switch v.Verdict {
		case hdf.Proven:
			p.Proven++
			continue
		case hdf.Filled:
			p.Filled++
			if v.Band == hdf.WholeDay {
				p.Lost += kWh(v.Lost)
			}
		case hdf.Contradicted:
			p.Contradicted++
		}
		p.Told = append(p.Told, proof{v.Direction.String(), v.Band.String(), w.local(v.From), w.local(v.To),
			kWh(v.Counted), kWh(v.Sum), v.Missing, kWh(v.Lost), v.Verdict.String()})
	}
	slices.SortStableFunc(p.Told, func(a, b proof) int { return strings.Compare(b.From, a.From) })
	p.Told = p.Told[:min(len(p.Told), maxGaps)]
	return p, nil
}

// fileSlots are those of files; none is no error.
func fileSlots(ctx context.Context, r *store.Reader, meter string, d ledger.Direction, from, to time.Time) ([]ledger.Slot, error) {
	slots, err := r.Ledger(ctx, meter, d, ledger.HDF, from, to)
	if errors.Is(err, store.ErrUnknownEntity) {
		return nil, nil
	}
	return slots, err
}

// errNoMeter: there is nothing to answer for.
var errNoMeter = errors.New("no counter of energy is known")

// homeMeter finds the counters of the home: of the device or entity that was
// asked for, or of the main meter of hems.yaml, or of the first device that
// measures both power and energy.
func (w *Writer) homeMeter(ctx context.Context, r *store.Reader, asked string) (imported, exported store.Meter, err error) {
	all, err := r.Meters(ctx)
	if err != nil {
		return imported, exported, err
	}
	all = slices.DeleteFunc(all, func(m store.Meter) bool { return m.Source != ledger.Own })
	for _, m := range all {
		if m.Name == asked {
			if m.Direction == ledger.Export {
				return store.Meter{}, m, nil
			}
			return m, store.Meter{}, nil
		}
	}
	device := cmp.Or(asked, w.o.Meter)
	if device == "" {
		series, err := r.Series(ctx)
		if err != nil {
			return imported, exported, err
		}
		slices.SortFunc(series, func(a, b store.Series) int { return cmp.Compare(a.ID, b.ID) })
		for _, s := range series {
			if s.DeviceClass == "power" && slices.ContainsFunc(all, func(m store.Meter) bool { return m.Device == s.Device && m.Direction == ledger.Import }) {
				device = s.Device
				break
			}
		}
	}
	for _, m := range all {
		if m.Device != device {
			continue
		}
		// Of several (of phases, and their sum) the one with the shortest name.
		to := &imported
		if m.Direction == ledger.Export {
			to = &exported
		}
		if to.Name == "" || len(m.Name) < len(to.Name) {
			*to = m
		}
	}
	if imported.Name == "" && exported.Name == "" {
		return imported, exported, fmt.Errorf("%w under the name %q", errNoMeter, device)
	}
	return imported, exported, nil
}

// fileMeter is the meter of the file that was taken last.
func fileMeter(ctx context.Context, r *store.Reader) (string, error) {
	files, err := r.LedgerFiles(ctx, 1)
	if err != nil || len(files) == 0 {
		return "", err
	}
	return files[0].Meter, nil
}

// day is a civil day of a comparison. Energy is what was counted in the half
// hours that both have; Own and File are all that each has.
type day struct {
	Day         string `json:"day"`
	Slots       int    `json:"half_hours"`
	Own         kWh    `json:"own_kwh"`
	File        kWh    `json:"file_kwh"`
	OwnOfBoth   kWh    `json:"own_of_both_kwh"`
	FileOfBoth  kWh    `json:"file_of_both_kwh"`
	Difference  kWh    `json:"difference_kwh"`
	Both        int    `json:"both"`
	OwnMissing  int    `json:"own_missing"`
	FileMissing int    `json:"file_missing"`
	Estimated   int    `json:"estimated,omitempty"`
}

// comparison is the answer about a range.
type comparison struct {
	Meter  string `json:"meter,omitempty"` // entity id of our own import counter
	Import []day  `json:"import"`
	Export []day  `json:"export"`
}

func (w *Writer) days(own, file []ledger.Slot, from, to time.Time) []day {
	days := []day{}
	for _, d := range ledger.Compare(own, file, from.Unix(), to.Unix(), w.zone()) {
		if d.AMissing == d.Slots && d.BMissing == d.Slots && d.A == 0 && d.B == 0 {
			continue
		}
		days = append(days, day{w.local(d.From)[:len(time.DateOnly)], d.Slots, kWh(d.A), kWh(d.B), kWh(d.AOfBoth), kWh(d.BOfBoth),
			kWh(d.Difference()), d.Both, d.AMissing, d.BMissing, d.Estimated})
	}
	return days
}
