package ash

import "errors"

var (
	errShort      = errors.New("frame shorter than a control byte and a checksum")
	errLong       = errors.New("frame longer than any frame may be")
	errChecksum   = errors.New("checksum is wrong")
	errControl    = errors.New("control byte names no frame type")
	errLength     = errors.New("length does not fit the frame type")
	errEscape     = errors.New("escape byte before a byte that needs none")
	errSubstitute = errors.New("a byte was received badly")
)

// Decoder finds frames in a stream of bytes. Its memory is bounded by the
// longest frame whatever the stream holds. The zero value is ready.
type Decoder struct {
	raw     []byte
	escaped bool
	bad     error // what spoiled the frame that is being received
}

// Byte takes the next byte of the stream. done says that it ended a frame: a
// valid one when err is nil, a spoiled one otherwise. Empty frames (flags in a
// row) are passed over, as are XON and XOFF wherever they stand.
func (d *Decoder) Byte(c byte) (f Frame, err error, done bool) {
	switch c {
	case byteXon, byteXoff:
		return Frame{}, nil, false
	case byteCancel:
		d.reset()
		return Frame{}, nil, false
	case byteSubstitute:
		d.spoil(errSubstitute)
		return Frame{}, nil, false
	case byteFlag:
		if d.escaped {
			d.spoil(errEscape)
		}
		raw, bad := d.raw, d.bad
		d.reset()
		if bad != nil {
			return Frame{}, bad, true
		}
		if len(raw) == 0 {
			return Frame{}, nil, false
		}
		f, err := parse(raw)
		return f, err, true
	case byteEscape:
		if d.escaped {
			d.spoil(errEscape)
		}
		d.escaped = true
		return Frame{}, nil, false
	}
	if d.escaped {
		d.escaped = false
		c ^= escapeBit
		if !reserved(c) {
			d.spoil(errEscape)
		}
	}
	if len(d.raw) >= MaxData+3 {
		d.spoil(errLong)
	}
	if d.bad == nil {
		d.raw = append(d.raw, c)
	}
	return Frame{}, nil, false
}

func (d *Decoder) spoil(err error) {
	if d.bad == nil {
		d.bad = err
	}
	d.raw = d.raw[:0]
}

func (d *Decoder) reset() {
	d.raw, d.escaped, d.bad = d.raw[:0], false, nil
}
