package tree

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func house(broker, store, perm State) *Node {
	return (&Node{Name: "appliance", Title: "Appliance", Children: []*Node{
		{Name: "broker", Title: "Broker", State: broker, Message: "the broker is away"},
		{Name: "metrics", Title: "Recorder", Children: []*Node{
			{Name: "store", Title: "Store", State: store, Message: "the store is full", Hint: "free some space", Detail: "ENOSPC"},
		}},
		{Name: "perm", Title: "Card", State: perm},
	}}).Settle()
}

func TestTheWorstIsTheWhole(t *testing.T) {
	for _, tt := range []struct {
		name                string
		broker, store, perm State
		root, told          State
		first               string
	}{
		{"AllWell", OK, OK, OK, OK, OK, ""},
		{"ANoteIsWell", OK, OK, Note, Note, OK, ""},
		{"StartingIsNotFailing", Starting, Note, OK, Starting, Starting, ""},
		{"TheDeepestIsNamed", OK, Failing, OK, Failing, Failing, "store"},
		{"TheFirstInReadingOrder", Failing, Failing, Failing, Failing, Failing, "broker"},
		{"FailingIsWorseThanStarting", Starting, OK, Failing, Failing, Failing, "perm"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := house(tt.broker, tt.store, tt.perm)
			a := Tell(root, time.Unix(0, 0))
			got := [3]string{string(root.State), string(a.State)}
			if a.First != nil {
				got[2] = a.First.Name
			}
			if diff := cmp.Diff([3]string{string(tt.root), string(tt.told), tt.first}, got); diff != "" {
				t.Errorf("root, told, first (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheAnswerAsItTravels(t *testing.T) {
	b, err := json.Marshal(Tell(house(OK, Failing, OK), time.Unix(1700000000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"state":"failing","at":"2023-11-14T22:13:20Z",` +
		`"first":{"name":"store","title":"Store","state":"failing","message":"the store is full","hint":"free some space","detail":"ENOSPC"},` +
		`"tree":{"name":"appliance","title":"Appliance","state":"failing","children":[` +
		`{"name":"broker","title":"Broker","state":"ok","message":"the broker is away"},` +
		`{"name":"metrics","title":"Recorder","state":"failing","children":[{"name":"store","title":"Store","state":"failing","message":"the store is full","hint":"free some space","detail":"ENOSPC"}]},` +
		`{"name":"perm","title":"Card","state":"ok"}]}}`
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGauges(t *testing.T) {
	var b strings.Builder
	if err := WriteGauges(&b, house(OK, Failing, Note)); err != nil {
		t.Fatal(err)
	}
	const want = `# HELP hems_health Whether a part of the appliance works (1) or not (0).
# TYPE hems_health gauge
hems_health{node="appliance"} 0
hems_health{node="broker"} 1
hems_health{node="metrics"} 0
hems_health{node="store"} 0
hems_health{node="perm"} 1
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	root := house(OK, OK, OK)
	if got := root.Find("store"); got == nil || got.Title != "Store" {
		t.Errorf("found %v, want the store", got)
	}
	if got := root.Find("none"); got != nil {
		t.Errorf("found %v, want nothing", got)
	}
}
