package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// kind is what an answer means for the lines of a request.
type kind int

const (
	unreachable   kind = iota // no answer, or a sign of overload: again, later
	brokenServer              // 500: again; if it never ends, something in the request is to blame
	misconfigured             // wrong token, bucket or address: a person must mend it
	refusedLine               // a line is wrong; with InfluxDB 2 nothing of the request was stored
	partlyTaken               // lines are wrong; all others were stored
	tooLarge                  // too many bytes at once
)

// problem is why a request was not answered for.
type problem struct {
	kind       kind
	text       string
	hint       string
	retryAfter time.Duration // what the server asked for; 0: nothing
}

func (p *problem) Error() string { return p.text }

// maxRetryAfter bounds how long a server may send us away.
const maxRetryAfter = time.Hour

// post sends lines in one request, compressed. The error is nil when the
// server has answered for all of them, and a *problem otherwise.
func (s *sender) post(ctx context.Context, body []byte) error {
	var packed bytes.Buffer
	s.gzip.Reset(&packed)
	if _, err := s.gzip.Write(body); err != nil {
		return err
	}
	if err := s.gzip.Close(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.target, &packed)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("Content-Encoding", "gzip")
	if s.Token != nil {
		token, err := s.Token()
		if err != nil {
			return &problem{kind: misconfigured, text: "its token cannot be read: " + err.Error(), hint: "put the token of " + s.Name + " in its file under secrets/"}
		}
		req.Header.Set("Authorization", "Token "+strings.TrimSpace(token))
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return noAnswer(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10)) // half a reason is better than none
	return s.judge(resp, answer)
}

// judge says what an answer means. The codes are those that InfluxDB 1.8 and
// 2.7 were seen to send, and what proxies in front of them send.
func (s *sender) judge(resp *http.Response, answer []byte) error {
	why := fmt.Sprintf("it answers %d%s", resp.StatusCode, reason(answer))
	switch code := resp.StatusCode; {
	case code == http.StatusNoContent, code == http.StatusOK && !isPage(answer):
		return nil
	case code == http.StatusBadRequest:
		return &problem{kind: refusedLine, text: why}
	case code == http.StatusUnprocessableEntity:
		return &problem{kind: partlyTaken, text: why}
	case code == http.StatusRequestEntityTooLarge:
		return &problem{kind: tooLarge, text: why}
	case code == http.StatusUnauthorized:
		return &problem{kind: misconfigured, text: why, hint: "check the token of " + s.Name}
	case code == http.StatusForbidden:
		return &problem{kind: misconfigured, text: why, hint: "give the token of " + s.Name + " the permission to write to bucket " + s.Bucket}
	case code == http.StatusNotFound:
		return &problem{kind: misconfigured, text: why, hint: "check the address, organisation and bucket of " + s.Name}
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		return &problem{kind: unreachable, text: why, retryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	case code == http.StatusRequestTimeout:
		return &problem{kind: unreachable, text: why}
	case code == http.StatusInternalServerError:
		return &problem{kind: brokenServer, text: why}
	case code >= 500:
		return &problem{kind: unreachable, text: why}
	}
	return &problem{kind: misconfigured, text: why, hint: "check the address of " + s.Name}
}

// isPage tells a web page from the answer of a time-series server: whatever
// answers 200 with a page (a sign-in, a router) has stored nothing.
func isPage(answer []byte) bool {
	return strings.HasPrefix(http.DetectContentType(answer), "text/html")
}

// noAnswer is a request that got none.
func noAnswer(err error) *problem {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, which may have a secret in it
	}
	return &problem{kind: unreachable, text: "it does not answer: " + err.Error(), hint: "check that the server is running and its address is right"}
}

// reason is what the body of an answer says: InfluxDB's JSON, or some text.
func reason(answer []byte) string {
	var said struct{ Message, Error string }
	text := string(answer)
	if json.Unmarshal(answer, &said) == nil && said.Message+said.Error != "" {
		text = said.Message + said.Error
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if text == "" {
		return ""
	}
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return ": " + text
}

// retryAfter reads the header, seconds or a date; 0: it says nothing.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds > 0 {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}
