package metrics

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/hdf"
	"github.com/smartcore-ireland/hems/internal/ledger"
	"github.com/smartcore-ireland/hems/internal/store"
)

// serveLedger answers about the ledger and files of ESB Networks. Days are
// civil ones of the home: from and to are 2026-11-20, and to is in it.
func (w *Writer) serveLedger(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/hdf", w.withReader(w.serveTakeFile))
	mux.HandleFunc("GET /v1/hdf", w.withReader(w.serveFiles))
	mux.HandleFunc("GET /v1/ledger", w.withReader(w.serveMeters))
	mux.HandleFunc("GET /v1/ledger/compare", w.withReader(w.serveCompare))
	mux.HandleFunc("GET /v1/ledger/export", w.withReader(w.serveExport))
}

// errQuestion is a question that cannot be answered as it is.
type errQuestion struct{ text, hint string }

func (e errQuestion) Error() string { return e.text }

// withReader opens the store for a question, and says what went wrong.
func (w *Writer) withReader(f func(http.ResponseWriter, *http.Request, *store.Store, *store.Reader) error) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		s, err := w.openedStore()
		var reader *store.Reader
		if err == nil {
			reader, err = s.Reader()
		}
		if err != nil {
			refuse(rw, http.StatusServiceUnavailable, "store", err, "look for a full or read-only disk")
			return
		}
		defer reader.Close()
		var bad errQuestion
		var file *hdf.Error
		switch err := f(rw, r, s, reader); {
		case err == nil:
		case errors.As(err, &file):
			refuse(rw, http.StatusBadRequest, "file", file, file.Hint)
		case errors.As(err, &bad):
			refuse(rw, http.StatusBadRequest, "question", err, bad.hint)
		case errors.Is(err, errNoMeter), errors.Is(err, store.ErrUnknownEntity):
			refuse(rw, http.StatusNotFound, "meter", err, "GET /v1/ledger lists the meters there are")
		case errors.Is(err, store.ErrNotYet):
			refuse(rw, http.StatusNotFound, "empty", err, "wait until something has been measured")
		default:
			refuse(rw, http.StatusServiceUnavailable, "store", err, "look for a full or read-only disk")
		}
	}
}

// takenAnswer is a file that was taken, with what registers prove now.
type takenAnswer struct {
	At     string  `json:"at"`
	File   any     `json:"file"`
	Proofs *proofs `json:"proofs,omitempty"`
}

func (w *Writer) serveTakeFile(rw http.ResponseWriter, r *http.Request, s *store.Store, reader *store.Reader) error {
	// It comes as fast as whoever sends it to the dashboard does.
	if err := http.NewResponseController(rw).SetReadDeadline(time.Now().Add(15 * time.Minute)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	data, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, hdf.MaxSize))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(rw, http.StatusRequestEntityTooLarge, "file", fmt.Errorf("the file is larger than %d MB", hdf.MaxSize>>20), "check that it is the right one")
		return nil
	case err != nil:
		return errQuestion{"the file did not arrive whole", "send it again"}
	}
	t, meter, err := w.takeFile(r.Context(), s, data)
	if err != nil {
		return err
	}
	a := takenAnswer{At: w.local(w.o.Now().Unix()), File: t}
	if a.Proofs, err = w.prove(r.Context(), reader, meter); err != nil {
		return err
	}
	answer(rw, a)
	return nil
}

// maxFiles is how many files are told of.
const maxFiles = 20

func (w *Writer) serveFiles(rw http.ResponseWriter, r *http.Request, _ *store.Store, reader *store.Reader) error {
	files, err := reader.LedgerFiles(r.Context(), maxFiles)
	if err != nil {
		return err
	}
	all := []takenAnswer{}
	for i, f := range files {
		a := takenAnswer{At: w.local(f.At.Unix()), File: json.RawMessage(f.Report)}
		if i == 0 {
			if a.Proofs, err = w.prove(r.Context(), reader, f.Meter); err != nil {
				return err
			}
		}
		all = append(all, a)
	}
	answer(rw, all)
	return nil
}

func (w *Writer) serveMeters(rw http.ResponseWriter, r *http.Request, _ *store.Store, reader *store.Reader) error {
	meters, err := reader.Meters(r.Context())
	if err != nil {
		return err
	}
	type meter struct {
		Meter     string `json:"meter"`
		Direction string `json:"direction"`
		Source    string `json:"source"`
		Device    string `json:"device,omitempty"`
	}
	all := []meter{}
	for _, m := range meters {
		all = append(all, meter{m.Name, m.Direction.String(), m.Source.String(), m.Device})
	}
	answer(rw, all)
	return nil
}

// dayRange is what from and to ask for; default all up to now.
func (w *Writer) dayRange(r *http.Request) (from, to time.Time, err error) {
	from, to = allTime[0], w.o.Now()
	for name, at := range map[string]*time.Time{"from": &from, "to": &to} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		d, err := time.Parse(time.DateOnly, text)
		if err != nil || d.Year() < 1970 || d.Year() > 2199 {
			return from, to, errQuestion{fmt.Sprintf("%s=%q is no day", name, text), "write it as 2026-11-20"}
		}
		begin, end := ledger.Day(d.Year(), d.Month(), d.Day(), w.zone())
		if *at = time.Unix(begin, 0); name == "to" {
			*at = time.Unix(end, 0)
		}
	}
	if !from.Before(to) {
		return from, to, errQuestion{"the range ends before it begins", "give from and to in that order"}
	}
	return from, to, nil
}

// sources are the half hours of a range.
func (w *Writer) own(ctx context.Context, reader *store.Reader, m store.Meter, from, to time.Time) ([]ledger.Slot, error) {
	if m.Name == "" {
		return nil, nil
	}
	return reader.Ledger(ctx, m.Name, m.Direction, ledger.Own, from, to)
}

func (w *Writer) serveCompare(rw http.ResponseWriter, r *http.Request, _ *store.Store, reader *store.Reader) error {
	ctx := r.Context()
	from, to, err := w.dayRange(r)
	if err != nil {
		return err
	}
	file, err := fileMeter(ctx, reader)
	if err != nil {
		return err
	}
	imported, exported, err := w.homeMeter(ctx, reader, r.URL.Query().Get("meter"))
	if err != nil && !(errors.Is(err, errNoMeter) && file != "" && r.URL.Query().Get("meter") == "") {
		return err
	}
	c := comparison{Meter: imported.Name}
	for _, side := range []struct {
		m    store.Meter
		d    ledger.Direction
		days *[]day
	}{{imported, ledger.Import, &c.Import}, {exported, ledger.Export, &c.Export}} {
		theirs, err := fileSlots(ctx, reader, file, side.d, from, to)
		if err != nil {
			return err
		}
		begin, end := from, to
		if r.URL.Query().Get("from") == "" { // the days that the file has
			if len(theirs) == 0 {
				*side.days = []day{}
				continue
			}
			begin, end = time.Unix(theirs[0].Start, 0), time.Unix(theirs[len(theirs)-1].End(), 0)
		}
		ours, err := w.own(ctx, reader, side.m, begin.Add(-24*time.Hour), end.Add(24*time.Hour))
		if err != nil {
			return err
		}
		*side.days = w.days(ours, theirs, begin, end)
	}
	answer(rw, c)
	return nil
}

func (w *Writer) serveExport(rw http.ResponseWriter, r *http.Request, _ *store.Store, reader *store.Reader) error {
	ctx, query := r.Context(), r.URL.Query()
	from, to, err := w.dayRange(r)
	if err != nil {
		return err
	}
	format := query.Get("format")
	if format != "" && format != "csv" && format != "hdf" {
		return errQuestion{fmt.Sprintf("there is no format %q", format), "csv or hdf"}
	}
	var in, out []ledger.Slot
	switch source := query.Get("source"); source {
	case "", "own":
		imported, exported, err := w.homeMeter(ctx, reader, query.Get("meter"))
		if err != nil {
			return err
		}
		if in, err = w.own(ctx, reader, imported, from, to); err != nil {
			return err
		}
		if out, err = w.own(ctx, reader, exported, from, to); err != nil {
			return err
		}
	case "hdf":
		file, err := fileMeter(ctx, reader)
		if err != nil {
			return err
		}
		if in, err = fileSlots(ctx, reader, file, ledger.Import, from, to); err != nil {
			return err
		}
		if out, err = fileSlots(ctx, reader, file, ledger.Export, from, to); err != nil {
			return err
		}
	default:
		return errQuestion{fmt.Sprintf("there is no source %q", source), "own or hdf"}
	}
	if len(in)+len(out) == 0 {
		return errQuestion{"there is nothing in this range", "give another from and to"}
	}
	rw.Header().Set("Content-Type", "text/csv; charset=utf-8")
	if format == "hdf" {
		err = hdf.Write(rw, "", "", in, out, w.zone())
	} else {
		err = w.writeCSV(rw, in, out)
	}
	if err != nil {
		w.log.Debug("an export was not taken to its end", "err", err)
	}
	return nil
}

// writeCSV writes half hours, oldest first, with empty fields where one is not
// known.
func (w *Writer) writeCSV(to io.Writer, in, out []ledger.Slot) error {
	c := csv.NewWriter(to)
	_ = c.Write([]string{"start", "end", "import_kwh", "export_kwh", "import_flags", "export_flags"})
	for i, o := 0, 0; i < len(in) || o < len(out); {
		start := int64(0)
		if i < len(in) {
			start = in[i].Start
		}
		if o < len(out) && (i >= len(in) || out[o].Start < start) {
			start = out[o].Start
		}
		row := []string{w.local(start), w.local(start + ledger.SlotSeconds), "", "", "", ""}
		if i < len(in) && in[i].Start == start {
			row[2], row[4] = in[i].Energy.Decimal(3), strings.Join(in[i].Flags.Names(), " ")
			i++
		}
		if o < len(out) && out[o].Start == start {
			row[3], row[5] = out[o].Energy.Decimal(3), strings.Join(out[o].Flags.Names(), " ")
			o++
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}
