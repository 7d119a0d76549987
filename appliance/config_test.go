package appliance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) (Config, Problems) {
	t.Helper()
	path := filepath.Join(t.TempDir(), ConfigFile)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems, err := LoadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	return c, problems
}

func TestLoadConfigTakesWhatIsThereOverTheDefaults(t *testing.T) {
	c, problems := parse(t, `
home:
  meter: frient_blink_counter
zigbee:
  serial: {port: "tcp://192.0.2.7:6638", baud: 57600, flow_control: hardware}
metrics:
  commit_every: 5s
  destinations:
    - {name: influx, url: "http://192.0.2.9:8086", org: hems, bucket: home_assistant, token: influx}
gateway:
`)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	type values struct {
		Meter, Port, Zone, URL, Token string
		Baud                          int
		Flow                          FlowControl
		Commit                        time.Duration
	}
	d := c.Metrics.Destinations[0]
	got := values{c.Home.Meter, c.Zigbee.Serial.Port, c.Home.TimeZone.String(), d.URL.String(), d.Token,
		c.Zigbee.Serial.Baud, c.Zigbee.Serial.FlowControl, time.Duration(c.Metrics.CommitEvery)}
	want := values{"frient_blink_counter", "tcp://192.0.2.7:6638", "Europe/Dublin", "http://192.0.2.9:8086", "influx",
		57600, "hardware", 5 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestLoadConfigTakesDestinationsOfEveryKind(t *testing.T) {
	c, problems := parse(t, `
metrics:
  destinations:
    - {name: two, url: "https://192.0.2.9:8086", org: hems, bucket: home, token: influx, ca: influx-ca.pem, certificate: us.pem, key: us-key.pem, from: now}
    - {name: one, kind: influxdb1, url: "http://192.0.2.9:8086", database: home, retention_policy: year, user: hems, password: influx1, from: 2026-11-20}
    - {name: three, kind: influxdb3, url: "http://192.0.2.9:8181", database: home, token: influx3, from: 2026-11-20T06:00:00Z}
    - {name: vm, kind: victoriametrics, url: "http://192.0.2.9:8428", user: hems, password: vm, window: 5m}
    - {name: fleet, kind: victoriametrics, url: "http://192.0.2.9:8480", tenant: "12:3", token: fleet}
`)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range c.Metrics.Destinations {
		from, err := d.From.MarshalYAML()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(d.Name, " ", d.Kind, " ", from, " ", time.Duration(d.Window), " ", strings.Join(d.secrets(), " ")))
	}
	want := []string{
		"two  now 0s influx  influx-ca.pem us.pem us-key.pem",
		"one influxdb1 2026-11-20T00:00:00Z 0s  influx1   ",
		"three influxdb3 2026-11-20T06:00:00Z 0s influx3    ",
		"vm victoriametrics everything 5m0s  vm   ",
		"fleet victoriametrics everything 0s fleet    ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("destinations (-want +got):\n%s", diff)
	}
}

func TestLoadConfigTakesABridge(t *testing.T) {
	c, problems := parse(t, `
mqtt:
  bridges:
    - connection: fleet
      addresses: ["one.example.com", "two.example.com:8884", "2001:db8::1"]
      topics:
        - zigbee2mqtt/# out 1 "" homes/7/
        - +/set in 2 zigbee2mqtt/ homes/7/do/
      remote_username: home-7
      remote_password: fleet
      bridge_cafile: fleet-ca.pem
      notifications: false
`)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	b := c.MQTT.Bridges[0]
	if diff := cmp.Diff([]string{"one.example.com:8883", "two.example.com:8884", "[2001:db8::1]:8883"}, b.HostPorts()); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if got, ok := b.Table().Out("zigbee2mqtt/meter"); !ok || got != "homes/7/zigbee2mqtt/meter" {
		t.Errorf("out: %q", got)
	}
	if !b.TLS() || b.Notifications == nil || *b.Notifications || b.TryPrivate != nil {
		t.Errorf("%+v", b)
	}
}

func TestLoadConfigTakesTheSystemsSections(t *testing.T) {
	c, problems := parse(t, `
home: {host_name: cottage-2}
update: {developer: true, feed: "https://example.com/hems/feed", automatic: true}
time: {servers: [ntp.example.com, "192.0.2.1", "192.0.2.2:1123", "[2001:db8::1]:123", "2001:db8::2"]}
`)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	type values struct {
		HostName, Feed       string
		Developer, Automatic bool
		Servers              []string
	}
	got := values{c.Home.HostName, c.Update.Feed.String(), c.Update.Developer, c.Update.Automatic, c.Time.Servers}
	want := values{"cottage-2", "https://example.com/hems/feed", true, true,
		[]string{"ntp.example.com", "192.0.2.1", "192.0.2.2:1123", "[2001:db8::1]:123", "2001:db8::2"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestLoadConfigWithoutAFeedHasNone(t *testing.T) {
	for _, text := range []string{"", "update: {feed: ''}", "update: {feed: }", "update: {developer: true}"} {
		c, problems := parse(t, text)
		if err := problems.Err(); err != nil || c.Update.Feed.URL != nil {
			t.Errorf("%q: feed %v, problems %v, want neither", text, c.Update.Feed.URL, err)
		}
	}
}

func TestLoadConfigWithoutAFileIsTheDefault(t *testing.T) {
	c, problems, err := LoadConfig(filepath.Join(t.TempDir(), ConfigFile))
	if err != nil || problems.Err() != nil {
		t.Fatal(err, problems)
	}
	if got, want := c.Zigbee.Serial, (Serial{Port: "auto", FlowControl: "auto"}); got != want {
		t.Errorf("serial: got %+v, want %+v", got, want)
	}
}

func TestDefaultsPassTheirOwnChecks(t *testing.T) {
	c := DefaultConfig()
	for _, s := range []checker{c.Home, c.MQTT, c.Zigbee, c.Metrics, c.Update, c.Time} {
		if err := s.Check(); err != nil {
			t.Errorf("%T: %v", s, err)
		}
	}
}

func TestLoadConfigSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []Problem
	}{
		{"UnknownSection", "home: {name: A}\nzigbbe: {}\n", []Problem{
			{Line: 2, Text: `unknown key "zigbbe": did you mean "zigbee"?`}}},
		{"UnknownKey", "zigbee:\n  serial:\n    prot: /dev/ttyUSB0\n", []Problem{
			{Section: "zigbee", Line: 3, Text: `zigbee.serial: unknown key "prot": did you mean "port"?`}}},
		{"UnknownKeyFarFromAll", "gateway:\n  theme: dark\n", []Problem{
			{Section: "gateway", Line: 2, Text: `gateway: unknown key "theme": remove it, or use one of client_certificates, listen, listen_https`}}},
		{"NotANumber", "zigbee:\n  channel: eleven\n", []Problem{
			{Section: "zigbee", Line: 2, Text: `zigbee.channel: "eleven" is not a whole number in range`}}},
		{"ChannelOutOfRange", "zigbee:\n  channel: 10\n", []Problem{
			{Section: "zigbee", Line: 1, Text: "zigbee.channel is 10: give a Zigbee channel from 11 to 26"}}},
		{"TimeZone", "home:\n  time_zone: Dublin\n", []Problem{
			{Section: "home", Line: 2, Text: `home.time_zone: "Dublin" is not a time zone: write it as Europe/Dublin`}}},
		{"DiskShare", "metrics:\n  disk_share: 95\n", []Problem{
			{Section: "metrics", Line: 1, Text: "metrics.disk_share is 95: give 1 to 90 percent of the card"}}},
		{"Domains", "metrics:\n  domains: [sensor, climate]\n", []Problem{
			{Section: "metrics", Line: 1, Text: `metrics.domains[1] is "climate": give some of binary_sensor, light, number, select, sensor, switch, text`}}},
		{"Duration", "metrics:\n  commit_every: 60\n", []Problem{
			{Section: "metrics", Line: 2, Text: `metrics.commit_every: "60" is not a time: write it as 10s or 5m`}}},
		{"Payloads", "zigbee: {payloads: z2m}\n", []Problem{
			{Section: "zigbee", Line: 1, Text: `zigbee.payloads: "z2m" is not a form of payloads: give reference, or z2m2 for Zigbee2MQTT 2's`}}},
		{"LastSeen", "zigbee: {last_seen: ISO}\n", []Problem{
			{Section: "zigbee", Line: 1, Text: `zigbee.last_seen: "ISO" is not a form of time: give disable, ISO_8601, ISO_8601_local or epoch`}}},
		{"Output", "zigbee: {output: xml}\n", []Problem{
			{Section: "zigbee", Line: 1, Text: `zigbee.output: "xml" is not a form of state: give json, attribute or attribute_and_json`}}},
		{"FlowControl", "zigbee:\n  serial: {flow_control: xon}\n", []Problem{
			{Section: "zigbee", Line: 2, Text: `zigbee.serial.flow_control: "xon" is not a flow control: give auto, software, hardware or none`}}},
		{"PasswordInAnAddress", "metrics:\n  destinations:\n  - {name: a, bucket: b, url: 'http://me:secret@192.0.2.1'}\n", []Problem{
			{Section: "metrics", Line: 3, Text: "metrics.destinations[0].url: a password does not belong in an address: put the token in a file under secrets/"}}},
		{"TwoDestinationsOfOneName", "metrics:\n  destinations:\n  - {name: a, bucket: b, url: 'http://h'}\n  - {name: a, bucket: c, url: 'http://h'}\n", []Problem{
			{Section: "metrics", Line: 4, Text: `metrics.destinations[1].name is "a", as that of another: give each a name of its own`}}},
		{"NoKindOfDestination", "metrics:\n  destinations:\n  - name: a\n    kind: influx\n    url: 'http://h'\n", []Problem{
			{Section: "metrics", Line: 4, Text: `metrics.destinations[0].kind: "influx" is not a kind of destination: give influxdb2, influxdb1, influxdb3 or victoriametrics`}}},
		{"NoBucket", "metrics:\n  destinations:\n  - {name: a, url: 'http://h'}\n", []Problem{
			{Section: "metrics", Line: 3, Text: "metrics.destinations[0].bucket is missing: give the bucket"}}},
		{"NoDatabase", "metrics:\n  destinations:\n  - name: a\n    kind: influxdb1\n    url: 'http://h'\n", []Problem{
			{Section: "metrics", Line: 3, Text: "metrics.destinations[0].database is missing: give the database"}}},
		{"ABucketOfAnotherKind", "metrics:\n  destinations:\n  - name: a\n    kind: victoriametrics\n    url: 'http://h'\n    bucket: b\n", []Problem{
			{Section: "metrics", Line: 6, Text: "metrics.destinations[0].bucket is for another kind of destination than victoriametrics: remove it"}}},
		{"UserWithoutPassword", "metrics:\n  destinations:\n  - {name: a, kind: victoriametrics, url: 'http://h', user: u}\n", []Problem{
			{Section: "metrics", Line: 3, Text: "metrics.destinations[0] has one of user and password: give both or none"}}},
		{"CertificatesWithoutHTTPS", "metrics:\n  destinations:\n  - {name: a, kind: victoriametrics, url: 'http://h', ca: my-ca.pem}\n", []Problem{
			{Section: "metrics", Line: 3, Text: "metrics.destinations[0].url does not begin with https: without it there are no certificates"}}},
		{"CertificateWithoutKey", "metrics:\n  destinations:\n  - {name: a, bucket: b, url: 'https://h', certificate: c.pem}\n", []Problem{
			{Section: "metrics", Line: 3, Text: "metrics.destinations[0] has one of certificate and key: give both or none"}}},
		{"TenantIsAPath", "metrics:\n  destinations:\n  - {name: a, kind: victoriametrics, url: 'http://h', tenant: ../1}\n", []Problem{
			{Section: "metrics", Line: 3, Text: `metrics.destinations[0].tenant is "../1": give an account such as 0, or account:project`}}},
		{"BeginsSometime", "metrics:\n  destinations:\n  - name: a\n    bucket: b\n    url: 'http://h'\n    from: yesterday\n", []Problem{
			{Section: "metrics", Line: 6, Text: `metrics.destinations[0].from: "yesterday" is not where a destination can begin: give everything, now, a day such as 2026-11-20, or a time such as 2026-11-20T00:00:00Z`}}},
		{"WindowOfDays", "metrics:\n  destinations:\n  - {name: a, bucket: b, url: 'http://h', window: 48h}\n", []Problem{
			{Section: "metrics", Line: 3, Text: "metrics.destinations[0].window is 48h0m0s: give up to 24h"}}},
		{"TokenIsAPath", "metrics:\n  destinations:\n  - {name: a, bucket: b, url: 'http://h', token: ../x}\n", []Problem{
			{Section: "metrics", Line: 3, Text: "metrics.destinations[0].token is not a file name: put what it stands for in a file under secrets/ and give the file's name"}}},
		{"TokenIsAPasswordOfOurs", "metrics:\n  destinations:\n  - {name: a, bucket: b, url: 'http://h', token: mqtt-gateway}\n", []Problem{
			{Section: "metrics", Line: 3, Text: `metrics.destinations[0].token is "mqtt-gateway", which is a secret of the appliance itself: give the file another name`}}},
		{"BridgeThatIsNoTopic", "mqtt:\n  bridges:\n  - connection: a\n    addresses: [h]\n    topics:\n    - '# up'\n", []Problem{
			{Section: "mqtt", Line: 6, Text: `mqtt.bridges[0].topics[0]: "# up": the direction is out, in or both, and not "up"`}}},
		{"BridgeWithAnUnknownKey", "mqtt:\n  bridges:\n  - {connection: a, adresses: [h]}\n", []Problem{
			{Section: "mqtt", Line: 3, Text: `mqtt.bridges[0]: unknown key "adresses": did you mean "addresses"?`}}},
		{"BridgeThatLoops", "mqtt:\n  bridges:\n  - {connection: a, addresses: [h], topics: ['# out 1 \"\" x/', '# in']}\n", []Problem{
			{Section: "mqtt", Line: 3, Text: `mqtt.bridges[0].topics cannot be: the topics "# out 1 \"\" x/" and "# in 0 \"\" \"\"" would make a loop: what one sends, the other brings back under another name; give both the same prefixes, or patterns that have nothing in common`}}},
		{"BridgeToNowhere", "mqtt:\n  bridges:\n  - {connection: a, topics: ['#']}\n", []Problem{
			{Section: "mqtt", Line: 3, Text: `mqtt.bridges[0].addresses is empty: give at least one, such as [mqtt.example.com:8883]`}}},
		{"BridgeWithAPasswordOfOurs", "mqtt:\n  bridges:\n  - {connection: a, addresses: [h], topics: ['#'], remote_password: mqtt-home}\n", []Problem{
			{Section: "mqtt", Line: 3, Text: `mqtt.bridges[0].remote_password is "mqtt-home", which is a secret of the appliance itself: give the file another name`}}},
		{"BridgesOfOneName", "mqtt:\n  bridges:\n  - {connection: a, addresses: [h], topics: ['#']}\n  - {connection: a, addresses: [h], topics: ['#']}\n", []Problem{
			{Section: "mqtt", Line: 4, Text: `mqtt.bridges[1].connection is "a", as that of another: give each a name of its own`}}},
		{"BridgeOfAnotherProtocol", "mqtt:\n  bridges:\n  - {connection: a, addresses: [h], topics: ['#'], bridge_protocol_version: '5'}\n", []Problem{
			{Section: "mqtt", Line: 3, Text: `mqtt.bridges[0].bridge_protocol_version is "5": give mqttv311 or mqttv50, or leave it out to have the better one found`}}},
		{"BridgeWithACertificateButNoTLS", "mqtt:\n  bridges:\n  - {connection: a, addresses: [h], topics: ['#'], bridge_certfile: c.pem, bridge_keyfile: k.pem}\n", []Problem{
			{Section: "mqtt", Line: 3, Text: `mqtt.bridges[0] has no bridge_cafile: without it, or bridge_tls_use_os_certs, there is no TLS`}}},
		{"BridgeThatMayBeYesOrNo", "mqtt:\n  bridges:\n  - {connection: a, addresses: [h], topics: ['#'], try_private: maybe}\n", []Problem{
			{Section: "mqtt", Line: 3, Text: `mqtt.bridges[0].try_private: "maybe" is not true or false`}}},
		{"ListWhereAGroupIs", "zigbee: [1]\n", []Problem{
			{Section: "zigbee", Line: 1, Text: `zigbee: give keys below it, such as "serial: …"`}}},
		{"GroupWhereAListIs", "gateway:\n  listen: {a: 1}\n", []Problem{
			{Section: "gateway", Line: 2, Text: `gateway.listen: give a list, each entry on a line that begins with "- "`}}},
		{"HostNameOfTwoLabels", "home:\n  host_name: hems.local\n", []Problem{
			{Section: "home", Line: 1, Text: `home.host_name is "hems.local": give one word of a-z, 0-9 and -, at most 63 long, without - at its ends`}}},
		{"HostNameThatEndsInAHyphen", "home:\n  host_name: hems-\n", []Problem{
			{Section: "home", Line: 1, Text: `home.host_name is "hems-": give one word of a-z, 0-9 and -, at most 63 long, without - at its ends`}}},
		{"HostNameOfEveryMachine", "home:\n  host_name: LocalHost\n", []Problem{
			{Section: "home", Line: 1, Text: `home.host_name is localhost, which every machine calls itself: give another name`}}},
		{"FeedIsNoAddress", "update:\n  feed: example.com\n", []Problem{
			{Section: "update", Line: 2, Text: `update.feed: not an address: write it as https://example.com/hems, or leave it empty`}}},
		{"AutomaticWithoutAFeed", "update:\n  automatic: true\n", []Problem{
			{Section: "update", Line: 1, Text: `update.automatic is true, but there is no feed to install from: give its address as update.feed`}}},
		{"NoTimeServer", "time:\n  servers: []\n", []Problem{
			{Section: "time", Line: 1, Text: `time.servers: there are 0: give 1 to 8 names or addresses`}}},
		{"TimeServerIsAnAddressOfAPage", "time:\n  servers: [a.example, 'http://b.example']\n", []Problem{
			{Section: "time", Line: 1, Text: `time.servers[1] is "http://b.example": give a name such as 0.pool.ntp.org or an address, with :port behind it if it is not 123`}}},
		{"TimeServerWithAPortTooLarge", "time:\n  servers: ['a.example:70000']\n", []Problem{
			{Section: "time", Line: 1, Text: `time.servers[0] is "a.example:70000": give a name such as 0.pool.ntp.org or an address, with :port behind it if it is not 123`}}},
		{"NoSections", "- a\n", []Problem{
			{Line: 1, Text: `not a list of sections: write for example "home:" and below it "  name: …"`}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, got := parse(t, tt.text)
			if diff := cmp.Diff(Problems(tt.want), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABadSectionLeavesTheOthersAlone(t *testing.T) {
	c, problems := parse(t, "zigbee:\n  channel: 99\n  serial: {port: other}\nhome:\n  name: Cottage\n")
	if err := problems.In("home", "gateway"); err != nil {
		t.Errorf("problems of home: %v, want none", err)
	}
	if err := problems.In("zigbee"); err == nil || !strings.Contains(err.Error(), "hems.yaml:1:") {
		t.Errorf("problems of zigbee: %v, want one with its line", err)
	}
	if got, want := c.Home.Name, "Cottage"; got != want {
		t.Errorf("home name %q, want %q", got, want)
	}
	if got, want := c.Zigbee.Serial.Port, DefaultConfig().Zigbee.Serial.Port; got != want {
		t.Errorf("port of the bad section %q, want the default %q", got, want)
	}
}

func TestLoadConfigRefusesWhatIsNotYAML(t *testing.T) {
	path := filepath.Join(t.TempDir(), ConfigFile)
	if err := os.WriteFile(path, []byte("home:\n\tname: tabs\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := LoadConfig(path)
	if err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want one that names line 2", err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("zigbee:\n  serial: {port: a}\n")
	f.Add("home: &a {name: *a}\n")
	f.Add("metrics:\n  destinations:\n  - {name: a, url: 'http://h', bucket: b}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c := DefaultConfig()
		problems, err := c.parse([]byte(text))
		if err != nil {
			return
		}
		for _, p := range problems {
			if p.Line < 1 || p.Text == "" {
				t.Errorf("problem without a line or a text: %+v", p)
			}
		}
	})
}

func TestNamesOfATunnelAreChecked(t *testing.T) {
	print := strings.Repeat("aB", 32)
	for text, want := range map[string]string{
		"{team: smartcore, hosts: [{host: ha.example.ie, to: home_assistant, rule: access, audience: x}, {host: b.example.ie, to: dashboard, rule: sign-in}]}": "",
		"{hosts: [{host: ha.example.ie, to: home_assistant, rule: client_certificate, certificates: [" + print + "]}]}":                                        "",
		"{team: Smart.Core}": "team is",
		"{hosts: [{host: ha, to: dashboard, rule: sign-in}]}":                                                                      "hosts[0].host is",
		"{hosts: [{host: 'https://ha.example.ie', to: dashboard, rule: sign-in}]}":                                                 "hosts[0].host is",
		"{hosts: [{host: ha.example.ie, to: nowhere, rule: sign-in}]}":                                                             "hosts[0].to is",
		"{hosts: [{host: ha.example.ie, to: dashboard}]}":                                                                          "hosts[0].rule is",
		"{hosts: [{host: ha.example.ie, to: dashboard, rule: access, audience: x}]}":                                               "needs team",
		"{team: t, hosts: [{host: ha.example.ie, to: dashboard, rule: access}]}":                                                   "needs team, and audience",
		"{hosts: [{host: ha.example.ie, to: dashboard, rule: client_certificate}]}":                                                "needs certificates",
		"{hosts: [{host: ha.example.ie, to: dashboard, rule: client_certificate, certificates: [ab]}]}":                            "is no SHA-256",
		"{hosts: [{host: ha.example.ie, to: dashboard, rule: sign-in}, {host: HA.example.ie, to: home_assistant, rule: sign-in}]}": "is there twice",
	} {
		_, problems, err := ParseConfig([]byte("cloudflare: " + text + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := problems.Err(); err != nil {
			got = err.Error()
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
