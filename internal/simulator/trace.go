package simulator

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/smartcore-ireland/hems/internal/simulator/node"
)

// tracer writes down when each report left. With no file it writes nothing.
type tracer struct {
	file *os.File
}

// traceLine is one line of the trace.
type traceLine struct {
	Nanoseconds int64  `json:"ns"` // since 1970, when the report was handed to the dongle's line
	Cluster     uint16 `json:"cluster"`
	Attribute   uint16 `json:"attribute"`
	Value       int64  `json:"value"` // raw
}

func openTrace(path string) (*tracer, error) {
	if path == "" {
		return &tracer{}, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the trace: %w", err)
	}
	return &tracer{f}, nil
}

func (t *tracer) reports(all []node.Report) {
	if t.file == nil {
		return
	}
	var b []byte
	for _, r := range all {
		line, err := json.Marshal(traceLine{r.Time.UnixNano(), r.Cluster, r.Attribute, r.Value})
		if err != nil {
			return
		}
		b = append(append(b, line...), '\n')
	}
	t.file.Write(b)
}

func (t *tracer) close() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
