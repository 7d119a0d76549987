package ezsp

import "fmt"

// FrameID is the number of a command, with its reply, or of a callback.
type FrameID uint16

// header is what every EZSP frame begins with (UG100 3.1).
type header struct {
	seq     uint8
	control uint8 // low byte of the frame control
	id      FrameID
}

// Bits of the frame control's low byte in a frame from the NCP.
const (
	controlResponse  = 0x80
	controlCallback  = 0x18 // 0x08 synchronous, 0x10 asynchronous
	controlTruncated = 0x02
	controlOverflow  = 0x01
)

// The extended header has a second control byte, which says its format.
const extendedFormat = 0x01

// appendHeader adds the header of a command. The legacy form has three bytes
// and is for the first command to an NCP whose version is not known.
func appendHeader(b []byte, seq uint8, id FrameID, legacy bool) []byte {
	if legacy {
		return append(b, seq, 0, byte(id))
	}
	return append(b, seq, 0, extendedFormat, byte(id), byte(id>>8))
}

func parseHeader(b []byte, legacy bool) (header, []byte, error) {
	if legacy {
		if len(b) < 3 {
			return header{}, nil, fmt.Errorf("frame of %d bytes: %w", len(b), ErrShort{3 - len(b)})
		}
		return header{seq: b[0], control: b[1], id: FrameID(b[2])}, b[3:], nil
	}
	if len(b) < 5 {
		return header{}, nil, fmt.Errorf("frame of %d bytes: %w", len(b), ErrShort{5 - len(b)})
	}
	if b[2]&0x03 != extendedFormat {
		return header{}, nil, fmt.Errorf("frame format 0x%02X is not known", b[2])
	}
	return header{seq: b[0], control: b[1], id: FrameID(b[3]) | FrameID(b[4])<<8}, b[5:], nil
}
