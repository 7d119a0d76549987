package manager

import (
	"log/slog"
	"os"
	"testing"

	"github.com/smartcore-ireland/hems/appliance"
)

func TestSettingsFollowHemsYAML(t *testing.T) {
	env := appliance.Env{Data: t.TempDir(), Listen: "127.0.0.1", PortBase: 20000, Log: slog.New(slog.DiscardHandler)}
	s := newSettings(env)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(env.Path("new"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(env.Path("new"), env.Path(appliance.ConfigFile)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.now(); got.HostName != "hems" || got.Developer || got.Feed != "" || got.Zone.String() != "Europe/Dublin" || got.Dashboard != "http://127.0.0.1:20000/healthz" {
		t.Errorf("without the file: %+v", got)
	}
	write("home:\n  host_name: kitchen\nupdate:\n  developer: true\n  feed: https://example.com/feed.json\ngateway:\n  listen: [\"0.0.0.0:9999\"]\n")
	if got := s.now(); got.HostName != "kitchen" || !got.Developer || got.Feed != "https://example.com/feed.json" || got.Dashboard != "http://127.0.0.1:9999/healthz" {
		t.Errorf("with one: %+v", got)
	}
	write("home:\n  host_name: kitchen\nupdate:\n  developer: perhaps\n")
	if got := s.now(); got.HostName != "kitchen" || got.Developer {
		t.Errorf("with a wrong section: %+v", got)
	}
	write("home: [\n")
	if got := s.now(); got.HostName != "kitchen" {
		t.Errorf("with a file that is no YAML: %+v", got)
	}
}

func TestWhereTheDashboardIs(t *testing.T) {
	for _, tt := range []struct {
		env    appliance.Env
		listen []string
		want   string
	}{
		{appliance.Env{Card: true}, nil, "127.0.0.1:80"},
		{appliance.Env{}, nil, "127.0.0.1:8080"},
		{appliance.Env{PortBase: 20000, Listen: "192.0.2.1"}, nil, "192.0.2.1:20000"},
		{appliance.Env{}, []string{":8081", "192.0.2.1:80"}, "127.0.0.1:8081"},
		{appliance.Env{}, []string{"[::]:8081"}, "127.0.0.1:8081"},
		{appliance.Env{}, []string{"[::1]:http"}, "[::1]:80"},
		{appliance.Env{}, []string{"nonsense"}, "nonsense"},
	} {
		web := tt.env.Web(appliance.Config{Gateway: appliance.Gateway{Listen: tt.listen}})
		if got := dashboard(web.Dashboard[0]); got != tt.want {
			t.Errorf("%+v, %q: %s, want %s", tt.env, tt.listen, got, tt.want)
		}
	}
}
