package cli

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/broker/roster"
	"github.com/smartcore-ireland/hems/internal/client"
)

const mqttUsage = `usage: hems mqtt user list
       hems mqtt user add NAME [-role ROLE] [-read TOPIC]... [-write TOPIC]... [-deny TOPIC]...
                               [-generate | -mqtt-password-file FILE]
       hems mqtt user remove NAME
       hems mqtt user certificate NAME [-o DIR]

Users of MQTT are devices and programs beside the appliance's own. What is
changed is true within a second, and nobody is disconnected for it but who may
not sign in any more. add also changes a user: without a password to it, the old
one stays, without topics, the old ones.

certificate makes a key here, and has the appliance make a client certificate for
it, with which the user signs in at the port with TLS and needs no password. The
files NAME.key, NAME.crt and hems-ca.crt are in DIR then (default: here). remove
revokes it.

  -role                device: its own topics alone (NAME/#, tele/NAME/#, …)
                       reader: everything, to read
                       home: everything, to read and write
  -read, -write, -deny a topic or filter, such as "shellies/#"; several times for
                       several
  -generate            make a password, and print it once
  -mqtt-password-file  a file with the password ("-": standard input); otherwise
                       it is asked for, twice
  -host                the appliance, as it runs (default $HEMS_URL)
  -data                or the data directory of one on this machine (default
                       $HEMS_DATA, then ./run)
  -json                the answer as JSON, and what went wrong too
  -user, -password-file
                       how to sign in at the host: see hems status -h
`

// mqttCommand is one hems mqtt.
type mqttCommand struct {
	remote
	data, role   string
	rules        []client.MQTTRule
	generate     bool
	secretFile   string
	asks         mqttUsers
	passwordFile string
}

// mqttUsers is who is asked: an appliance, or files.
type mqttUsers interface {
	MQTTUsers(context.Context) (client.MQTTUsers, error)
	SetMQTTUser(context.Context, client.MQTTChange) error
	RemoveMQTTUser(context.Context, string) error
	ImportMQTTUsers(ctx context.Context, passwords, list string, replace bool) error
}

func (c *command) mqtt(ctx context.Context, args []string) error {
	m := &mqttCommand{remote: remote{command: c, name: "mqtt", every: cmp.Or(c.every, time.Second)}}
	flags := m.mqttFlags("mqtt", mqttUsage)
	flags.StringVar(&m.role, "role", "", "")
	for _, access := range []string{"read", "write", "deny"} {
		flags.Func(access, "", func(topic string) error {
			m.rules = append(m.rules, client.MQTTRule{Access: access, Topic: topic})
			return nil
		})
	}
	flags.BoolVar(&m.generate, "generate", false, "")
	flags.StringVar(&m.output, "o", "", "")
	flags.StringVar(&m.secretFile, "mqtt-password-file", "", "")
	words, err := allWords(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage
	case len(words) < 2 || words[0] != "user":
		fmt.Fprint(c.stderr, mqttUsage)
		return errUsage
	}
	do, n := map[string]func(context.Context, string) error{"list": m.list, "add": m.add, "remove": m.removeUser, "certificate": m.certificate}[words[1]], 3
	if words[1] == "list" {
		n = 2
	}
	if do == nil || len(words) != n {
		fmt.Fprintf(c.stderr, "error: hems mqtt cannot do %q\nhint: hems mqtt -h\n", strings.Join(words, " "))
		return errUsage
	}
	name := ""
	if n == 3 {
		name = words[2]
	}
	if err := m.begin(ctx); err != nil {
		return m.tell(err)
	}
	return m.tell(do(ctx, name))
}

// mqttFlags are those of every command about the users of MQTT.
func (m *mqttCommand) mqttFlags(name, usage string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(m.stderr)
	flags.Usage = func() { fmt.Fprint(m.stderr, usage) }
	flags.StringVar(&m.host, "host", m.getenv("HEMS_URL"), "")
	flags.StringVar(&m.data, "data", "", "")
	flags.BoolVar(&m.json, "json", false, "")
	flags.StringVar(&m.user, "user", cmp.Or(m.getenv("HEMS_USER"), "owner"), "")
	flags.StringVar(&m.passwordFile, "password-file", "", "")
	return flags
}

// begin finds whom to ask.
func (m *mqttCommand) begin(ctx context.Context) error {
	if m.data == "" && m.host != "" {
		if err := m.connect(ctx, m.host, m.user, m.passwordFile); err != nil {
			return err
		}
		m.asks = m.Client
		return nil
	}
	m.host = ""
	env, err := m.environment(cmp.Or(m.data, m.getenv("HEMS_DATA")), "run", "")
	if err != nil {
		return err
	}
	m.data = env.Data
	m.asks = userFiles{&roster.Roster{Passwords: env.MQTTPasswords(), List: env.MQTTAccess(), Own: appliance.Users(), Write: env.WriteMQTT}}
	return nil
}

func (m *mqttCommand) list(ctx context.Context, _ string) error {
	all, err := m.asks.MQTTUsers(ctx)
	if err != nil {
		return err
	}
	if m.json {
		return m.answer(all)
	}
	show := func(rules []client.MQTTRule) {
		for _, r := range rules {
			fmt.Fprintf(m.stdout, "  %-9s %s\n", r.Access, r.Topic)
		}
	}
	for _, u := range all.Users {
		note := ""
		if !u.Password {
			note = "  (without a password)"
		}
		fmt.Fprintf(m.stdout, "%s%s\n", u.Name, note)
		show(u.Access)
	}
	if len(all.Users) == 0 {
		fmt.Fprintln(m.stdout, "no users beside the appliance's own")
	}
	if len(all.Patterns) > 0 {
		fmt.Fprintf(m.stdout, "everybody, %%u being the user and %%c the client\n")
		show(all.Patterns)
	}
	if len(all.Anonymous) > 0 {
		fmt.Fprintln(m.stdout, "who has no name, where a listener lets it in")
		show(all.Anonymous)
	}
	return nil
}

func (m *mqttCommand) add(ctx context.Context, name string) error {
	all, err := m.asks.MQTTUsers(ctx)
	if err != nil {
		return err
	}
	known, has := false, false
	for _, u := range all.Users {
		if u.Name == name {
			known, has = true, u.Password
		}
	}
	change := client.MQTTChange{Name: name}
	if m.role != "" {
		rules, err := roster.Role(m.role, name)
		if err != nil {
			return refusedByRoster(err)
		}
		m.rules = append(wireRules(rules), m.rules...)
	}
	switch {
	case len(m.rules) > 0:
		change.Access = &m.rules
	case !known:
		return hinted{fmt.Errorf("%s is new: say what it may do", name), fmt.Sprintf("hems mqtt user add %s -role device", name)}
	}
	password, err := m.newPassword(ctx, name, known && has && change.Access != nil)
	if err != nil {
		return err
	}
	if password != "" {
		if change.Hash, err = roster.Hash(name, password); err != nil {
			return err
		}
	}
	if err := m.asks.SetMQTTUser(ctx, change); err != nil {
		return err
	}
	text := fmt.Sprintf("%s may sign in to MQTT", name)
	if known {
		text = fmt.Sprintf("%s was changed", name)
	}
	answer := map[string]any{"user": name, "new": !known}
	if m.generate {
		answer["password"] = password
		text += "\npassword: " + password + " (it is not shown again)"
	}
	return m.done(answer, text)
}

// newPassword makes, reads or asks for a password. A user who has one and is given
// other topics keeps it unless another is named.
func (m *mqttCommand) newPassword(ctx context.Context, name string, keep bool) (string, error) {
	switch {
	case m.generate && m.secretFile != "":
		return "", errors.New("-generate makes a password and -mqtt-password-file brings one: give one of them")
	case m.generate:
		b := make([]byte, 15)
		_, _ = rand.Read(b) // it never fails (crypto/rand)
		return strings.ToLower(base32.StdEncoding.EncodeToString(b)), nil
	case m.secretFile == "-":
		line, err := bufio.NewReader(io.LimitReader(m.stdin, 4<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
	case m.secretFile != "":
		return secretFile(m.secretFile)
	case keep:
		return "", nil
	}
	hint := fmt.Sprintf("hems mqtt user add %s -generate", name)
	one, err := m.askSecret(ctx, fmt.Sprintf("MQTT password of %s: ", name))
	if err != nil {
		return "", hinted{err, hint}
	}
	again, err := m.askSecret(ctx, "The same password again: ")
	switch {
	case err != nil:
		return "", hinted{err, hint}
	case one != again:
		return "", errors.New("the two passwords differ")
	}
	return one, nil
}

func (m *mqttCommand) removeUser(ctx context.Context, name string) error {
	if err := m.asks.RemoveMQTTUser(ctx, name); err != nil {
		return err
	}
	return m.done(map[string]any{"removed": name}, name+" may not sign in to MQTT any more")
}

// userFiles are the users in the files of a data directory.
type userFiles struct{ *roster.Roster }

func (f userFiles) MQTTUsers(context.Context) (client.MQTTUsers, error) {
	all, err := f.Users()
	if err != nil {
		return client.MQTTUsers{}, refusedByRoster(err)
	}
	out := client.MQTTUsers{Users: []client.MQTTUser{}, Patterns: wireRules(all.Patterns), Anonymous: wireRules(all.Anonymous)}
	for _, u := range all.Users {
		out.Users = append(out.Users, client.MQTTUser{Name: u.Name, Password: u.Password, Access: wireRules(u.Access)})
	}
	return out, nil
}

func (f userFiles) SetMQTTUser(_ context.Context, u client.MQTTChange) error {
	c := roster.Change{Name: u.Name, Hash: u.Hash}
	if u.Access != nil {
		rules := []roster.Rule{}
		for _, r := range *u.Access {
			rules = append(rules, roster.Rule(r))
		}
		c.Access = &rules
	}
	return refusedByRoster(f.Set(c))
}

func (f userFiles) RemoveMQTTUser(_ context.Context, name string) error {
	return refusedByRoster(f.Remove(name))
}

func (f userFiles) ImportMQTTUsers(_ context.Context, passwords, list string, replace bool) error {
	return refusedByRoster(f.Import([]byte(passwords), []byte(list), replace))
}

func wireRules(in []roster.Rule) (out []client.MQTTRule) {
	for _, r := range in {
		out = append(out, client.MQTTRule(r))
	}
	return out
}

// refusedByRoster is a refusal as an appliance would give it.
func refusedByRoster(err error) error {
	if r, ok := errors.AsType[*roster.Refusal](err); ok {
		return &client.Error{Code: r.Code, Message: r.Text, Hint: r.Hint}
	}
	return err
}
