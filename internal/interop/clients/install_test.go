//go:build interop

package clients

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// root returns the checkout's directory.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// programs returns the directory of our own programs: $HEMS_BIN, or freshly
// built ones.
func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("HEMS_BIN"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	run(t, root(t), "go", "build", "-o", dir, "./cmd/hems-broker")
	return dir
}

// pahoGo builds the driver, a module of its own beside ours: the libraries are
// not the appliance's.
func pahoGo(t *testing.T) []string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "pahogo")
	run(t, "pahogo", "go", "build", "-o", program, ".")
	return []string{program}
}

// pahoPython installs what requirements.txt pins, once for each content of it.
func pahoPython(t *testing.T) []string {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("python3 is not installed: install it with this system's package manager")
	}
	requirements, err := filepath.Abs(filepath.Join("pahopython", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root(t), "build", "interop", "pahopython")
	lib := filepath.Join(dir, "lib")
	once(t, dir, []string{requirements}, func() {
		// A virtual environment brings pip where the system's Python has none for all.
		run(t, dir, python, "-m", "venv", filepath.Join(dir, "venv"))
		run(t, dir, filepath.Join(dir, "venv", "bin", "python3"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
			"--no-compile", "--target", lib, "-r", requirements)
	})
	return []string{"env", "PYTHONPATH=" + lib, "PYTHONDONTWRITEBYTECODE=1", python, filepath.Join("pahopython", "driver.py")}
}

// mqttJS installs what package-lock.json pins, once for each content of it.
func mqttJS(t *testing.T) []string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: install it with this system's package manager")
	}
	dir := filepath.Join(root(t), "build", "interop", "mqttjs")
	pinned := []string{filepath.Join("mqttjs", "package.json"), filepath.Join("mqttjs", "package-lock.json")}
	once(t, dir, pinned, func() {
		for _, file := range pinned {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		run(t, dir, "npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts")
	})
	return []string{"env", "NODE_PATH=" + filepath.Join(dir, "node_modules"), node, filepath.Join("mqttjs", "driver.js")}
}

// once installs into a directory unless it was done for the same pins.
func once(t *testing.T, dir string, pins []string, install func()) {
	t.Helper()
	var content []byte
	for _, file := range pins {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		content = append(content, b...)
	}
	stamp := filepath.Join(dir, "installed")
	want := fmt.Appendf(nil, "%x\n", sha256.Sum256(content))
	if got, err := os.ReadFile(stamp); err == nil && bytes.Equal(got, want) {
		return
	}
	os.RemoveAll(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	install()
	t.Logf("installed into %s in %.1f s", dir, time.Since(began).Seconds())
	if err := os.WriteFile(stamp, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a command to its end and fails the test with its output.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
