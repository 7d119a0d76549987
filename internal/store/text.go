package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// TextSample is a state that is no number, at a time.
type TextSample struct {
	Milli int64 // ms since 1970
	Text  string
}

// MaxText is how many characters of a text are kept: as many as a state has in
// Home Assistant.
const MaxText = 255

// textAddition keeps texts. They are given sequence numbers as samples are, by
// the same commit and after its samples, and the segment of the commit spans
// both: a program that knows no texts takes their numbers for those of
// duplicates. A text keeps its number for ever, also when the rows of an hour
// are made into one; so the cursors of destinations in texts are their own, and
// such a program passes no text over.
var textAddition = addition{"text", `
	CREATE TABLE IF NOT EXISTS text (    -- of one commit, or of one hour
		first INTEGER PRIMARY KEY,   -- number of the first; ranges do not overlap
		last INTEGER NOT NULL,       -- number of the last
		n INTEGER NOT NULL,          -- texts in it
		min_ms INTEGER NOT NULL,
		max_ms INTEGER NOT NULL,
		data BLOB NOT NULL
	) STRICT;
	CREATE INDEX IF NOT EXISTS text_by_time ON text (max_ms, min_ms);
	CREATE TABLE IF NOT EXISTS text_cursor ( -- how far a destination was served
		name TEXT PRIMARY KEY,
		seq INTEGER NOT NULL         -- the last text it has answered for
	) STRICT;
	CREATE TABLE IF NOT EXISTS series_more ( -- what the table series has no room for
		id INTEGER PRIMARY KEY,
		domain TEXT NOT NULL
	) STRICT;`}

// textItem is a text with what it belongs to.
type textItem struct {
	seq, sid int64
	TextSample
}

// cutText is a text as it is kept: valid UTF-8 of at most MaxText characters.
func cutText(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if utf8.RuneCountInString(text) <= MaxText {
		return text
	}
	n := 0
	for i := range text {
		if n == MaxText {
			return text[:i]
		}
		n++
	}
	return text
}

// The form of texts, as that of a blob but for what is compressed:
//
//	uvarint number of texts, at least 1, then for each in ascending number:
//	  uvarint its number less the one before; of the first, less the row's first
//	  uvarint series id
//	  varint  time, ms since 1970, less that of the one before
//	  uvarint length in bytes, and the text
const textForm = 2

// texts encodes items, whose numbers ascend. The result is valid until the next
// call.
func (e *encoder) texts(items []textItem) ([]byte, error) {
	p := binary.AppendUvarint(e.plain[:0], uint64(len(items)))
	seq, ms := items[0].seq, int64(0)
	for _, t := range items {
		p = binary.AppendUvarint(p, uint64(t.seq-seq))
		p = binary.AppendUvarint(p, uint64(t.sid))
		p = binary.AppendVarint(p, t.Milli-ms)
		p = binary.AppendUvarint(p, uint64(len(t.Text)))
		p = append(p, t.Text...)
		seq, ms = t.seq, t.Milli
	}
	e.plain = p
	return e.pack(textForm, p)
}

// decodeTexts is the reverse of encoder.texts, for the row beginning at first.
func decodeTexts(first int64, b []byte) ([]textItem, error) {
	plain, err := unpack(textForm, b)
	if err != nil {
		return nil, err
	}
	d := decoder{b: plain}
	var items []textItem
	seq, ms := first, int64(0)
	for i := range d.count(4) {
		step := d.uvarint()
		t := textItem{sid: int64(d.uvarint())}
		ms += d.varint()
		t.Milli, t.Text = ms, string(d.bytes())
		seq += int64(step & math.MaxInt64)
		t.seq = seq
		d.bad = d.bad || step > maxSeq || seq > maxSeq || t.sid <= 0 || (step == 0) != (i == 0)
		if d.bad {
			break
		}
		items = append(items, t)
	}
	if d.bad || len(d.b) != 0 || len(items) == 0 {
		return nil, fmt.Errorf("%w: texts cut short or too long", errBlob)
	}
	return items, nil
}

// insertTexts writes a row of texts.
func insertTexts(ctx context.Context, tx *sql.Tx, e *encoder, items []textItem) error {
	data, err := e.texts(items)
	if err != nil {
		return err
	}
	lo, hi := textSpan(items)
	_, err = tx.ExecContext(ctx, `INSERT INTO text (first, last, n, min_ms, max_ms, data) VALUES (?, ?, ?, ?, ?, ?)`,
		items[0].seq, items[len(items)-1].seq, len(items), lo, hi, data)
	return err
}

func textSpan(items []textItem) (lo, hi int64) {
	lo, hi = items[0].Milli, items[0].Milli
	for _, t := range items {
		lo, hi = min(lo, t.Milli), max(hi, t.Milli)
	}
	return lo, hi
}

// readTexts returns a series' texts with from ≤ time < to, in ms and in
// ascending time. Damaged rows are missing.
func readTexts(ctx context.Context, q querier, sid, from, to int64) ([]TextSample, error) {
	if has, err := hasTable(ctx, q, "text"); err != nil || !has {
		return nil, err
	}
	rows, err := q.QueryContext(ctx, `SELECT first, data FROM text WHERE max_ms >= ? AND min_ms < ? ORDER BY first`, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []TextSample
	for rows.Next() {
		var first int64
		var data sql.RawBytes
		if err := rows.Scan(&first, &data); err != nil {
			return nil, err
		}
		items, err := decodeTexts(first, data)
		if err != nil {
			continue
		}
		for _, t := range items {
			if t.sid == sid && from <= t.Milli && t.Milli < to {
				all = append(all, t.TextSample)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b TextSample) int { return cmp.Compare(a.Milli, b.Milli) })
	return all, rows.Err()
}

// readTextBefore returns a series' text with the greatest time before the given
// one.
func readTextBefore(ctx context.Context, q querier, sid, before int64) (last TextSample, ok bool, err error) {
	if has, err := hasTable(ctx, q, "text"); err != nil || !has {
		return last, false, err
	}
	const page = 64
	for offset := 0; ; offset += page {
		rows, err := q.QueryContext(ctx, `SELECT first, max_ms, data FROM text WHERE min_ms < ?
			ORDER BY max_ms DESC, first DESC LIMIT ? OFFSET ?`, before, page, offset)
		if err != nil {
			return last, false, err
		}
		n, older, err := takeTextBefore(rows, sid, before, &last, &ok)
		if err = errors.Join(err, rows.Close()); err != nil {
			return TextSample{}, false, err
		}
		if older || n < page {
			return last, ok, nil
		}
	}
}

// takeTextBefore looks for a later text in rows in descending time, of which
// there are n, and reports whether all that follow are older.
func takeTextBefore(rows *sql.Rows, sid, before int64, last *TextSample, ok *bool) (n int, older bool, err error) {
	for rows.Next() {
		n++
		var first, maxMS int64
		var data sql.RawBytes
		if err := rows.Scan(&first, &maxMS, &data); err != nil {
			return n, false, err
		}
		if *ok && maxMS < last.Milli {
			return n, true, nil
		}
		items, err := decodeTexts(first, data)
		if err != nil {
			continue
		}
		for _, t := range items {
			if t.sid == sid && t.Milli < before && (!*ok || t.Milli >= last.Milli) {
				*last, *ok = t.TextSample, true
			}
		}
	}
	return n, false, rows.Err()
}
