package gokproto

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
)

// install hands over what was received.
func (h *Handler) install(w http.ResponseWriter, r *http.Request) {
	io.CopyN(io.Discard, r.Body, 4096)
	if !h.busy.TryLock() {
		answer(w, http.StatusConflict, errBusy)
		return
	}
	defer h.busy.Unlock()
	if !h.claim(r, false) {
		answer(w, http.StatusConflict, errBusy)
		return
	}
	h.mu.Lock()
	whole := h.staged["root"] && h.staged["boot"]
	h.mu.Unlock()
	if !whole {
		answer(w, http.StatusConflict, errIncomplete)
		return
	}
	defer h.done()
	h.o.Log.Info("installing what gok sent", "from", r.RemoteAddr)
	err := h.o.Install(context.WithoutCancel(r.Context()), filepath.Join(h.o.Dir, bootFile), filepath.Join(h.o.Dir, rootFile))
	if err != nil {
		h.o.Log.Error("installing what gok sent", "err", err)
		answer(w, http.StatusInternalServerError, errInstall.With("%w", err))
		return
	}
	fmt.Fprintln(w, "installed; it is tried at the next restart")
}

// done ends the update.
func (h *Handler) done() {
	h.discard()
	h.mu.Lock()
	h.from = ""
	h.mu.Unlock()
}

// restart is the last thing gok asks for. It tolerates that no answer comes.
func (h *Handler) restart(w http.ResponseWriter, r *http.Request) {
	io.CopyN(io.Discard, r.Body, 4096)
	if !h.busy.TryLock() {
		answer(w, http.StatusConflict, errBusy)
		return
	}
	defer h.busy.Unlock()
	h.o.Log.Info("gok restarts the appliance", "from", r.RemoteAddr)
	if err := h.o.Restart(); err != nil {
		h.o.Log.Error("restarting for gok", "err", err)
		answer(w, http.StatusInternalServerError, errRestart.With("%w", err))
		return
	}
	fmt.Fprintln(w, "restarting")
}
