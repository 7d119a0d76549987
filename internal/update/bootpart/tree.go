package bootpart

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A node is a file or a directory that is to be written. Directories at the top
// of a region have no name of their own here.
type node struct {
	name     string
	dir      bool
	data     []byte
	children []*node
	byName   map[string]*node // in lower case, while the tree is made
	parent   *node

	short    [11]byte
	first    uint32 // 0 for a file with nothing in it
	clusters uint32
}

// maxEntries is the most a directory holds: 2 MiB of entries.
const maxEntries = 65536

// maxFiles is the most that is written into a region, and maxDepth how deep
// directories may lie in one another.
const (
	maxFiles = 4096
	maxDepth = 8
)

// grow adds files to a directory, with the directories they need, and sorts them.
func (n *node) grow(files []File) error {
	if len(files) > maxFiles {
		return fmt.Errorf("%d files: at most %d are taken", len(files), maxFiles)
	}
	for _, f := range files {
		parts := strings.Split(f.Name, "/")
		if len(parts) > maxDepth {
			return fmt.Errorf("%q lies too deep", f.Name)
		}
		if int64(len(f.Data)) > math.MaxUint32 {
			return fmt.Errorf("%q: %w: a file on FAT has at most 4 GiB", f.Name, ErrTooLarge)
		}
		at := n
		for i, part := range parts {
			if err := checkName(part); err != nil {
				return fmt.Errorf("file %q: %w", f.Name, err)
			}
			next := at.byName[strings.ToLower(part)]
			isDir := i < len(parts)-1
			switch {
			case next == nil:
				next = &node{name: part, dir: isDir, parent: at}
				at.add(next)
			case !isDir || !next.dir:
				return fmt.Errorf("file %q: there are two of this name (FAT does not tell A from a)", f.Name)
			}
			at = next
		}
		at.data = f.Data
	}
	return n.finish()
}

func (n *node) add(child *node) {
	if n.byName == nil {
		n.byName = map[string]*node{}
	}
	n.byName[strings.ToLower(child.name)] = child
	n.children = append(n.children, child)
}

// finish sorts a directory, and gives short names: first to the names that are
// short themselves.
func (n *node) finish() error {
	slices.SortFunc(n.children, func(a, b *node) int { return cmp.Compare(a.name, b.name) })
	used := map[[11]byte]bool{}
	for _, c := range n.children {
		if short, ok := exactShort(c.name); ok {
			c.short = short
			used[short] = true
		}
	}
	for _, c := range n.children {
		if c.short == [11]byte{} {
			c.short = tailShort(c.name, used)
			used[c.short] = true
		}
		if c.dir {
			if err := c.finish(); err != nil {
				return err
			}
		}
	}
	if n.entries() > maxEntries {
		return fmt.Errorf("directory %q: too many files: %w", n.name, ErrTooLarge)
	}
	return nil
}

// entries is how many entries a directory below the root has.
func (n *node) entries() int {
	count := 2 // itself and the one above
	for _, c := range n.children {
		count += c.slots()
	}
	return count
}

// slots is how many entries the node needs in the directory it is in.
func (n *node) slots() int {
	if !needsLong(n.name, n.short) {
		return 1
	}
	return 1 + (len(n.name)+longUnits-1)/longUnits
}

func (n *node) bytes() int {
	if n.dir {
		return n.entries() * entryBytes
	}
	return len(n.data)
}

// place gives clusters to a node and to all below it, one after the other, and
// returns the next free one. The order is that of walk.
func (n *node) place(next uint64) uint64 {
	n.clusters = uint32((n.bytes() + clusterBytes - 1) / clusterBytes)
	if n.clusters > 0 {
		n.first = uint32(min(next, math.MaxUint32))
	}
	next += uint64(n.clusters)
	for _, c := range n.children {
		next = c.place(next)
	}
	return next
}

// walk visits a node and all below it in the order of their clusters.
func (n *node) walk(visit func(*node) error) error {
	if err := visit(n); err != nil {
		return err
	}
	for _, c := range n.children {
		if err := c.walk(visit); err != nil {
			return err
		}
	}
	return nil
}

// content is what the node's clusters hold, without the padding.
func (n *node) content() []byte {
	if !n.dir {
		return n.data
	}
	b := make([]byte, 0, n.bytes())
	above := uint32(0) // the root directory is cluster 0 here, whatever it is
	if n.parent != nil {
		above = n.parent.first
	}
	b = appendEntry(b, [11]byte([]byte(".          ")), attrDir, n.first, 0)
	b = appendEntry(b, [11]byte([]byte("..         ")), attrDir, above, 0)
	for _, c := range n.children {
		b = c.appendTo(b)
	}
	return b
}

// appendTo writes the node's own entries.
func (n *node) appendTo(b []byte) []byte {
	if needsLong(n.name, n.short) {
		for _, e := range longEntries(n.name, n.short) {
			b = append(b, e[:]...)
		}
	}
	if n.dir {
		return appendEntry(b, n.short, attrDir, n.first, 0)
	}
	return appendEntry(b, n.short, attrArchive, n.first, uint32(len(n.data)))
}

// epoch is 1 January 1980, the day of all files here: the same files give the same
// bytes whenever they are written.
const epoch = 1<<5 | 1

func appendEntry(b []byte, short [11]byte, attr byte, first, size uint32) []byte {
	var e [entryBytes]byte
	le := binary.LittleEndian
	copy(e[:], short[:])
	e[11] = attr
	le.PutUint16(e[16:], epoch)
	le.PutUint16(e[18:], epoch)
	le.PutUint16(e[20:], uint16(first>>16))
	le.PutUint16(e[24:], epoch)
	le.PutUint16(e[26:], uint16(first))
	le.PutUint32(e[28:], size)
	return append(b, e[:]...)
}

// link writes the chains of a node and of all below it into a part of the FAT
// that begins with the entry of cluster base.
func (n *node) link(fat []byte, base uint32) {
	n.walk(func(n *node) error {
		chain(fat, base, n.first, n.clusters)
		return nil
	})
}

// endOfChain marks a file's last cluster.
const endOfChain = 0x0FFFFFFF

func chain(fat []byte, base, first, count uint32) {
	for i := range count {
		next := first + i + 1
		if i == count-1 {
			next = endOfChain
		}
		binary.LittleEndian.PutUint32(fat[(first+i-base)*4:], next)
	}
}
