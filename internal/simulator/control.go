package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/simulator/ash"
	"github.com/smartcore-ireland/hems/internal/simulator/radio"
)

// Limits of what control requests may hold.
const (
	maxBody  = 4096
	maxPower = 60000 // W
)

// serveControl opens the Unix socket that is the person's hand.
func (s *Simulator) serveControl(path string) error {
	if err := removeSocket(path); err != nil {
		return fmt.Errorf("opening the control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("opening the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("opening the control socket: %w", err)
	}
	server := &http.Server{Handler: s.Control(), ReadTimeout: 10 * time.Second, MaxHeaderBytes: 8192}
	context.AfterFunc(s.ctx, func() { server.Close() })
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("control socket failed", "problem", err)
		}
	}()
	return nil
}

// removeSocket takes a socket away that a killed simulator left.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is no socket: choose another path", path)
	}
	return os.Remove(path)
}

// Control answers the requests of the control socket:
//
//	GET  /state           what is to be seen, as View
//	PUT  /meter/power     body: watts that hold the load; empty: follow the day
//	POST /meter/button    join, or announce; 409 when no network is open
//	POST /dongle/unplug   pull the dongle out
//	POST /dongle/plug     put it in again
//	POST /dongle/hang     deaf and mute until reset or unplugged
//	POST /dongle/reset    restart as the watchdog would
//	PUT  /line/faults     body: ash.Faults as JSON
//
// and for each device by its address, 404 when there is none such:
//
//	PUT  /devices/{eui64}/values    body: {"power":123,"state":"ON","humidity":null}; null follows the day
//	POST /devices/{eui64}/button    join, or announce and check in
//	POST /devices/{eui64}/leave     leave the network by itself
//	POST /devices/{eui64}/rejoin    come back with a new short address
//	POST /devices/{eui64}/restart   a short power cut
//	POST /devices/{eui64}/silence   take its power away
//	POST /devices/{eui64}/speak     give it back
func (s *Simulator) Control() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.State())
	})
	m.HandleFunc("PUT /meter/power", act(func(body []byte) error {
		text := strings.TrimSpace(string(body))
		if text == "" {
			return s.SetValues(s.o.MeterEUI64, map[string]any{"power": nil})
		}
		watts, err := strconv.ParseInt(text, 10, 64)
		if err != nil || watts < 0 || watts > maxPower {
			return badRequest(fmt.Sprintf("%q is no load: send whole watts from 0 to %d, or nothing to follow the day", text, maxPower))
		}
		return s.SetValues(s.o.MeterEUI64, map[string]any{"power": float64(watts)})
	}))
	m.HandleFunc("PUT /devices/{eui64}/values", s.device(func(eui radio.EUI64, body []byte) error {
		var values map[string]any
		if err := json.Unmarshal(body, &values); err != nil || values == nil {
			return badRequest(fmt.Sprintf("the body is not like {\"power\":123}: %v", err))
		}
		return s.SetValues(eui, values)
	}))
	for path, do := range map[string]func(radio.EUI64) error{
		"button": s.Press, "leave": s.Leave, "rejoin": s.Rejoin, "restart": s.Restart,
		"silence": func(eui radio.EUI64) error { return s.Silence(eui, true) },
		"speak":   func(eui radio.EUI64) error { return s.Silence(eui, false) },
	} {
		m.HandleFunc("POST /devices/{eui64}/"+path, s.device(func(eui radio.EUI64, _ []byte) error { return do(eui) }))
	}
	m.HandleFunc("PUT /line/faults", act(func(body []byte) error {
		var f ash.Faults
		if err := json.Unmarshal(body, &f); err != nil {
			return badRequest("the body is not like {\"lose\":0.01,\"flip\":0,\"duplicate\":0}: " + err.Error())
		}
		if err := s.SetFaults(f); err != nil {
			return badRequest(err.Error())
		}
		return nil
	}))
	for path, do := range map[string]func() error{
		"/meter/button":  s.PressButton,
		"/dongle/unplug": s.Unplug,
		"/dongle/plug":   s.Plug,
		"/dongle/hang":   func() error { s.Hang(); return nil },
		"/dongle/reset":  s.Reset,
	} {
		m.HandleFunc("POST "+path, act(func([]byte) error { return do() }))
	}
	return m
}

// badRequest is an error that the body of a request caused.
type badRequest string

func (e badRequest) Error() string { return string(e) }

// device is act for the device that the path names.
func (s *Simulator) device(do func(eui radio.EUI64, body []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var eui radio.EUI64
		if eui.UnmarshalText([]byte(r.PathValue("eui64"))) != nil {
			http.Error(w, fmt.Sprintf("%q is no address: write 0x and 16 digits", r.PathValue("eui64")), http.StatusNotFound)
			return
		}
		act(func(body []byte) error { return do(eui, body) })(w, r)
	}
}

// act does something and answers 204, 400 for a bad body, 404 for a device
// that is not there, 409 when it cannot be done now.
func act(do func(body []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "reading the body: "+err.Error(), http.StatusBadRequest)
			return
		}
		err = do(body)
		var bad badRequest
		var value BadValue
		switch {
		case err == nil:
			w.WriteHeader(http.StatusNoContent)
		case errors.As(err, &bad), errors.As(err, &value):
			http.Error(w, err.Error(), http.StatusBadRequest)
		case errors.Is(err, ErrNoDevice):
			http.Error(w, err.Error(), http.StatusNotFound)
		default:
			http.Error(w, err.Error(), http.StatusConflict)
		}
	}
}
