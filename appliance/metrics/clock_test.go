package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
)

func TestTheClockOfACardIsRightOnceItIsSynchronised(t *testing.T) {
	if c := clock(appliance.Env{}); c.Right != nil {
		t.Error("a workstation's clock is waited for")
	}
	env := appliance.Env{Card: true, Runtime: t.TempDir()}
	c := clock(env)
	if c.Right() {
		t.Error("it is right before it is synchronised")
	}
	if err := os.WriteFile(env.Run("clock.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !c.Right() {
		t.Error("it is not right when it is synchronised")
	}
	if c.Grace < 0 || c.Grace > grace || c.Built.IsZero() || c.Built.After(time.Now()) {
		t.Errorf("grace %v, built %v", c.Grace, c.Built)
	}
	if up := uptime(); up <= 0 {
		t.Errorf("the computer is up for %v", up)
	}
}

func TestABatteryIsOneThatSaysTheTime(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		text string
		want bool
	}{
		"Right":     {fmt.Sprintln(now.Unix()), true},
		"Yesterday": {fmt.Sprintln(now.Unix() - 86400), false},
		"Empty":     {"0\n", false},
		"Nonsense":  {"x", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "since_epoch"), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := hasBattery(dir, now); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if hasBattery(t.TempDir(), now) {
		t.Error("there is none, and it has the time")
	}
}
