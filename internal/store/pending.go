package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Pending is what a Store has taken and not yet written into its file, by
// series.
type Pending struct {
	Samples map[int64][]Sample
	Texts   map[int64][]TextSample
}

// Pending is what waits for the next commit, and what one that is under way
// writes: together with what is in the file afterwards it is everything that
// Append has taken.
func (s *Store) Pending() Pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Pending{Samples: map[int64][]Sample{}, Texts: map[int64][]TextSample{}}
	for _, from := range []map[int64][]Sample{s.committing.samples, s.pending} {
		for id, samples := range from {
			p.Samples[id] = append(p.Samples[id], samples...)
		}
	}
	for _, from := range [][]textItem{s.committing.texts, s.pendingTexts} {
		for _, t := range from {
			p.Texts[t.sid] = append(p.Texts[t.sid], t.TextSample)
		}
	}
	return p
}

// The form in which one process tells another what waits:
//
//	byte  form, 1
//	uvarint length of what follows up to the texts, and that: see blob, not
//	        compressed
//	uvarint number of series with texts, then for each in ascending id:
//	  uvarint id, uvarint number of texts, and for each
//	    varint  time, ms since 1970
//	    uvarint length in bytes, and the text
const pendingForm = 1

// errPending is wrapped by every error of DecodePending that is about the bytes.
var errPending = errors.New("what waits to be stored is told in a form that is not understood")

// Encode writes p in a form that DecodePending reads.
func (p Pending) Encode(w io.Writer) error {
	columns := make([]column, 0, len(p.Samples))
	for id, samples := range p.Samples {
		if len(samples) > 0 {
			columns = append(columns, column{id, slices.Clone(samples)})
		}
	}
	tidy(columns)
	plain := new(encoder).appendColumns(nil, columns)
	b := binary.AppendUvarint([]byte{pendingForm}, uint64(len(plain)))
	b = append(b, plain...)
	ids := slices.Sorted(maps.Keys(p.Texts))
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id))
		b = binary.AppendUvarint(b, uint64(len(p.Texts[id])))
		for _, t := range p.Texts[id] {
			b = binary.AppendVarint(b, t.Milli)
			b = binary.AppendUvarint(b, uint64(len(t.Text)))
			b = append(b, t.Text...)
		}
	}
	_, err := w.Write(b)
	return err
}

// DecodePending reads what Encode has written, up to 64 MB.
func DecodePending(r io.Reader) (Pending, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxBlob+1))
	if err != nil {
		return Pending{}, fmt.Errorf("reading what waits to be stored: %w", err)
	}
	if len(b) > maxBlob {
		return Pending{}, fmt.Errorf("%w: it is longer than %d bytes", errPending, maxBlob)
	}
	return parsePending(b)
}

func parsePending(b []byte) (Pending, error) {
	if len(b) == 0 || b[0] != pendingForm {
		return Pending{}, fmt.Errorf("%w: unknown form", errPending)
	}
	d := decoder{b: b[1:]}
	plain := d.bytes()
	if d.bad {
		return Pending{}, fmt.Errorf("%w: cut short", errPending)
	}
	columns, err := parseColumns(plain, 0)
	if err != nil {
		return Pending{}, fmt.Errorf("%w: %w", errPending, err)
	}
	p := Pending{Samples: map[int64][]Sample{}, Texts: map[int64][]TextSample{}}
	for _, c := range columns {
		p.Samples[c.sid] = append(p.Samples[c.sid], c.samples...)
	}
	for range d.count(2) {
		id := int64(d.uvarint())
		for range d.count(2) {
			t := TextSample{Milli: d.varint()}
			t.Text = string(d.bytes())
			p.Texts[id] = append(p.Texts[id], t)
		}
		if d.bad {
			break
		}
	}
	if d.bad || len(d.b) != 0 {
		return Pending{}, fmt.Errorf("%w: cut short or too long", errPending)
	}
	return p, nil
}

// between returns a series' samples that wait, with from ≤ time < to, in ms and
// in the order of arrival.
func (p Pending) between(series, from, to int64) (s []Sample) {
	for _, v := range p.Samples[series] {
		if from <= v.Milli && v.Milli < to {
			s = append(s, v)
		}
	}
	return s
}

// before returns the sample of a series that waits with the greatest time
// before the given one.
func (p Pending) before(series, before int64) (last Sample, ok bool) {
	for _, v := range p.Samples[series] {
		if v.Milli < before && (!ok || v.Milli >= last.Milli) {
			last, ok = v, true
		}
	}
	return last, ok
}

// merge adds samples that wait to those of the file, both tidy or not.
func merge(file, waiting []Sample) []Sample {
	if len(waiting) == 0 {
		return file
	}
	return tidySamples(append(file, waiting...))
}

// textsBetween is between for texts, in ascending time.
func (p Pending) textsBetween(series, from, to int64) (t []TextSample) {
	for _, v := range p.Texts[series] {
		if from <= v.Milli && v.Milli < to {
			t = append(t, v)
		}
	}
	slices.SortStableFunc(t, func(a, b TextSample) int { return cmp.Compare(a.Milli, b.Milli) })
	return t
}

// mergeTexts adds texts that wait to those of the file, both in ascending time.
// What is in both, having been committed in between, is there once.
func mergeTexts(file, waiting []TextSample) []TextSample {
	if len(waiting) == 0 {
		return file
	}
	known := map[TextSample]bool{}
	for _, t := range file {
		known[t] = true
	}
	for _, t := range waiting {
		if !known[t] {
			file = append(file, t)
		}
	}
	slices.SortStableFunc(file, func(a, b TextSample) int { return cmp.Compare(a.Milli, b.Milli) })
	return file
}
