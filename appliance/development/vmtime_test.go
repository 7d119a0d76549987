package development

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/beevik/ntp"

	"github.com/smartcore-ireland/hems/appliance"
)

func TestTheMachineIsGivenTheTime(t *testing.T) {
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.LocalAddr().String())
	free.Close()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	d := &run{Options: Options{Env: appliance.Env{PortBase: n - int(appliance.PortUpdate)}}}
	stop, err := d.giveTime()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if junk, err := net.Dial("udp", d.timeAddress("127.0.0.1")); err == nil {
		for _, b := range [][]byte{{}, {1}, make([]byte, ntpSize), make([]byte, 1024)} {
			junk.Write(b)
		}
		junk.Close()
	}
	r, err := ntp.Query(d.timeAddress("127.0.0.1"))
	if err == nil {
		err = r.Validate()
	}
	if err != nil || r.ClockOffset.Abs() > time.Second {
		t.Errorf("the machine would be wrong by %v: %v", r.ClockOffset, err)
	}
}

func FuzzTimeAnswer(f *testing.F) {
	f.Add([]byte{})
	f.Add(append([]byte{4<<3 | 3}, make([]byte, 47)...))
	f.Fuzz(func(t *testing.T, question []byte) {
		if a := timeAnswer(question, time.Now()); a != nil && (len(a) != ntpSize || a[0] != 4<<3|4) {
			t.Errorf("%x was answered with %x", question, a)
		}
	})
}
