package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A logger writes to the kernel's log, which is on every console and in the
// diagnostics; to standard error, the console, as long as there is none.
type logger struct{ kmsg *os.File }

func openLog() *logger {
	f, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return &logger{}
	}
	return &logger{kmsg: f}
}

// everything asks the kernel to drop no line of ours for being one of many.
func (l *logger) everything(proc string) {
	if err := os.WriteFile(filepath.Join(proc, "sys/kernel/printk_devkmsg"), []byte("on\n"), 0); err != nil {
		l.printf("asking for the whole log: %v", err)
	}
	if l.kmsg == nil {
		*l = *openLog()
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
