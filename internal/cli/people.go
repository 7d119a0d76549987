package cli

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/smartcore-ireland/hems/internal/client"
)

const peopleUsage = `usage: hems login HOST [-user NAME] [-password-file FILE] [-ca FILE] [-name TEXT]
                  [-role ROLE] [-days N]
       hems logout HOST
       hems people list HOST
       hems people me HOST
       hems people add HOST NAME ROLE
       hems people link HOST NAME
       hems people unlink HOST NAME
       hems people role HOST NAME ROLE
       hems people logins HOST NAME [tailnet|cloudflare LOGIN]...
       hems people remove HOST NAME
       hems people password HOST [-new-password-file FILE]
       hems sessions list HOST [NAME]
       hems sessions end HOST ID|others [NAME]
       hems tokens list HOST [NAME]
       hems tokens add HOST TEXT [-role ROLE] [-days N]
       hems tokens end HOST ID [NAME]
       hems passkeys list HOST [NAME]
       hems passkeys remove HOST ID [NAME]

hems login signs in once: it makes a token for this computer and stores it under
~/.config/hems, readable for you alone. Every command that asks an appliance uses it
from then on; hems logout ends it. An address with https:// must show a certificate
that this computer trusts, or one of the authority in the file of -ca (hems-ca.crt of
the dashboard: More, Secure connection).

ROLE is viewer (looks), member (switches, pairs, sees the bill) or owner (everything).
hems people add prints a link, good once and for a day, at which the person sets a
password; link prints another one, for who has forgotten theirs, and unlink takes it
back. logins says by which logins of the tailnet or of Cloudflare Access somebody is
known there without a password. NAME is for an owner: somebody else's.

  -name   what a token is for (default: hems on this computer)
  -days   how long a token is good for (default 365)
  -json   the answer as JSON, and what went wrong too
`

// peopleVerbs are what these commands do, with the words that each needs at least.
var peopleVerbs = map[string]int{
	"list": 0, "me": 0, "add": 1, "link": 1, "unlink": 1, "role": 2, "logins": 1, "remove": 1, "password": 0, "end": 1,
}

// peopleHostFirst has the host before what is to be done; where it must be given, it
// may stand after it too.
func peopleHostFirst(words []string, given bool) []string {
	if len(words) < 2 {
		return words
	}
	if _, ok := peopleVerbs[words[0]]; ok && (given || strings.Contains(words[1], "://")) {
		return append([]string{words[1], words[0]}, words[2:]...)
	}
	return words
}

func (r *remote) peopleFlags(f *flag.FlagSet) {
	f.StringVar(&r.newPassword, "new-password-file", "", "")
}

func (r *remote) tokenFlags(f *flag.FlagSet) {
	f.StringVar(&r.tokenRole, "role", "", "")
	f.IntVar(&r.days, "days", 365, "")
}

// words checks how many there are, and returns what is to be done and the rest.
func (r *remote) verb(words []string, most map[string]int) (string, []string, error) {
	verb, rest := words[0], words[1:]
	n, ok := most[verb]
	if !ok || len(rest) < peopleVerbs[verb] || len(rest) > n {
		fmt.Fprintf(r.stderr, "error: hems %s cannot do %q\nhint: hems %s -h\n", r.name, strings.Join(words, " "), r.name)
		return "", nil, errUsage
	}
	return verb, rest, nil
}

func (r *remote) people(ctx context.Context, words []string) error {
	verb, words, err := r.verb(words, map[string]int{"list": 0, "me": 0, "add": 2, "link": 1, "unlink": 1, "role": 2, "logins": 17, "remove": 1, "password": 0})
	if err != nil {
		return err
	}
	name := ""
	if len(words) > 0 {
		name = words[0]
	}
	switch verb {
	case "list":
		return r.listPeople(ctx)
	case "me":
		v, err := r.Client.Me(ctx)
		if err != nil {
			return err
		}
		return r.done(v, fmt.Sprintf("%s, %s, by %s", v.Name, v.Role, v.By))
	case "add", "link":
		var v client.Invited
		if verb == "link" {
			v, err = r.Client.InviteAgain(ctx, name)
		} else if len(words) < 2 {
			return hinted{fmt.Errorf("say what %s may do", name), "hems people add " + r.host + " " + name + " member"}
		} else {
			v, err = r.Client.Invite(ctx, name, words[1])
		}
		if err != nil {
			return err
		}
		return r.tellLink(v)
	case "unlink":
		return r.did(r.Client.TakeBack(ctx, name), "the link for "+name+" is taken back")
	case "role":
		return r.did(r.Client.SetRole(ctx, name, words[1]), name+" is "+words[1]+" now")
	case "logins":
		var all []client.Login
		for i := 1; i < len(words); i += 2 {
			if i+1 == len(words) {
				return hinted{fmt.Errorf("%s is of which login?", words[i]), "hems people logins " + r.host + " " + name + " tailnet alice@example.com"}
			}
			all = append(all, client.Login{Way: words[i], Login: words[i+1]})
		}
		return r.did(r.Client.SetLogins(ctx, name, all), fmt.Sprintf("%s is known by %d linked logins now", name, len(all)))
	case "remove":
		return r.did(r.Client.RemovePerson(ctx, name), name+" may not come in any more")
	}
	return r.changePassword(ctx)
}

// did says what was done.
func (r *remote) did(err error, text string) error {
	if err != nil {
		return err
	}
	return r.done(struct{}{}, text)
}

func (r *remote) listPeople(ctx context.Context) error {
	v, err := r.Client.People(ctx)
	if err != nil {
		return err
	}
	if r.json {
		return r.answer(v)
	}
	for _, p := range v.People {
		fmt.Fprintf(r.stdout, "%-16s %-7s %d signed in, %d tokens, %d passkeys\n", p.Name, p.Role, len(p.Sessions), len(p.Tokens), len(p.Passkeys))
		for _, l := range p.Logins {
			fmt.Fprintf(r.stdout, "                 known on %s as %s\n", l.Way, l.Login)
		}
	}
	for _, i := range v.Invitations {
		fmt.Fprintf(r.stdout, "%-16s %-7s invited, until %s\n", i.Name, i.Role, i.Until.Local().Format("Mon 2 Jan 15:04"))
	}
	return nil
}

func (r *remote) tellLink(v client.Invited) error {
	if r.json {
		return r.answer(v)
	}
	fmt.Fprintf(r.stdout, "%s chooses a password here, once, before %s:\n\n    %s\n\n", v.Name, v.Until.Local().Format("Mon 2 Jan 15:04"), v.Link)
	if isTerminal(r.stdout) {
		code, err := qr.Encode(v.Link, qr.M)
		if err != nil {
			return err
		}
		fmt.Fprintln(r.stdout, halfBlocks(code))
	}
	return nil
}

// changePassword asks for the old one too: a token that was left somewhere must not
// be enough.
func (r *remote) changePassword(ctx context.Context) error {
	old, err := r.getenv("HEMS_PASSWORD"), error(nil)
	if old == "" {
		if old, err = r.askSecret(ctx, "The password as it is: "); err != nil {
			return err
		}
	}
	var password string
	if r.newPassword != "" {
		password, err = secretFile(r.newPassword)
	} else if password, err = r.askSecret(ctx, "The new one: "); err == nil {
		var again string
		if again, err = r.askSecret(ctx, "The new one again: "); err == nil && again != password {
			err = fmt.Errorf("the two passwords differ")
		}
	}
	if err != nil {
		return err
	}
	return r.did(r.Client.ChangePassword(ctx, old, password), "the password is changed, and every browser signed out")
}

// person is the one of that name, or whoever asks.
func (r *remote) person(ctx context.Context, name string) (client.Person, error) {
	if name == "" {
		v, err := r.Client.Me(ctx)
		return v.Person, err
	}
	all, err := r.Client.People(ctx)
	if err != nil {
		return client.Person{}, err
	}
	for _, p := range all.People {
		if p.Name == strings.ToLower(name) {
			return p, nil
		}
	}
	return client.Person{}, hinted{fmt.Errorf("there is nobody of the name %s", name), "hems people list " + r.host}
}

// someones are commands that list what somebody signs in with, and end it.
func (r *remote) someones(ctx context.Context, words []string, end string, list func(client.Person) error, do func(name, id string) error) error {
	verb, words, err := r.verb(words, map[string]int{"list": 1, end: 2})
	if err != nil {
		return err
	}
	words = append(words, "", "") // what is left out
	if verb == end {
		return r.did(do(words[1], words[0]), "it is ended")
	}
	p, err := r.person(ctx, words[0])
	if err != nil {
		return err
	}
	return list(p)
}

func (r *remote) sessions(ctx context.Context, words []string) error {
	return r.someones(ctx, words, "end", func(p client.Person) error {
		if r.json {
			return r.answer(p.Sessions)
		}
		for _, s := range p.Sessions {
			fmt.Fprintf(r.stdout, "%s  %s, %s %s, by %s, since %s, seen %s\n", s.ID, s.Browser, s.Way, s.Address, s.Proof, stamp(s.Since), stamp(s.Seen))
		}
		return nil
	}, func(name, id string) error {
		if id == "others" {
			id = ""
		}
		return r.Client.EndSession(ctx, name, id)
	})
}

func stamp(t time.Time) string { return t.Local().Format("2 Jan 2006 15:04") }

func (r *remote) tokens(ctx context.Context, words []string) error {
	if words[0] == "add" && len(words) == 2 {
		v, err := r.Client.MakeToken(ctx, words[1], r.tokenRole, r.days)
		if e := client.Refusal(err); e != nil && e.Code == "token" {
			e.Hint = "hems tokens add " + r.host + " " + words[1] + " -user NAME"
		}
		if err != nil {
			return err
		}
		return r.done(v, fmt.Sprintf("%s\n(%s, until %s; it is not shown again)", v.Secret, v.Role, stamp(v.Until)))
	}
	return r.someones(ctx, words, "end", func(p client.Person) error {
		if r.json {
			return r.answer(p.Tokens)
		}
		for _, t := range p.Tokens {
			used := "never used"
			if t.Used != nil {
				used = "used " + stamp(*t.Used)
			}
			fmt.Fprintf(r.stdout, "%s  %s: %s, %s, until %s\n", t.ID, t.Name, t.Role, used, stamp(t.Until))
		}
		return nil
	}, func(name, id string) error { return r.Client.EndToken(ctx, name, id) })
}

func (r *remote) passkeys(ctx context.Context, words []string) error {
	return r.someones(ctx, words, "remove", func(p client.Person) error {
		if r.json {
			return r.answer(p.Passkeys)
		}
		for _, k := range p.Passkeys {
			fmt.Fprintf(r.stdout, "%s  %s at %s, since %s\n", k.ID, k.Name, k.Host, stamp(k.Since))
		}
		return nil
	}, func(name, id string) error { return r.Client.RemovePasskey(ctx, name, id) })
}
