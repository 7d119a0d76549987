package keeper

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Socket is the name of the keeper's socket in the runtime directory.
const Socket = "watchdog.sock"

// Words that the manager sends, one a datagram.
const (
	Alive     = "alive"     // the whole is well enough to go on
	Confirmed = "confirmed" // this system stays: it is no longer on trial
)

// longest bounds a datagram, in bytes.
const longest = 64

// Tell sends a word to the keeper whose runtime directory this is. It does not
// wait for anything: what the keeper thinks of it shows by the board's running
// on. Without a keeper, as in development, errors.Is(err, os.ErrNotExist).
func Tell(runtime, word string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: filepath.Join(runtime, Socket), Net: "unixgram"})
	if err == nil {
		_, err = conn.Write([]byte(word))
		err = errors.Join(err, conn.Close())
	}
	if err != nil {
		return fmt.Errorf("telling the watchdog's keeper %q: %w", word, err)
	}
	return nil
}

// A listener receives the words that the keeper's own user sends.
type listener struct {
	conn *net.UnixConn
	uid  uint32
}

// listen makes the socket anew: one that is there is a dead keeper's.
func listen(runtime string) (*listener, error) {
	path := filepath.Join(runtime, Socket)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("listening for signs of life: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listening for signs of life: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
		err = errors.Join(err, cerr)
	}
	err = errors.Join(err, os.Chmod(path, 0o600))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listening for signs of life: %w", err), conn.Close())
	}
	return &listener{conn: conn, uid: uint32(os.Getuid())}, nil
}

// errRefused is a datagram that is not from the keeper's user, or too long. The
// next one may be good.
var errRefused = errors.New("refusing a sign of life")

// receive waits for the next word. It is not looked at yet.
func (l *listener) receive() (string, error) {
	b, oob := make([]byte, longest), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, oobn, flags, _, err := l.conn.ReadMsgUnix(b, oob)
	if err != nil {
		return "", fmt.Errorf("listening for signs of life: %w", err)
	}
	if flags&unix.MSG_TRUNC != 0 {
		return "", fmt.Errorf("%w: it is longer than %d bytes", errRefused, longest)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return "", fmt.Errorf("%w: %w", errRefused, err)
	}
	for _, m := range messages {
		if from, err := unix.ParseUnixCredentials(&m); err == nil {
			if from.Uid != l.uid {
				return "", fmt.Errorf("%w: it is from the user %d, not %d", errRefused, from.Uid, l.uid)
			}
			return string(b[:n]), nil
		}
	}
	return "", fmt.Errorf("%w: it does not say whom it is from", errRefused)
}
