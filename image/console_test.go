package image

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatTheKernelSaysOfItsEnd(t *testing.T) {
	type end struct {
		argument string
		restarts bool
		panic    string
		last     string
	}
	for _, tt := range []struct {
		name string
		text string
		want end
	}{
		{"Try", "[   60.1] reboot: Restarting system with command '0 tryboot'\r\n", end{"0 tryboot", true, "", "[   60.1] reboot: Restarting system with command '0 tryboot'"}},
		{"PlainRestart", "[   60.1] reboot: Restarting system\r\n\r\n", end{"", true, "", "[   60.1] reboot: Restarting system"}},
		{"Panic", "[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n[    2.0] Rebooting in 10 seconds..\r\n",
			end{"", false, "VFS: Unable to mount root fs on unknown-block(0,0)", "[    2.0] Rebooting in 10 seconds.."}},
		{"LineNotFinished", "[   60.1] reboot: Restarting system", end{}},
		{"CommandNotFinished", "reboot: Restarting system with command '0 try\n", end{"0 try", true, "", "reboot: Restarting system with command '0 try"}},
		{"LineWithoutEnd", strings.Repeat("x", 3*maxConsoleLine) + "reboot: Restarting system\n", end{"", false, "", strings.Repeat("x", maxConsoleLine)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := openConsole(filepath.Join(t.TempDir(), "console.log"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for i := range len(tt.text) { // as it comes from a serial line
				if n, err := c.Write([]byte{tt.text[i]}); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			got := end{panic: c.panicked(), last: c.lastWords()}
			got.argument, got.restarts = c.restart()
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			c.begin()
			argument, restarts := c.restart()
			if got := (end{argument, restarts, c.panicked(), c.lastWords()}); got != (end{}) {
				t.Errorf("the next boot begins with %+v", got)
			}
		})
	}
}

func TestTheConsolesFileIsBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "console.log")
	c, err := openConsole(name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	line := append(bytes.Repeat([]byte("x"), 99_999), '\n')
	for range 3 * maxConsole / len(line) {
		if _, err := c.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Write([]byte("last\n")); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{name, name + ".old"} {
		info, err := os.Stat(file)
		if err != nil || info.Size() > maxConsole+int64(len(line)) {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	if b, err := os.ReadFile(name); err != nil || !bytes.HasSuffix(b, []byte("last\n")) {
		t.Errorf("the end is not in the file: %v", err)
	}
}
