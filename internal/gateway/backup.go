package gateway

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/smartcore-ireland/hems/internal/client"
)

// minPassphrase is how short a passphrase may be, in characters: a backup is
// kept where others may find it, and can be guessed at for ever.
const minPassphrase = 12

// maxPassphrase bounds one, in bytes.
const maxPassphrase = 1024

// backupBody is the page about backups, with what went wrong.
type backupBody struct {
	Make, Restore *problem
	Min           int
	MaxArchive    int64
}

func (g *Gateway) backupPage(w http.ResponseWriter, r *http.Request) {
	g.showBackup(w, r, http.StatusOK, backupBody{})
}

func (g *Gateway) showBackup(w http.ResponseWriter, r *http.Request, status int, b backupBody) {
	b.Min, b.MaxArchive = minPassphrase, archive.body
	g.show(w, r, status, "backup.html", g.page(r, "backup", "Backup", b))
}

// makeBackup answers with the archive, as it is made.
func (g *Gateway) makeBackup(w http.ResponseWriter, r *http.Request) {
	passphrase := r.PostFormValue("passphrase")
	var wrong *problem
	switch {
	case utf8.RuneCountInString(passphrase) < minPassphrase:
		wrong = &problem{"The passphrase is short.", "Take twelve characters or more: four words that have nothing to do with each other are good and easy to keep."}
	case len(passphrase) > maxPassphrase:
		wrong = &problem{"The passphrase is too long.", ""}
	case passphrase != r.PostFormValue("again"):
		wrong = &problem{"The two passphrases differ.", "Type the same one twice: nobody can open the backup without it."}
	}
	if wrong != nil {
		g.showBackup(w, r, http.StatusBadRequest, backupBody{Make: wrong})
		return
	}
	ctx, stop := g.whileSignedIn(r)
	defer stop()
	body, missing, err := g.manager.Backup(ctx, passphrase)
	if err != nil {
		status, p := g.problem(err)
		g.showBackup(w, r, status, backupBody{Make: p})
		return
	}
	defer body.Close()
	name := "hems-" + fileWord(g.o.Home.Name, "home") + "-" + g.today()
	if missing != "" { // a download has no other place to say so
		g.log.Warn("a backup lacks something", "missing", missing)
		name += "-without-" + fileWord(missing, "something")
	}
	g.download(w, body, "application/octet-stream", name+".age")
}

// download streams a file. One that ends early is broken off, so that the
// browser does not take it for whole.
func (g *Gateway) download(w http.ResponseWriter, body io.Reader, kind, name string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	if _, err := io.Copy(w, body); err != nil {
		g.log.Warn("a download was not finished", "file", name, "err", err)
		panic(http.ErrAbortHandler)
	}
}

func (g *Gateway) today() string { return g.o.Clock().In(g.o.Home.TimeZone).Format(time.DateOnly) }

// fileWord is a name as part of a file's.
func fileWord(name, otherwise string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return '-'
	}, name)
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	if name = strings.Trim(name, "-"); name == "" {
		return otherwise
	}
	return name
}

// restore takes an archive from the form and hands it on as it arrives; the
// script uploads to the interface for programs instead, to show how far it is.
func (g *Gateway) restore(w http.ResponseWriter, r *http.Request) {
	passphrase, sure := "", false
	err := eachPart(r, func(p *multipart.Part) (bool, error) {
		switch p.FormName() {
		case "passphrase":
			b, err := io.ReadAll(io.LimitReader(p, maxPassphrase+1))
			if err != nil || len(b) > maxPassphrase {
				return false, errForm
			}
			passphrase = string(b)
		case "sure":
			sure = true
		case "file":
			err := error(&client.Error{Status: http.StatusBadRequest, Message: "nothing was changed: the restore was not confirmed", Hint: "tick the box if everything on this appliance may be replaced"})
			u := &upload{body: p}
			if sure {
				err = g.manager.Restore(r.Context(), passphrase, u)
			}
			u.drain()
			return false, err
		}
		return true, nil
	})
	if err != nil {
		status, p := g.problem(err)
		g.showBackup(w, r, status, backupBody{Restore: p})
		return
	}
	g.showWait(w, r, "The backup is taken in")
}
