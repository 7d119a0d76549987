package appliance

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/smartcore-ireland/hems/"

// A rule keeps a room from knowing what is not its business. Paths are
// relative to the module; a trailing "/..." takes in everything below.
type rule struct {
	room   string
	never  []string // packages that may not be reached from it, however indirectly
	only   []string // if set, the only packages of this module it may import itself
	reason string
}

var nothing = []string{"-"}

var rules = []rule{
	{room: "cmd/...", only: []string{"appliance/...", "internal/boot", "internal/cli", "internal/simulator"},
		reason: "a program is flags, signals and one call"},
	{room: "appliance", never: []string{"internal/zigbee/...", "internal/store", "internal/gateway", "internal/broker", "modernc.org/sqlite"},
		reason: "the plan is linked into every process; what one process needs is put together below it"},
	{room: "appliance/broker", never: []string{"internal/zigbee/...", "internal/store", "internal/gateway", "modernc.org/sqlite"},
		reason: "the broker does not link the other processes' rooms"},
	{room: "appliance/zigbee", never: []string{"internal/store", "internal/gateway", "internal/broker", "modernc.org/sqlite"},
		reason: "the coordinator does not link the other processes' rooms"},
	{room: "appliance/zigbee", never: []string{"net/http", "crypto/tls", "text/template", "html/template", "database/sql"},
		reason: "it is to be small: what is linked is resident in part, used or not"},
	{room: "appliance/metrics", never: []string{"internal/zigbee/...", "internal/gateway", "internal/broker"},
		reason: "the metrics writer does not link the other processes' rooms"},
	{room: "appliance/gateway", never: []string{"internal/zigbee/...", "internal/metrics", "internal/broker"},
		reason: "the gateway sees devices through MQTT and history alone"},
	{room: "internal/zigbee/ash", only: nothing, reason: "bytes to frames and back: it does not know what a frame says"},
	{room: "internal/zigbee/serialport", only: []string{"internal/atomicfile", "internal/nonblock"}, reason: "a line is a line, whatever talks on it"},
	{room: "internal/zigbee/zcl", only: nothing, reason: "frames of the specification, whoever sends them"},
	{room: "internal/zigbee/zdo", only: []string{"internal/zigbee/zcl"}, reason: "frames of the specification, whoever sends them"},
	{room: "internal/zigbee/ezsp", only: []string{"internal/zigbee/ash", "internal/zigbee/zcl"},
		reason: "commands and callbacks, not networks, devices or MQTT"},
	{room: "internal/zigbee/device", only: []string{"internal/zigbee/zcl"}, reason: "what clusters mean, not how they travelled"},
	{room: "internal/zigbee/statefile", only: []string{"internal/atomicfile"}, reason: "sections of a file, not what they mean"},
	{room: "internal/zigbee/migrate", never: []string{"modernc.org/sqlite", "internal/zigbee/serialport"},
		reason: "hems-zigbee links it: how a state is put together, not how other programs keep theirs"},
	{room: "internal/zigbee/migrate/...", never: []string{"internal/manager", "internal/gateway", "internal/store"},
		reason: "files of other programs, whoever takes them over"},
	{room: "internal/zigbee/coordbackup", only: []string{"internal/zigbee/zcl"}, reason: "the form of a backup, not what is done with it"},
	{room: "internal/zigbee/network", never: []string{"internal/mqttclient", "internal/discovery", "internal/health", "internal/zigbee/bridge"},
		reason: "the coordinator's network exists without MQTT"},
	{room: "internal/zigbee/bridge", never: []string{"go.bug.st/serial", "internal/zigbee/serialport"},
		reason: "topics and payloads, not serial lines"},
	{room: "internal/discovery", never: []string{"internal/zigbee/...", "internal/mqttclient"}, reason: "documents of any device, not only Zigbee's"},
	{room: "internal/mqttclient", only: []string{"internal/mqttclient/packet", "internal/nonblock"}, never: []string{"net/http", "crypto/tls"},
		reason: "it carries messages, over a socket of this machine, and does not read them"},
	{room: "internal/mqttclient/packet", only: nothing, never: []string{"net"}, reason: "bytes, not who sends them"},
	{room: "internal/native/...", only: []string{"internal/discovery"}, reason: "what a make of devices says, not who listens or how it came"},
	{room: "internal/broker/...", only: []string{"internal/broker/...", "internal/atomicfile"}, reason: "it keeps messages and does not read them"},
	{room: "internal/broker/door", only: nothing, never: []string{"github.com/mochi-mqtt/server/v2/..."}, reason: "packets, whoever sends them"},
	{room: "internal/broker/core", only: []string{"internal/broker/door"}, never: []string{"net/http", "github.com/mochi-mqtt/server/v2"}, reason: "sessions and queues, not files, users or listeners"},
	{room: "internal/broker/passwd", only: []string{"internal/atomicfile"}, never: []string{"net/http"}, reason: "names and hashes of passwords, not what a user may do"},
	{room: "internal/broker/acl", only: nothing, never: []string{"net/http"}, reason: "who may do what with which topic, not who a client is"},
	{room: "internal/broker/roster", only: []string{"internal/broker/acl", "internal/broker/passwd"}, never: []string{"net/http"}, reason: "users in files, not the broker that reads them"},
	{room: "internal/broker/mosquitto", only: []string{"internal/broker/acl", "internal/broker/passwd"}, never: []string{"net/http"}, reason: "Mosquitto's files, not what is done with them"},
	{room: "internal/broker/listen", only: nothing, reason: "streams, whatever is said on them"},
	{room: "internal/broker/journal", only: nothing, never: []string{"net", "github.com/mochi-mqtt/server/v2/..."}, reason: "records and files, not what a record says"},
	{room: "internal/broker/uplink", only: []string{"internal/broker/uplink/mapping", "internal/atomicfile"},
		reason: "a client of two brokers: it does not know how ours keeps messages"},
	{room: "internal/broker/uplink/mapping", only: nothing, never: []string{"net"}, reason: "names of topics, not who sends messages"},
	{room: "internal/store", never: []string{"internal/mqttclient", "net/http"}, reason: "readings, whoever brought them and whoever asks"},
	{room: "internal/store/pages", only: nothing, never: []string{"net", "database/sql", "modernc.org/sqlite/..."}, reason: "it reads a file that SQLite no longer reads, and not what the tables mean"},
	{room: "internal/ledger", only: nothing, never: []string{"net", "database/sql"}, reason: "energy per half hour, wherever it was read and is kept"},
	{room: "internal/energy", only: []string{"internal/calendar", "internal/ledger"}, never: []string{"net", "database/sql"}, reason: "half hours to a bill, wherever both are kept"},
	{room: "internal/calendar", only: nothing, never: []string{"net", "database/sql"}, reason: "clocks and names, not what is counted or priced in them"},
	{room: "internal/hdf", only: []string{"internal/ledger"}, never: []string{"net", "database/sql", "log/slog"}, reason: "what a file says, and no word of whose it is"},
	{room: "internal/hdf/hdftest", only: []string{"internal/ledger"}, reason: "it makes files without the code that reads them"},
	{room: "internal/history", never: []string{"internal/mqttclient", "net/http", "internal/gateway"}, reason: "questions to the store, not pages"},
	{room: "internal/metrics/delivery", only: []string{"internal/store"}, never: []string{"internal/mqttclient", "internal/discovery"},
		reason: "readings of the store and servers, not where readings come from"},
	{room: "internal/metrics", never: []string{"internal/zigbee/...", "internal/gateway"}, reason: "entities of any device; no pages"},
	{room: "internal/client", only: nothing, reason: "questions to an appliance, whoever asks them"},
	{room: "internal/client/clienttest", only: []string{"internal/client"}, reason: "the form of the answers, not what they mean"},
	{room: "internal/remote", only: nothing, reason: "what ways in and the gateway agree on"},
	{room: "internal/remote/cloudflare", only: []string{"internal/remote", "internal/remote/cloudflare/access"}, reason: "a tunnel's names and headers, not what is behind a door"},
	{room: "internal/remote/cloudflare/access", only: []string{"internal/atomicfile"}, reason: "tokens, not who shows them or for what"},
	{room: "internal/remote/phones", only: []string{"internal/remote", "internal/pki", "internal/atomicfile"}, reason: "who shows which certificate, not what is behind the door"},
	{room: "internal/remote/mdns", only: nothing, reason: "a name on the home's network, whoever answers there"},
	{room: "internal/gateway/front", only: []string{"internal/remote"}, reason: "bytes of HTTP before Home Assistant: no pages, accounts or sessions"},
	{room: "internal/gateway", never: []string{"internal/zigbee/...", "internal/metrics", "internal/manager/...", "internal/remote/mdns"},
		reason: "pages see devices through MQTT and history through an interface"},
	{room: "internal/gateway/passkey", only: []string{"internal/atomicfile"}, reason: "ceremonies and keys: no HTTP, accounts or pages"},
	{room: "internal/gateway/chronicle", only: []string{"internal/calendar", "internal/history", "internal/ledger", "internal/reply", "internal/store"},
		reason: "questions about the past, whoever asks"},
	{room: "internal/simulator/...", never: []string{"internal/zigbee/...", "internal/mqttclient", "internal/discovery"},
		reason: "it speaks only the wire, so that it can be checked by other coordinators"},
	{room: "image/flash", only: nothing, reason: "disks and bytes, not what the image holds"},
	{room: "image", only: []string{"image/firmware", "internal/disk", "internal/update/bootpart", "internal/update/gokproto", "internal/update/slot"}, reason: "a card and a machine that boots it, not what runs on them"},
	{room: "image/firmware", only: nothing, reason: "the Raspberry Pi's documentation, not who wrote the files"},
	{room: "internal/update/refusal", only: nothing, reason: "how to say no, not to what"},
	{room: "internal/update/sign", only: []string{"internal/update/refusal"}, reason: "who signed, not what was signed"},
	{room: "internal/update/bundle", only: []string{"internal/update/refusal", "internal/update/sign"},
		reason: "what a release is, not where it is installed or how it came"},
	{room: "internal/update/release", only: []string{"internal/update/bundle", "internal/update/sign", "internal/update/bootpart", "internal/disk", "internal/atomicfile"},
		reason: "the maker's side: images and keys, never a running appliance"},
	{room: "internal/update/gokproto", only: []string{"internal/update/refusal", "internal/update/bootpart"},
		reason: "what gok sends, not how it is installed"},
	{room: "internal/update/bootpart", only: nothing, never: []string{"net"}, reason: "a file system, not what a card boots from it"},
	{room: "internal/update/slot", only: []string{"internal/update/bootpart"}, never: []string{"net"}, reason: "slots, not where an update came from or who signed it"},
	{room: "internal/disk", only: nothing, reason: "partitions, not what is in them"},
	{room: "internal/boot", only: []string{"internal/boot/...", "internal/disk", "internal/update/slot", "internal/backup/staged"},
		never: []string{"appliance", "internal/mqttclient", "internal/store", "internal/gateway", "net/http"}, reason: "the first process knows no program that it starts"},
	{room: "internal/boot/keeper", only: []string{"internal/boot/report"}, never: []string{"net/http"}, reason: "it kicks the watchdog, whatever else fails"},
	{room: "internal/boot/report", only: []string{"internal/atomicfile"}, reason: "a file's form, for whoever reads it"},
	{room: "internal/nonblock", only: nothing, reason: "bytes, not what they are"},
	{room: "internal/atomicfile", only: nothing, reason: "files, not what is in them"},
	{room: "internal/backup", only: []string{"internal/backup/staged", "internal/reply"}, never: []string{"modernc.org/sqlite"},
		reason: "an archive of files, not what is in them"},
	{room: "internal/backup/staged", only: []string{"internal/atomicfile"}, never: []string{"net/http", "filippo.io/age"},
		reason: "PID 1 links it: files that change places, not where they came from"},
	{room: "internal/hemsyaml", only: []string{"internal/atomicfile"}, never: []string{"net/http", "internal/mqttclient"},
		reason: "a text and its history, not what its keys mean or who asks"},
	{room: "internal/hemsyaml/api", only: []string{"internal/hemsyaml", "internal/reply"}, reason: "requests about a text, not what it says"},
	{room: "internal/pki", only: []string{"internal/atomicfile"}, reason: "certificates, not who asks for them"},
	{room: "internal/seed", only: []string{"internal/atomicfile", "internal/hemsyaml"}, never: []string{"net/http"},
		reason: "what a card was given, not who uses it"},
	{room: "internal/diagnostics", only: nothing, reason: "what is shown and what is hidden, not what it means"},
	{room: "internal/reply", only: nothing, reason: "the form of an answer, not what it is about"},
	{room: "internal/clock", only: []string{"internal/atomicfile"}, reason: "the time, whoever reads it"},
	{room: "internal/privilege", only: nothing, reason: "ids and capabilities, not who the users are"},
	{room: "internal/supervise", only: []string{"internal/crashloop"}, reason: "processes, not what they do"},
	{room: "internal/crashloop", only: nothing, reason: "times, whatever ends at them"},
	{room: "appliance/manager", never: []string{"internal/zigbee/...", "internal/store", "internal/gateway", "internal/broker", "modernc.org/sqlite"},
		reason: "the manager sees the other processes from outside"},
	{room: "internal/manager", never: []string{"internal/zigbee/...", "internal/store", "internal/gateway", "internal/broker", "internal/discovery"},
		reason: "the whole from outside: no pages, no protocols but MQTT's topics"},
	{room: "internal/manager/tree", only: nothing, reason: "how nodes add up, not what they stand for"},
	{room: "internal/manager/journal", only: nothing, reason: "lines and files, whoever writes them"},
	{room: "internal/manager/board", only: nothing, reason: "the kernel's calls, whoever wants them"},
	{room: "internal/manager/gokrazy", only: nothing, reason: "what init is asked, not why"},
	{room: "internal/manager/services", only: []string{"internal/crashloop", "internal/manager/gokrazy"}, reason: "programs that run, not what they do"},
	{room: "internal/manager/updates", only: []string{"internal/update/...", "internal/boot/keeper", "internal/atomicfile"}, never: []string{"internal/mqttclient", "internal/manager"},
		reason: "an update's way, however the house is looked at and the machine restarted"},
	{room: "internal/manager/house", only: []string{"internal/health", "internal/mqttclient"}, reason: "what is heard, not what is made of it"},
	{room: "internal/testservers/...", only: []string{"internal/testservers"}, reason: "other people's programs, not what tests ask them"},
	{room: "internal/health", only: nothing, reason: "one sentence, not who says it"},
}

func matches(pattern, pkg string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == below || strings.HasPrefix(pkg, below+"/")
	}
	return pkg == pattern
}

func matchesAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

// TestRooms holds the house plan: who may import whom.
func TestRooms(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}|{{join .Imports ","}}|{{join .Deps ","}}`, "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing the packages: %v", err)
	}
	local := func(list string) (out []string) {
		for p := range strings.SplitSeq(list, ",") {
			out = append(out, strings.TrimPrefix(p, module))
		}
		return out
	}
	used := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		pkg := strings.TrimPrefix(f[0], module)
		if slices.Contains([]string{"util", "utils", "common", "helpers", "misc"}, path.Base(pkg)) {
			t.Errorf("%s: a package is named after what it knows", pkg)
		}
		for _, r := range rules {
			if !matches(r.room, pkg) {
				continue
			}
			used[r.room] = true
			for _, dep := range local(f[2]) {
				if matchesAny(r.never, dep) {
					t.Errorf("%s reaches %s: %s", pkg, dep, r.reason)
				}
			}
			for _, imp := range strings.Split(f[1], ",") {
				own, isOwn := strings.CutPrefix(imp, module)
				if isOwn && r.only != nil && !matchesAny(r.only, own) {
					t.Errorf("%s imports %s: %s", pkg, own, r.reason)
				}
			}
		}
	}
	for _, r := range rules {
		if !used[r.room] {
			t.Errorf("the rule for %s matches no package", r.room)
		}
	}
}
