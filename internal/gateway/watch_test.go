package gateway

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/internal/client"
	"github.com/smartcore-ireland/hems/internal/health"
)

func TestReportIsTheFirstFailingPart(t *testing.T) {
	node := func(name, state, message string, children ...client.Node) client.Node {
		return client.Node{Name: name, Title: "The " + name, State: state, Message: message, Children: children}
	}
	for name, tt := range map[string]struct {
		tree client.Node
		want health.Report
	}{
		"Well":        {node("all", "ok", "", node("perm", "note", "it was repaired")), health.Report{State: "ok"}},
		"Starting":    {node("all", "starting", "", node("clock", "starting", "not yet")), health.Report{State: "ok"}},
		"Deep":        {node("all", "failing", "", node("a", "ok", ""), node("b", "failing", "", node("c", "failing", "it broke"))), health.Report{State: "failing", Message: "it broke"}},
		"NoMessage":   {node("all", "failing", "", node("perm", "failing", "")), health.Report{State: "failing", Message: "The perm is not well"}},
		"UpdateAlone": {node("all", "failing", "", node("update", "failing", "it came back")), health.Report{State: "ok"}},
		"GatewayThenPerm": {node("all", "failing", "", node("gateway", "failing", "it does not answer"), node("perm", "failing", "it is full")),
			health.Report{State: "failing", Message: "it is full"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, report(tt.tree)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWhatTheManagerFindsIsOnEveryPage(t *testing.T) {
	h := newHouse(t)
	h.well()
	c := h.signedIn()
	h.await(c, "/healthz", "ok\n")
	h.manager.Fails()
	h.look(t.Context())
	h.await(c, "/more", "The card cannot be written.")
	h.await(c, "/healthz", "manager\n")
	h.manager.Well()
	h.look(t.Context())
	h.await(c, "/healthz", "ok\n")
}

func TestManagerWithoutUpdatesIsWell(t *testing.T) {
	h := newHouse(t)
	h.manager.Refuses("GET /v1/update", 404, "not_found", "the manager has no GET /v1/update", "")
	h.well()
	c := h.signedIn()
	h.await(c, "/healthz", "ok\n")
	if !h.look(t.Context()) {
		t.Error("a manager that knows of no updates counts as away")
	}
	h.await(c, "/system/update", "This appliance runs")
}

func TestManagerThatIsAwayIsSaidAfterAWhile(t *testing.T) {
	now := time.Now()
	var ahead atomic.Int64
	h := newHouse(t, func(o *Options) { o.Clock = func() time.Time { return now.Add(time.Duration(ahead.Load())) } })
	h.well()
	c := h.signedIn()
	h.await(c, "/healthz", "ok\n")
	if !h.look(t.Context()) {
		t.Fatal("the manager does not answer")
	}
	h.manager.Stop()
	h.look(t.Context())
	if _, body := h.get(c, "/more"); strings.Contains(body, "looks after the appliance is not running") {
		t.Error("a pause of the manager is a fault at once")
	}
	ahead.Store(int64(awayAfter))
	h.look(t.Context())
	h.await(c, "/more", "The part that looks after the appliance is not running.")
	if status, body := h.get(c, "/system"); status != 503 || !strings.Contains(body, "The part that looks after the system does not answer.") {
		t.Errorf("the page about the system: got %d %s", status, body)
	}
	h.manager.Resume()
	h.look(t.Context())
	h.await(c, "/healthz", "ok\n")
}
