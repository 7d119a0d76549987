package device

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// reads is a raw counter value of a meter of watt hours, so long after the one
// before.
type reads struct {
	after time.Duration
	raw   uint64
}

const minute = time.Minute

func TestEnergyNeverJumps(t *testing.T) {
	const unknown = 0xffffffffffff
	for name, tt := range map[string]struct {
		reads []reads
		want  []float64 // what is published
		kinds []NoteKind
	}{
		"GrowsAndStays": {
			[]reads{{0, 1000}, {minute, 1010}, {minute, 1010}, {minute, 1100}},
			[]float64{1, 1.01, 1.01, 1.1}, nil,
		},
		"UnknownIsDropped": {
			[]reads{{0, 1000}, {minute, unknown}, {minute, 1001}},
			[]float64{1, 1.001}, []NoteKind{Unknown},
		},
		"ZeroAfterARestartIsDropped": {
			[]reads{{0, 500000}, {minute, 0}, {minute, 0}, {minute, 0}, {minute, 0}, {minute, 500010}},
			[]float64{500, 500.01}, []NoteKind{WentBack, WentBack, WentBack, WentBack},
		},
		"StepBackIsDropped": {
			[]reads{{0, 500000}, {minute, 499990}, {minute, 500001}},
			[]float64{500, 500.001}, []NoteKind{WentBack},
		},
		"JumpIsDropped": {
			[]reads{{0, 500000}, {minute, 900000}, {minute, 500001}},
			[]float64{500, 500.001}, []NoteKind{Jumped},
		},
		"GrowthOfADayAtFullLoadIsNoJump": {
			[]reads{{0, 500000}, {24 * time.Hour, 1400000}},
			[]float64{500, 1400}, nil,
		},
		"GrowthOfADayBeyondAnyLoadIsAJump": {
			[]reads{{0, 500000}, {24 * time.Hour, 3500000}},
			[]float64{500}, []NoteKind{Jumped},
		},
		"ResetIsBelievedWhenItGoesOnFromThere": {
			[]reads{{0, 500000}, {minute, 10}, {minute, 20}, {minute, 30}, {minute, 40}},
			[]float64{500, 0.03, 0.04}, []NoteKind{WentBack, WentBack, Restarted},
		},
		"ResetThatStandsStillIsNotBelieved": {
			[]reads{{0, 500000}, {minute, 10}, {minute, 10}, {minute, 10}, {minute, 10}},
			[]float64{500}, []NoteKind{WentBack, WentBack, WentBack, WentBack},
		},
		"ResetToZeroIsBelievedWhenItGrows": {
			[]reads{{0, 500000}, {minute, 0}, {minute, 0}, {minute, 0}, {minute, 1}},
			[]float64{500, 0.001}, []NoteKind{WentBack, WentBack, WentBack, Restarted},
		},
		"NonsenseThatAgreesWithNothingIsNotBelieved": {
			[]reads{{0, 500000}, {minute, 10}, {minute, 9000000}, {minute, 300}, {minute, 7000000}, {minute, 500001}},
			[]float64{500, 500.001}, []NoteKind{WentBack, Jumped, WentBack, Jumped},
		},
		"SetToWhatTheMeterShows": { // by a person
			[]reads{{0, 100}, {minute, 12345678}, {minute, 12345680}, {minute, 12345690}},
			[]float64{0.1, 12345.69}, []NoteKind{Jumped, Jumped, Restarted},
		},
		"WrapsAround": {
			[]reads{{0, 1<<48 - 11}, {minute, 5}},
			[]float64{281474976710.645, 0.005}, []NoteKind{Wrapped},
		},
		"ClockThatIsSetBackLosesNothing": {
			[]reads{{0, 500000}, {-240 * time.Hour, 500100}, {minute, 500110}},
			[]float64{500, 500.1, 500.11}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := For(Subject{Identity: meter}).NewDecoder(nil)
			now := noon
			var got []float64
			var kinds []NoteKind
			for _, r := range tt.reads {
				now = now.Add(r.after)
				readings, notes := d.Decode(Input{Time: now, Endpoint: 2, Cluster: zcl.ClusterMetering, Attributes: []zcl.Attribute{
					{ID: zcl.AttrSummationDelivered, Value: zcl.Number(zcl.Uint48, r.raw)},
				}})
				for _, r := range readings {
					got = append(got, r.Value.(float64))
				}
				for _, n := range notes {
					if n.Key != "energy" || n.Text == "" {
						t.Errorf("note %+v is not about the energy", n)
					}
					kinds = append(kinds, n.Kind)
				}
				// What is remembered is enough to go on with.
				if d = For(Subject{Identity: meter}).NewDecoder(slices.Clone(d.Memory())); d == nil {
					t.Fatal("no decoder")
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.kinds, kinds); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownOfEachType(t *testing.T) {
	for name, frame := range map[string]string{
		"Uint16":    "18010a 0505 21 ffff",
		"Int16":     "18010a 0b05 29 0080",
		"Int32":     "18010a 0403 2b 00000080",
		"OfPhaseB":  "18010a 0509 21 ffff",
		"Frequency": "18010a 0003 21 ffff",
	} {
		t.Run(name, func(t *testing.T) {
			s := subject("Nobody", "X", Endpoint{ID: 1, Profile: 0x0104, In: []uint16{zcl.ClusterElectricalMeas}})
			for _, id := range []uint16{0x0905, 0x0a05, 0x0300} { // it has three phases, and tells the frequency
				s.Told = append(s.Told, Told{Endpoint: 1, Cluster: zcl.ClusterElectricalMeas, Attribute: id, Value: 1})
			}
			readings, notes := For(s).NewDecoder(nil).Decode(input(t, 1, zcl.ClusterElectricalMeas, frame))
			if len(readings) != 0 || len(notes) != 1 || notes[0].Kind != Unknown {
				t.Errorf("got %v and %v, want one note of an unknown value", readings, notes)
			}
		})
	}
}

// A counter whose divisor is not known would jump when it comes.
func TestCounterWaitsForItsDivisor(t *testing.T) {
	d := For(subject("innr", "SP 240")).NewDecoder(nil)
	energy := "18010a 0000 25 040a00000000"
	readings, notes := d.Decode(input(t, 1, 0x0702, energy))
	if len(readings) != 0 || len(notes) != 1 || notes[0].Kind != Held || len(notes[0].Ask) != 1 {
		t.Fatalf("got %v and %+v, want a note with what to ask", readings, notes)
	}
	if diff := cmp.Diff([]uint16{0x0302, 0x0301}, notes[0].Ask[0].IDs); diff != "" {
		t.Errorf("asks (-want +got):\n%s", diff)
	}
	d.Decode(input(t, 1, 0x0702, "180101 0203 00 22 640000 0103 00 22 010000"))
	if got, _ := says(t, d, step{1, 0x0702, energy, ""}, noon); got != `{"energy":25.64}` {
		t.Errorf("got %s, want 25.64 kWh", got)
	}

	// One that has no divisor counts as it is.
	d = For(subject("innr", "SP 240")).NewDecoder(nil)
	d.Decode(input(t, 1, 0x0702, "180101 0203 86 0103 86"))
	if got, _ := says(t, d, step{1, 0x0702, energy, ""}, noon); got != `{"energy":2564}` {
		t.Errorf("got %s, want the number as it is", got)
	}
}
