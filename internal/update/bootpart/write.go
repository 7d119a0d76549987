package bootpart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Format makes an empty file system on a partition of size bytes: whole and
// valid, with the two slots' directories empty and the files of one sector in
// place. Free clusters keep what they held.
func Format(dev Device, size int64, opts Options) error {
	if err := format(dev, size, opts); err != nil {
		return fmt.Errorf("formatting the boot partition: %w", err)
	}
	return nil
}

func format(dev Device, size int64, opts Options) error {
	g, err := newGeometry(size, opts)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(opts.Sectors)) {
		if !slices.Contains(sectorFiles[:], name) || len(opts.Sectors[name]) != SectorBytes {
			return fmt.Errorf("%q of %d bytes is none of the files of one sector", name, len(opts.Sectors[name]))
		}
	}
	head := make([]byte, int(g.reserved)*SectorBytes)
	for _, at := range []int{0, backupSector} {
		copy(head[at*SectorBytes:], g.bootSector(opts))
		copy(head[(at+1)*SectorBytes:], infoSector())
	}
	if err := writeAll(dev, head, 0); err != nil {
		return err
	}
	for i, name := range sectorFiles {
		text := opts.Sectors[name]
		if text == nil {
			text = append(bytes.Repeat([]byte(" "), SectorBytes-1), '\n')
		}
		// The rest of the cluster belongs to the file's slack: zeros.
		if err := writeAll(dev, append(bytes.Clone(text), make([]byte, clusterBytes-SectorBytes)...), g.offset(g.sectorCluster(i))); err != nil {
			return err
		}
	}
	if err := g.writeShared(dev, nil); err != nil {
		return err
	}
	for _, s := range Slots {
		if err := g.writeSlot(dev, s, nil); err != nil {
			return err
		}
	}
	return nil
}

// WriteShared replaces the files at the top of the partition, which both slots
// use: the firmware's. It is for the one who makes a card: the appliance never
// does it. Files in directories are not taken, the files of one sector stay.
func WriteShared(dev Device, files []File) error {
	g, err := readGeometry(dev)
	if err == nil {
		err = g.writeShared(dev, files)
	}
	if err != nil {
		return fmt.Errorf("writing the firmware's files: %w", err)
	}
	return nil
}

func (g geometry) writeShared(dev Device, files []File) error {
	root := &node{dir: true}
	all := []File{{Name: string(A)}, {Name: string(B)}}
	for _, name := range sectorFiles {
		all = append(all, File{Name: name, Data: make([]byte, SectorBytes)})
	}
	if err := root.grow(append(all, files...)); err != nil {
		return err
	}
	next := uint64(g.firmware())
	for _, c := range root.children {
		switch {
		case c.dir:
			return fmt.Errorf("%s: directories are the slots' alone", c.name)
		case Slot(c.name).Valid():
			c.dir, c.first, c.clusters = true, g.slot(Slot(c.name)).first, 0 // its chain is in its own region
		case slices.Contains(sectorFiles[:], c.name):
			c.first, c.clusters = g.sectorCluster(slices.Index(sectorFiles[:], c.name)), 1
		default:
			next = c.place(next)
		}
	}
	if free := uint64(g.shared.end); next > free {
		return tooLarge(next-uint64(g.firmware()), free-uint64(g.firmware()))
	}

	entries := appendEntry(nil, [11]byte(label()), attrLabel, 0, 0)
	for _, c := range root.children {
		entries = c.appendTo(entries)
	}
	if len(entries) > rootClusters*clusterBytes {
		return fmt.Errorf("too many files for the root directory: %w", ErrTooLarge)
	}
	entries = append(entries, make([]byte, rootClusters*clusterBytes-len(entries))...)

	fat := make([]byte, g.shared.end*4)
	copy(fat, []byte{0xF8, 0xFF, 0xFF, 0x0F, 0xFF, 0xFF, 0xFF, 0x0F})
	chain(fat, 0, rootCluster, rootClusters)
	for _, c := range root.children {
		chain(fat, 0, c.first, c.clusters)
	}
	for _, c := range root.children {
		if c.clusters == 0 || c.first < g.firmware() {
			continue
		}
		padded := append(bytes.Clone(c.data), make([]byte, int(c.clusters)*clusterBytes-len(c.data))...)
		if err := writeAll(dev, padded, g.offset(c.first)); err != nil {
			return err
		}
	}
	if err := writeAll(dev, entries, g.offset(rootCluster)); err != nil {
		return err
	}
	return g.writeFAT(dev, g.shared, fat)
}

// WriteSlot replaces all files of a slot, from nothing: directories, data and the
// slot's part of both FATs. No other sector is touched. It does not wait until
// the writes are on the disk. Until it has returned, the slot is to be taken for
// broken.
func WriteSlot(dev Device, s Slot, files []File) error {
	g, err := readGeometry(dev)
	if err == nil && !s.Valid() {
		err = fmt.Errorf("%q is not a slot", string(s))
	}
	if err == nil {
		err = g.writeSlot(dev, s, files)
	}
	if err != nil {
		return fmt.Errorf("writing the boot files of slot %s: %w", s, err)
	}
	return nil
}

// Fits says whether WriteSlot would take the files, without writing.
func Fits(dev io.ReaderAt, s Slot, files []File) error {
	g, err := readGeometry(dev)
	if err != nil {
		return err
	}
	_, err = g.plan(g.slot(s), files)
	return err
}

// plan places files in a slot's region.
func (g geometry) plan(r region, files []File) (*node, error) {
	top := &node{dir: true}
	if err := top.grow(files); err != nil {
		return nil, err
	}
	if end := top.place(uint64(r.first)); end > uint64(r.end) {
		return nil, tooLarge(end-uint64(r.first), uint64(r.end-r.first))
	}
	return top, nil
}

func tooLarge(need, have uint64) error {
	return fmt.Errorf("%w: they need %d KiB, there are %d KiB", ErrTooLarge, need*clusterBytes/1024, have*clusterBytes/1024)
}

func (g geometry) writeSlot(dev Device, s Slot, files []File) error {
	r := g.slot(s)
	top, err := g.plan(r, files)
	if err != nil {
		return err
	}
	// The nodes lie one after the other, so the region is written in one go.
	at, buf := g.offset(r.first), make([]byte, 0, chunk+clusterBytes)
	flush := func() error {
		if err := writeAll(dev, buf, at); err != nil {
			return err
		}
		at, buf = at+int64(len(buf)), buf[:0]
		return nil
	}
	err = top.walk(func(n *node) error {
		for b := n.content(); len(b) > 0; {
			part := b[:min(len(b), chunk-len(buf))]
			buf, b = append(buf, part...), b[len(part):]
			if len(b) == 0 {
				buf = append(buf, make([]byte, -len(buf)&(clusterBytes-1))...)
			}
			if len(buf) >= chunk {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	fat := make([]byte, (r.end-r.first)*4)
	top.link(fat, r.first)
	return g.writeFAT(dev, r, fat)
}

// writeFAT writes a region's part of the FATs.
func (g geometry) writeFAT(dev Device, r region, fat []byte) error {
	for i := range copies {
		if err := writeAll(dev, fat, g.fatOffset(i, r.first)); err != nil {
			return err
		}
	}
	return nil
}

func writeAll(dev Device, b []byte, off int64) error {
	for len(b) > 0 {
		part := b[:min(len(b), chunk)]
		if n, err := dev.WriteAt(part, off); err != nil {
			return err
		} else if n < len(part) {
			return io.ErrShortWrite
		}
		b, off = b[len(part):], off+int64(len(part))
	}
	return nil
}

// WriteSector replaces config.txt, tryboot.txt or hems.txt by one write of one
// sector. The data is 512 bytes. It does not wait until it is on the disk.
func WriteSector(dev Device, name string, data []byte) error {
	i := slices.Index(sectorFiles[:], name)
	if i < 0 || len(data) != SectorBytes {
		return fmt.Errorf("writing %s: it is not a file of one sector, or has %d bytes", name, len(data))
	}
	g, err := readGeometry(dev)
	if err == nil {
		err = writeAll(dev, data, g.offset(g.sectorCluster(i)))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// ReadSector reads a file of one sector.
func ReadSector(dev io.ReaderAt, name string) ([]byte, error) {
	i := slices.Index(sectorFiles[:], name)
	if i < 0 {
		return nil, fmt.Errorf("reading %s: it is not a file of one sector", name)
	}
	g, err := readGeometry(dev)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	b := make([]byte, SectorBytes)
	if _, err := dev.ReadAt(b, g.offset(g.sectorCluster(i))); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return b, nil
}

// CompareSlot reads a slot back and says what differs from what WriteSlot was
// given: a file's bytes, a file that is missing or not expected, or one copy of
// the FAT from the other.
func CompareSlot(dev io.ReaderAt, s Slot, files []File) error {
	if err := compareSlot(dev, s, files); err != nil {
		return fmt.Errorf("reading back the boot files of slot %s: %w", s, err)
	}
	return nil
}

func compareSlot(dev io.ReaderAt, s Slot, files []File) error {
	g, err := readGeometry(dev)
	if err != nil {
		return err
	}
	r := g.slot(s)
	var fats [copies][]byte
	for i := range fats {
		fats[i] = make([]byte, (r.end-r.first)*4)
		if _, err := dev.ReadAt(fats[i], g.fatOffset(i, r.first)); err != nil {
			return err
		}
	}
	if !bytes.Equal(fats[0], fats[1]) {
		return errors.New("the two copies of the FAT differ")
	}
	fsys, err := Open(dev)
	if err != nil {
		return err
	}
	for _, f := range files {
		got, err := fsys.ReadFile(s.Dir() + f.Name)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, f.Data) {
			return fmt.Errorf("%s reads back differently", f.Name)
		}
	}
	return fsys.only(s, files)
}
