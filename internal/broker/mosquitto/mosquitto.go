// Package mosquitto reads what a Mosquitto was configured with: its configuration
// with the files included, its password file and its access list, and says what
// of it this broker can be told, in which words, and what is left behind. It knows
// Mosquitto's files and must never know what is done with the answer.
package mosquitto

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/broker/acl"
	"github.com/smartcore-ireland/hems/internal/broker/passwd"
)

// Plan is what becomes of a configuration.
type Plan struct {
	// MQTT are the keys of the section mqtt of hems.yaml with their values.
	MQTT map[string]any
	// Passwords and List are the texts of the password file and the access list.
	Passwords, List []byte
	Users           []string // in the password file
	Left            []Left   // what is not taken over
	Notes           []string
}

// Left is a line that is not taken over.
type Left struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
	Why  string `json:"why"`
}

// limits of what is read.
const (
	maxFile  = 1 << 20
	maxDepth = 10
	maxLines = 20000
)

// option is one line of the configuration.
type option struct {
	file        string
	line        int
	name, value string
}

func (o option) text() string { return strings.TrimSpace(o.name + " " + o.value) }

// Read reads mosquitto.conf, or the one in a directory. Everything that
// contradicts itself is an error, with file and line.
func Read(path string) (*Plan, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "mosquitto.conf")
	}
	r := &reader{dir: filepath.Dir(path)}
	if err := r.read(path, 0); err != nil {
		return nil, err
	}
	p := &planner{plan: &Plan{MQTT: map[string]any{}}, dir: r.dir}
	p.take(r.options)
	p.end()
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	return p.plan, nil
}

type reader struct {
	dir     string
	options []option
}

func (r *reader) read(path string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: the files include each other", path)
	}
	b, err := readFile(path)
	if err != nil {
		return fmt.Errorf("reading Mosquitto's configuration: %w", err)
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, _ := strings.Cut(line, " ")
		o := option{file: path, line: n, name: name, value: strings.TrimSpace(value)}
		if name != "include_dir" {
			if r.options = append(r.options, o); len(r.options) > maxLines {
				return fmt.Errorf("%s: more than %d lines", path, maxLines)
			}
			continue
		}
		if err := r.include(o, depth); err != nil {
			return err
		}
	}
	return nil
}

// include reads the files of a directory that end on .conf, in the order of
// their names.
func (r *reader) include(o option, depth int) error {
	dir := find(r.dir, o.value)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%s:%d: include_dir: %w", o.file, o.line, err)
	}
	for _, e := range entries { // sorted
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".conf") {
			continue
		}
		if err := r.read(filepath.Join(dir, e.Name()), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// find is a path of the configuration here: a copy of its directory, or of a
// container's volume, is elsewhere than the configuration says.
func find(dir, path string) string {
	if !filepath.IsAbs(path) {
		return filepath.Join(dir, path)
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	for rest := path; rest != "" && rest != "."; {
		_, after, ok := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if !ok {
			break
		}
		if here := filepath.Join(dir, after); exists(here) {
			return here
		}
		rest = after
	}
	if here := filepath.Join(dir, filepath.Base(path)); exists(here) {
		return here
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return b, err
}

// end reads the files of users.
func (p *planner) end() {
	p.endListeners()
	p.endBridge()
	if p.bridges != nil {
		p.plan.MQTT["bridges"] = p.bridges
	}
	if o, ok := p.files["password_file"]; ok {
		b, err := readFile(find(p.dir, o.value))
		var f *passwd.File
		if err == nil {
			f, err = passwd.Parse(b)
		}
		if err != nil {
			p.fail(o, "the password file: %v", err)
			return
		}
		p.plan.Passwords, p.plan.Users = b, f.Users()
	}
	o, ok := p.files["acl_file"]
	if !ok {
		p.plan.List = everything(p.plan.Users, p.anonymous)
		if len(p.plan.Users) > 0 {
			p.note("without an acl_file each user may do everything, and so says the access list that is written")
		}
		return
	}
	b, err := readFile(find(p.dir, o.value))
	var l *acl.List
	if err == nil {
		l, err = acl.Parse(b)
	}
	if err != nil {
		p.fail(o, "the access list: %v", err)
		return
	}
	p.plan.List = b
	for _, name := range l.Users() {
		if !slices.Contains(p.plan.Users, name) {
			p.note("the access list has a user %q who is not in the password file", name)
		}
	}
}

// everything is the list that a Mosquitto without one has.
func everything(users []string, anonymous bool) []byte {
	var b strings.Builder
	if anonymous {
		b.WriteString("topic readwrite #\ntopic read $SYS/#\n")
	}
	for _, u := range users {
		fmt.Fprintf(&b, "\nuser %s\ntopic readwrite #\ntopic read $SYS/#\n", u)
	}
	return []byte(b.String())
}
