package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/smartcore-ireland/hems/internal/backup/staged"
	"github.com/smartcore-ireland/hems/internal/reply"
)

// MissingHeader is in the answer to POST /v1/backup when something could not be
// taken: what, for people, such as "readings". The archive's backup.json says
// why.
const MissingHeader = "Hems-Backup-Missing"

// stall is how long a caller may neither send nor take anything.
const stall = 2 * time.Minute

// maxDrain is how much of a refused upload is still taken, in bytes.
const maxDrain = 1 << 30

// ServiceOptions are what a Service needs.
type ServiceOptions struct {
	Data     string // the data directory
	Items    []Item
	Version  string
	HostName func() string
	// Restart is called when a set waits and the answer has been sent.
	Restart func(why string)
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now
}

// A Service answers POST /v1/backup and POST /v1/restore, one at a time.
type Service struct {
	o    ServiceOptions
	turn chan struct{}
}

// NewService returns the service. It touches no file.
func NewService(o ServiceOptions) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o, turn: make(chan struct{}, 1)}
}

// Handlers are the service's, by the patterns of http.ServeMux.
func (s *Service) Handlers() map[string]http.Handler {
	return map[string]http.Handler{
		"POST /v1/backup":  http.HandlerFunc(s.serveBackup),
		"POST /v1/restore": http.HandlerFunc(s.serveRestore),
	}
}

// begin takes the turn, or says that it is another's.
func (s *Service) begin(w http.ResponseWriter) bool {
	select {
	case s.turn <- struct{}{}:
		return true
	default:
		reply.Refuse(w, http.StatusConflict, reply.Refusal{Code: "busy",
			Error: "another backup or restore is under way", Hint: "try again when it has ended"})
		return false
	}
}

func (s *Service) end() { <-s.turn }

// serveBackup answers {"passphrase"} with the archive.
func (s *Service) serveBackup(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Passphrase string `json:"passphrase"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&ask); err != nil {
		reply.Refuse(w, http.StatusBadRequest, reply.Refusal{Code: "bad_request", // the decoder's words could quote it
			Error: `the request is not of the form {"passphrase":"…"}`})
		return
	}
	if err := CheckPassphrase(ask.Passphrase); err != nil {
		reply.Refuse(w, http.StatusBadRequest, reply.Refusal{Code: "weak_passphrase", Error: err.Error(),
			Hint: "whoever has the archive can try passphrases for ever"})
		return
	}
	if !s.begin(w) {
		return
	}
	defer s.end()
	out := &patient{w: w, c: http.NewResponseController(w)}
	host := s.o.HostName()
	m, err := Write(r.Context(), out, ask.Passphrase, Options{
		Data: s.o.Data, Items: s.o.Items, Version: s.o.Version, HostName: host, Now: s.o.Now,
		Begin: func(m Manifest) {
			h := w.Header()
			h.Set("Content-Type", "application/octet-stream")
			h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", FileName(host, m.MadeAt)))
			h.Set("Cache-Control", "no-store")
			h.Set("X-Content-Type-Options", "nosniff")
			if len(m.Missing) > 0 {
				h.Set(MissingHeader, m.missing())
			}
		},
	})
	switch {
	case err == nil:
		s.o.Log.Info("a backup was made", "items", len(m.Items), "bytes", m.bytes(), "missing", m.missing())
	case r.Context().Err() != nil:
		s.o.Log.Warn("a backup was broken off", "err", err)
		panic(http.ErrAbortHandler)
	case out.began: // too late for a refusal: the caller sees a broken transfer
		s.o.Log.Error("a backup failed", "err", err)
		panic(http.ErrAbortHandler)
	default:
		s.o.Log.Error("a backup failed", "err", err)
		h := w.Header()
		h.Del("Content-Disposition")
		h.Del(MissingHeader)
		reply.Refuse(w, http.StatusInternalServerError, reply.Refusal{Code: "backup_failed", Error: err.Error()})
	}
}

// missing is what is missing, for people.
func (m Manifest) missing() string {
	var what []string
	for _, x := range m.Missing {
		what = append(what, x.What)
	}
	return strings.Join(what, ", ")
}

// FileName is what an archive is called: "hems-20260124-1325.age".
func FileName(host string, at time.Time) string {
	host = unfit.ReplaceAllString(host, "")
	if host == "" {
		host = "hems"
	}
	return host + "-" + at.UTC().Format("20060102-1504") + ".age"
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9-]`)

// patient writes for as long as the caller takes something now and then.
type patient struct {
	w     io.Writer
	c     *http.ResponseController
	began bool
}

func (p *patient) Write(b []byte) (int, error) {
	p.began = true
	_ = p.c.SetWriteDeadline(time.Now().Add(stall)) // a server without deadlines has none
	return p.w.Write(b)
}

// patientReader reads for as long as the caller sends something now and then.
type patientReader struct {
	io.ReadCloser
	c *http.ResponseController
}

func (p patientReader) Read(b []byte) (int, error) {
	_ = p.c.SetReadDeadline(time.Now().Add(stall))
	return p.ReadCloser.Read(b)
}

// Staged is the answer to POST /v1/restore.
type Staged struct {
	MadeAt     time.Time `json:"made_at"`
	HostName   string    `json:"host_name"`
	Version    string    `json:"version"`
	Items      []Content `json:"items"`
	Missing    []Missing `json:"missing,omitempty"`
	Restarting bool      `json:"restarting"`
}

// serveRestore takes a form with passphrase and then file.
func (s *Service) serveRestore(w http.ResponseWriter, r *http.Request) {
	if !s.begin(w) {
		return
	}
	defer s.end()
	c := http.NewResponseController(w)
	r.Body = patientReader{r.Body, c}
	form, err := r.MultipartReader()
	if err != nil {
		refuseForm(w)
		return
	}
	passphrase, err := formPassphrase(form)
	if err != nil {
		refuseForm(w)
		return
	}
	file, err := form.NextPart()
	if err != nil || file.FormName() != "file" {
		refuseForm(w)
		return
	}
	m, err := Stage(r.Context(), file, passphrase, s.o.Data, s.o.Items)
	if err == nil {
		_, err = form.NextPart()
		if errors.Is(err, io.EOF) {
			err = nil
		} else {
			err = errors.Join(fmt.Errorf("%w: the upload does not end after it", ErrDamaged), staged.Abandon(s.o.Data))
		}
	}
	_ = c.SetWriteDeadline(time.Now().Add(stall))
	if err != nil {
		s.o.Log.Warn("a restore was refused", "err", err)
		// A browser shows an answer only once it has sent everything.
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
		if r.Context().Err() == nil {
			refuseRestore(w, err)
		}
		return
	}
	s.o.Log.Info("a backup waits to be restored at the next start", "made_at", m.MadeAt, "host_name", m.HostName, "items", len(m.Items))
	reply.JSON(w, http.StatusAccepted, Staged{MadeAt: m.MadeAt, HostName: m.HostName, Version: m.Version,
		Items: m.Items, Missing: m.Missing, Restarting: s.o.Restart != nil})
	_ = c.Flush()
	if s.o.Restart != nil {
		s.o.Restart("a backup is to be restored")
	}
}

func formPassphrase(form *multipart.Reader) (string, error) {
	part, err := form.NextPart()
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(part, MaxPassphrase+1))
	if err != nil || part.FormName() != "passphrase" || len(b) > MaxPassphrase {
		return "", errors.New("no passphrase")
	}
	return string(b), nil
}

func refuseForm(w http.ResponseWriter) {
	reply.Refuse(w, http.StatusBadRequest, reply.Refusal{Code: "bad_request",
		Error: "the request is not a form (multipart/form-data) of passphrase and then file"})
}

// refuseRestore gives each reason its own code.
func refuseRestore(w http.ResponseWriter, err error) {
	for _, c := range []struct {
		is         error
		status     int
		code, hint string
	}{
		{ErrWrong, http.StatusForbidden, "wrong_passphrase", "check capitals and spaces; without its passphrase a backup cannot be opened by anybody"},
		{ErrForeign, http.StatusUnprocessableEntity, "not_a_backup", "give a file that hems backup or the page Backup has made"},
		{ErrNewer, http.StatusUnprocessableEntity, "newer_backup", "update this appliance first"},
		{ErrDamaged, http.StatusUnprocessableEntity, "damaged_backup", "send it again; if that does not help, take another backup"},
		{ErrRefused, http.StatusUnprocessableEntity, "refused_backup", "give a file that hems backup or the page Backup has made"},
		{ErrNoSpace, http.StatusInsufficientStorage, "no_space", "use a larger card, or keep readings for fewer days"},
		{staged.ErrHalf, http.StatusConflict, "half_restored", "restart the appliance"},
		{context.Canceled, http.StatusRequestTimeout, "cancelled", ""},
	} {
		if errors.Is(err, c.is) {
			reply.Refuse(w, c.status, reply.Refusal{Code: c.code, Error: err.Error(), Hint: c.hint})
			return
		}
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		reply.Refuse(w, http.StatusRequestEntityTooLarge, reply.Refusal{Code: "too_large", Error: err.Error()})
		return
	}
	reply.Refuse(w, http.StatusInternalServerError, reply.Refusal{Code: "restore_failed", Error: err.Error()})
}
