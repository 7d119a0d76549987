package bootpart

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// volume is what the boot sector says, checked: what lies where, and the chains of
// the FAT.
type volume struct {
	dev          io.ReaderAt
	fat16        bool
	clusterBytes int64
	reserved     uint32 // sectors before the first FAT
	fatSectors   uint32
	fatCopies    uint32
	sectors      uint32
	clusters     uint32 // usable ones: 2 to clusters+1
	data         int64  // where cluster 2 is, in bytes
	root         uint32 // FAT32: the root directory's first cluster
	rootAt       int64  // FAT16: where the root directory is, and its length in bytes
	rootBytes    int64

	mu     sync.Mutex
	window []byte // a part of the FAT
	from   int64  // where it is
}

// Bounds of what is believed of a boot sector. A FAT12, which only very small
// disks have, is not read.
const (
	minFAT16     = 4085
	minFAT32     = 65525
	maxClusters  = 1 << 22 // of a volume: 4 GiB with clusters of 1 KiB
	maxCluster   = 64 << 10
	fatWindow    = 4096
	maxDirectory = maxEntries * entryBytes // 2 MiB
)

// readVolume reads the boot sector (Microsoft FAT specification, "BPB").
func readVolume(dev io.ReaderAt) (*volume, error) {
	var b [SectorBytes]byte
	if _, err := dev.ReadAt(b[:], 0); err != nil {
		return nil, fmt.Errorf("reading the boot sector: %w", err)
	}
	le := binary.LittleEndian
	if b[510] != 0x55 || b[511] != 0xAA || le.Uint16(b[11:]) != SectorBytes {
		return nil, errors.New("there is no boot sector of FAT with sectors of 512 bytes")
	}
	per, rootEntries := uint32(b[13]), uint32(le.Uint16(b[17:]))
	v := &volume{
		dev:          dev,
		clusterBytes: int64(per) * SectorBytes,
		reserved:     uint32(le.Uint16(b[14:])),
		fatCopies:    uint32(b[16]),
		sectors:      uint32(le.Uint16(b[19:])),
		fatSectors:   uint32(le.Uint16(b[22:])),
		fat16:        true,
	}
	if v.sectors == 0 {
		v.sectors = le.Uint32(b[32:])
	}
	if v.fatSectors == 0 { // only FAT32 has the number in another place
		v.fat16 = false
		v.fatSectors = le.Uint32(b[36:])
		v.root = le.Uint32(b[44:])
		rootEntries = 0
	}
	if per == 0 || per&(per-1) != 0 || v.clusterBytes > maxCluster || v.reserved == 0 || v.fatCopies < 1 || v.fatCopies > 2 || v.fatSectors == 0 || v.fatSectors > 1<<20 {
		return nil, errors.New("the boot sector has sizes that cannot be")
	}
	rootSectors := (rootEntries*entryBytes + SectorBytes - 1) / SectorBytes
	before := v.reserved + v.fatCopies*v.fatSectors + rootSectors
	if before >= v.sectors || (v.sectors-before)/per > maxClusters {
		return nil, errors.New("the boot sector has more or less in it than fits")
	}
	v.clusters = (v.sectors - before) / per
	v.rootAt, v.rootBytes = int64(v.reserved+v.fatCopies*v.fatSectors)*SectorBytes, int64(rootEntries)*entryBytes
	v.data = int64(before) * SectorBytes
	if v.fat16 && (v.clusters < minFAT16 || v.clusters >= minFAT32 || rootEntries == 0) {
		return nil, fmt.Errorf("it has %d clusters and %d entries at the top: no FAT16", v.clusters, rootEntries)
	}
	if int64(v.clusters+2)*v.entryBytes() > int64(v.fatSectors)*SectorBytes {
		// What the FAT has no entries for cannot be used.
		v.clusters = uint32(int64(v.fatSectors)*SectorBytes/v.entryBytes()) - 2
	}
	if !v.fat16 && !v.valid(v.root) {
		return nil, errors.New("the root directory begins nowhere")
	}
	return v, nil
}

// entryBytes is the length of an entry of the FAT.
func (v *volume) entryBytes() int64 {
	if v.fat16 {
		return 2
	}
	return 4
}

func (v *volume) valid(cluster uint32) bool { return cluster >= 2 && cluster < v.clusters+2 }

// offset is where a cluster is, in bytes.
func (v *volume) offset(cluster uint32) int64 { return v.data + int64(cluster-2)*v.clusterBytes }

// next is what the FAT has for a cluster. Entries from end on are the end of a
// chain.
func (v *volume) next(cluster uint32) (next uint32, end bool, err error) {
	at := int64(v.reserved)*SectorBytes + int64(cluster)*v.entryBytes()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.window == nil || at < v.from || at+v.entryBytes() > v.from+int64(len(v.window)) {
		from := int64(v.reserved)*SectorBytes + (int64(cluster)*v.entryBytes())&^(fatWindow-1)
		b := make([]byte, min(fatWindow, int64(v.reserved+v.fatSectors)*SectorBytes-from))
		if _, err := v.dev.ReadAt(b, from); err != nil {
			return 0, false, fmt.Errorf("reading the FAT: %w", err)
		}
		v.window, v.from = b, from
	}
	b := v.window[at-v.from:]
	if v.fat16 {
		n := uint32(binary.LittleEndian.Uint16(b))
		return n, n >= 0xFFF8, nil
	}
	n := binary.LittleEndian.Uint32(b) & 0x0FFFFFFF
	return n, n >= 0x0FFFFFF8, nil
}

// A run is clusters that lie one after the other.
type run struct{ first, count uint32 }

// chainRuns follows the chain from first. With want > 0 it must have exactly that
// many clusters; else at most max. A chain that leads out of the volume, in a
// circle, or is too short or long, is an error.
func (v *volume) chainRuns(first, want, max uint32) ([]run, error) {
	var runs []run
	if want > 0 {
		max = want
	}
	for cluster, n := first, uint32(1); ; n++ {
		if !v.valid(cluster) {
			return nil, fmt.Errorf("its chain has cluster %d, which is none", cluster)
		}
		if n > max || n > v.clusters {
			return nil, errors.New("its chain is longer than it may be")
		}
		if last := len(runs) - 1; last >= 0 && runs[last].first+runs[last].count == cluster {
			runs[last].count++
		} else {
			runs = append(runs, run{cluster, 1})
		}
		next, end, err := v.next(cluster)
		if err != nil {
			return nil, err
		}
		if end {
			if want > 0 && n != want {
				return nil, fmt.Errorf("its chain has %d clusters instead of %d", n, want)
			}
			return runs, nil
		}
		cluster = next
	}
}

// readRuns reads from runs of clusters, from off on. It reads up to the last
// cluster's end.
func (v *volume) readRuns(runs []run, p []byte, off int64) error {
	for _, r := range runs {
		size := int64(r.count) * v.clusterBytes
		if off >= size {
			off -= size
			continue
		}
		part := p[:min(int64(len(p)), size-off)]
		if n, err := v.dev.ReadAt(part, v.offset(r.first)+off); err != nil && n < len(part) {
			return fmt.Errorf("reading cluster %d and on: %w", r.first, err)
		}
		if p = p[len(part):]; len(p) == 0 {
			return nil
		}
		off = 0
	}
	return io.ErrUnexpectedEOF
}
