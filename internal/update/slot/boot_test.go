package slot_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/image/firmware"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/slot"
)

// updated is a card whose slot b was committed a moment ago.
func updated(t testing.TB) *card {
	t.Helper()
	c := newCard(t, newSystem("1.0.0", 9000))
	c.update(t, slot.A, newSystem("2.0.0", 9000))
	return c
}

func count(t testing.TB, c *card, s slot.Slot) slot.Boot {
	t.Helper()
	b, err := c.open(t, s).CountBoot(context.Background())
	must(t, err)
	return b
}

func TestASlotThatNeverGetsHealthyIsGivenUp(t *testing.T) {
	for name, test := range map[string]struct {
		probation bool
		starts    int
	}{"in probation": {true, slot.ProbationBoots}, "after it": {false, slot.CommittedBoots}} {
		t.Run(name, func(t *testing.T) {
			c := updated(t)
			if !test.probation {
				must(t, c.open(t, slot.B).EndProbation())
			}
			for n := 1; n < test.starts; n++ {
				if got, want := count(t, c, slot.B), (slot.Boot{Committed: "b", Boots: n, Probation: test.probation}); got != want {
					t.Errorf("start %d: %+v, want %+v", n, got, want)
				}
			}
			want := slot.Boot{Committed: "a", Boots: test.starts, Probation: test.probation, Returned: "b", GaveUp: true}
			if got := count(t, c, slot.B); got != want {
				t.Errorf("the last start: %+v, want %+v", got, want)
			}
			if in, version, err := start(&c.parts, firmware.Pi3, false); err != nil || in != slot.A || version != "1.0.0" {
				t.Errorf("slot %s boots, version %s, %v", in, version, err)
			}
			for n := 1; n < 10; n++ { // nowhere to go from here
				if got, want := count(t, c, slot.A), (slot.Boot{Committed: "a", Boots: n, Returned: "b"}); got != want {
					t.Errorf("start %d of the old: %+v, want %+v", n, got, want)
				}
			}
			must(t, c.open(t, slot.A).Stage(context.Background(), slot.B, newSystem("3.0.0", 9000).content(), nil))
			if got := count(t, c, slot.A); got.Returned != "" {
				t.Errorf("what was given up is overwritten: %+v", got)
			}
		})
	}
}

// TestACutWhileASlotIsGivenUp ends the power after each of the sectors that giving
// up writes: it is finished at the next start, and told.
func TestACutWhileASlotIsGivenUp(t *testing.T) {
	for sectors := range 6 {
		t.Run(fmt.Sprintf("after %d sectors", sectors), func(t *testing.T) {
			c := updated(t)
			for range slot.ProbationBoots - 1 {
				count(t, c, slot.B)
			}
			c.budget = sectors
			if _, err := c.open(t, slot.B).CountBoot(context.Background()); err == nil {
				t.Fatal("it was not cut")
			}
			c.budget = -1
			in, _, err := start(&c.parts, firmware.Pi4, false)
			must(t, err)
			if in == slot.B { // not given up yet: now it is
				if got := count(t, c, slot.B); !got.GaveUp {
					t.Fatalf("the next start: %+v", got)
				}
				in, _, err = start(&c.parts, firmware.Pi4, false)
				must(t, err)
			}
			if in != slot.A {
				t.Fatalf("slot %s boots", in)
			}
			if got, want := count(t, c, slot.A), (slot.Boot{Committed: "a", Boots: 1, Returned: "b"}); got != want {
				t.Errorf("the old slot starts: %+v, want %+v", got, want)
			}
		})
	}
}

// TestACutWhileASlotIsCommitted: the old one boots, and nothing was given up.
func TestACutWhileASlotIsCommitted(t *testing.T) {
	ctx := context.Background()
	c := newCard(t, newSystem("1.0.0", 9000))
	k := c.open(t, slot.A)
	must(t, k.Stage(ctx, slot.B, newSystem("2.0.0", 9000).content(), nil))
	must(t, k.Arm(ctx, slot.B))
	c.budget = 1 // the ledger, not config.txt
	if err := c.open(t, slot.B).Commit(); err == nil {
		t.Fatal("it was not cut")
	}
	c.budget = -1
	for n := 1; n < 10; n++ {
		if got, want := count(t, c, slot.A), (slot.Boot{Committed: "a", Boots: n}); got != want {
			t.Errorf("start %d: %+v, want %+v", n, got, want)
		}
	}
}

func TestAHealthySlotIsNotGivenUp(t *testing.T) {
	c := updated(t)
	must(t, c.open(t, slot.B).EndProbation())
	for range 20 {
		for range slot.CommittedBoots - 1 {
			if got := count(t, c, slot.B); got.GaveUp {
				t.Fatalf("%+v", got)
			}
		}
		must(t, c.open(t, slot.B).ClearBoots())
	}
}

func TestASlotIsNotGivenUpForOneThatIsBroken(t *testing.T) {
	ctx := context.Background()
	c := updated(t)
	c.parts[rootA][900] ^= 1
	for n := range 10 {
		got, err := c.open(t, slot.B).CountBoot(ctx)
		if got.GaveUp || got.Committed != slot.B || (err != nil) != (n+1 >= slot.ProbationBoots) {
			t.Fatalf("start %d: %+v, %v", n+1, got, err)
		}
	}
	// Once an update has begun to overwrite it, it is not even looked at.
	c = updated(t)
	c.budget = 20
	if err := c.open(t, slot.B).Stage(ctx, slot.A, newSystem("3.0.0", 9000).content(), nil); err == nil {
		t.Fatal("the update was not cut")
	}
	c.budget = -1
	for range 10 {
		if got := count(t, c, slot.B); got.GaveUp {
			t.Fatalf("%+v", got)
		}
	}
}

func TestADamagedLedgerIsAnEmptyOne(t *testing.T) {
	for name, text := range map[string][]byte{
		"garbage": random("ledger", bootpart.SectorBytes),
		"zeros":   make([]byte, bootpart.SectorBytes),
		"edited":  bytes.Replace(slot.Ledger{Boots: 5, Good: "a"}.Text(), []byte("boots=5"), []byte("boots=0"), 1),
	} {
		t.Run(name, func(t *testing.T) {
			c := updated(t)
			must(t, bootpart.WriteSector(c.dev(boot), bootpart.LedgerFile, text))
			if got := status(t, c.open(t, slot.B)); !got.Damaged || got.Ledger != (slot.Ledger{}) || got.Committed != slot.B {
				t.Errorf("status %+v", got)
			}
			if got, want := count(t, c, slot.B), (slot.Boot{Committed: "b", Boots: 1}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			if got := status(t, c.open(t, slot.B)); got.Damaged {
				t.Errorf("it was not repaired: %+v", got)
			}
		})
	}
}

func TestLedgersReadBack(t *testing.T) {
	for _, want := range []slot.Ledger{{}, {Boots: 1, Good: "b"}, {Boots: 999, Good: "a", Probation: true, Returned: "b"}, {Returned: "a"}} {
		got, err := slot.ParseLedger(want.Text())
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ledger (-want +got):\n%s", diff)
		}
	}
}

func TestConfigTextIsOfOneSectorAndShortLines(t *testing.T) {
	for _, s := range bootpart.Slots {
		text := slot.ConfigText(s)
		if len(text) != bootpart.SectorBytes || text[len(text)-1] != '\n' {
			t.Errorf("slot %s: %d bytes", s, len(text))
		}
		for line := range strings.Lines(strings.TrimRight(string(text), " \n")) {
			if len(line) > 98 {
				t.Errorf("slot %s: a line of %d characters", s, len(line))
			}
		}
		if got := slot.ParseConfig(text); got != s {
			t.Errorf("slot %s is read as %q", s, got)
		}
	}
}

func TestParseConfig(t *testing.T) {
	for text, want := range map[string]slot.Slot{
		"os_prefix=b/\n":                 "b",
		"os_prefix=a/\nos_prefix=b/":     "b",
		"  os_prefix=a/ \r\n":            "a",
		"#os_prefix=a/":                  "",
		"os_prefix=c/":                   "",
		"os_prefix=a/\nos_prefix=other/": "",
		"":                               "",
		"kernel=os_prefix=a/":            "",
	} {
		if got := slot.ParseConfig([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestACommitRepairsWhatCannotBeUnderstood(t *testing.T) {
	c := updated(t)
	must(t, bootpart.WriteSector(c.dev(boot), bootpart.ConfigFile, random("config", bootpart.SectorBytes)))
	k := c.open(t, slot.B)
	if got := status(t, k); got.Committed != "" || !got.Trial {
		t.Errorf("status %+v", got)
	}
	if err := k.Stage(context.Background(), slot.A, newSystem("3.0.0", 9000).content(), nil); err == nil {
		t.Error("a slot was overwritten though nobody knows which one boots")
	}
	must(t, k.Commit())
	if in, _, err := start(&c.parts, firmware.Pi5, false); err != nil || in != slot.B {
		t.Errorf("slot %s boots, %v", in, err)
	}
}

func TestTheCommandLineIsTheSlotsOwn(t *testing.T) {
	got, err := slot.CommandLine(slot.B, partUUID, "1.2.3")
	must(t, err)
	want := fmt.Sprintf("console=tty1 console=serial0,115200 root=PARTUUID=%s/PARTNROFF=2 init=/user/hems-boot rootwait gpt panic=10 oops=panic hems_slot=b hems_id=1.2.3\n", partUUID)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("command line (-want +got):\n%s", diff)
	}
	if _, err := slot.New(slot.Parts{}, ""); err == nil {
		t.Error("a card without a running slot")
	}
}

func FuzzParseLedger(f *testing.F) {
	f.Add(slot.Ledger{Boots: 3, Good: "a", Probation: true}.Text())
	f.Add(slot.Ledger{Returned: "b"}.Text())
	f.Add([]byte("sum="))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := slot.ParseLedger(b)
		if err != nil {
			return
		}
		again, err := slot.ParseLedger(l.Text())
		if err != nil || again != l {
			t.Errorf("%+v is written and read as %+v, %v", l, again, err)
		}
	})
}

// FuzzVerify looks at a slot whose manifest, or any other file, is whatever it is.
func FuzzVerify(f *testing.F) {
	s := newSystem("1.0.0", 2000)
	base := s.files(f, slot.A)
	f.Add(byte(len(base)-1), base[len(base)-1].Data)
	f.Add(byte(len(base)-1), []byte(`{"version":"1.0.0","root":{"size":-1},"files":null}`))
	f.Add(byte(len(base)-2), []byte("hems_slot=a root=x/PARTNROFF=1 hems_id="))
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		if len(data) > 100<<10 {
			return
		}
		c := newCard(t, s)
		files := append([]bootpart.File(nil), base...)
		i := int(which) % len(files)
		same := bytes.Equal(files[i].Data, data)
		files[i].Data = data
		must(t, bootpart.WriteSlot(c.dev(boot), slot.A, files))
		_, err := c.open(t, slot.A).Verify(context.Background(), slot.A)
		if (err == nil) != same && files[i].Name != slot.ManifestFile {
			t.Errorf("%s: %v", files[i].Name, err)
		}
	})
}
