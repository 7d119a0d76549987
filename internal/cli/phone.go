package cli

import (
	"context"
	"fmt"
	"strings"

	"rsc.io/qr"
)

const phoneUsage = `usage: hems phone list HOST
       hems phone add HOST NAME
       hems phone revoke HOST NAME
       hems phone ask HOST lan|funnel off|optional|required

The phones, tablets and computers that have a certificate of the appliance's to come
in with.

add makes one and prints a link, which is good for a quarter of an hour and gives
each form of it once, and the password that it is encrypted with. Open the link on
the phone, or point its camera at the code. revoke ends it, and the connections that
are open with it.

ask says whether a way in asks visitors for such a certificate. "required" at home
(lan) can be said only from a device that shows one: on the page Phones.
`

// phoneVerbs are what hems phone does, with the words that each needs.
var phoneVerbs = map[string]int{"list": 0, "add": 1, "revoke": 1, "ask": 2}

func (r *remote) phone(ctx context.Context, words []string) error {
	verb, words := words[0], words[1:]
	need, known := phoneVerbs[verb]
	if !known || len(words) != need {
		fmt.Fprintf(r.stderr, "error: hems phone cannot do %q\nhint: hems phone -h\n", strings.Join(append([]string{verb}, words...), " "))
		return errUsage
	}
	switch verb {
	case "list":
		return r.listPhones(ctx)
	case "add":
		return r.addPhone(ctx, words[0])
	case "revoke":
		return r.phoneDone(r.Client.RevokePhone(ctx, words[0]), "the certificate of "+words[0]+" is revoked")
	}
	return r.phoneDone(r.Client.AskPhones(ctx, words[0], words[1]), "what is asked of phones on "+words[0]+" is "+words[1]+" now")
}

func (r *remote) phoneDone(err error, done string) error {
	if err != nil {
		return err
	}
	if r.json {
		return r.answer(struct{}{})
	}
	_, err = fmt.Fprintln(r.stdout, done)
	return err
}

func (r *remote) listPhones(ctx context.Context) error {
	v, err := r.Client.Phones(ctx)
	if err != nil {
		return err
	}
	if r.json {
		return r.answer(v)
	}
	if v.Notice != "" {
		fmt.Fprintf(r.stdout, "▲ %s\n", v.Notice)
	}
	if len(v.Phones) == 0 {
		fmt.Fprintf(r.stdout, "no phone has a certificate: hems phone add %s NAME\n", r.host)
	}
	for _, p := range v.Phones {
		sign, words := "✓", "until "+p.Until.Local().Format("2 January 2006")
		switch p.State {
		case "ending":
			sign = "▲"
		case "expired":
			sign = "–"
		case "revoked":
			sign, words = "–", "revoked "+p.Revoked.Local().Format("2 January 2006")
		}
		seen := "never seen"
		if !p.Seen.IsZero() {
			seen = "seen " + p.Seen.Local().Format("Mon 2 Jan 15:04") + " on " + p.Way
		}
		fmt.Fprintf(r.stdout, "%s %s: %s, %s\n", sign, p.Name, words, seen)
	}
	for _, way := range []string{"lan", "funnel"} {
		if mode := v.Modes[way]; mode != "" {
			fmt.Fprintf(r.stdout, "asked for on %s: %s\n", way, mode)
		}
	}
	return nil
}

func (r *remote) addPhone(ctx context.Context, name string) error {
	v, err := r.Client.AddPhone(ctx, name)
	if err != nil {
		return err
	}
	if r.json {
		return r.answer(v)
	}
	fmt.Fprintf(r.stdout, "open this on %s before %s:\n\n    %s\n\n", v.Phone.Name, v.Until.Local().Format("15:04"), v.Link)
	if isTerminal(r.stdout) {
		code, err := qr.Encode(v.Link, qr.M)
		if err != nil {
			return err
		}
		fmt.Fprintln(r.stdout, halfBlocks(code))
	}
	fmt.Fprintf(r.stdout, "its password, which is shown only now:\n\n    %s\n", v.Password)
	return nil
}

// halfBlocks draws a code with two rows of it in a line, dark on light whatever the
// terminal's colours are.
func halfBlocks(code *qr.Code) string {
	const quiet = 2 // modules around it
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -quiet; x < code.Size+quiet; x++ {
			switch up, low := code.Black(x, y), code.Black(x, y+1); {
			case up && low:
				b.WriteString("█")
			case up:
				b.WriteString("▀")
			case low:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}
