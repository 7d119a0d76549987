package delivery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// kind is what an answer means for the lines of a request.
type kind int

const (
	unreachable   kind = iota // no answer, or a sign of overload: again, later
	brokenServer              // 500: again; if it never ends, something in the request is to blame
	misconfigured             // wrong token, bucket or address: a person must mend it
	refusedLine               // a line is wrong, and nothing of the request may have been stored
	partlyTaken               // lines are wrong; all others were stored
	tooLarge                  // too many bytes at once
)

// problem is why a request was not answered for.
type problem struct {
	kind       kind
	text       string
	hint       string
	retryAfter time.Duration // what the server asked for; 0: nothing
	dropped    int           // of partlyTaken: how many lines, if it says
	gone       bool          // the server may have been away in between
}

func (p *problem) Error() string { return p.text }

// maxRetryAfter bounds how long a server may send us away.
const maxRetryAfter = time.Hour

// judge says what an answer means: nil, the server has all lines; otherwise a
// *problem. The codes are those that InfluxDB 1.8, 2.7 and VictoriaMetrics were
// seen to send, those in the documentation of InfluxDB 3, and what proxies in
// front of them send.
func (s *Sender) judge(code int, header http.Header, answer []byte) error {
	why := fmt.Sprintf("it answers %d%s", code, reason(answer))
	switch {
	case code == http.StatusNoContent, code == http.StatusOK && !isPage(answer):
		return nil
	case code == http.StatusBadRequest && strings.Contains(string(answer), "partial write"):
		// InfluxDB 1 says so of what 2 answers with 422, and 3 of all refusals.
		return &problem{kind: partlyTaken, text: why, dropped: dropped(answer)}
	case code == http.StatusBadRequest:
		return &problem{kind: refusedLine, text: why}
	case code == http.StatusUnprocessableEntity:
		return &problem{kind: partlyTaken, text: why, dropped: dropped(answer)}
	case code == http.StatusRequestEntityTooLarge:
		return &problem{kind: tooLarge, text: why}
	case code == http.StatusUnauthorized:
		return &problem{kind: misconfigured, text: why, hint: "check the " + s.secretName() + " of " + s.Name}
	case code == http.StatusForbidden:
		return &problem{kind: misconfigured, text: why, hint: "give the " + s.secretName() + " of " + s.Name + " the permission to write to " + s.place()}
	case code == http.StatusNotFound:
		return &problem{kind: misconfigured, text: why, hint: s.checks()}
	case code == http.StatusTooManyRequests:
		return &problem{kind: unreachable, text: why, retryAfter: retryAfter(header.Get("Retry-After"), s.now())}
	case code == http.StatusServiceUnavailable:
		return &problem{kind: unreachable, text: why, retryAfter: retryAfter(header.Get("Retry-After"), s.now()), gone: true}
	case code == http.StatusRequestTimeout:
		return &problem{kind: unreachable, text: why}
	case code == http.StatusInternalServerError:
		return &problem{kind: brokenServer, text: why}
	case code >= 500:
		return &problem{kind: unreachable, text: why, gone: true}
	}
	return &problem{kind: misconfigured, text: why, hint: "check the address of " + s.Name}
}

// secretName is what the person gave to be let in.
func (d Destination) secretName() string {
	if d.Token == nil && d.Password != nil {
		return "user and password"
	}
	return "token"
}

// isPage tells a web page from the answer of a time-series server: whatever
// answers 200 with a page (a sign-in, a router) has stored nothing.
func isPage(answer []byte) bool {
	return strings.HasPrefix(http.DetectContentType(answer), "text/html")
}

// reason is what the body of an answer says: InfluxDB's JSON, or some text.
func reason(answer []byte) string {
	var said struct {
		Message, Error string
		Data           []struct {
			ErrorMessage string `json:"error_message"` // InfluxDB 3, a line each
		}
	}
	text := string(answer)
	if json.Unmarshal(answer, &said) == nil && said.Message+said.Error != "" {
		text = said.Message + said.Error
		if len(said.Data) > 0 {
			text += ": " + said.Data[0].ErrorMessage
		}
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if text == "" {
		return ""
	}
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return ": " + text
}

// droppedRE finds how many lines were not stored: "dropped=3", or "dropped 3
// points" as later versions write.
var droppedRE = regexp.MustCompile(`dropped[ =](\d{1,7})\b`)

// dropped is how many lines an answer says were not stored; 0: it does not say.
// InfluxDB 1 counts none for a line that it cannot read.
func dropped(answer []byte) int {
	all := droppedRE.FindAllSubmatch(answer, -1)
	if len(all) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(string(all[len(all)-1][1])) // the words before may be a line's
	return n
}

// retryAfter reads the header, seconds or a date; 0: it says nothing.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds > 0 {
		return time.Duration(min(int64(seconds), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}
