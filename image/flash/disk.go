package flash

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Disk is what is going to be overwritten.
type Disk struct {
	Path   string // as the kernel names it, "/dev/sdb"
	Block  bool   // false: a regular file
	Model  string // "Generic- SD/MMC", as it calls itself
	Bytes  int64  // its size; a file that is smaller than the image grows
	number string // "8:16"
}

// String names the disk for the person who is asked.
func (d Disk) String() string {
	if !d.Block {
		return d.Path + " (a file)"
	}
	return fmt.Sprintf("%s (%s, %s)", d.Path, cmp.Or(d.Model, "of unknown make"), Size(d.Bytes))
}

// Why a disk is refused. Force gets past ErrNotRemovable and ErrFile alone.
var (
	ErrNoDisk       = errors.New("it is no disk")
	ErrPartition    = errors.New("it is a partition")
	ErrSystem       = errors.New("this system runs from it")
	ErrMounted      = errors.New("it is mounted")
	ErrSwap         = errors.New("it is used as swap")
	ErrHeld         = errors.New("another disk is made of it")
	ErrReadOnly     = errors.New("it is write-protected")
	ErrNoMedium     = errors.New("there is no card in it")
	ErrNotRemovable = errors.New("it is not removable")
	ErrFile         = errors.New("it is a file")
	ErrTooSmall     = errors.New("it is too small")
)

// Judge says which disk path leads to, or why need bytes may not be written to
// it: one of this package's errors, with what to do next. root is where proc and
// sys are found, "" for "/".
func Judge(root, path string, need int64, force bool) (Disk, error) {
	d, err := judge(root, path, need, force)
	if err != nil {
		return Disk{}, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

func judge(root, path string, need int64, force bool) (Disk, error) {
	real, err := filepath.EvalSymlinks(path) // /dev/disk/by-id/…
	if err != nil {
		return Disk{}, fmt.Errorf("%w: %w: lsblk lists the disks", ErrNoDisk, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(real, &st); err != nil {
		return Disk{}, fmt.Errorf("%w: %w", ErrNoDisk, err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		return judgeBlock(root, real, number(st.Rdev), need, force)
	case unix.S_IFREG:
		if !force {
			return Disk{}, fmt.Errorf("%w: name a disk (lsblk lists them), or write into the file with -force", ErrFile)
		}
		return Disk{Path: real, Bytes: st.Size}, nil
	}
	return Disk{}, fmt.Errorf("%w: lsblk lists the disks", ErrNoDisk)
}

func number(rdev uint64) string {
	return fmt.Sprintf("%d:%d", unix.Major(rdev), unix.Minor(rdev))
}

// judgeBlock judges the block device with that number.
func judgeBlock(root, path, number string, need int64, force bool) (Disk, error) {
	s, err := readSystem(root)
	if err != nil {
		return Disk{}, err
	}
	i := slices.IndexFunc(s.disks, func(d sysDisk) bool {
		return slices.ContainsFunc(d.nodes(), func(n node) bool { return n.number == number })
	})
	if i < 0 {
		return Disk{}, fmt.Errorf("%w: the kernel has none with the number %s", ErrNoDisk, number)
	}
	disk := s.disks[i]
	if disk.number != number {
		return Disk{}, fmt.Errorf("%w: the image has partitions of its own: name the disk, /dev/%s", ErrPartition, disk.name)
	}
	if err := s.inUse(disk); err != nil {
		return Disk{}, err
	}
	out := Disk{Path: path, Block: true, Model: disk.model(), number: number}
	sectors, err := strconv.ParseInt(disk.attribute("size"), 10, 64)
	if err != nil {
		return Disk{}, fmt.Errorf("reading its size: %w", err)
	}
	out.Bytes = sectors * 512 // whatever its own sectors are: Documentation/ABI/stable/sysfs-block
	switch {
	case out.Bytes == 0:
		return Disk{}, fmt.Errorf("%w: put one into the reader", ErrNoMedium)
	case disk.attribute("ro") == "1":
		return Disk{}, fmt.Errorf("%w: move the card's slide, or try another card", ErrReadOnly)
	case !force && !disk.removable():
		return Disk{}, fmt.Errorf("%w (%s, %s): look again whether it is the card (lsblk), then -force writes to it", ErrNotRemovable, cmp.Or(disk.model(), "of unknown make"), Size(out.Bytes))
	case out.Bytes < need:
		return Disk{}, fmt.Errorf("%w: it has %s, the image needs %s: take a larger card", ErrTooSmall, Size(out.Bytes), Size(need))
	}
	return out, nil
}

// system is what the kernel says of its disks and of what uses them.
type system struct {
	disks  []sysDisk
	mounts []mount
	swaps  []string // names of devices
}

// A node is a disk or a partition of it: its name and number.
type node struct{ name, number string }

type sysDisk struct {
	node
	dir        string
	partitions []node
}

func (d sysDisk) nodes() []node { return append([]node{d.node}, d.partitions...) }

type mount struct{ number, point, source string }

func readSystem(root string) (*system, error) {
	if root == "" {
		root = "/"
	}
	var s system
	block := filepath.Join(root, "sys", "block")
	entries, err := os.ReadDir(block)
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for its disks: %w", err)
	}
	for _, e := range entries {
		d := sysDisk{node: node{name: e.Name()}, dir: filepath.Join(block, e.Name())}
		d.number = d.attribute("dev")
		below, err := os.ReadDir(d.dir + string(filepath.Separator)) // the entry is a link
		if err != nil {
			return nil, fmt.Errorf("asking the kernel for its disks: %w", err)
		}
		for _, p := range below {
			if d.attribute(filepath.Join(p.Name(), "partition")) != "" {
				d.partitions = append(d.partitions, node{p.Name(), d.attribute(filepath.Join(p.Name(), "dev"))})
			}
		}
		s.disks = append(s.disks, d)
	}
	if err := eachLine(filepath.Join(root, "proc", "self", "mountinfo"), func(line string) {
		// proc_pid_mountinfo(5): the third field is the device, the fifth the
		// mount point; after " - " the type and the source.
		f := strings.Fields(line)
		_, after, _ := strings.Cut(line, " - ")
		if a := strings.Fields(after); len(f) > 4 && len(a) > 1 {
			s.mounts = append(s.mounts, mount{f[2], unescape(f[4]), unescape(a[1])})
		}
	}); err != nil {
		return nil, fmt.Errorf("asking the kernel for its mounts: %w", err)
	}
	err = eachLine(filepath.Join(root, "proc", "swaps"), func(line string) {
		if f := strings.Fields(line); len(f) > 0 {
			s.swaps = append(s.swaps, filepath.Base(unescape(f[0])))
		}
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without swap
		return nil, fmt.Errorf("asking the kernel for its swap: %w", err)
	}
	return &s, nil
}

func eachLine(file string, visit func(string)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		visit(lines.Text())
	}
	return lines.Err()
}

// unescape takes blanks and their like out of a field of /proc: \040.
func unescape(s string) string {
	for i := 0; i+3 < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
			s = s[:i] + string(rune(n)) + s[i+4:]
		}
	}
	return s
}

// systemMounts are where a system finds itself.
var systemMounts = []string{"/", "/boot", "/boot/efi", "/boot/firmware", "/usr", "/var", "/etc"}

// inUse says what uses a disk, what is made of it included: device mapper, RAID.
func (s *system) inUse(d sysDisk) error {
	above, held := s.above(d)
	var mounted *mount
	for i, m := range s.mounts {
		if !slices.ContainsFunc(above, func(n node) bool {
			return n.number == m.number || m.source == "/dev/"+n.name || strings.HasPrefix(m.source, "/dev/mapper/") && s.mapped(n) == m.source
		}) {
			continue
		}
		if slices.Contains(systemMounts, m.point) {
			return fmt.Errorf("%w (%s): name another disk", ErrSystem, m.point)
		}
		mounted = &s.mounts[i]
	}
	if mounted != nil {
		return fmt.Errorf("%w at %s: umount %s, and try again", ErrMounted, mounted.point, mounted.point)
	}
	for _, n := range above {
		if slices.Contains(s.swaps, n.name) {
			return fmt.Errorf("%w: swapoff /dev/%s, and try again", ErrSwap, n.name)
		}
	}
	if held != "" {
		return fmt.Errorf("%w (%s): close that first (cryptsetup close, vgchange -an, mdadm --stop)", ErrHeld, held)
	}
	return nil
}

// above is a disk, its partitions, and every disk that is made of them, however
// indirectly; holder is the first of those.
func (s *system) above(d sysDisk) (all []node, holder string) {
	seen := map[string]bool{}
	queue := []sysDisk{d}
	for len(queue) > 0 {
		d := queue[0]
		queue = queue[1:]
		if seen[d.name] {
			continue
		}
		seen[d.name] = true
		all = append(all, d.nodes()...)
		dirs := []string{"holders"}
		for _, p := range d.partitions {
			dirs = append(dirs, filepath.Join(p.name, "holders"))
		}
		for _, dir := range dirs {
			entries, err := os.ReadDir(filepath.Join(d.dir, dir))
			if err != nil {
				continue // it has none
			}
			for _, e := range entries {
				if holder == "" {
					holder = "/dev/" + e.Name()
				}
				for _, other := range s.disks {
					if other.name == e.Name() {
						queue = append(queue, other)
					}
				}
			}
		}
	}
	return all, holder
}

// mapped is a device mapper's name for a disk.
func (s *system) mapped(n node) string {
	for _, d := range s.disks {
		if d.name == n.name {
			return "/dev/mapper/" + d.attribute("dm/name")
		}
	}
	return ""
}

func (d sysDisk) attribute(name string) string {
	b, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (d sysDisk) model() string {
	return strings.TrimSpace(strings.Join(strings.Fields(d.attribute("device/vendor")+" "+d.attribute("device/model")+" "+d.attribute("device/name")), " "))
}

// removable says whether a person can take the disk out: its medium, itself at a
// USB plug, or an SD card in a slot of its own. An eMMC (type MMC) is soldered in.
func (d sysDisk) removable() bool {
	if d.attribute("removable") == "1" || d.attribute("device/type") == "SD" {
		return true
	}
	device, err := filepath.EvalSymlinks(filepath.Join(d.dir, "device"))
	return err == nil && strings.Contains(device, "/usb")
}

// Size is a number of bytes as the makers of cards count.
func Size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d bytes", n)
}
