package testservers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// fluxVersion is the one that InfluxDB 2.7.12 asks for.
const fluxVersion = "github.com/influxdata/flux@v0.196.1"

// withoutRust makes a copy of flux, the module of InfluxDB 2 for its second
// language, whose parser is in Rust: without the parser, and without the
// packages that only queries in that language would load. What takes their place
// is in influxdb2/flux.
func withoutRust(root string, say io.Writer) error {
	cmd := exec.Command("go", "mod", "download", "-json", fluxVersion)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, say
	errRun := cmd.Run()
	var found struct{ Dir, Error string }
	if err := json.Unmarshal(out.Bytes(), &found); err != nil || found.Dir == "" {
		return errors.Join(errRun, err, fmt.Errorf("downloading %s: %s", fluxVersion, found.Error))
	}
	to, mine := filepath.Join(root, "build", "testservers", "flux"), filepath.Join(root, "internal", "testservers", "influxdb2", "flux")
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := copyTree(found.Dir, to, fluxKept); err != nil {
		return err
	}
	if err := copyTree(mine, to, func(string) bool { return true }); err != nil {
		return err
	}
	// The last step of its start is to look whether the parser knows every
	// function; it would not.
	global := filepath.Join(to, "runtime", "global.go")
	text, err := os.ReadFile(global)
	if err != nil {
		return err
	}
	const call = "err := Default.Finalize()"
	if bytes.Count(text, []byte(call)) != 1 {
		return fmt.Errorf("%s has not once %q", global, call)
	}
	return os.WriteFile(global, bytes.Replace(text, []byte(call), []byte("err := error(nil)"), 1), 0o644)
}

// fluxKept tells which files of flux are needed.
func fluxKept(path string) bool {
	switch {
	case path == "go.mod" || path == "go.sum":
		return true
	case strings.HasSuffix(path, "_test.go"), strings.HasPrefix(path, "libflux/"):
		return false
	}
	// Some embed what they are tested with.
	return strings.HasSuffix(path, ".go")
}

// copyTree copies the files of a directory for which keep says so.
func copyTree(from, to string, keep func(path string) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || !keep(filepath.ToSlash(rel)) {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o644)
	})
}
