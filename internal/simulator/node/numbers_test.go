package node

import "testing"

func TestOwnNumbersStayAwayFromThoseOfRequests(t *testing.T) {
	for _, own := range []uint8{0, 1, 95, 128, 250, 255} {
		for asked := range 256 {
			n := Node{tsn: own}
			n.steerClear(uint8(asked))
			for next := range uint8(8) {
				if d := int(int8(n.tsn + 1 + next - uint8(asked))); -16 < d && d < 16 {
					t.Fatalf("own %d, asked %d: its message %d has the number %d", own, asked, next+1, n.tsn+1+next)
				}
			}
		}
	}
}
