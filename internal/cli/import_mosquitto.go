package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker/mosquitto"
	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/hemsyaml"
)

const importMosquittoUsage = `usage: hems import mosquitto DIR [-host HOST | -data DATA] [-dry-run] [-replace] [-json]

hems import mosquitto takes over what a Mosquitto was configured with: users and
their passwords, the access list, listeners, limits and bridges. DIR has its
mosquitto.conf, or is that file; include_dir is followed. Nothing of it is changed.
What has no counterpart is listed with its line.

  -host           the appliance that takes it over, as it runs (default $HEMS_URL)
  -data           or the data directory of one on this machine (default
                  $HEMS_DATA, then ./run)
  -dry-run        only say what would be taken over and what left behind
  -replace        users that are there already become those of the files
  -json           the answer as JSON, and what went wrong too
  -user, -password-file
                  how to sign in at the host: see hems status -h

When something in the files contradicts itself or the appliance, nothing is taken
over.
`

// mosquittoResult is the answer as JSON.
type mosquittoResult struct {
	DryRun bool             `json:"dry_run"`
	Users  []string         `json:"users"`
	MQTT   map[string]any   `json:"mqtt"` // of hems.yaml
	Left   []mosquitto.Left `json:"left"`
	Notes  []string         `json:"notes,omitempty"`
}

func (c *command) importMosquitto(ctx context.Context, args []string) error {
	m := &mqttCommand{remote: remote{command: c, name: "import mosquitto", every: cmp.Or(c.every, time.Second)}}
	flags := m.mqttFlags("import mosquitto", importMosquittoUsage)
	dry := flags.Bool("dry-run", false, "")
	replace := flags.Bool("replace", false, "")
	words, err := allWords(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage
	case len(words) != 1:
		fmt.Fprint(c.stderr, "error: name Mosquitto's directory\nhint: hems import mosquitto /etc/mosquitto\n")
		return errUsage
	}
	return m.tell(m.importFrom(ctx, words[0], *dry, *replace))
}

func (m *mqttCommand) importFrom(ctx context.Context, path string, dry, replace bool) error {
	plan, err := mosquitto.Read(path)
	if err != nil {
		return err
	}
	for _, u := range plan.Users {
		if slices.Contains(appliance.Users(), u) {
			return hinted{fmt.Errorf("the password file has a user %q, as the appliance itself has one", u), "give it another name in a copy of the files, in the access list too"}
		}
	}
	if err := m.begin(ctx); err != nil {
		return err
	}
	if err := m.checkPlan(ctx, plan, replace); err != nil {
		return err
	}
	if !m.json {
		m.showPlan(path, plan)
	}
	if dry {
		return m.endImport(plan, true)
	}
	if len(plan.Passwords)+len(plan.List) > 0 {
		if err := m.asks.ImportMQTTUsers(ctx, string(plan.Passwords), string(plan.List), replace); err != nil {
			return err
		}
	}
	if err := m.setMQTT(ctx, plan.MQTT); err != nil {
		return fmt.Errorf("the users were taken over, but hems.yaml was not changed: %w", err)
	}
	return m.endImport(plan, false)
}

// checkPlan finds what would be refused, before anything is written.
func (m *mqttCommand) checkPlan(ctx context.Context, plan *mosquitto.Plan, replace bool) error {
	there, err := m.asks.MQTTUsers(ctx)
	if err != nil {
		return err
	}
	for _, u := range there.Users {
		if !replace && slices.Contains(plan.Users, u.Name) {
			return hinted{fmt.Errorf("there is a user %q already", u.Name), "-replace takes those of the files"}
		}
	}
	text, err := m.hemsText(ctx)
	if err != nil {
		return err
	}
	changed, err := hemsyaml.Edit([]byte(text), changesOf(plan.MQTT)...)
	if err != nil {
		return err
	}
	before := len(checkHems([]byte(text)))
	if problems := checkHems(changed); len(problems) > before {
		return &hemsyaml.Invalid{Problems: problems}
	}
	return nil
}

func (m *mqttCommand) hemsText(ctx context.Context) (string, error) {
	if m.host != "" {
		c, err := m.Config(ctx)
		return c.Text, err
	}
	s, err := hemsFile(m.data).Read()
	return s.Text, err
}

func changesOf(mqtt map[string]any) (all []hemsyaml.Change) {
	for _, key := range slices.Sorted(maps.Keys(mqtt)) {
		all = append(all, hemsyaml.Change{Path: "mqtt." + key, Value: mqtt[key]})
	}
	return all
}

func (m *mqttCommand) setMQTT(ctx context.Context, mqtt map[string]any) error {
	changes := changesOf(mqtt)
	if len(changes) == 0 {
		return nil
	}
	if m.host == "" {
		return hemsFile(m.data).Set("hems import", changes...)
	}
	for _, c := range changes {
		if err := m.SetConfig(ctx, c.Path, c.Value); err != nil {
			return fmt.Errorf("%s: %w", c.Path, err)
		}
	}
	return nil
}

func (m *mqttCommand) showPlan(path string, p *mosquitto.Plan) {
	fmt.Fprintf(m.stdout, "Mosquitto in %s\n", path)
	fmt.Fprintf(m.stdout, "users: %s\n", cmp.Or(strings.Join(p.Users, ", "), "none"))
	if len(p.MQTT) > 0 {
		if b, err := yaml.Marshal(map[string]any{"mqtt": p.MQTT}); err == nil {
			fmt.Fprintf(m.stdout, "in hems.yaml:\n")
			for line := range strings.Lines(string(b)) {
				fmt.Fprint(m.stdout, "  "+line)
			}
		}
	}
	if len(p.Left) > 0 {
		fmt.Fprintln(m.stdout, "left behind:")
		for _, l := range p.Left {
			fmt.Fprintf(m.stdout, "  %s:%d: %s: %s\n", l.File, l.Line, l.Text, l.Why)
		}
	}
	for _, n := range p.Notes {
		fmt.Fprintf(m.stdout, "note: %s\n", n)
	}
}

func (m *mqttCommand) endImport(p *mosquitto.Plan, dry bool) error {
	if m.json {
		return m.answer(mosquittoResult{dry, append([]string{}, p.Users...), p.MQTT, append([]mosquitto.Left{}, p.Left...), p.Notes})
	}
	text := fmt.Sprintf("taken over with %d users", len(p.Users))
	if dry {
		text = "nothing was changed: this was a dry run"
	}
	_, err := fmt.Fprintln(m.stdout, text)
	return err
}

var _ mqttUsers = (*client.Client)(nil)
