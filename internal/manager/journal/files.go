package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const suffix = ".log"

func (j *Journal) path(number int) string {
	return filepath.Join(j.dir, fmt.Sprintf("%08d%s", number, suffix))
}

// find lists the files that are there and repairs the end of the newest.
func (j *Journal) find() error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		s, ok := strings.CutSuffix(e.Name(), suffix)
		n, err := strconv.Atoi(s)
		if !ok || err != nil || n < 1 || len(s) != 8 {
			continue
		}
		j.files = append(j.files, n)
	}
	slices.Sort(j.files)
	if len(j.files) == 0 {
		return nil
	}
	b, err := os.ReadFile(j.path(j.files[len(j.files)-1]))
	if err != nil {
		return err
	}
	j.size = int64(len(b))
	if len(b) > 0 && b[len(b)-1] != '\n' { // a power cut; the next line begins a line
		j.size = maxFile
	}
	return nil
}

// write appends all pending lines to the newest file, beginning new ones and
// removing old ones as they fill. It needs mu. Lines that the disk does not take
// wait for the next time.
func (j *Journal) write() {
	j.due = time.Time{}
	if len(j.pending) == 0 {
		return
	}
	err := j.append()
	if err != nil {
		j.due = time.Now().Add(writeEvery)
		if !j.failed {
			j.log.Error("the journal cannot be written; lines wait in memory", "err", err)
		}
	}
	j.failed = err != nil
}

func (j *Journal) append() error {
	for len(j.pending) > 0 {
		if len(j.files) == 0 || j.size >= maxFile-maxLine-64 { // the next line may not fit
			if err := j.next(); err != nil {
				return err
			}
		}
		room := maxFile - j.size
		var b strings.Builder
		n := 0
		for _, l := range j.pending {
			s := l.encode()
			if int64(b.Len()+len(s)) > room {
				break
			}
			b.WriteString(s)
			n++
		}
		if n == 0 { // a line with a program's name beyond all measure
			j.waiting -= len(j.pending[0].encode())
			j.pending = j.pending[1:]
			j.dropped++
			continue
		}
		if err := j.put(b.String()); err != nil {
			return err
		}
		j.pending = slices.Clone(j.pending[n:])
		j.waiting -= b.Len()
	}
	return nil
}

// put appends s to the newest file, durably. What was written by half is taken
// off again, or the file is left as it is and a new one begun.
func (j *Journal) put(s string) error {
	f, err := os.OpenFile(j.path(j.files[len(j.files)-1]), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(s)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		if f.Truncate(j.size) != nil {
			j.size = maxFile
		}
		return err
	}
	j.size += int64(len(s))
	return nil
}

// next begins a new file and removes the oldest beyond the limit.
func (j *Journal) next() error {
	number := 1
	if n := len(j.files); n > 0 {
		number = j.files[n-1] + 1
	}
	for len(j.files) >= maxFiles {
		if err := os.Remove(j.path(j.files[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		j.files = j.files[1:]
	}
	j.files = append(j.files, number)
	j.size = 0
	return nil
}
