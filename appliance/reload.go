package appliance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
)

// lookEvery is how often a process looks whether hems.yaml has changed.
const lookEvery = 2 * time.Second

// errChanged is why a run ends whose configuration is no longer the one in
// hems.yaml.
var errChanged = errors.New("hems.yaml has changed")

// runAgain runs the process until ctx ends, anew with each new configuration.
// The process itself does not end for it: gokrazy would take that for good.
func (p Process) runAgain(ctx context.Context, env Env, run Run, every time.Duration) error {
	cfg, err := p.awaitConfig(ctx, env)
	if err != nil {
		return nil // stopped while it waited
	}
	for {
		this, end := context.WithCancelCause(ctx)
		next := cfg
		watched := make(chan struct{})
		go func() {
			defer close(watched)
			if c, ok := p.awaitChange(this, env, cfg, every); ok {
				next = c
				end(errChanged)
			}
		}()
		err := run(this, env, cfg)
		changed := errors.Is(context.Cause(this), errChanged)
		end(nil)
		<-watched
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		if !changed || ctx.Err() != nil {
			return err
		}
		if err != nil {
			env.Log.Error("what ran with the old hems.yaml did not end well", "err", err)
		}
		cfg = next
	}
}

// awaitChange returns the new configuration once hems.yaml says something else
// for this process than cfg and is right; false when ctx has ended. What is
// wrong is said once.
func (p Process) awaitChange(ctx context.Context, env Env, cfg Config, every time.Duration) (next Config, ok bool) {
	path := env.Path(ConfigFile)
	var seen fileState
	said := ""
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return Config{}, false
		case <-tick.C:
		}
		now := stateOf(path)
		if now == seen {
			continue
		}
		seen = now
		next, err := p.loadConfig(env)
		switch {
		case err != nil && err.Error() != said:
			said = err.Error()
			env.Log.Error("hems.yaml has changed and is not right; going on with what it said before", "err", err)
		case err != nil:
		case p.differs(cfg, next):
			env.Log.Info("hems.yaml has changed; starting again with what it says now")
			return next, true
		case said != "":
			said = ""
			env.Log.Info("hems.yaml is right again")
		}
	}
}

// loadConfig loads hems.yaml; the error is what is wrong in the sections that
// the process needs. One that needs none is told nothing of the file.
func (p Process) loadConfig(env Env) (Config, error) {
	if len(p.Sections) == 0 {
		return DefaultConfig(), nil
	}
	cfg, problems, err := LoadConfig(env.Path(ConfigFile))
	if err == nil {
		err = problems.In(p.Sections...)
	}
	return cfg, err
}

// differs says whether the process would run otherwise with b than with a.
func (p Process) differs(a, b Config) bool {
	return !bytes.Equal(p.sections(a), p.sections(b))
}

// sections is what of c concerns the process, as text: a time zone that was
// loaded twice is not the same to reflect.DeepEqual.
func (p Process) sections(c Config) []byte {
	fields := yamlFields(reflect.TypeFor[Config]())
	var text []byte
	for _, name := range p.Sections {
		f, ok := fields[name]
		if !ok {
			panic(fmt.Sprintf("%s needs the section %q, which hems.yaml does not have", p.Name, name))
		}
		b, err := yaml.Marshal(reflect.ValueOf(c).FieldByIndex(f.Index).Interface())
		if err != nil {
			panic(err) // the types of Config can be written
		}
		text = append(append(text, b...), 0)
	}
	return text
}

// fileState tells one content of a file from another without reading it.
type fileState struct {
	known   bool
	inode   uint64
	size    int64
	changed syscall.Timespec // its content or its permissions
}

// stateOf is the state of the file now; one that is not there has a state too.
func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return fileState{} // looked at again until it can be
		}
		return fileState{known: true}
	}
	st := info.Sys().(*syscall.Stat_t)
	return fileState{known: true, inode: st.Ino, size: info.Size(), changed: st.Ctim}
}
