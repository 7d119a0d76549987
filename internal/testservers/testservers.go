// Package testservers builds the programs of other people that tests run ours
// against, each from a module of its own in this directory, unless that was done
// before. It knows how they are built and must never know what tests ask them,
// and no program of the product imports it.
package testservers

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// A Program is one of other people.
type Program struct {
	Name   string // of what is built
	module string // the directory here
	path   string // of its main package
	tags   string
	cgo    bool // gcc is needed
	// prepare makes what the module needs and has not got.
	prepare func(root string, say io.Writer) error
}

// The programs. Building takes from one minute (VictoriaMetrics, NATS) to some
// five (the others) on two processors, once.
var (
	VictoriaMetrics = Program{Name: "victoria-metrics", module: "victoriametrics", path: "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics"}
	NATS            = Program{Name: "nats-server", module: "nats", path: "github.com/nats-io/nats-server/v2"}
	InfluxDB1       = Program{Name: "influxd1", module: "influxdb1", path: "github.com/influxdata/influxdb/cmd/influxd"}
	InfluxDB2       = Program{Name: "influxd2", module: "influxdb2", path: ".", cgo: true, prepare: withoutRust}
	LineParser      = Program{Name: "lineparser", module: "lineparser", path: "."} // of InfluxDB 2
	Telegraf        = Program{Name: "telegraf", module: "telegraf", path: "github.com/influxdata/telegraf/cmd/telegraf",
		tags: "custom,inputs.mqtt_consumer,outputs.influxdb_v2,parsers.influx,parsers.json_v2"}
	Cloudflared = Program{Name: "cloudflared", module: "cloudflared", path: "github.com/cloudflare/cloudflared/cmd/cloudflared"}
	FakeEdge    = Program{Name: "fakeedge", module: "cloudflared", path: "./fakeedge"} // of Cloudflare
)

// All are all of them.
var All = []Program{VictoriaMetrics, NATS, InfluxDB1, InfluxDB2, LineParser, Telegraf, Cloudflared, FakeEdge}

// Binary is where the program is, built if need be.
func (p Program) Binary(t testing.TB) string {
	t.Helper()
	bin, err := p.Build(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Build builds the program, unless it is newer than what it is made of, and says
// where it is. Who comes second, in another process too, waits. What is compiled
// is said in "go build -v"'s words.
func (p Program) Build(say io.Writer) (string, error) {
	root := root()
	dir := filepath.Join(root, "build", "testservers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, p.Name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return "", fmt.Errorf("waiting for another build of %s: %w", p.Name, err)
	}
	bin, module := filepath.Join(dir, p.Name), filepath.Join(root, "internal", "testservers", p.module)
	wanted, err := newest(module)
	if err != nil {
		return "", err
	}
	if built, err := os.Stat(bin); err == nil && built.ModTime().After(wanted) {
		return bin, nil
	}
	if p.prepare != nil {
		if err := p.prepare(root, say); err != nil {
			return "", fmt.Errorf("preparing %s: %w", p.Name, err)
		}
	}
	// Half a program is not to be taken for a whole one.
	args := []string{"build", "-C", module, "-v", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", bin + ".new"}
	if p.tags != "" {
		args = append(args, "-tags", p.tags)
	}
	cmd := exec.Command("go", append(args, p.path)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if p.cgo {
		if _, err := exec.LookPath("gcc"); err != nil {
			return "", fmt.Errorf("building %s: %w: apt-get install gcc libc6-dev", p.Name, err)
		}
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	}
	var out tail
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, say), io.MultiWriter(&out, say)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", p.Name, err, out)
	}
	return bin, os.Rename(bin+".new", bin)
}

// root is the directory of the repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// newest is when the last of the files in a directory was changed.
func newest(dir string) (latest time.Time, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.ModTime().After(latest) {
			latest = info.ModTime()
		}
		return err
	})
	return latest, err
}

// tail keeps the end of what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if const4k := 4 << 10; len(*t) > 2*const4k {
		*t = append(tail(nil), (*t)[len(*t)-const4k:]...)
	}
	return len(p), nil
}
