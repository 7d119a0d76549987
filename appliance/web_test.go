package appliance

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWeb(t *testing.T) {
	config := func(text string) Config {
		t.Helper()
		c, problems, err := ParseConfig([]byte(text))
		if err != nil || problems.Err() != nil {
			t.Fatalf("%s: %v, %v", text, err, problems.Err())
		}
		return c
	}
	const behind = "home_assistant:\n  url: http://192.0.2.1:8123/\n"
	for _, tt := range []struct {
		name string
		env  Env
		text string
		want Web
	}{
		{"Card", Env{Card: true}, "", Web{Dashboard: []string{":80"}, DashboardTLS: []string{":443"}, Port: 80, PortTLS: 443}},
		{"CardBehindIt", Env{Card: true}, behind,
			Web{Dashboard: []string{":8080"}, DashboardTLS: []string{":8443"}, Home: []string{":80"}, HomeTLS: []string{":443"}, Port: 8080, PortTLS: 8443}},
		{"Development", Env{}, "", Web{Dashboard: []string{":8080"}, DashboardTLS: []string{":8443"}, Port: 8080, PortTLS: 8443}},
		{"DevelopmentBehindIt", Env{}, behind,
			Web{Dashboard: []string{":8080"}, DashboardTLS: []string{":8443"}, Home: []string{":8081"}, HomeTLS: []string{":8444"}, Port: 8080, PortTLS: 8443}},
		{"PortBase", Env{PortBase: 20000, Listen: "127.0.0.1"}, behind, Web{
			Dashboard: []string{"127.0.0.1:20000"}, DashboardTLS: []string{"127.0.0.1:20001"},
			Home: []string{"127.0.0.1:20002"}, HomeTLS: []string{"127.0.0.1:20003"}, Port: 20000, PortTLS: 20001}},
		{"PortBaseOnACard", Env{PortBase: 20000, Card: true}, behind, Web{
			Dashboard: []string{":20000"}, DashboardTLS: []string{":20001"}, Home: []string{":20002"}, HomeTLS: []string{":20003"}, Port: 20000, PortTLS: 20001}},
		{"ListenAlone", Env{}, "gateway:\n  listen: [\"127.0.0.1:9000\"]\n", Web{Dashboard: []string{"127.0.0.1:9000"}, Port: 9000}},
		{"ListenBoth", Env{}, "gateway:\n  listen: [\"127.0.0.1:9000\"]\n  listen_https: [\"127.0.0.1:9001\"]\n",
			Web{Dashboard: []string{"127.0.0.1:9000"}, DashboardTLS: []string{"127.0.0.1:9001"}, Port: 9000, PortTLS: 9001}},
		{"ListenHTTPS", Env{}, "gateway:\n  listen_https: [\":9001\"]\n", Web{Dashboard: []string{":8080"}, DashboardTLS: []string{":9001"}, Port: 8080, PortTLS: 9001}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.env.Web(config(tt.text))); diff != "" {
				t.Errorf("where it listens (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHomeAssistantsAddress(t *testing.T) {
	for text, want := range map[string]string{
		"http://192.0.2.1:8123":       "http://192.0.2.1:8123",
		"http://192.0.2.1:8123/":      "http://192.0.2.1:8123",
		"https://home.example":        "https://home.example",
		"http://[2001:db8::1]:8123":   "http://[2001:db8::1]:8123",
		`""`:                          "",
		"192.0.2.1:8123":              "not Home Assistant's address",
		"ftp://192.0.2.1":             "not Home Assistant's address",
		"http://a:b@192.0.2.1":        "not Home Assistant's address",
		"http://192.0.2.1/lovelace":   "ends with its port",
		"http://192.0.2.1?x=1":        "ends with its port",
		"http://homeassistant.local":  "is not looked up from here",
		"http://homeassistant.LOCAL.": "is not looked up from here",
		"[]":                          "give one value here",
	} {
		c, problems, err := ParseConfig([]byte("home_assistant:\n  url: " + text + "\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := urlText(c.Hass.URL.URL)
		if p := problems.In("home_assistant"); p != nil {
			got = p.Error()
		}
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
