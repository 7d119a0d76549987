package gateway

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/gateway"
	"github.com/smartcore-ireland/hems/internal/remote"
	"github.com/smartcore-ireland/hems/internal/remote/cloudflare"
)

// tokenFile is the tunnel's token as the page was given it.
const tokenFile = "cloudflare-token"

// newTunnel is the way in through Cloudflare.
func newTunnel(env appliance.Env, cfg appliance.Config) *cloudflare.Tunnel {
	o := cloudflare.Options{
		Enabled: cfg.Cloud.Enabled, Team: cfg.Cloud.Team,
		Dir:     env.Run("cloudflare"),
		Tokens:  []string{env.Path("gateway", tokenFile), env.Secret(tokenFile)},
		Keys:    env.Path("gateway", "cloudflare-keys.json"),
		Program: cloudflared(),
		Log:     env.Log,
	}
	for _, h := range cfg.Cloud.Hosts {
		to := remote.Dashboard
		if h.To == "home_assistant" {
			to = remote.HomeAssistant
		}
		o.Hosts = append(o.Hosts, cloudflare.Host{Name: h.Host, To: to, Rule: cloudflare.Rule(h.Rule), Audience: h.Audience, Prints: h.Certificates, SecondFactor: h.SecondFactor})
	}
	return cloudflare.New(o)
}

// onCard is where the image has cloudflared.
const onCard = "/usr/lib/hems/cloudflared"

// cloudflared is the program: the card's, or one beside this program, or where
// programs are; empty: there is none.
func cloudflared() string {
	if info, err := os.Stat(onCard); err == nil && info.Mode().IsRegular() {
		return onCard
	}
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), "cloudflared")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside
		}
	}
	path, err := exec.LookPath("cloudflared")
	if err != nil {
		return ""
	}
	return path
}

// cloudSettings are those that the page shows and changes.
func cloudSettings(env appliance.Env, cfg appliance.Config) gateway.CloudSettings {
	s := gateway.CloudSettings{
		Enabled: cfg.Cloud.Enabled, Team: cfg.Cloud.Team, TokenFile: env.Path("gateway", tokenFile),
		HomeSocket:      "unix:" + cloudflare.Socket(env.Run("cloudflare"), remote.HomeAssistant),
		DashboardSocket: "unix:" + cloudflare.Socket(env.Run("cloudflare"), remote.Dashboard),
	}
	for _, h := range cfg.Cloud.Hosts {
		s.Hosts = append(s.Hosts, gateway.CloudHost{Host: h.Host, To: h.To, Rule: h.Rule, Audience: h.Audience, Certificates: h.Certificates, SecondFactor: h.SecondFactor})
	}
	return s
}
