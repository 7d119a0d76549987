package metrics

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/smartcore-ireland/hems/appliance"
	"github.com/smartcore-ireland/hems/internal/metrics"
)

func TestTheDomainsThatMayBeAskedForCanBeRead(t *testing.T) {
	if diff := cmp.Diff(metrics.Domains, appliance.MetricsDomains); diff != "" {
		t.Errorf("domains (-can be read +may be asked for):\n%s", diff)
	}
}
