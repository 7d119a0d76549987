package ash

// maxNoise bounds what is collected while waiting for a flag. It is more than
// any frame has when every byte of it is escaped.
const maxNoise = 1024

// decoder cuts a stream of bytes into frames. Its zero value is ready. It
// holds at most maxBody bytes, whatever comes.
type decoder struct {
	body    []byte
	seen    int   // bytes since the last flag, escapes included
	escaped bool  // the byte before was an escape
	bad     error // why the bytes up to the next flag are void
	ignore  bool  // a substitute byte was seen: void too, but no mistake of the sender's
}

// event is what a decoder has found: a frame, or why the bytes up to a flag
// were none.
type event struct {
	frame frame
	err   error // errSubstitute, errCRC and so on
}

// feed takes the next bytes and calls found for each frame, good or bad, that
// ends in them. What it drops is counted in s.
func (d *decoder) feed(p []byte, found func(event), s *Stats) {
	for _, b := range p {
		switch b {
		case flag:
			d.end(found)
			continue
		case cancel:
			s.Cancels++
			d.reset()
			continue
		case substitute:
			s.Substitutes++
			d.ignore = true
			continue
		case xon, xoff:
			// A tty with software flow control keeps these to itself, and a
			// peer escapes its own: what gets here is noise or a bridge that
			// leaks them. Neither is a reason to stop sending.
			s.FlowBytes++
			continue
		}
		d.seen++
		if d.seen > maxNoise {
			d.bad, d.body = errLong, d.body[:0]
			d.seen = maxNoise
			continue
		}
		if b == escape {
			if d.escaped && d.bad == nil {
				d.bad = errEscape
			}
			d.escaped = true
			continue
		}
		if d.escaped {
			d.escaped = false
			b ^= escapeBit
			switch b {
			case flag, escape, xon, xoff, substitute, cancel:
			default:
				if d.bad == nil {
					d.bad = errEscape
				}
			}
		}
		if len(d.body) >= maxBody {
			if d.bad == nil {
				d.bad = errLong
			}
			continue
		}
		d.body = append(d.body, b)
	}
}

func (d *decoder) end(found func(event)) {
	switch {
	case d.seen == 0 && !d.ignore: // flags may be repeated
	case d.ignore:
		found(event{err: errSubstitute})
	case d.bad != nil:
		found(event{err: d.bad})
	case d.escaped:
		found(event{err: errEscape})
	default:
		f, err := parseBody(d.body)
		found(event{frame: f, err: err})
	}
	d.reset()
}

func (d *decoder) reset() {
	*d = decoder{body: d.body[:0]}
}
