// Command lineparser reads lines on its standard input with InfluxDB 2.7's own
// parser, a request a line of JSON (a string with lines of the protocol), and
// answers each with a line of JSON: the points that the server would store, or
// what it would refuse them for.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/influxdata/influxdb/v2/models"
)

// point is what the server would store.
type point struct {
	Measurement string
	Tags        map[string]string
	Fields      map[string]any
	Time        int64 // ns since 1970
}

type answer struct {
	Points []point
	Error  string
}

func main() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var lines string
		err := in.Decode(&lines)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = out.Encode(parse([]byte(lines)))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "lineparser: error:", err)
			os.Exit(1)
		}
	}
}

func parse(lines []byte) (a answer) {
	points, err := models.ParsePointsWithPrecision(lines, time.Unix(0, 0), "ns")
	if err != nil {
		a.Error = err.Error()
	}
	for _, p := range points {
		fields, err := p.Fields()
		if err != nil {
			a.Error = err.Error()
			continue
		}
		q := point{Measurement: string(p.Name()), Tags: map[string]string{}, Fields: fields, Time: p.UnixNano()}
		for _, t := range p.Tags() {
			q.Tags[string(t.Key)] = string(t.Value)
		}
		a.Points = append(a.Points, q)
	}
	return a
}
