package release

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/smartcore-ireland/hems/internal/atomicfile"
	"github.com/smartcore-ireland/hems/internal/update/sign"
)

// rootFile is the name of a root public key's file.
func rootFile(p sign.Public) string { return "root-" + p.String() + ".pem" }

// CollectRoots makes out the directory of the root keys that an image trusts:
// those in the directories from, each written anew after it was read as a public
// key, and nothing else. So no private key gets into an image, whatever lies in
// from.
func CollectRoots(out string, from ...string) ([]sign.Public, error) {
	fail := func(err error) ([]sign.Public, error) {
		return nil, fmt.Errorf("collecting the root keys that the image trusts: %w", err)
	}
	if err := clear(out); err != nil {
		return fail(err)
	}
	files := map[string]sign.Public{}
	var roots []sign.Public
	for _, dir := range from {
		trust, err := sign.ReadTrust(os.DirFS(dir))
		if err != nil {
			return fail(fmt.Errorf("%s: %w", dir, err))
		}
		for _, root := range trust.Roots() {
			if _, there := files[rootFile(root)]; !there {
				files[rootFile(root)] = root
				roots = append(roots, root)
			}
		}
	}
	if len(roots) == 0 {
		return fail(fmt.Errorf("there is none in %v: make one with \"make keys\", or the card takes no release", from))
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fail(err)
	}
	for name, root := range files {
		if err := atomicfile.Write(filepath.Join(out, name), sign.EncodeRootPublic(root), 0o644); err != nil {
			return fail(err)
		}
	}
	return roots, nil
}

// clear removes what an earlier build collected, and refuses to remove anything
// else.
func clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	for _, e := range entries {
		if ok, _ := filepath.Match("root-*.pem", e.Name()); !ok {
			return fmt.Errorf("%s is in the way: remove it", filepath.Join(dir, e.Name()))
		}
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
