package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A logger writes to the kernel's log, which is on every console and in the
// diagnostics; to standard error, the console, as long as there is none.
type logger struct {
	device string
	kmsg   *os.File
}

func openLog(device string) *logger {
	l := &logger{device: device}
	l.open()
	return l
}

func (l *logger) open() {
	if f, err := os.OpenFile(l.device, os.O_WRONLY|os.O_APPEND, 0); err == nil {
		l.kmsg = f
	}
}

// everything asks the kernel to drop no line of ours for being one of many.
func (l *logger) everything(proc string) {
	if l.kmsg == nil {
		l.open()
	}
	if err := os.WriteFile(filepath.Join(proc, "sys/kernel/printk_devkmsg"), []byte("on\n"), 0); err != nil {
		l.printf("asking for the whole log: %v", err)
	}
}

// maxLine bounds a line: the kernel takes no longer ones.
const maxLine = 900

// printf logs, a record for each line.
func (l *logger) printf(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		line = strings.ToValidUTF8(strings.TrimRight(line, "\n"), "?")
		text := "hems-boot: " + line[:min(len(line), maxLine)] + "\n"
		if l.kmsg != nil {
			if _, err := l.kmsg.WriteString("<5>" + text); err == nil { // a notice, of a program
				continue
			}
		}
		os.Stderr.WriteString(text)
	}
}
