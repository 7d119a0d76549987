package appliance

// Kept is a file or directory under the data directory that a process has as
// its own and that a backup takes along. What is bound to one card, such as the
// state of its updates or the sockets of its runtime directory, is nobody's.
type Kept struct {
	Path   string   // under the data directory, with /
	Except []string // patterns of package path, under the data directory
	What   string   // for people: "readings"
	// Snapshot is the one file that counts of a directory whose files must not
	// be copied while the process runs: it is asked for at the process's
	// Socket. Empty: the files may be copied at any time.
	Snapshot string
	// Lock is the file that the process has an exclusive flock on while it may
	// write, and Copies are the files that may be copied while nobody has it.
	Lock   string
	Copies []string
}

// storeKept is the store of readings.
var storeKept = Kept{
	Path: "store", What: "readings",
	Snapshot: "store/hems.db", Lock: "store/hems.db.lock", Copies: []string{"store/hems.db", "store/hems.db-wal"},
}

// gatewayKept is without the sign-ins: one that was ended since must not come
// back with an old backup.
var gatewayKept = Kept{Path: "gateway", What: "accounts", Except: []string{"gateway/sessions.json", "gateway/tokens.json", "gateway/invitations.json", "gateway/seed.json"}}
