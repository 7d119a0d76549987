package serialport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty makes a pseudo-terminal: the dongle's end, and the path of the host's.
func pty(t *testing.T) (dongle *os.File, path string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	dongle = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { dongle.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "dongle")
	if err := os.Symlink(fmt.Sprintf("/dev/pts/%d", n), link); err != nil {
		t.Fatal(err)
	}
	return dongle, link
}

func open(t *testing.T, o Options) io.ReadWriteCloser {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// everyByte is every byte but those with which software flow control is done.
func everyByte(software bool) []byte {
	var b []byte
	for i := range 256 {
		if software && (i == 0x11 || i == 0x13) {
			continue
		}
		b = append(b, byte(i))
	}
	return b
}

func TestBytesPassUnchanged(t *testing.T) {
	for _, flow := range []Flow{"", FlowNone, FlowSoftware, FlowHardware} {
		t.Run("Flow"+string(flow), func(t *testing.T) {
			dongle, path := pty(t)
			l := open(t, Options{Port: path, Flow: flow})
			want := everyByte(flow == FlowSoftware)
			if n, err := l.Write(want); n != len(want) || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
			got := make([]byte, len(want))
			dongle.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := io.ReadFull(dongle, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("to the dongle: got % x, %v", got, err)
			}
			if _, err := dongle.Write(want); err != nil {
				t.Fatal(err)
			}
			clear(got)
			if _, err := io.ReadFull(l, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("from the dongle: got % x, %v", got, err)
			}
		})
	}
}

func TestFlowControlIsSet(t *testing.T) {
	for flow, want := range map[Flow][2]bool{FlowNone: {}, FlowSoftware: {true, false}, FlowHardware: {false, true}} {
		_, path := pty(t)
		l := open(t, Options{Port: path, Flow: flow, Baud: 57600})
		s, err := unix.IoctlGetTermios(int(l.(*tty).line.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{s.Iflag&unix.IXON != 0, s.Cflag&unix.CRTSCTS != 0}; got != want {
			t.Errorf("%s: got %v, want %v", flow, got, want)
		}
		if got := s.Cflag & unix.CBAUD; got != unix.B57600 {
			t.Errorf("%s: got speed %o", flow, got)
		}
		if got := s.Cflag & (unix.CSIZE | unix.PARENB | unix.CSTOPB); got != unix.CS8 {
			t.Errorf("%s: got %o, want 8N1", flow, got)
		}
	}
}

func TestWhatWasThereBeforeIsDropped(t *testing.T) {
	dongle, path := pty(t)
	first := open(t, Options{Port: path}) // makes the terminal raw
	if _, err := dongle.Write([]byte("old")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond)
	keep, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0) // or the terminal hangs up between hosts
	if err != nil {
		t.Fatal(err)
	}
	defer keep.Close()
	first.Close()
	l := open(t, Options{Port: path})
	if _, err := dongle.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := io.ReadFull(l, got); err != nil || string(got) != "new" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCloseEndsARead(t *testing.T) {
	_, path := pty(t)
	l := open(t, Options{Port: path})
	done := make(chan error, 1)
	go func() {
		_, err := l.Read(make([]byte, 10))
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	l.Close()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
	case <-time.After(time.Minute):
		t.Fatal("the read goes on")
	}
	if _, err := l.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read after Close: got %v", err)
	}
	if _, err := l.Write([]byte{1}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("a second Close: got %v", err)
	}
}

func TestCloseEndsAWriteThatNobodyTakes(t *testing.T) {
	_, path := pty(t)
	l := open(t, Options{Port: path})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for { // the dongle reads nothing: this gets stuck
			if _, err := l.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	l.Close()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the write goes on")
	}
	if got := time.Since(start); got > 5*time.Second {
		t.Errorf("took %v", got)
	}
}

func TestAnUnpluggedDongleIsNamed(t *testing.T) {
	dongle, path := pty(t)
	l := open(t, Options{Port: path})
	dongle.Close()
	_, err := l.Read(make([]byte, 10))
	wantError(t, err, "the dongle at "+path+" was unplugged", "plug it back in")
}

func TestPortsThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "by-id")
	if err := os.Symlink(filepath.Join(dir, "nothing"), dangling); err != nil {
		t.Fatal(err)
	}
	_, used := pty(t)
	open(t, Options{Port: used})
	tests := []struct {
		name, port string
		want, hint string
	}{
		{"DoesNotExist", filepath.Join(dir, "ttyACM0"), "there is no dongle at " + filepath.Join(dir, "ttyACM0"), "plug the dongle in"},
		{"DanglingLink", dangling, "there is no dongle at " + dangling, "plug the dongle in"},
		{"File", file, "is not a serial port", "/dev/serial/by-id"},
		{"Directory", dir, "is not a serial port", "/dev/serial/by-id"},
		{"BelowAFile", file + "/x", "is not a serial port", "/dev/serial/by-id"},
		{"NotATerminal", "/dev/null", "/dev/null is not a serial port", "/dev/serial/by-id"},
		{"Busy", used, "another program uses " + used, "stop the other program"},
		{"None", "", "no serial port is given", "auto"},
		{"OtherScheme", "udp://host:1", "udp:// is no kind of port", "tcp://host:port"},
		{"NoTCPPort", "tcp://192.0.2.1", "is no address of a dongle", "tcp://host:port"},
		{"NoTCPHost", "tcp://:6638", "is no address of a dongle", "tcp://host:port"},
		{"TCPWithPath", "tcp://127.0.0.1:6638/x", "is no address of a dongle", "tcp://host:port"},
		{"BadTCPPort", "tcp://127.0.0.1:x", "is no address of a dongle", "tcp://host:port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(t.Context(), Options{Port: tt.port})
			wantError(t, err, tt.want, tt.hint)
		})
	}
	t.Run("Flow", func(t *testing.T) {
		_, err := Open(t.Context(), Options{Port: used, Flow: "rts"})
		wantError(t, err, `"rts" is no kind of flow control`, "software")
	})
	t.Run("Speed", func(t *testing.T) {
		_, path := pty(t)
		if l, err := Open(t.Context(), Options{Port: path, Baud: 115200}); err != nil {
			t.Error(err)
		} else {
			l.Close()
		}
	})
}

func TestWhatTheSystemSays(t *testing.T) {
	for _, tt := range []struct {
		err        error
		want, hint string
	}{
		{&fs.PathError{Op: "open", Err: syscall.EACCES}, "this user may not use /dev/ttyX", "dialout"},
		{unix.EBUSY, "another program uses /dev/ttyX", "stop the other program"},
		{unix.ENXIO, "there is no dongle at /dev/ttyX", "plug the dongle in"},
		{unix.EIO, "does not react", "unplug it"},
		{errors.New("strange"), "cannot be opened: strange", "unplug"},
	} {
		wantError(t, explainOpen("/dev/ttyX", tt.err), tt.want, tt.hint)
	}
}

func wantError(t *testing.T, err error, want, hint string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if !strings.Contains(e.Error(), want) || !strings.Contains(e.Hint(), hint) {
		t.Errorf("got %q (hint %q), want %q (hint %q)", e.Error(), e.Hint(), want, hint)
	}
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := "tcp://" + l.Addr().String()
	line := open(t, Options{Port: port})
	dongle, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := line.Write([]byte{0x1A, 0xC0}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(dongle, got); err != nil || !bytes.Equal(got, []byte{0x1A, 0xC0}) {
		t.Errorf("got % x, %v", got, err)
	}
	raw, err := line.(*tcpLine).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		for name, option := range map[string][2]int{"TCP_NODELAY": {unix.IPPROTO_TCP, unix.TCP_NODELAY}, "SO_KEEPALIVE": {unix.SOL_SOCKET, unix.SO_KEEPALIVE}} {
			if v, err := unix.GetsockoptInt(int(fd), option[0], option[1]); err != nil || v == 0 {
				t.Errorf("%s is not set: %d, %v", name, v, err)
			}
		}
	})
	dongle.Close()
	_, err = line.Read(got)
	wantError(t, err, "the connection to "+port+" was lost", "connected again by itself")

	l.Close()
	_, err = Open(t.Context(), Options{Port: port})
	wantError(t, err, "nothing takes connections at "+port, "coordinator mode")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{Port: port}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, "the name in tcp://x:1 is not known"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, "there is no way to tcp://x:1"},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "tcp://x:1 does not answer"},
		{errors.New("strange"), "tcp://x:1 cannot be reached: strange"},
	} {
		wantError(t, explainDial("tcp://x:1", tt.err), tt.want, "check")
	}
}
