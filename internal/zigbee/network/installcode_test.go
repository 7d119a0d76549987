package network

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
	"github.com/smartcore-ireland/hems/internal/zigbee/zcl"
)

// The codes and their keys are the examples of the Zigbee Base Device Behavior
// (annex) and of Silicon Labs' AN1089.
func TestInstallCodes(t *testing.T) {
	tests := []struct{ name, code, key, err string }{
		{name: "SixteenBytes", code: "83FED3407A939723A5C639B26916D505C3B5", key: "66B6900981E1EE3CA4206B6B861C02BB"},
		{name: "OneDigitWrong", code: "83FED3407A939723A5C639B26916D506C3B5", err: "check digits"},
		{name: "WithoutCheckDigits", code: "83FED3407A939723A5C639B26916D505", err: "does not exist"},
		{name: "Empty", err: "does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, err := hex.DecodeString(tt.code)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkInstallCode(code); tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("got %v, want %q", err, tt.err)
			}
			if tt.key == "" {
				return
			}
			key, err := installCodeKey(code)
			if got := strings.ToUpper(hex.EncodeToString(key[:])); err != nil || got != tt.key {
				t.Errorf("got %s, %v, want %s", got, err, tt.key)
			}
		})
	}
	// Any length the standard has, with its own check digits.
	for _, n := range []int{6, 8, 12, 16} {
		code := make([]byte, n)
		crc := crcX25(code)
		if err := checkInstallCode(append(code, byte(crc), byte(crc>>8))); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if got := crcX25([]byte("123456789")); got != 0x906E {
		t.Errorf("CRC-16/X-25: got %04X, want 906E", got)
	}
}

func TestADeviceWithAnInstallCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		code, _ := hex.DecodeString("83FED3407A939723A5C639B26916D505C3B5")
		if err := w.net.AddInstallCode(t.Context(), meterEUI64, code); !errors.Is(err, ErrDown) {
			t.Errorf("before the network is up: got %v", err)
		}
		w.awaitUp()
		for _, e := range []zcl.EUI64{zcl.EUI64None, zcl.EUI64Any} {
			if err := w.net.AddInstallCode(t.Context(), e, code); err == nil {
				t.Errorf("%v was taken", e)
			}
		}
		for i := range maxInstallCodes + 1 {
			err := w.net.AddInstallCode(t.Context(), meterEUI64-zcl.EUI64(i), code)
			if got, want := err != nil, i == maxInstallCodes; got != want {
				t.Errorf("code %d: got %v", i, err)
			}
		}
		w.pair()
		w.net.mu.Lock()
		defer w.net.mu.Unlock()
		if _, waits := w.net.installs[meterEUI64]; waits || len(w.net.installs) != maxInstallCodes-1 {
			t.Errorf("%d codes wait, that of the device among them: %v", len(w.net.installs), waits)
		}
	})
}

// TestInstallCodesOutliveTheProcess: a device joins by a code that was given
// before the coordinator was started again, and with it the dongle.
func TestInstallCodesOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, simulator.Options{})
		w.start()
		w.awaitUp()
		code, err := hex.DecodeString("83FED3407A939723A5C639B26916D505C3B5")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range []zcl.EUI64{meterEUI64, meterEUI64 - 1} {
			if err := w.net.AddInstallCode(t.Context(), e, code); err != nil {
				t.Fatal(err)
			}
		}
		waiting := func() (n int) {
			w.net.mu.Lock()
			defer w.net.mu.Unlock()
			return len(w.net.installs)
		}
		w.stop()
		w.start()
		w.awaitUp()
		if got := waiting(); got != 2 {
			t.Fatalf("%d codes wait after a restart, want 2", got)
		}
		w.pair()
		w.stop()
		w.start()
		w.awaitUp()
		if got := waiting(); got != 1 {
			t.Errorf("%d codes wait after one device has joined, want 1", got)
		}
		w.stop()
		time.Sleep(installCodeFor)
		w.start()
		w.awaitUp()
		if got := waiting(); got != 0 {
			t.Errorf("%d codes wait after a day, want none", got)
		}
		var saved map[zcl.EUI64]savedInstall
		if _, err := w.net.state.Get(statefile.InstallCodes, &saved); err != nil || len(saved) > 1 {
			t.Errorf("saved are %v, %v", saved, err)
		}
	})
}
