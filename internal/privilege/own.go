package privilege

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Owner is whose a file is, and who may do what with it.
type Owner struct {
	UID, GID int
	// Mode has the permission bits, os.ModeSetgid and, for a directory,
	// os.ModeDir.
	Mode os.FileMode
}

// maxDepth bounds how deep a directory is looked through.
const maxDepth = 16

// Directory makes the directory at path where it is missing, together with its
// parents, and gives it to o.
func Directory(path string, o Owner) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	return give(path, o)
}

// File gives the file at path, which may be missing, to o. A link is not
// followed but refused, and so is a file that has another name elsewhere: that
// other name may be somebody's who does not want to give it away.
func File(path string, o Owner) error {
	err := give(path, o)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Below gives everything in the directory at path to the user and group, and
// leaves the modes as they are. What is that user's already is not touched, nor
// are links, nor files that have another name; these are told by the error,
// after all others were given.
func Below(path string, uid, gid int) error {
	return below(unix.AT_FDCWD, path, path, uid, gid, maxDepth)
}

func below(at int, name, path string, uid, gid, depth int) error {
	if depth == 0 {
		return fmt.Errorf("taking over %s: it is too deep inside", path)
	}
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("taking over %s: %w", path, err)
	}
	dir := os.NewFile(uintptr(fd), path)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("taking over %s: %w", path, err)
	}
	var errs []error
	for _, n := range names {
		inside := filepath.Join(path, n)
		f, err := openAt(fd, n)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, errLink) {
			continue // gone meanwhile, or nothing that could be owned
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("taking over %s: %w", inside, err))
			continue
		}
		if int(f.st.Uid) != uid {
			if err := f.own(uid, gid); err != nil {
				errs = append(errs, fmt.Errorf("taking over %s: %w", inside, err))
			}
		}
		if f.isDir() {
			if err := below(fd, n, inside, uid, gid, depth-1); err != nil {
				errs = append(errs, err)
			}
		}
		f.Close()
	}
	return errors.Join(errs...)
}

var errLink = errors.New("it is a link")

// handle is a file by what it is and not by its name, which may mean another
// file by now.
type handle struct {
	fd int
	st unix.Stat_t
}

func openAt(at int, name string) (*handle, error) {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	h := &handle{fd: fd}
	if err := unix.Fstat(fd, &h.st); err != nil {
		h.Close()
		return nil, err
	}
	if h.st.Mode&unix.S_IFMT == unix.S_IFLNK {
		h.Close()
		return nil, errLink
	}
	return h, nil
}

func (h *handle) Close() { unix.Close(h.fd) }

func (h *handle) isDir() bool { return h.st.Mode&unix.S_IFMT == unix.S_IFDIR }

func (h *handle) own(uid, gid int) error {
	if !h.isDir() && h.st.Nlink > 1 {
		return errors.New("it has another name elsewhere: remove one of them")
	}
	return unix.Fchownat(h.fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

// give sets owner and mode where they are others.
func give(path string, o Owner) error {
	// With O_NONBLOCK, for who could put a pipe there could make us wait.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("taking over %s: %w", path, err)
	}
	h := &handle{fd: fd}
	defer h.Close()
	if err := unix.Fstat(fd, &h.st); err != nil {
		return fmt.Errorf("taking over %s: %w", path, err)
	}
	if kind := h.st.Mode & unix.S_IFMT; h.isDir() != o.Mode.IsDir() || !h.isDir() && kind != unix.S_IFREG {
		return fmt.Errorf("taking over %s: it is not the kind of file that should be there: move it away", path)
	}
	if int(h.st.Uid) != o.UID || int(h.st.Gid) != o.GID {
		if err := h.own(o.UID, o.GID); err != nil {
			return fmt.Errorf("taking over %s: %w", path, err)
		}
		h.st.Mode = 0 // the kernel may have taken bits away
	}
	mode := uint32(o.Mode.Perm())
	if o.Mode&os.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	if h.st.Mode&0o7777 == mode {
		return nil
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return fmt.Errorf("setting the mode of %s: %w", path, err)
	}
	return nil
}
