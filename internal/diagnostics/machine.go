package diagnostics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxListed bounds the list of files.
const maxListed = 10_000

// writeFiles lists what is in the data directory.
func (o Options) writeFiles(ctx context.Context, w io.Writer) error {
	n := 0
	return filepath.WalkDir(o.Data, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		rel, rerr := filepath.Rel(o.Data, path)
		if rerr != nil {
			return rerr
		}
		if err != nil {
			fmt.Fprintf(w, "%s: %v\n", rel, err)
			return nil
		}
		if n++; n > maxListed {
			return fmt.Errorf("there are more than %d files", maxListed)
		}
		info, err := d.Info()
		if err != nil {
			return nil // it has gone
		}
		owner := ""
		if st, err := unixStat(path); err == nil {
			owner = fmt.Sprintf("%d:%d", st.Uid, st.Gid)
		}
		_, err = fmt.Fprintf(w, "%s %9s %12d %s %q\n", info.Mode(), owner, info.Size(), info.ModTime().UTC().Format(time.RFC3339), rel)
		return err
	})
}

func unixStat(path string) (st unix.Stat_t, err error) { return st, unix.Lstat(path, &st) }

// writeMachine writes the numbers of the disk, the memory and our processes.
func (o Options) writeMachine(_ context.Context, w io.Writer) error {
	var st unix.Statfs_t
	if err := unix.Statfs(o.Data, &st); err != nil {
		fmt.Fprintf(w, "disk: %v\n", err)
	} else {
		fmt.Fprintf(w, "disk: %d bytes in all, %d free, %d of %d files free\n",
			uint64(st.Bsize)*st.Blocks, uint64(st.Bsize)*st.Bavail, st.Ffree, st.Files)
	}
	for _, name := range []string{"uptime", "loadavg", "meminfo", "diskstats"} {
		b, err := readBounded(filepath.Join(o.Proc, name), 64<<10)
		if err != nil {
			fmt.Fprintf(w, "\n%s: %v\n", name, err)
			continue
		}
		fmt.Fprintf(w, "\n%s:\n%s", name, b)
	}
	fmt.Fprint(w, "\nprocesses:\n")
	statuses, err := filepath.Glob(filepath.Join(o.Proc, "[0-9]*", "status"))
	if err != nil {
		return err
	}
	for _, file := range statuses {
		b, err := readBounded(file, 64<<10)
		if err != nil || !strings.HasPrefix(string(b), "Name:\thems-") && !strings.HasPrefix(string(b), "Name:\tinit\n") {
			continue
		}
		var words []string
		for line := range strings.Lines(string(b)) {
			for _, key := range []string{"Name", "Uid", "VmHWM", "VmRSS", "Threads"} {
				if strings.HasPrefix(line, key+":") {
					words = append(words, strings.Join(strings.Fields(line), " "))
				}
			}
		}
		fmt.Fprintf(w, "%s %s\n", filepath.Base(filepath.Dir(file)), strings.Join(words, ", "))
	}
	return nil
}

// maxKernel is how many of the kernel's last lines are taken along.
const maxKernel = 2000

// writeKernel writes the end of the kernel's log.
func (o Options) writeKernel(_ context.Context, w io.Writer) error {
	// Each read is one record, "level,number,microseconds,flags;text", and what
	// belongs to it on further lines.
	fd, err := unix.Open(o.Kernel, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: o.Kernel, Err: err}
	}
	defer unix.Close(fd)
	var last []string
	b := make([]byte, 8192)
	for range 100_000 {
		n, err := unix.Read(fd, b)
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EINTR) {
			continue // records were lost before we read them
		}
		if err != nil || n <= 0 {
			break // EAGAIN: that was the last one
		}
		for line := range strings.Lines(string(b[:n])) {
			if line[0] == ' ' {
				continue
			}
			if head, text, ok := strings.Cut(strings.TrimRight(line, "\n"), ";"); ok {
				if f := strings.Split(head, ","); len(f) >= 3 {
					line = fmt.Sprintf("[%s] %s", f[2], text)
				}
			}
			if last = append(last, strings.TrimRight(line, "\n")); len(last) > 2*maxKernel {
				last = append(last[:0], last[len(last)-maxKernel:]...)
			}
		}
	}
	for _, line := range last[max(0, len(last)-maxKernel):] {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
