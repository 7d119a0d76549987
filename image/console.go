package image

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
)

const (
	// maxConsole is how large the console's file may grow, in bytes, before it
	// becomes the old one.
	maxConsole = 4 << 20
	// maxConsoleLine is how much of a line is looked at.
	maxConsoleLine = 4 << 10
)

// A console is the machine's serial console: a file of bounded length, and what
// the kernel said of its end.
type console struct {
	name string

	mu       sync.Mutex
	file     *os.File
	size     int64
	line     []byte // the one that is being written
	last     string // the last whole one
	panic    string
	argument string // of reboot(2)
	restarts bool
}

func openConsole(name string) (*console, error) {
	c := &console{name: name}
	return c, c.open()
}

func (c *console) open() error {
	f, err := os.OpenFile(c.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the console's file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("opening the console's file: %w", err)
	}
	c.file, c.size = f, info.Size()
	return nil
}

// Write takes what the machine printed. It never fails for want of a file: the
// machine would be stopped by it.
func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		n, err := c.file.Write(b)
		c.size += int64(n)
		if err != nil || c.size >= maxConsole && c.rotate() != nil {
			c.file.Close()
			c.file = nil
		}
	}
	for rest := b; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		c.line = append(c.line, line[:min(len(line), max(0, maxConsoleLine-len(c.line)))]...)
		if whole {
			c.look(strings.TrimRight(string(c.line), "\r"))
			c.line = c.line[:0]
		}
		rest = after
	}
	return len(b), nil
}

func (c *console) rotate() error {
	if err := os.Rename(c.name, c.name+".old"); err != nil {
		return err
	}
	c.file.Close()
	c.file = nil
	return c.open()
}

// What the kernel says of its end: kernel/panic.c, kernel/reboot.c.
const (
	saysPanic   = "Kernel panic - not syncing: "
	saysRestart = "reboot: Restarting system"
	saysCommand = " with command '"
)

func (c *console) look(line string) {
	if strings.TrimSpace(line) != "" {
		c.last = line
	}
	if _, why, ok := strings.Cut(line, saysPanic); ok {
		c.panic = strings.TrimSpace(why)
	}
	if _, rest, ok := strings.Cut(line, saysRestart); ok {
		c.restarts = true
		if argument, ok := strings.CutPrefix(rest, saysCommand); ok {
			c.argument, _, _ = strings.Cut(argument, "'")
		}
	}
}

// begin forgets the last boot.
func (c *console) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line, c.last, c.panic, c.argument, c.restarts = c.line[:0], "", "", "", false
}

// restart is what the system asked the firmware for.
func (c *console) restart() (argument string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.argument, c.restarts
}

// panicked is why the kernel gave up, "" when it did not.
func (c *console) panicked() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.panic
}

func (c *console) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *console) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}
