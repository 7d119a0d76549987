package retained

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Read hands out the messages that the log in dir holds, without changing
// anything. Where there is none it hands out nothing.
func Read(dir string, f func(Message)) error {
	file, err := os.Open(filepath.Join(dir, "retained.log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the retained messages: %w", err)
	}
	defer file.Close()
	live := map[string]Message{}
	sc := newScanner(file)
	now := time.Now().Unix()
	for {
		m, err := sc.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the retained messages in %s: %w", file.Name(), err)
		}
		if len(m.Payload) == 0 || m.Expires != 0 && m.Expires <= now {
			delete(live, m.Topic)
		} else {
			live[m.Topic] = m
		}
	}
	for _, m := range live {
		f(m)
	}
	return nil
}

// Stamp says which log there is in dir, as long as nobody writes to it; it is
// empty where there is none.
func Stamp(dir string) string {
	info, err := os.Stat(filepath.Join(dir, "retained.log"))
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d bytes, %d", info.Size(), info.ModTime().UnixNano())
}
