//go:build interop

package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// installing is held while something is installed: tests run side by side.
var installing sync.Mutex

// leastNode is the oldest major version of Node.js that Zigbee2MQTT 2.14 runs on.
const leastNode = 20

// root returns the checkout's directory.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
		if d == filepath.Dir(d) {
			t.Fatalf("no go.mod above %s", dir)
		}
	}
}

// programs returns the directory of our own programs: $HEMS_BIN, or freshly
// built ones.
func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("HEMS_BIN"); dir != "" {
		return dir
	}
	dir := t.TempDir()
	run(t, root(t), "go", "build", "-o", dir, "./cmd/hems-simulator", "./cmd/hems-broker", "./cmd/hems-zigbee", "./cmd/hems-gateway", "./cmd/hems")
	return dir
}

// node returns a Node.js that is new enough: the machine's, or one from npm
// that is kept beside the checkout's other build results.
func node(t *testing.T) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	if path, err := exec.LookPath("node"); err == nil {
		out, err := exec.Command(path, "--version").Output()
		major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
		if n, bad := strconv.Atoi(major); err == nil && bad == nil && n >= leastNode {
			t.Logf("node %s of this machine", strings.TrimSpace(string(out)))
			return path
		}
		t.Logf("this machine's node is %q, older than %d", strings.TrimSpace(string(out)), leastNode)
	}
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if runtime.GOOS != "linux" || arch == "" {
		t.Fatalf("Node.js %d or newer is missing and npm has none for %s/%s: install it", leastNode, runtime.GOOS, runtime.GOARCH)
	}
	// This is what the package "node" would choose, without its install script.
	name := "node-linux-" + arch
	dir := filepath.Join(root(t), "build", "interop", "node")
	path := filepath.Join(dir, "node_modules", name, "bin", "node")
	if exec.Command(path, "--version").Run() != nil {
		t.Logf("installing Node.js 22 into %s (about 185 MB)", dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, dir, "npm", "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", name+"@22")
	}
	return path
}

// zigbee2mqtt installs what package-lock.json pins, once for each content of
// it, and returns the script that node starts.
func zigbee2mqtt(t *testing.T) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	dir := filepath.Join(root(t), "build", "interop", "zigbee2mqtt")
	script := filepath.Join(dir, "node_modules", "zigbee2mqtt", "index.js")
	stamp := filepath.Join(dir, "installed")
	var pinned []byte
	for _, name := range []string{"package.json", "package-lock.json"} {
		b, err := os.ReadFile(filepath.Join("zigbee2mqtt", name))
		if err != nil {
			t.Fatal(err)
		}
		pinned = append(pinned, b...)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Appendf(nil, "%x\n", sha256.Sum256(pinned))
	if got, err := os.ReadFile(stamp); err == nil && bytes.Equal(got, want) {
		t.Logf("zigbee2mqtt is in %s already", dir)
		return script
	}
	os.Remove(stamp)
	start := time.Now()
	t.Logf("installing zigbee2mqtt into %s (about 82 MB)", dir)
	// Its native module comes prebuilt: no install script is needed, none is run.
	run(t, dir, "npm", "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts")
	t.Logf("installed in %.1f s", time.Since(start).Seconds())
	if err := os.WriteFile(stamp, want, 0o644); err != nil {
		t.Fatal(err)
	}
	return script
}

// run runs a command to its end and fails the test with its output.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err == nil {
		return
	}
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatalf("%s is not installed: install it with this system's package manager", name)
	}
	t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(string(out), 30))
}

// tail returns the last n lines of s.
func tail(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
