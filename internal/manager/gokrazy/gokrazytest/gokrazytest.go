// Package gokrazytest is an HTTP server on a unix socket that answers as
// gokrazy's init does, for tests: the same routes, statuses, cookie and form,
// programs that end with status 0 staying down, 100 lines held per stream.
package gokrazytest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// held is how many lines init holds of each stream.
const held = 100

// Server is an init with pretended programs.
type Server struct {
	Socket string

	mu       sync.Mutex
	services []*service
	pid      int
	alive    map[int]bool
	asked    []string // "stop /user/x", "restart /user/x", "kill /user/x"
	http     *http.Server
}

type service struct {
	path    string
	stopped bool
	started time.Time
	pid     int
	deaf    bool // ignores SIGTERM
	lines   map[string][]string
	streams map[chan [2]string]bool
}

// Start listens on a new socket until the test ends. The programs run.
func Start(t testing.TB, paths ...string) *Server {
	t.Helper()
	s := &Server{Socket: filepath.Join(t.TempDir(), "gokrazy.sock"), pid: 1000, alive: map[int]bool{}}
	for _, p := range paths {
		v := &service{path: p, lines: map[string][]string{}, streams: map[chan [2]string]bool{}}
		s.services = append(s.services, v)
		s.run(v)
	}
	s.Listen(t)
	t.Cleanup(s.Close)
	return s
}

// Listen answers on the socket again after Close.
func (s *Server) Listen(t testing.TB) {
	t.Helper()
	l, err := net.Listen("unix", s.Socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.overview)
	mux.HandleFunc("/status", s.status)
	mux.HandleFunc("/stop", s.stopStart)
	mux.HandleFunc("/restart", s.stopStart)
	mux.HandleFunc("/log", s.log)
	s.http = &http.Server{Handler: mux}
	go s.http.Serve(l)
}

// Close stops listening and ends all connections.
func (s *Server) Close() { s.http.Close() }

func (s *Server) run(v *service) {
	s.pid++
	v.pid, v.stopped, v.started = s.pid, false, time.Now()
	s.alive[v.pid] = true
}

func (s *Server) find(path string) *service {
	i := slices.IndexFunc(s.services, func(v *service) bool { return v.path == path })
	if i < 0 {
		return nil
	}
	return s.services[i]
}

// Crash ends the program with a bad status: init starts it again.
func (s *Server) Crash(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.find(path)
	s.alive[v.pid] = false
	s.run(v)
}

// End ends the program with status 0: init leaves it stopped.
func (s *Server) End(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(s.find(path))
}

func (s *Server) end(v *service) {
	s.alive[v.pid] = false
	v.stopped = true
}

// Deafen has the program ignore SIGTERM.
func (s *Server) Deafen(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.find(path).deaf = true
}

// Alive tells whether a pretended process is there.
func (s *Server) Alive(pid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive[pid]
}

// Running tells whether the program runs.
func (s *Server) Running(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive[s.find(path).pid]
}

// Asked is what init was asked so far, in order.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Write is the program writing a line.
func (s *Server) Write(path, stream, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.find(path)
	v.lines[stream] = append(v.lines[stream], line)
	if n := len(v.lines[stream]); n > held {
		v.lines[stream] = v.lines[stream][n-held:]
	}
	for c := range v.streams {
		select {
		case c <- [2]string{stream, line}:
		default: // a reader that is too slow misses lines
		}
	}
}

// Followers is how many connections follow the program's lines.
func (s *Server) Followers(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.find(path).streams)
}

type told struct {
	Stopped   bool
	StartTime time.Time
	Pid       int
	Path      string
	Args      []string
	Diverted  string
}

func (v *service) tell() told {
	return told{Stopped: v.stopped, StartTime: v.started, Pid: v.pid, Path: v.path, Args: []string{v.path}}
}

func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	if r.Header.Get("Accept") != "application/json" {
		fmt.Fprint(w, "<!DOCTYPE html>")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []told
	for _, v := range s.services {
		all = append(all, v.tell())
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"Services": all, "PermDev": "/dev/mmcblk0p4", "BuildTimestamp": "2026-04-18T08:56:48Z",
		"Model": "Raspberry Pi 4 Model B Rev 1.1", "Kernel": "Linux 6.12.47-v8 (aarch64)", "EEPROM": nil,
	})
}

func cookie(r *http.Request) int64 {
	c, err := r.Cookie("gokrazy_xsrf")
	if err != nil {
		return 0
	}
	i, err := strconv.ParseInt(c.Value, 0, 32)
	if err != nil {
		return 0
	}
	return i
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	token := cookie(r)
	if token == 0 {
		token = int64(rand.Int32())
	}
	http.SetCookie(w, &http.Cookie{Name: "gokrazy_xsrf", Value: fmt.Sprint(token), Expires: time.Now().Add(24 * time.Hour), HttpOnly: true})
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.find(r.FormValue("path"))
	if v == nil {
		http.Error(w, "service not found", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v.tell())
}

func (s *Server) stopStart(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "expected a POST request", http.StatusBadRequest)
		return
	}
	token := cookie(r)
	if token == 0 {
		http.Error(w, "XSRF cookie missing", http.StatusBadRequest)
		return
	}
	i, err := strconv.ParseInt(r.FormValue("xsrftoken"), 0, 32)
	if err != nil {
		http.Error(w, fmt.Sprintf("parsing XSRF token form value: %v", err), http.StatusBadRequest)
		return
	}
	if i != token {
		http.Error(w, "XSRF token mismatch", http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.FormValue("path")
	v := s.find(path)
	if v == nil {
		http.Error(w, "no such service", http.StatusNotFound)
		return
	}
	kill := r.FormValue("signal") == "kill"
	what := r.URL.Path[1:]
	if kill {
		what = "kill"
	}
	s.asked = append(s.asked, what+" "+path)
	dies := s.alive[v.pid] && (kill || !v.deaf)
	switch {
	case r.URL.Path == "/restart" && v.stopped:
		v.stopped = false
		if !s.alive[v.pid] {
			s.run(v)
		}
	case r.URL.Path == "/restart" && dies: // it ends with status 0
		s.end(v)
	case r.URL.Path == "/stop" && !v.stopped:
		v.stopped = true
		if dies {
			s.end(v)
		}
	}
	http.Redirect(w, r, "/status?"+url.Values{"path": {path}}.Encode(), http.StatusSeeOther)
}

func (s *Server) log(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-type", "text/event-stream")
	lines := make(chan [2]string, held+1)
	s.mu.Lock()
	v := s.find(r.FormValue("path"))
	if v == nil {
		s.mu.Unlock()
		http.Error(w, "service not found", http.StatusNotFound)
		return
	}
	replay := map[string][]string{"stdout": slices.Clone(v.lines["stdout"]), "stderr": slices.Clone(v.lines["stderr"])}
	v.streams[lines] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(v.streams, lines)
	}()
	send := func(stream, line string) {
		fmt.Fprintln(w, "event: "+stream+"\n"+fmt.Sprintf("data: %s\n", line))
		w.(http.Flusher).Flush()
	}
	for stream, all := range replay {
		for _, line := range all {
			send(stream, line)
		}
	}
	for {
		select {
		case l := <-lines:
			send(l[0], l[1])
		case <-r.Context().Done():
			return
		}
	}
}
