package cli

import (
	"encoding/json"
	"testing"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/gateway"
	ways "github.com/smartcore-ireland/hems/internal/remote"
)

// tailnet is a way in that waits for its owner.
type tailnet struct{}

func (tailnet) Status() ways.Status {
	return ways.Status{Way: ways.Tailnet, State: ways.NeedsYou, Detail: "It waits for you to sign in.", Action: "Open https://login.example.com/a."}
}

func TestWays(t *testing.T) {
	s := newSite(t, func(o *gateway.Options) { o.Reporters = []ways.Reporter{tailnet{}} })
	got := s.run("ways", "HOST")
	got.check(t, 0, "▲ tailnet: needs you\n    It waits for you to sign in.\n    Open https://login.example.com/a.\n", "")
	got.check(t, 0, "– Cloudflare Tunnel: off\n", "")
	var all []client.Way
	if got := s.run("ways", "HOST", "-json"); json.Unmarshal([]byte(got.out), &all) != nil || len(all) != 4 || all[1].State != "needs-you" {
		t.Errorf("as JSON: got %+v", got)
	}
}
