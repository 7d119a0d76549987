package mqttclient

import (
	"bytes"
	"net"
	"testing"

	"github.com/eclipse/paho.golang/packets"
)

// writes notes what is written write by write.
type writes struct{ all [][]byte }

func (w *writes) Write(p []byte) (int, error) {
	w.all = append(w.all, bytes.Clone(p))
	return len(p), nil
}

func TestEachPacketIsOneWrite(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	w := &writes{}
	c := &conn{Conn: near, w: w}
	var want [][]byte
	for _, size := range []int{0, 1, 90, 127, 128, 20_000, 3 << 20, 5} {
		p := packets.NewControlPacket(packets.PUBLISH)
		content := p.Content.(*packets.Publish)
		content.Topic, content.Payload = "a/b", bytes.Repeat([]byte{'x'}, size)
		var b bytes.Buffer
		if _, err := p.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		want = append(want, b.Bytes())
		if _, err := p.WriteTo(c); err != nil {
			t.Fatal(err)
		}
	}
	ping := packets.NewControlPacket(packets.PINGREQ)
	if _, err := ping.WriteTo(c); err != nil {
		t.Fatal(err)
	}
	want = append(want, []byte{0xc0, 0})
	if len(w.all) != len(want) {
		t.Fatalf("got %d writes, want %d", len(w.all), len(want))
	}
	for i := range want {
		if !bytes.Equal(w.all[i], want[i]) {
			t.Errorf("write %d is not packet %d: %d bytes, want %d", i, i, len(w.all[i]), len(want[i]))
		}
	}
}
