package cli

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/smartcore-ireland/hems/internal/client"
)

const cloudflareUsage = `usage: hems cloudflare show HOST
       hems cloudflare token HOST FILE
       hems cloudflare forget HOST
       hems cloudflare add HOST NAME -to home_assistant|dashboard
                       -rule access|client_certificate|sign-in
                       [-audience AUD] [-certificate SHA256 …] [-second-factor]
       hems cloudflare remove HOST NAME

A Cloudflare Tunnel, its names, and who may use each. FILE has the tunnel's token, or
the command that Cloudflare shows with it. The rest is in the configuration:

  hems config HOST set cloudflare.team smartcore
  hems config HOST set cloudflare.enabled true
`

// cloudflareVerbs are what hems cloudflare does, with the words that each needs.
var cloudflareVerbs = map[string]int{"show": 0, "token": 1, "forget": 0, "add": 1, "remove": 1}

func (r *remote) cloudflareFlags(f *flag.FlagSet) {
	f.StringVar(&r.tunnel.To, "to", "home_assistant", "")
	f.StringVar(&r.tunnel.Rule, "rule", "", "")
	f.StringVar(&r.tunnel.Audience, "audience", "", "")
	f.BoolVar(&r.tunnel.SecondFactor, "second-factor", false, "")
	f.Func("certificate", "", func(s string) error {
		r.tunnel.Certificates = append(r.tunnel.Certificates, s)
		return nil
	})
}

func (r *remote) cloudflare(ctx context.Context, words []string) error {
	verb, words := words[0], words[1:]
	need, known := cloudflareVerbs[verb]
	if !known || len(words) != need {
		fmt.Fprintf(r.stderr, "error: hems cloudflare cannot do %q\nhint: hems cloudflare -h\n", strings.Join(append([]string{verb}, words...), " "))
		return errUsage
	}
	switch verb {
	case "token":
		token, err := secretFile(words[0])
		if err != nil {
			return err
		}
		return r.phoneDone(r.Client.SetTunnelToken(ctx, token), "the token is kept")
	case "forget":
		return r.phoneDone(r.Client.SetTunnelToken(ctx, ""), "the token is forgotten")
	}
	t, err := r.Client.Tunnel(ctx)
	if err != nil {
		return err
	}
	switch verb {
	case "add":
		r.tunnel.Host = strings.ToLower(words[0])
		hosts := slices.DeleteFunc(t.Hosts, func(h client.TunnelHost) bool { return h.Host == r.tunnel.Host })
		return r.phoneDone(r.Client.SetTunnelHosts(ctx, append(hosts, r.tunnel)), words[0]+" has its rule")
	case "remove":
		n := len(t.Hosts)
		hosts := slices.DeleteFunc(t.Hosts, func(h client.TunnelHost) bool { return h.Host == strings.ToLower(words[0]) })
		if len(hosts) == n {
			return hinted{fmt.Errorf("the tunnel has no name %q", words[0]), "hems cloudflare show " + r.host}
		}
		return r.phoneDone(r.Client.SetTunnelHosts(ctx, hosts), words[0]+" is refused from now on")
	}
	if r.json {
		return r.answer(t)
	}
	state := map[bool]string{true: "on", false: "off"}[t.Enabled]
	token := map[bool]string{true: "given", false: "missing"}[t.Token]
	fmt.Fprintf(r.stdout, "it is %s; its token is %s; how it is: hems ways %s\n", state, token, r.host)
	for _, h := range t.Hosts {
		socket := t.HomeSocket
		if h.To == "dashboard" {
			socket = t.DashboardSocket
		}
		fmt.Fprintf(r.stdout, "%s: %s, rule %s\n    leads to %s\n", h.Host, h.To, h.Rule, socket)
	}
	return nil
}
