package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is both ends of a pty.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func shows(t *testing.T, f *os.File) bool {
	t.Helper()
	termios, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return termios.Lflag&unix.ECHO != 0
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestSecretIsNotShown(t *testing.T) {
	person, program := terminal(t)
	var errs bytes.Buffer
	c := &command{stdin: program, stderr: &errs}
	type result struct {
		secret string
		err    error
	}
	for _, want := range []string{"four words of mine", "a second one"} {
		got := make(chan result, 1)
		go func() {
			secret, err := c.askSecret(t.Context(), "Passphrase: ")
			got <- result{secret, err}
		}()
		until(t, "what is typed is not shown", func() bool { return !shows(t, program) })
		if _, err := person.WriteString(want + "\n"); err != nil {
			t.Fatal(err)
		}
		if r := <-got; r.err != nil || r.secret != want {
			t.Errorf("got %q, %v, want %q", r.secret, r.err, want)
		}
		if !shows(t, program) {
			t.Error("afterwards nothing that is typed is shown")
		}
	}
	if strings.Contains(errs.String(), "words") || strings.Count(errs.String(), "Passphrase: ") != 2 {
		t.Errorf("standard error: got %q", errs.String())
	}
}

func TestSecretThatIsGivenUpLeavesTheTerminalAsItWas(t *testing.T) {
	_, program := terminal(t)
	var errs bytes.Buffer
	c := &command{stdin: program, stderr: &errs}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	go func() {
		_, err := c.askSecret(ctx, "Passphrase: ")
		got <- err
	}()
	until(t, "what is typed is not shown", func() bool { return !shows(t, program) })
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if !shows(t, program) {
		t.Error("afterwards nothing that is typed is shown")
	}
}
