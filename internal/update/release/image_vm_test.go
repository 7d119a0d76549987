//go:build vm

package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/smartcore-ireland/hems/internal/disk"
	"github.com/smartcore-ireland/hems/internal/update/bootpart"
	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// TestTheImageTrustsRootsAndHasNoPrivateKey looks at every file of the image that
// was built: of the keys there are the trusted roots' public halves.
func TestTheImageTrustsRootsAndHasNoPrivateKey(t *testing.T) {
	path := os.Getenv("HEMS_IMAGE")
	if path == "" {
		path = filepath.Join("..", "..", "..", "build", "hems.img")
	}
	image, err := os.Open(path)
	if err != nil {
		t.Fatalf("finding the image under test: %v: run \"make image\" first", err)
	}
	defer image.Close()
	parts, err := disk.Partitions(image)
	if err != nil {
		t.Fatal(err)
	}
	section := func(i int) *io.SectionReader { return io.NewSectionReader(image, parts[i].Offset, parts[i].Size) }
	boot, err := bootpart.Open(section(partBoot))
	if err != nil {
		t.Fatal(err)
	}
	root := os.DirFS(unpacked(t, section(partRoot)))
	trust, err := fs.Sub(root, "etc/hems/roots")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sign.ReadTrust(trust); err != nil || len(got.Roots()) == 0 {
		t.Errorf("the image trusts %s: %v", got, err)
	}
	secrets := secretsBeside(t, path)
	for name, fsys := range map[string]fs.FS{"boot": boot, "root": root} {
		files := 0
		err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := fs.ReadFile(fsys, name)
			if err != nil {
				return err
			}
			files++
			for _, key := range privateKey.FindAll(b, -1) {
				if sum := sha256.Sum256(key); published[name] != hex.EncodeToString(sum[:]) {
					t.Errorf("%s has a private key", name)
				}
			}
			for _, secret := range secrets {
				if bytes.Contains(b, secret) {
					t.Errorf("%s has a key of this checkout", name)
				}
			}
			return nil
		})
		if err != nil || files < 10 {
			t.Errorf("%s: %d files were looked at: %v", name, files, err)
		}
	}
}

var privateKey = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{16}[^-]*-----END [A-Z ]*PRIVATE KEY-----`)

// published are private keys that anybody may read, by the file that has one: their
// SHA-256. cloudflared's source has one for its test page (tlsconfig/hello_ca.go),
// which the appliance does not serve.
var published = map[string]string{
	"usr/lib/hems/cloudflared": "17ac4c2ca3deb87202cd2c101d4da9d4f4c0ec3d51a0381729329102b28e61a4",
}

// secretsBeside are the private keys that the image's maker has, as in their
// files and as bytes.
func secretsBeside(t *testing.T, image string) (secrets [][]byte) {
	t.Helper()
	for _, file := range []string{RootKeyFile, SigningKeyFile} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(image), "keys", file))
		if errors.Is(err, fs.ErrNotExist) {
			continue // kept elsewhere
		} else if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(b)
		if block == nil {
			t.Fatalf("%s is no PEM file", file)
		}
		secrets = append(secrets, block.Bytes, []byte(base64.StdEncoding.EncodeToString(block.Bytes)))
	}
	return secrets
}

// unpacked is a directory with the files of a SquashFS.
func unpacked(t *testing.T, squashfs io.Reader) string {
	t.Helper()
	dir := t.TempDir()
	file, out := filepath.Join(dir, "root.img"), filepath.Join(dir, "root")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, squashfs); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command("unsquashfs", "-no-progress", "-no-xattrs", "-dest", out, file).CombinedOutput(); err != nil {
		t.Fatalf("unsquashfs: %v: %s", err, b)
	}
	t.Cleanup(func() { // so that the files can be removed
		filepath.WalkDir(out, func(name string, d fs.DirEntry, _ error) error {
			if d != nil && d.IsDir() {
				os.Chmod(name, 0o700)
			}
			return nil
		})
	})
	return out
}
