package store

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/ledger"
)

// BenchmarkLedgerYear reads a year of half hours of both directions, and says
// what they take in the file.
func BenchmarkLedgerYear(b *testing.B) {
	path := filepath.Join(b.TempDir(), "hems.db")
	s, err := Open(path, Options{CommitInterval: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	pages := func() (n, size int64) {
		if err := s.db.QueryRow(`SELECT page_count, page_size FROM pragma_page_count, pragma_page_size`).Scan(&n, &size); err != nil {
			b.Fatal(err)
		}
		return n, size
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	year := func() (slots []ledger.Slot) {
		for i := range int64(365 * 48) {
			slots = append(slots, ledger.Slot{Start: noon.Unix()/daySeconds*daySeconds + i*ledger.SlotSeconds,
				Energy: ledger.Energy(rnd.Int64N(int64(ledger.KilowattHour)))}) // splits have all nine decimals
		}
		return slots
	}
	before, size := pages()
	if _, err := s.TakeFile(ctx, FileSlots{Meter: "m", Source: ledger.HDF, Import: year(), Export: year()}); err != nil {
		b.Fatal(err)
	}
	after, _ := pages()
	r, err := OpenReader(path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for b.Loop() {
		slots, err := r.Ledger(ctx, "m", ledger.Import, ledger.HDF, noon.Add(-24*time.Hour), noon.Add(366*24*time.Hour))
		if err != nil || len(slots) != 365*48 {
			b.Fatal(len(slots), err)
		}
	}
	b.ReportMetric(float64((after-before)*size)/(2*365*48), "B/slot")
	b.ReportMetric(float64((after-before)*size)/1e3, "kB/year")
}
