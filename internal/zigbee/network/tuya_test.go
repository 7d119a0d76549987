package network

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

func TestAnswersToTuya(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("summer", 3600))
	tests := []struct {
		name    string
		command uint8
		payload string
		epoch   int64
		mayAsk  bool
		want    string // empty: no answer
		as      uint8
	}{
		{name: "Version", command: 0x11, payload: "000240", mayAsk: true, want: "0002", as: 0x10},
		{name: "VersionAgain", command: 0x11, payload: "000240"},
		{name: "VersionCutShort", command: 0x11, payload: "00", mayAsk: true},
		{name: "TimeSince1970", command: 0x24, payload: "0008", want: "0800" + "69572795" + "695735a5", as: 0x24},
		{name: "TimeSince2000", command: 0x24, payload: "0008", epoch: secondsToZCLEpoch, want: "0800" + "30e9e415" + "30e9f225", as: 0x24},
		{name: "Status", command: 0x25, want: "010001", as: 0x25},
		{name: "Datapoints", command: 0x02, payload: "00010101000101"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := hex.DecodeString(tt.payload)
			want, _ := hex.DecodeString(tt.want)
			r, ok := answerTuya(zcl.Frame{ClusterSpecific: true, FromServer: true, Seq: 7, Command: tt.command, Payload: p}, now, tt.epoch, tt.mayAsk)
			if ok != (tt.want != "") {
				t.Fatalf("answered: %v", ok)
			}
			if ok && (!bytes.Equal(r.Payload, want) || r.Command != tt.as || r.Seq != 7 || r.FromServer || !r.ClusterSpecific) {
				t.Errorf("got %+v, want %x", r, want)
			}
		})
	}
}
