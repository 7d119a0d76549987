package serialport

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// TestAHouseholderIsToldOfADongleThatIsAway: the commonest fault there is, said
// without the port, whichever way it shows.
func TestAHouseholderIsToldOfADongleThatIsAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string // "": the words for a technician must do
	}{
		{"PulledOut", (&tty{name: "/dev/ttyX"}).explain(syscall.EIO), "the dongle is unplugged"},
		{"NotThere", explainOpen("/dev/ttyX", fs.ErrNotExist), "the dongle is unplugged"},
		{"ConnectionLost", (&tcpLine{port: "tcp://x:1"}).explain(syscall.ECONNRESET), "the dongle cannot be reached over the network"},
		{"NobodyListens", explainDial("tcp://x:1", syscall.ECONNREFUSED), "the dongle cannot be reached over the network"},
		{"NotAllowed", explainOpen("/dev/ttyX", fs.ErrPermission), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e *Error
			if !errors.As(tt.err, &e) {
				t.Fatalf("got %v, want an *Error", tt.err)
			}
			message, advice := e.Householder()
			if message != tt.want {
				t.Errorf("got %q, want %q", message, tt.want)
			}
			if message != "" && (advice == "" || strings.Contains(message+advice, "/dev/") || strings.Contains(message+advice, "tcp://")) {
				t.Errorf("what to do: got %q, want it without the port", advice)
			}
		})
	}
}
