package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	coordinator "github.com/smartcore-ireland/hems/appliance/zigbee"
	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/hemsyaml"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate/zha"
	"github.com/smartcore-ireland/hems/internal/zigbee/migrate/zigbee2mqtt"
	"github.com/smartcore-ireland/hems/internal/zigbee/statefile"
)

const importUsage = `usage: hems import zigbee2mqtt DIR [-host HOST | -data DATA] [-dry-run] [-replace] [-settings] [-json]
       hems import zha FILE            [the same]

hems import takes the Zigbee network of another program over, so that no device
has to be paired again: its keys, devices, their names, groups and options. DIR is
Zigbee2MQTT's data directory, with configuration.yaml and database.db in it. FILE
is a backup that ZHA lets you download, a coordinator_backup.json, or zigbee.db,
which has the devices too. Nothing of DIR and FILE is changed. Stop the other
program first, and give its dongle to the appliance; on another dongle, one
without a network, the network is made again.

  -host           the appliance that takes it over, as it runs (default $HEMS_URL)
  -data           or the data directory of one that does not run (default
                  $HEMS_DATA, then ./run)
  -dry-run        only say what would be taken over and what left behind
  -replace        give up a network that has devices; its state is kept
  -settings       set what hems.yaml has of the program's settings, too
  -json           the answer as JSON, and what went wrong too
  -user, -password-file
                  how to sign in at the host: see hems status -h

When something in the files contradicts itself, nothing is taken over.
`

// importSources are the programs whose files are read, and the word for what is
// to be named.
var importSources = map[string]struct {
	what string
	read func(string) (*migrate.Import, error)
}{
	"zigbee2mqtt": {"Zigbee2MQTT's data directory", zigbee2mqtt.Read},
	"zha":         {"ZHA's backup or zigbee.db", zha.Read},
}

// importing is one hems import.
type importing struct {
	remote
	data                      string
	dryRun, replace, settings bool
	patience                  time.Duration // for the coordinator to take it over
}

// importResult is the answer as JSON.
type importResult struct {
	migrate.Summary
	DryRun   bool                 `json:"dry_run"`
	Answer   *client.ImportAnswer `json:"answer,omitempty"`
	Settings map[string]any       `json:"settings,omitempty"` // of hems.yaml, that would do as before
	Set      bool                 `json:"settings_set"`
}

func (c *command) importNetwork(ctx context.Context, args []string) error {
	i := &importing{remote: remote{command: c, name: "import", every: cmp.Or(c.every, time.Second)}, patience: time.Minute}
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.Usage = func() { fmt.Fprint(c.stderr, importUsage) }
	flags.StringVar(&i.host, "host", c.getenv("HEMS_URL"), "")
	flags.StringVar(&i.data, "data", "", "")
	flags.BoolVar(&i.dryRun, "dry-run", false, "")
	flags.BoolVar(&i.replace, "replace", false, "")
	flags.BoolVar(&i.settings, "settings", false, "")
	flags.BoolVar(&i.json, "json", false, "")
	user := flags.String("user", cmp.Or(c.getenv("HEMS_USER"), "owner"), "")
	passwordFile := flags.String("password-file", "", "")
	words, err := allWords(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage
	case len(words) != 2:
		fmt.Fprint(c.stderr, "error: name the program and its files\nhint: hems import zigbee2mqtt DIR\n")
		return errUsage
	}
	source, ok := importSources[words[0]]
	if !ok {
		fmt.Fprintf(c.stderr, "error: %q is no program whose network can be taken over\nhint: hems import -h\n", words[0])
		return errUsage
	}
	if i.data != "" { // what was typed counts more than the environment
		i.host = ""
	}
	i.data = cmp.Or(i.data, c.getenv("HEMS_DATA"))
	return i.tell(i.run(ctx, source.read, words[1], *user, *passwordFile))
}

func (i *importing) run(ctx context.Context, read func(string) (*migrate.Import, error), path, user, passwordFile string) error {
	in, err := read(path)
	if err != nil {
		return advised(err)
	}
	d, err := in.Document(i.replace)
	if err != nil {
		return advised(err)
	}
	result := importResult{Summary: in.Summary(), DryRun: i.dryRun, Settings: in.Settings}
	result.Summary.Settings = nil
	if !i.json {
		i.show(path, &result)
	}
	if i.dryRun {
		return i.end(&result)
	}
	if i.host != "" {
		address := i.host
		if !strings.Contains(address, "://") {
			address = "http://" + address
		}
		if err := i.connect(ctx, address, user, passwordFile); err != nil {
			return err
		}
		result.Answer, err = i.send(ctx, d)
	} else {
		result.Answer, err = i.apply(d)
	}
	if err != nil {
		return err
	}
	if i.settings {
		if err := i.set(ctx, in.Settings); err != nil {
			return err
		}
		result.Set = len(in.Settings) > 0
	}
	return i.end(&result)
}

// advised is an error with what to do about it.
func advised(err error) error {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return hinted{err, h.Hint()}
	}
	return err
}

// send hands the document to the appliance that runs, and waits for the answer.
func (i *importing) send(ctx context.Context, d *migrate.Document) (*client.ImportAnswer, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	if err := i.Import(ctx, b); err != nil {
		return nil, err
	}
	defer i.progressEnd()
	for began := time.Now(); ; {
		i.progress("taking over")
		v, err := i.Imported(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && v.Answer != nil && v.Answer.ID == d.ID:
			return i.judged(v.Answer)
		case time.Since(began) > i.patience:
			return nil, hinted{errors.New("the coordinator has not taken the import over yet; it does when it runs"), "hems status " + i.host}
		}
		select {
		case <-ctx.Done():
		case <-time.After(i.every):
		}
	}
}

// judged is the answer, or the refusal in it.
func (i *importing) judged(a *client.ImportAnswer) (*client.ImportAnswer, error) {
	if a.OK {
		return a, nil
	}
	return nil, &client.Error{Code: a.Code, Message: a.Message, Hint: a.Hint}
}

// apply writes into the data directory of an appliance that does not run.
func (i *importing) apply(d *migrate.Document) (*client.ImportAnswer, error) {
	env, err := i.environment(i.data, "run", "")
	if err != nil {
		return nil, err
	}
	unlock, err := statefile.Lock(env.Path("zigbee"))
	if err != nil {
		return nil, hinted{err, "name the appliance that runs on it: -host http://localhost:8080; or stop it first"}
	}
	defer unlock()
	state, err := statefile.Open(env.Path("zigbee", statefile.Name))
	if err != nil {
		return nil, advised(err)
	}
	a, err := migrate.Apply(state, d, coordinator.CheckState)
	if err != nil {
		return nil, advised(err)
	}
	i.data = env.Data
	return &client.ImportAnswer{ID: a.ID, OK: a.OK, Message: a.Message, Kept: a.Kept, Devices: a.Devices, Merged: a.Merged, Notes: a.Notes}, nil
}

// set makes hems.yaml say what makes the appliance do as the program did.
func (i *importing) set(ctx context.Context, settings map[string]any) error {
	if i.host != "" {
		for _, path := range slices.Sorted(maps.Keys(settings)) {
			if err := i.SetConfig(ctx, path, settings[path]); err != nil {
				return fmt.Errorf("the network was taken over, but %s was not set: %w", path, err)
			}
		}
		return nil
	}
	var changes []hemsyaml.Change
	for _, path := range slices.Sorted(maps.Keys(settings)) {
		changes = append(changes, hemsyaml.Change{Path: path, Value: settings[path]})
	}
	if len(changes) == 0 {
		return nil
	}
	if err := hemsFile(i.data).Set("hems import", changes...); err != nil {
		return fmt.Errorf("the network was taken over, but hems.yaml was not changed: %w", err)
	}
	return nil
}

// hemsFile is hems.yaml in a data directory.
func hemsFile(data string) *hemsyaml.File {
	return hemsyaml.Open(hemsyaml.Options{
		Path: filepath.Join(data, appliance.ConfigFile), History: filepath.Join(data, "manager", "config"), Perm: 0o600,
		Check: checkHems,
	})
}

func checkHems(text []byte) (out []hemsyaml.Problem) {
	_, problems, err := appliance.ParseConfig(text)
	if err != nil {
		return []hemsyaml.Problem{{Text: err.Error()}}
	}
	for _, p := range problems {
		out = append(out, hemsyaml.Problem{Line: p.Line, Text: p.Text})
	}
	return out
}

// show tells what was read.
func (i *importing) show(path string, r *importResult) {
	w := i.stdout
	fmt.Fprintf(w, "%s in %s\n", r.Source, path)
	fmt.Fprintf(w, "network: PAN %s, extended PAN %s, channel %d, coordinator %v\n", r.Network.PANID, r.Network.ExtendedPANID, r.Network.Channel, r.Network.Coordinator)
	fmt.Fprintf(w, "devices: %d\n", len(r.Devices))
	for _, d := range r.Devices {
		fmt.Fprintf(w, "  %s  %v  %s\n", d.Name, d.EUI64, cmp.Or(d.Model, "(not known yet)"))
	}
	if len(r.Groups) > 0 {
		fmt.Fprintf(w, "groups: %d\n", len(r.Groups))
		for _, g := range r.Groups {
			fmt.Fprintf(w, "  %s (%d): %s\n", g.Name, g.ID, cmp.Or(strings.Join(g.Members, ", "), "no members"))
		}
	}
	if r.Options > 0 {
		fmt.Fprintf(w, "devices with options of their own: %d\n", r.Options)
	}
	if len(r.Left) > 0 {
		fmt.Fprintln(w, "left behind:")
		for _, l := range r.Left {
			fmt.Fprintf(w, "  %s: %s\n", l.What, l.Why)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	if len(r.Settings) > 0 && !i.settings {
		var all []string
		for _, key := range slices.Sorted(maps.Keys(r.Settings)) {
			all = append(all, fmt.Sprintf("%s: %v", key, r.Settings[key]))
		}
		fmt.Fprintf(w, "note: in hems.yaml, %s would do as before: -settings sets that\n", strings.Join(all, ", "))
	}
}

// end tells how it ended.
func (i *importing) end(r *importResult) error {
	if i.json {
		return i.answer(r)
	}
	return told(i.stdout, r)
}

func told(w io.Writer, r *importResult) error {
	if r.Answer == nil {
		_, err := fmt.Fprintln(w, "nothing was changed: this was a dry run")
		return err
	}
	for _, n := range r.Answer.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	if r.Answer.Kept != "" {
		fmt.Fprintf(w, "the state before is kept as %s\n", r.Answer.Kept)
	}
	_, err := fmt.Fprintln(w, r.Answer.Message)
	return err
}
