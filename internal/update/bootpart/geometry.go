package bootpart

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sizes of the file system as it is written.
const (
	sectorsPerCluster = 2
	clusterBytes      = sectorsPerCluster * SectorBytes
	perFATSector      = SectorBytes / 4 // clusters whose entries share a sector of the FAT
	copies            = 2               // of the FAT
	rootCluster       = 2
	rootClusters      = 8 // the root directory's length, fixed
	minReserved       = 32
	backupSector      = 6 // of the boot sector, the one of the FSInfo follows it
)

// Options of Format. The zero value is the card.
type Options struct {
	// SharedClusters and SlotClusters are the sizes of the regions in clusters
	// of 1 KiB, multiples of 128: 0 means 8192 and 46080.
	SharedClusters, SlotClusters int
	// HiddenSectors is where the partition begins on the disk, in sectors: noted
	// in the boot sector, used by nobody known.
	HiddenSectors uint32
	// VolumeID is the file system's number; 0 is one like any other.
	VolumeID uint32
	// Sectors are the first texts of config.txt, tryboot.txt and hems.txt, each of
	// 512 bytes. One that is missing is blanks.
	Sectors map[string][]byte
}

// a region is a run of clusters, from the first to before the last.
type region struct{ first, end uint32 }

// geometry is where everything is.
type geometry struct {
	reserved   uint32 // sectors before the first FAT
	fatSectors uint32 // of one copy
	sectors    uint32 // in all
	shared     region
	slots      [2]region
}

// newGeometry lays the file system out for a partition. What the partition has to
// spare goes before the FAT, so that the regions end where it ends and, on the
// card, slots begin at whole MiB. The reserved sectors are a multiple of the
// cluster: a Raspberry Pi 3 is said to need that.
func newGeometry(size int64, opts Options) (geometry, error) {
	shared, slot := opts.SharedClusters, opts.SlotClusters
	if shared == 0 {
		shared = 8192
	}
	if slot == 0 {
		slot = 46080
	}
	if shared < perFATSector || slot < perFATSector || shared%perFATSector != 0 || slot%perFATSector != 0 || shared > 1<<20 || slot > 1<<20 {
		return geometry{}, fmt.Errorf("regions of %d and %d clusters: each must be a multiple of %d", shared, slot, perFATSector)
	}
	clusters := uint32(shared + 2*slot)
	g := geometry{
		fatSectors: clusters / perFATSector,
		shared:     region{0, uint32(shared)},
		slots:      [2]region{{uint32(shared), uint32(shared + slot)}, {uint32(shared + slot), clusters}},
	}
	used := copies*g.fatSectors + (clusters-2)*sectorsPerCluster
	sectors := min(size/SectorBytes, int64(used)+1<<15) &^ 7
	if sectors < int64(used+minReserved) {
		return geometry{}, fmt.Errorf("a partition of %d bytes is too small: the regions need %d", size, int64(used+minReserved+7)*SectorBytes)
	}
	g.sectors = uint32(sectors)
	g.reserved = g.sectors - used
	return g, nil
}

// offset is where a cluster's data is, in bytes.
func (g geometry) offset(cluster uint32) int64 {
	return (int64(g.reserved+copies*g.fatSectors) + int64(cluster-2)*sectorsPerCluster) * SectorBytes
}

// fatOffset is where a cluster's entry is in a copy of the FAT, in bytes.
func (g geometry) fatOffset(copy int, cluster uint32) int64 {
	return int64(g.reserved+uint32(copy)*g.fatSectors)*SectorBytes + int64(cluster)*4
}

// spacing keeps the files of one sector apart, in clusters: what a card may lose
// together with one sector is many around it.
func (g geometry) spacing() uint32 { return max(16, g.shared.end/128) }

// sectorCluster is where the i-th file of one sector is.
func (g geometry) sectorCluster(i int) uint32 { return g.spacing() * uint32(i+1) }

// firmware is where the shared files begin.
func (g geometry) firmware() uint32 { return g.spacing() * uint32(len(sectorFiles)+1) }

func (g geometry) slot(s Slot) region {
	if s == A {
		return g.slots[0]
	}
	return g.slots[1]
}

// Label is the volume's name.
const Label = "HEMS BOOT"

// bootSector is the first sector: the BIOS parameter block of FAT32 (Microsoft
// FAT specification, "BPB").
func (g geometry) bootSector(opts Options) []byte {
	b := make([]byte, SectorBytes)
	le := binary.LittleEndian
	copy(b, []byte{0xEB, 0x58, 0x90})
	copy(b[3:], "MSWIN4.1")
	le.PutUint16(b[11:], SectorBytes)
	b[13] = sectorsPerCluster
	le.PutUint16(b[14:], uint16(g.reserved))
	b[16] = copies
	b[21] = 0xF8
	le.PutUint16(b[24:], 63)
	le.PutUint16(b[26:], 255)
	le.PutUint32(b[28:], opts.HiddenSectors)
	le.PutUint32(b[32:], g.sectors)
	le.PutUint32(b[36:], g.fatSectors)
	le.PutUint32(b[44:], rootCluster)
	le.PutUint16(b[48:], 1) // FSInfo
	le.PutUint16(b[50:], backupSector)
	b[64] = 0x80
	b[66] = 0x29
	le.PutUint32(b[67:], opts.VolumeID)
	copy(b[71:], label())
	copy(b[82:], "FAT32   ")
	copy(b[90:], []byte{0xF4, 0xEB, 0xFD}) // halt: nothing boots from here but a Pi's firmware
	b[510], b[511] = 0x55, 0xAA
	return b
}

// infoSector is the FSInfo: nothing is known of free clusters, for ever, because
// it would have to be written with each slot.
func infoSector() []byte {
	b := make([]byte, SectorBytes)
	le := binary.LittleEndian
	le.PutUint32(b, 0x41615252)
	le.PutUint32(b[484:], 0x61417272)
	le.PutUint32(b[488:], 0xFFFFFFFF)
	le.PutUint32(b[492:], 0xFFFFFFFF)
	b[510], b[511] = 0x55, 0xAA
	return b
}

func label() []byte { return fmt.Appendf(nil, "%-11s", Label) }

// readGeometry finds the regions of a partition that Format made: the borders are
// where the slots' directories begin.
func readGeometry(dev io.ReaderAt) (geometry, error) {
	g, err := findGeometry(dev)
	if err != nil {
		return geometry{}, fmt.Errorf("this is no boot partition with two slots: %w", err)
	}
	return g, nil
}

func findGeometry(dev io.ReaderAt) (geometry, error) {
	fsys, err := Open(dev)
	if err != nil {
		return geometry{}, err
	}
	v := fsys.v
	if v.fat16 || v.clusterBytes != clusterBytes || v.fatCopies != copies || v.root != rootCluster ||
		v.clusters+2 != v.fatSectors*perFATSector {
		return geometry{}, errors.New("it is laid out differently")
	}
	g := geometry{reserved: v.reserved, fatSectors: v.fatSectors, sectors: v.sectors}
	var first [2]uint32
	var sector [3]bool
	root, err := fsys.dir(fsys.rootNode())
	if err != nil {
		return geometry{}, err
	}
	for _, e := range root.items {
		for i, s := range Slots {
			if e.dir && e.name == string(s) {
				first[i] = e.first
			}
		}
	}
	end := v.clusters + 2
	if first[0]%perFATSector != 0 || first[1]%perFATSector != 0 || first[0] < perFATSector || first[1] <= first[0] || first[1] >= end || end%perFATSector != 0 {
		return geometry{}, errors.New("it has no a/ and b/ at the borders of regions")
	}
	g.shared = region{0, first[0]}
	g.slots = [2]region{{first[0], first[1]}, {first[1], end}}
	for _, e := range root.items {
		for i, name := range sectorFiles {
			if !e.dir && e.name == name && e.size == SectorBytes && e.first == g.sectorCluster(i) {
				sector[i] = true
			}
		}
	}
	for i, ok := range sector {
		if !ok {
			return geometry{}, fmt.Errorf("%s is not where it must be", sectorFiles[i])
		}
	}
	return g, nil
}
