package gokproto

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/update/bootpart"
)

// goks is the boot file system as gokrazy's packer made it of small files, which
// package bootpart keeps: lines of offset, count and 16 bytes, between zeros.
func goks(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("../bootpart/testdata/gok-fat16.txt")
	if err != nil {
		t.Fatal(err)
	}
	var image []byte
	for line := range strings.Lines(string(text)) {
		var at, count int
		var row []byte
		if n, _ := fmt.Sscanf(line, "%x %d %x", &at, &count, &row); n >= 2 {
			image = append(image, make([]byte, at-len(image))...)
			image = append(image, bytes.Repeat(row, count)...)
		}
	}
	return image
}

// disk is a file system with these files.
func disk(files map[string]string) fs.FS {
	d := fstest.MapFS{}
	for name, data := range files {
		d[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return d
}

// contentsOf has the kernel uncompressed.
func contentsOf(t testing.TB, files []bootpart.File) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, f := range files {
		got[f.Name] = string(f.Data)
		if f.Name == "vmlinuz.gz" {
			r, err := gzip.NewReader(bytes.NewReader(f.Data))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			got[f.Name] = string(b)
		}
	}
	return got
}

func TestTranslate(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, "kernel")
	w.Close()
	for _, tt := range []struct {
		name string
		boot fs.FS
		want map[string]string
	}{
		{"AsGokMakesIt", made(bootpart.Open(bytes.NewReader(goks(t)))), map[string]string{
			"vmlinuz.gz":          strings.Repeat("kernel gokrazy!\n", 300),
			"bcm2712-rpi-5-b.dtb": "device tree",
			"overlays/README":     readme,
			"overlays/vc4-kms-dsi-waveshare-panel.dtbo": "overlay",
		}},
		{"OnlyWhatBelongsInASlot", disk(map[string]string{
			"vmlinuz": "k", "a.dtb": "tree", "a.dtbo": "at the top", "start4.elf": "firmware", "cmdline.txt": "root=/dev/sda2",
			"pieeprom.upd": "EEPROM", "overlays/a.dtbo": "overlay", "overlays/overlay_map.dtb": "map", "overlays/README": "gok's", "overlays/x.txt": "x",
		}), map[string]string{
			"vmlinuz.gz": "k", "a.dtb": "tree", "overlays/README": readme, "overlays/a.dtbo": "overlay", "overlays/overlay_map.dtb": "map",
		}},
		{"NoOverlays", disk(map[string]string{"vmlinuz": "kernel", "a.dtb": "tree"}),
			map[string]string{"vmlinuz.gz": "kernel", "a.dtb": "tree", "overlays/README": readme}},
		{"ACompressedKernel", disk(map[string]string{"vmlinuz": zipped.String(), "a.dtb": "tree"}),
			map[string]string{"vmlinuz.gz": "kernel", "a.dtb": "tree", "overlays/README": readme}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, err := translate(tt.boot)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, contentsOf(t, files)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTranslateRefuses(t *testing.T) {
	gok := goks(t)
	for name, boot := range map[string][]byte{"Empty": nil, "NoFileSystem": make([]byte, 1<<20), "CutShort": gok[:len(gok)/2]} {
		if files, err := Translate(bytes.NewReader(boot)); !errors.Is(err, ErrBootImage) || files != nil {
			t.Errorf("%s: got %d files, %v, want %v", name, len(files), err, ErrBootImage)
		}
	}
	for _, tt := range []struct {
		name string
		boot fs.FS
		want string
	}{
		{"NoKernel", disk(map[string]string{"a.dtb": "tree"}), "open vmlinuz: file does not exist"},
		{"EmptyKernel", disk(map[string]string{"vmlinuz": "", "a.dtb": "tree"}), "the kernel has 0 bytes"},
		{"NoTree", disk(map[string]string{"vmlinuz": "kernel"}), "it has no device tree"},
		{"HugeTree", disk(map[string]string{"vmlinuz": "kernel", "a.dtb": strings.Repeat("t", maxOther+1)}), "a.dtb has 1048577 bytes"},
		{"OverlaysAreAFile", disk(map[string]string{"vmlinuz": "kernel", "a.dtb": "tree", "overlays": "x"}), "readdir overlays: not implemented"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, err := translate(tt.boot)
			if err == nil || !strings.Contains(err.Error(), tt.want) || files != nil {
				t.Errorf("got %d files, %v, want %q", len(files), err, tt.want)
			}
		})
	}
}

func FuzzTranslate(f *testing.F) {
	f.Add(goks(f))
	f.Fuzz(func(t *testing.T, boot []byte) {
		files, err := Translate(bytes.NewReader(boot))
		if err != nil && !errors.Is(err, ErrBootImage) {
			t.Errorf("got %v", err)
		}
		for _, file := range files {
			if strings.Contains(file.Name, "..") || file.Name[0] == '/' || strings.Contains(file.Name, "cmdline") {
				t.Errorf("got the file %q", file.Name)
			}
		}
	})
}

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
