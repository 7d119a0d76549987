package bootpart

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"testing"
)

// FuzzOpen reads all of a disk on which some bytes are others. An input is a
// sequence of changes: place, length, bytes.
func FuzzOpen(f *testing.F) {
	m := &memory{b: make([]byte, smallSize)}
	if err := Format(m, smallSize, small); err != nil {
		f.Fatal(err)
	}
	if err := WriteSlot(m, A, bootFiles()[:12]); err != nil {
		f.Fatal(err)
	}
	g, err := readGeometry(m)
	if err != nil {
		f.Fatal(err)
	}
	disks := [][]byte{m.b, gokImage(f)}
	change := func(at int64, b ...byte) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, uint32(at)), append([]byte{byte(len(b))}, b...)...)
	}
	f.Add(byte(0), []byte{})
	f.Add(byte(1), []byte{})
	f.Add(byte(0), change(13, 0))
	f.Add(byte(1), change(13, 128))
	f.Add(byte(0), change(32, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F))
	f.Add(byte(0), change(g.fatOffset(0, rootCluster), 2, 0, 0, 0))             // a circle
	f.Add(byte(0), change(g.offset(g.slot(A).first)+2*32+26, 0, 1))             // into another file
	f.Add(byte(0), change(g.offset(rootCluster)+2*32+28, 255, 255, 255, 255))   // a file of 4 GiB
	f.Add(byte(0), change(g.offset(g.slot(A).first)+2*32, 0x7F, '/', 0, 0, 13)) // a long name
	f.Fuzz(func(t *testing.T, which byte, changes []byte) {
		disk := bytes.Clone(disks[which&1])
		for len(changes) > 5 {
			at, n := int(binary.LittleEndian.Uint32(changes))%len(disk), int(changes[4])
			n = min(n, len(changes)-5)
			copy(disk[at:], changes[5:5+n])
			changes = changes[5+n:]
		}
		fsys, err := Open(bytes.NewReader(disk))
		if err != nil {
			return
		}
		files := 0
		fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if files++; files > 4*len(disk)/entryBytes {
				t.Fatalf("it lists more than is on the disk: %s", name)
			}
			if err == nil && !d.IsDir() {
				if b, err := fsys.ReadFile(name); err == nil && len(b) > len(disk) {
					t.Fatalf("%s: %d bytes from a disk of %d", name, len(b), len(disk))
				}
			}
			return nil
		})
		readGeometry(bytes.NewReader(disk))
		if which&1 == 0 {
			CompareSlot(bytes.NewReader(disk), A, nil)
		}
	})
}
