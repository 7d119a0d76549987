package appliance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/smartcore-ireland/hems/internal/privilege"
)

// TakeOver brings owners and modes on a card to what Places says: of what every
// process needs, and of what is the named processes' own; of all processes when
// none is named. It is for root: each process calls it for itself when it
// starts, hems-manager when hems.yaml has changed, when a dongle was plugged in,
// and after it has written something into a place of another.
// An older version ran everything as root; its files are given away here.
//
// What cannot be given (it is a link, or has another name elsewhere) is told by
// the error, after everything else was.
func (e Env) TakeOver(processes ...string) error {
	errs := []error{passable(filepath.Dir(e.Data))}
	for _, p := range Places {
		if p.Made || !concerns(p, processes) {
			continue
		}
		if p.Mode&os.ModeDevice != 0 {
			for _, file := range e.files(p) {
				errs = append(errs, giveDevice(file, p))
			}
			continue
		}
		owner := privilege.Owner{UID: p.Owner, GID: p.Group, Mode: p.Mode}
		if !p.Mode.IsDir() {
			for _, file := range e.files(p) {
				errs = append(errs, privilege.File(file, owner))
			}
			continue
		}
		dir := e.at(p)
		if err := privilege.Directory(dir, owner); err != nil {
			errs = append(errs, err)
			continue
		}
		if p.Tree {
			errs = append(errs, privilege.Below(dir, p.Owner, p.Owner))
		}
	}
	return errors.Join(errs...)
}

// passable lets every user through the directory that the data directory is in:
// a file system may have been made by somebody careful.
func passable(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode()&0o111 == 0o111 {
		return nil // one that is missing is made so
	}
	if err := os.Chmod(dir, info.Mode().Perm()|0o111); err != nil {
		return fmt.Errorf("letting the users through: %w", err)
	}
	return nil
}

// giveDevice gives a device node away; only root makes names in /dev.
func giveDevice(path string, p Place) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil // unplugged meanwhile, or a link to one that is found too
	}
	err = os.Lchown(path, p.Owner, p.Group)
	if err == nil {
		err = os.Chmod(path, p.Mode.Perm())
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("taking over %s: %w", path, err)
	}
	return nil
}

func concerns(p Place, processes []string) bool {
	if p.Process == "" || len(processes) == 0 {
		return true
	}
	return slices.Contains(processes, p.Process)
}

// at is the path of a place without a pattern.
func (e Env) at(p Place) string {
	switch {
	case filepath.IsAbs(p.Path):
		return p.Path
	case p.InRun:
		return e.Run(p.Path)
	}
	return e.Path(p.Path)
}

// files are the files of a place that are there.
func (e Env) files(p Place) []string {
	switch p.Path {
	case tokenFiles:
		return e.named(func(c Config) (names []string) {
			for _, d := range c.Metrics.Destinations {
				names = append(names, d.secrets()...)
			}
			return names
		})
	case bridgeFiles:
		return e.named(func(c Config) (names []string) {
			for _, b := range c.MQTT.Bridges {
				names = append(names, b.secrets()...)
			}
			return names
		})
	}
	found, err := filepath.Glob(e.at(p))
	if err != nil {
		panic(err) // the patterns are ours, and the data directory has none
	}
	return found
}

// named are the files under secrets that hems.yaml names and that are there.
func (e Env) named(of func(Config) []string) (files []string) {
	cfg, _, err := LoadConfig(e.Path(ConfigFile))
	if err != nil {
		return nil // it is said when the process loads it
	}
	for _, name := range of(cfg) {
		if name == "" {
			continue
		}
		if _, err := os.Lstat(e.Secret(name)); err == nil {
			files = append(files, e.Secret(name))
		}
	}
	return files
}
