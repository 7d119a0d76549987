package front

import (
	"bytes"
	"errors"
	"fmt"
)

// answer is the head of an answer of Home Assistant's.
type answer struct {
	status  int
	reason  []byte
	old     bool
	fields  []field
	named   [][]byte
	length  int64 // -1: not said
	chunked bool
	last    bool // the connection is closed after it
	socket  bool // 101, to a WebSocket
}

// errAnswer is an answer that is not one of HTTP/1, or has two meanings.
var errAnswer = errors.New("the answer cannot be read")

func (a *answer) parse(b []byte, maxFields int) error {
	*a = answer{fields: a.fields[:0], named: a.named[:0], length: -1}
	line, fields, _ := bytes.Cut(b, crlf)
	version, rest, _ := bytes.Cut(line, []byte{' '})
	code, reason, _ := bytes.Cut(rest, []byte{' '})
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		a.old = true
	default:
		return errAnswer
	}
	n, ok := parseLength(code)
	if !ok || len(code) != 3 || n < 100 || !isValue(reason) {
		return errAnswer
	}
	a.status, a.reason = int(n), reason
	rest, f := splitFields(fields, &a.fields, maxFields)
	if f != nil || len(rest) != 0 {
		return fmt.Errorf("%w: %w", errAnswer, f)
	}
	return a.understand()
}

func (a *answer) understand() error {
	upgrade, websocket, keep := false, false, false
	for i := range a.fields {
		f := &a.fields[i]
		switch f.kind {
		case kindLength:
			n, ok := parseLength(f.value)
			if !ok || a.length >= 0 && a.length != n {
				return errAnswer
			}
			a.length = n
		case kindCoding:
			if a.chunked || a.old || !equalFold(f.value, "chunked") {
				return errAnswer
			}
			a.chunked = true
		case kindConnection:
			for option := range elements(f.value) {
				switch {
				case equalFold(option, "close"):
					a.last = true
				case equalFold(option, "upgrade"):
					upgrade = true
				case equalFold(option, "keep-alive"):
					keep = true
				default:
					a.named = append(a.named, option)
				}
			}
		case kindUpgrade:
			websocket = equalFold(f.value, "websocket")
		}
	}
	if a.chunked && a.length >= 0 {
		return errAnswer
	}
	a.last = a.last || a.old && !keep
	a.socket = a.status == 101 && upgrade && websocket
	return nil
}
