package gokrazy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// MaxLine is how much of a line is kept, in bytes; the rest of it is dropped.
const MaxLine = 4 << 10

// Follow hands over what a program writes, line by line, beginning with the up
// to 100 last lines that init holds of each stream ("stdout", "stderr"), until
// ctx ends or the connection is lost; it returns why. heard must not block for
// long: init drops what cannot be sent.
func (c *Client) Follow(ctx context.Context, path string, heard func(stream, line string)) error {
	doing := "following what " + path + " writes"
	target := "/log?" + url.Values{"path": {path}, "stream": {"both"}}.Encode()
	resp, err := c.do(ctx, http.MethodGet, target, nil, map[string]string{"Accept": "text/event-stream"}, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %w", doing, refused(resp))
	}
	if err := readEvents(resp.Body, heard); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// readEvents reads an event stream until it ends: nil, or the reader's error.
func readEvents(r io.Reader, heard func(stream, line string)) error {
	in := bufio.NewReaderSize(r, MaxLine+64)
	event := ""
	for {
		line, err := readLine(in)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		switch field, value, _ := strings.Cut(line, ": "); field {
		case "event":
			event = value
		case "data":
			if event == "stdout" || event == "stderr" {
				heard(event, value[:min(len(value), MaxLine)])
			}
		case "": // the end of an event
			event = ""
		}
	}
}

// readLine reads a line without its end. What does not fit into the reader's
// buffer is dropped.
func readLine(in *bufio.Reader) (string, error) {
	b, err := in.ReadSlice('\n')
	line := strings.TrimSuffix(string(b), "\n")
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.ReadSlice('\n')
	}
	return line, err
}
