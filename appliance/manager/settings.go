package manager

import (
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/manager"
)

// settings is hems.yaml at this moment. Where a section is wrong, its defaults
// count; where the file cannot be read at all, what it said before.
type settings struct {
	env appliance.Env

	mu   sync.Mutex
	seen fs.FileInfo // nil: not there
	read bool
	cfg  appliance.Config
}

func newSettings(env appliance.Env) *settings {
	return &settings{env: env, cfg: appliance.DefaultConfig()}
}

// config reads hems.yaml again where the file is another one.
func (s *settings) config() appliance.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.env.Path(appliance.ConfigFile)
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	if s.read && same(info, s.seen) {
		return s.cfg
	}
	cfg, problems, err := appliance.LoadConfig(path)
	if err == nil {
		s.cfg = cfg
		err = problems.Err()
	}
	if err != nil {
		s.env.Log.Warn("hems.yaml is not right", "err", err)
	}
	s.seen, s.read = info, true
	if s.env.Card { // whoever wrote it may have left it to root, and a token too
		if err := s.env.TakeOver(manager.Self, "hems-metrics"); err != nil {
			s.env.Log.Error("not everything on the card has its right owner", "err", err)
		}
	}
	return s.cfg
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// now is what of it concerns the manager.
func (s *settings) now() manager.Settings {
	c := s.config()
	feed := ""
	if c.Update.Feed.URL != nil {
		feed = c.Update.Feed.String()
	}
	return manager.Settings{
		HostName:  c.Home.HostName,
		Developer: c.Update.Developer,
		Feed:      feed,
		Automatic: c.Update.Automatic,
		Zone:      c.Home.TimeZone.Location,
		Dashboard: "http://" + dashboard(s.env.Web(c).Dashboard[0]) + "/healthz",
	}
}

// dashboard is where this machine itself reaches the dashboard.
func dashboard(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil { // the gateway says what is wrong with it
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	if n, err := net.LookupPort("tcp", port); err == nil {
		port = strconv.Itoa(n)
	}
	return net.JoinHostPort(host, port)
}
