package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/client"
)

const remoteUsage = `usage: hems status [HOST]
       hems doctor [HOST]
       hems ways [HOST]
       hems tailnet HOST status | up [-key FILE] | down | sign-in | leave |
                    control [URL] | devices [ADDRESS:PORT …] | funnel off|dashboard|home_assistant
       hems update HOST BUNDLE [-older]
       hems rollback HOST
       hems logs HOST [-process PROGRAM] [-lines N] [-f]
       hems backup HOST -o FILE [-passphrase-file FILE]
       hems restore HOST FILE [-passphrase-file FILE] [-yes]
       hems diagnostics HOST [-o FILE]
       hems config HOST get | set PATH VALUE | history [ID] | restore ID
       hems history HOST power | energy | peaks | series | state | always-on |
                    import FILE | compare | export
                    [-from TIME] [-to TIME] [-step STEP] [-format table|csv|json] …
       hems destination list HOST, hems destination resend HOST NAME -from TIME
       hems cloudflare show HOST, hems cloudflare token HOST FILE
       hems phone list HOST, hems phone add HOST NAME, hems phone revoke HOST NAME
       hems login HOST, hems logout HOST, hems people HOST …, hems sessions HOST …

HOST is an appliance's name or address, such as hems.local, or its dashboard's
URL. It can be left out where HEMS_URL is set, as run/demo.env does.

  -user           the account's name (default $HEMS_USER, then owner)
  -password-file  a file with its password (default $HEMS_PASSWORD, then what
                  hems login stored, then asked for)
  -json           the answer as JSON, and what went wrong too

hems doctor tells what is not well and what to do about it, and how Home Assistant
takes what comes through the appliance, with the lines for its configuration.yaml.

hems ways tells in which ways the appliance can be reached: which are up, since
when, at which addresses.

hems tailnet lets the appliance join a tailnet, with a key or by an address to sign
in at, and says how its node is; devices are those of the home that can be reached
through it; funnel is what the whole internet may reach.

hems update sends a bundle, waits until it was tried, and says how that went: its
status is 0 only when the new version runs and was found to work. With -older a
version before the one that runs is taken too. hems rollback goes back to the
version before in the same way.

hems backup writes an archive that only the passphrase opens ("-o -" is standard
output); hems restore puts one back, on the same card or a new one, and replaces
everything there.

hems history tells what was: see "hems history -h". hems destination tells and
mends what databases are sent: see "hems destination -h". hems phone gives phones
certificates to come in with: see "hems phone -h". hems login signs in once for all
of these: see "hems login -h".
`

// remoteCommands are those that ask an appliance over the network, with the
// words they need beside HOST.
var remoteCommands = map[string]struct {
	least, most int
	run         func(*remote, context.Context, []string) error
	flags       func(*remote, *flag.FlagSet)
}{
	"status":      {0, 0, (*remote).status, nil},
	"doctor":      {0, 0, (*remote).doctor, nil},
	"ways":        {0, 0, (*remote).ways, nil},
	"tailnet":     {1, 66, (*remote).tailnet, func(r *remote, f *flag.FlagSet) { f.StringVar(&r.keyFile, "key", "", "") }},
	"update":      {1, 1, (*remote).update, func(r *remote, f *flag.FlagSet) { f.BoolVar(&r.older, "older", false, "") }},
	"rollback":    {0, 0, (*remote).rollback, nil},
	"logs":        {0, 0, (*remote).logs, (*remote).logFlags},
	"backup":      {0, 0, (*remote).backup, (*remote).keepFlags},
	"restore":     {1, 1, (*remote).restore, (*remote).keepFlags},
	"diagnostics": {0, 0, (*remote).diagnostics, func(r *remote, f *flag.FlagSet) { f.StringVar(&r.output, "o", "", "") }},
	"config":      {1, 3, (*remote).config, nil},
	"history":     {1, 2, (*remote).history, (*remote).historyFlags},
	"destination": {1, 2, (*remote).destination, (*remote).destinationFlags},
	"phone":       {1, 3, (*remote).phone, nil},
	"cloudflare":  {1, 2, (*remote).cloudflare, (*remote).cloudflareFlags},
	"login":       {0, 0, (*remote).login, (*remote).loginFlags},
	"logout":      {0, 0, (*remote).logout, nil},
	"people":      {1, 20, (*remote).people, (*remote).peopleFlags},
	"sessions":    {1, 3, (*remote).sessions, nil},
	"tokens":      {1, 3, (*remote).tokens, (*remote).tokenFlags},
	"passkeys":    {1, 3, (*remote).passkeys, nil},
}

// remote is one command to one appliance.
type remote struct {
	*command
	*client.Client
	name string // of the command
	host string // as it was typed, for hints
	json bool

	older, follow, yes              bool
	process, output, passphraseFile string
	keyFile                         string // of hems tailnet
	lines                           int
	past                            past
	tunnel                          client.TunnelHost // of hems cloudflare add
	from                            string            // of hems destination resend
	again                           bool              // of hems destination aside
	every                           time.Duration     // between two looks at an update
	shown                           string            // the word of progress that was shown last

	address, user string // of the appliance, and whose account
	byPassword    bool   // whether a stored token does not do
	authority     string // of hems login: the file with the appliance's authority
	tokenName     string
	tokenRole     string
	days          int
	newPassword   string // a file
	signIn        signIn // as it was stored
}

// errSaid is a failure that has been told already.
var errSaid = errors.New("failed")

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// remote runs the command of that name.
func (c *command) remote(ctx context.Context, name string, args []string) error {
	spec := remoteCommands[name]
	r := &remote{command: c, name: name, every: cmp.Or(c.every, time.Second)}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(c.stderr)
	flags.Usage = func() { fmt.Fprint(c.stderr, usageOf(name)) }
	user := flags.String("user", cmp.Or(c.getenv("HEMS_USER"), "owner"), "")
	passwordFile := flags.String("password-file", "", "")
	flags.BoolVar(&r.json, "json", false, "")
	if spec.flags != nil {
		spec.flags(r, flags)
	}
	words, err := allWords(flags, args)
	flags.Visit(func(f *flag.Flag) { r.byPassword = r.byPassword || f.Name == "user" })
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return errUsage
	}
	switch name {
	case "destination":
		words = hostFirst(words, destinationVerbs)
	case "phone":
		words = hostFirst(words, phoneVerbs)
	case "cloudflare":
		words = hostFirst(words, cloudflareVerbs)
	case "people", "sessions", "tokens", "passkeys":
		words = peopleHostFirst(words, c.getenv("HEMS_URL") == "")
	}
	address := c.getenv("HEMS_URL")
	r.host = address
	// With HEMS_URL the host may be left out.
	if address == "" || len(words) > spec.most || len(words) > 0 && spec.least < spec.most && !isVerb(words[0]) {
		if len(words) == 0 {
			fmt.Fprintf(c.stderr, "error: name the appliance\nhint: hems %s hems.local\n", name)
			return errUsage
		}
		r.host, words = words[0], words[1:]
		address = r.host
	}
	switch {
	case len(words) < spec.least:
		fmt.Fprintf(c.stderr, "error: hems %s needs more words\nhint: hems %s -h\n", name, name)
		return errUsage
	case len(words) > spec.most:
		fmt.Fprintf(c.stderr, "error: %q is one word too many\nhint: hems %s -h\n", words[spec.most], name)
		return errUsage
	}
	if err := r.connect(ctx, address, *user, *passwordFile); err != nil {
		return r.tell(err)
	}
	return r.tell(spec.run(r, ctx, words))
}

// usageOf is what the command of that name is shown for -h.
func usageOf(name string) string {
	switch name {
	case "history":
		return historyUsage + ledgerUsage
	case "destination":
		return destinationUsage
	case "phone":
		return phoneUsage
	case "cloudflare":
		return cloudflareUsage
	case "login", "logout", "people", "sessions", "tokens", "passkeys":
		return peopleUsage
	}
	return remoteUsage
}

func isVerb(word string) bool {
	_, config := configVerbs[word]
	_, history := historyVerbs[word]
	_, destination := destinationVerbs[word]
	_, phone := phoneVerbs[word]
	_, cloudflare := cloudflareVerbs[word]
	_, people := peopleVerbs[word]
	return config || history || destination || phone || cloudflare || people || tailnetVerbs[word]
}

// allWords parses flags wherever they stand among the other words.
func allWords(flags *flag.FlagSet, args []string) (words []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if args = flags.Args(); len(args) == 0 {
			return words, nil
		}
		words, args = append(words, args[0]), args[1:]
	}
}

// connect finds out how to sign in: with what is given, with the token that hems
// login stored, or by asking. It asks the appliance nothing yet.
func (r *remote) connect(ctx context.Context, address, user, passwordFile string) error {
	password := r.getenv("HEMS_PASSWORD")
	stored, known := r.storedSignIn(address)
	switch {
	case known:
		address = stored.Address
	case !strings.Contains(address, "://") && r.authority != "":
		address = "https://" + address
	case !strings.Contains(address, "://"):
		address = "http://" + address
	}
	r.address, r.user, r.signIn = address, user, stored
	access := client.Access{User: user}
	var err error
	if access.Roots, err = r.roots(stored); err != nil {
		return err
	}
	switch {
	case r.name == "logout" && !known:
		return nil
	case passwordFile != "":
		if password, err = secretFile(passwordFile); err != nil {
			return err
		}
	case password == "" && known && !r.byPassword:
		access.User, access.Token = "", stored.Token
	case password == "":
		if password, err = r.askSecret(ctx, fmt.Sprintf("Password of %s at %s: ", user, r.host)); err != nil {
			return hinted{err, "hems " + r.name + " " + r.host + " -user " + user + " -password-file FILE"}
		}
	}
	access.Password = password
	r.Client, err = client.Dial(address, access)
	return err
}

// tell says an error in the voice of the command: with what to do, or as JSON.
func (r *remote) tell(err error) error {
	if err == nil || errors.Is(err, errSaid) || errors.Is(err, errUsage) {
		return err
	}
	e := client.Error{Message: err.Error()}
	var h hinted
	switch refused := client.Refusal(err); {
	case refused != nil:
		e = *refused
		if refused.Status == http.StatusUnauthorized {
			e.Code, e.Hint = "unauthorized", "hems "+r.name+" "+r.host+" -user NAME -password-file FILE"
			if r.signIn.Token != "" {
				e.Hint = "hems login " + r.host
			}
		}
	case errors.As(err, &h):
		e.Hint = h.hint
	case isUnknownAuthority(err):
		e.Code, e.Message = "certificate", "the appliance's certificate is of an authority that this computer does not know"
		e.Hint = "get hems-ca.crt from the dashboard (More, Secure connection), then: hems login " + r.host + " -ca hems-ca.crt"
	case errors.Is(err, client.ErrAway):
		e.Code, e.Hint = "away", "is it on, and in this network? try its address: hems "+r.name+" 192.168.1.20"
	}
	e.Message, e.Hint = voice(e.Message), voice(e.Hint)
	if r.json {
		if err := r.answer(e); err != nil {
			return err
		}
		return errSaid
	}
	fmt.Fprintf(r.stderr, "error: %s\n", e.Message)
	for _, l := range e.Lines {
		fmt.Fprintf(r.stderr, "error: line %d: %s\n", l.Line, l.Text)
	}
	if e.Hint != "" {
		fmt.Fprintf(r.stderr, "hint: %s\n", e.Hint)
	}
	return errSaid
}

// voice is a sentence of a page in the voice of a command: lower case, no full
// stop.
func voice(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && (s[1] >= 'a' && s[1] <= 'z' || s[1] == ' ') {
		s = string(s[0]+'a'-'A') + s[1:]
	}
	return strings.TrimSuffix(s, ".")
}

// answer prints v as JSON.
func (r *remote) answer(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.stdout, "%s\n", b)
	return err
}

// secretFile reads a password or a passphrase; a line's end is no part of it.
func secretFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
