package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// errNoTerminal means that nobody is there to be asked.
var errNoTerminal = errors.New("there is no terminal to ask on")

// askSecret asks for something on the terminal, where it is not shown.
func (c *command) askSecret(ctx context.Context, prompt string) (string, error) {
	f, ok := c.stdin.(*os.File)
	if !ok {
		return "", errNoTerminal
	}
	fd := int(f.Fd())
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", errNoTerminal
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ECHONL | unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return "", fmt.Errorf("asking without showing: %w", err)
	}
	defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) }()
	return c.readLine(ctx, f, prompt)
}

// ask asks for something on the terminal.
func (c *command) ask(ctx context.Context, prompt string) (string, error) {
	f, ok := c.stdin.(*os.File)
	if !ok || !isTerminal(f) {
		return "", errNoTerminal
	}
	return c.readLine(ctx, f, prompt)
}

// readLine prompts on standard error and reads up to the line's end, or until
// ctx ends. It reads no byte more, for another question may follow.
func (c *command) readLine(ctx context.Context, f *os.File, prompt string) (string, error) {
	fmt.Fprint(c.stderr, prompt)
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := bufio.NewReaderSize(f, 16).ReadString('\n')
		read <- result{strings.TrimRight(line, "\r\n"), err}
	}()
	select {
	case r := <-read:
		return r.line, r.err
	case <-ctx.Done():
		fmt.Fprintln(c.stderr)
		return "", ctx.Err()
	}
}
