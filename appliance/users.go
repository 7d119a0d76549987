package appliance

import (
	"os"
	"path"
	"slices"
)

// The users of a card, by number: it has no /etc/passwd. Each is its own group
// too. Root, which is 0, is PID 1, hems-manager and whoever writes hems.yaml.
const (
	root        = 0
	groupHems   = 900 // all of the following
	userBroker  = 901
	userZigbee  = 902
	userMetrics = 903
	userGateway = 904
)

// User is whom a process of a card runs as, once it has opened what needs root.
type User struct {
	Name   string // for documentation
	ID     int    // uid and gid; 0: it stays root
	Groups []int  // further ones
}

// UserOf is the user of the process of that name; root for one that is not in
// the table, so that nobody is taken for another.
func UserOf(process string) User {
	for _, u := range cardUsers {
		if u.Name == process {
			return u
		}
	}
	return User{Name: process}
}

var cardUsers = []User{
	{Name: "hems-broker", ID: userBroker, Groups: []int{groupHems}},
	{Name: "hems-zigbee", ID: userZigbee, Groups: []int{groupHems}},
	{Name: "hems-metrics", ID: userMetrics, Groups: []int{groupHems}},
	// The gateway reads the store, and a reader of SQLite's write-ahead log
	// writes into the index beside it.
	{Name: "hems-gateway", ID: userGateway, Groups: []int{groupHems, userMetrics}},
}

// Place is a file or directory of a card and who may do what there.
type Place struct {
	// Path is below the data directory, or below the runtime directory for
	// InRun, or absolute for a device. The last element may be a pattern of
	// package path.
	Path  string
	InRun bool
	Mode  os.FileMode // with os.ModeDir for directories, os.ModeSocket for sockets
	Owner int         // uid
	Group int
	// Process takes the place over when it starts: makes a directory that is
	// missing and sets owner and mode. Empty: every process does, for what all
	// of them need.
	Process string
	// Tree: all in the directory belongs to the owner alone unless another
	// Place says so.
	Tree bool
	// Made: it has its owner and mode from whoever makes it, and is not taken
	// over.
	Made bool
}

// Places is who may read and write what on a card. What is not here, root alone
// may.
var Places = []Place{
	{Path: "", Mode: os.ModeDir | 0o750, Group: groupHems},
	{Path: ConfigFile, Mode: 0o640, Group: groupHems},
	{Path: "secrets", Mode: os.ModeDir | 0o710, Group: groupHems},
	{Path: "secrets/mqtt-*", Mode: 0o600, Owner: userBroker, Group: userBroker, Process: "hems-broker"},
	{Path: "secrets/claim-code", Mode: 0o600, Owner: userGateway, Group: userGateway, Process: "hems-gateway"},
	{Path: "secrets/cloudflare-token", Mode: 0o600, Owner: userGateway, Group: userGateway, Process: "hems-gateway"},
	{Path: "secrets/tailnet-*", Mode: 0o600, Owner: userGateway, Group: userGateway, Process: "hems-gateway"},
	{Path: tokenFiles, Mode: 0o600, Owner: userMetrics, Group: userMetrics, Process: "hems-metrics"},
	{Path: bridgeFiles, Mode: 0o600, Owner: userBroker, Group: userBroker, Process: "hems-broker"},
	// What is made in it is of its group: the socket is for all.
	{Path: "broker", Mode: os.ModeDir | os.ModeSetgid | 0o710, Owner: userBroker, Group: groupHems, Process: "hems-broker", Tree: true},
	{Path: "broker/mqtt.sock", Mode: os.ModeSocket | 0o660, Owner: userBroker, Group: groupHems, Process: "hems-broker", Made: true},
	{Path: "mqtt", Mode: os.ModeDir | 0o750, Group: userBroker, Process: "hems-manager"},
	{Path: "mqtt/*", Mode: 0o640, Group: userBroker, Process: "hems-manager"},
	{Path: "zigbee", Mode: os.ModeDir | 0o700, Owner: userZigbee, Group: userZigbee, Process: "hems-zigbee", Tree: true},
	{Path: "store", Mode: os.ModeDir | 0o750, Owner: userMetrics, Group: userMetrics, Process: "hems-metrics", Tree: true},
	{Path: "store/hems.db", Mode: 0o660, Owner: userMetrics, Group: userMetrics, Process: "hems-metrics"},
	{Path: "store/hems.db-*", Mode: 0o660, Owner: userMetrics, Group: userMetrics, Process: "hems-metrics"},
	{Path: "pki", Mode: os.ModeDir | 0o711, Process: "hems-manager"},
	{Path: "pki/ca.cr?", Mode: 0o644, Process: "hems-manager"},
	{Path: "pki/broker", Mode: os.ModeDir | 0o750, Group: userBroker, Process: "hems-manager"},
	{Path: "pki/broker/*.pem", Mode: 0o640, Group: userBroker, Process: "hems-manager"},
	{Path: "pki/gateway", Mode: os.ModeDir | 0o750, Group: userGateway, Process: "hems-manager"},
	{Path: "pki/gateway/*.pem", Mode: 0o640, Group: userGateway, Process: "hems-manager"},
	{Path: "pki/gateway/phones.json", Mode: 0o640, Group: userGateway, Process: "hems-manager"},
	{Path: "gateway", Mode: os.ModeDir | 0o700, Owner: userGateway, Group: userGateway, Process: "hems-gateway", Tree: true},
	{Path: "tailnet", Mode: os.ModeDir | 0o700, Owner: userGateway, Group: userGateway, Process: "hems-gateway", Tree: true},
	{Path: "", InRun: true, Mode: os.ModeDir | 0o755},
	{Path: "boot.json", InRun: true, Mode: 0o644, Made: true},
	{Path: "clock.json", InRun: true, Mode: 0o644, Made: true},
	{Path: "watchdog.sock", InRun: true, Mode: os.ModeSocket | 0o600, Made: true},
	{Path: "cloudflare", InRun: true, Mode: os.ModeDir | 0o700, Owner: userGateway, Group: userGateway, Process: "hems-gateway"},
	{Path: "manager.sock", InRun: true, Mode: os.ModeSocket | 0o660, Group: userGateway, Process: "hems-manager", Made: true},
	{Path: "metrics.sock", InRun: true, Mode: os.ModeSocket | 0o660, Owner: userMetrics, Group: userMetrics, Process: "hems-metrics", Made: true},
	{Path: "/dev/ttyACM*", Mode: os.ModeDevice | 0o600, Owner: userZigbee, Group: userZigbee, Process: "hems-zigbee"},
	{Path: "/dev/ttyUSB*", Mode: os.ModeDevice | 0o600, Owner: userZigbee, Group: userZigbee, Process: "hems-zigbee"},
}

// tokenFiles stands for the files that the destinations in hems.yaml name.
const tokenFiles = "secrets/<token, password, certificates of a destination>"

// bridgeFiles stands for the files that the bridges in hems.yaml name.
const bridgeFiles = "secrets/<password, certificates of a bridge>"

// mode is the part of p's mode that says what u may do there.
func (u User) mode(p Place) os.FileMode {
	switch {
	case u.ID == root:
		return 0o7
	case u.ID == p.Owner:
		return p.Mode >> 6 & 0o7
	case u.ID == p.Group || slices.Contains(u.Groups, p.Group):
		return p.Mode >> 3 & 0o7
	}
	return p.Mode & 0o7
}

// reaches says whether u may pass every directory on the way to p.
func (u User) reaches(p Place) bool {
	if path.IsAbs(p.Path) {
		return true
	}
	for _, dir := range Places {
		if dir.InRun != p.InRun || !dir.Mode.IsDir() || dir.Path == p.Path {
			continue
		}
		below := dir.Path == "" || len(p.Path) > len(dir.Path) && p.Path[:len(dir.Path)+1] == dir.Path+"/"
		if below && u.mode(dir)&0o1 == 0 {
			return false
		}
	}
	return true
}

// May says whether u may read p (in a directory: list it) and write it (make
// and remove files there).
func (u User) May(p Place) (read, write bool) {
	if !u.reaches(p) {
		return false, false
	}
	m := u.mode(p)
	return m&0o4 != 0, m&0o2 != 0 && (!p.Mode.IsDir() || m&0o1 != 0)
}
