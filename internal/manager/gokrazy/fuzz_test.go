package gokrazy

import (
	"strings"
	"testing"
)

func FuzzReadEvents(f *testing.F) {
	f.Add("event: stdout\ndata: hello\n\nevent: stderr\ndata: \n\n")
	f.Add("data: no event\n\nevent: other\ndata: x\n\n: comment\n")
	f.Add("event: stdout\ndata: " + strings.Repeat("x", 2*MaxLine) + "\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		err := readEvents(strings.NewReader(s), func(stream, line string) {
			if stream != "stdout" && stream != "stderr" || len(line) > MaxLine || strings.Contains(line, "\n") {
				t.Errorf("heard %q: %q", stream, line)
			}
		})
		if err != nil {
			t.Errorf("reading what ends: %v", err)
		}
	})
}
