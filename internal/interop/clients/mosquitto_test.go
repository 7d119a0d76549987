//go:build interop

package clients

import (
	"bufio"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMosquittoClients has Debian's mosquitto_pub, mosquitto_sub and mosquitto_rr
// speak to the broker.
func TestMosquittoClients(t *testing.T) {
	for _, name := range []string{"mosquitto_pub", "mosquitto_sub", "mosquitto_rr"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is not installed: apt-get install mosquitto-clients", name)
		}
	}
	b := startBroker(t)
	for _, version := range []string{"31", "311", "5"} {
		t.Run("MQTT"+version, func(t *testing.T) {
			m := mosquitto{t: t, b: b, version: version}
			t.Run("EveryQoS", func(t *testing.T) { m.with(t).everyQoS() })
			t.Run("EveryQoSOverTLS", func(t *testing.T) {
				over := m.with(t)
				over.secure = true
				over.everyQoS()
			})
			t.Run("Retained", func(t *testing.T) { m.with(t).retained() })
			t.Run("Will", func(t *testing.T) { m.with(t).will() })
			t.Run("KeptSession", func(t *testing.T) { m.with(t).keptSession() })
			if version == "31" {
				return // mosquitto_rr asks for more
			}
			t.Run("Shared", func(t *testing.T) { m.with(t).shared() })
			t.Run("RequestAndResponse", func(t *testing.T) { m.with(t).request() })
		})
	}
}

type mosquitto struct {
	t       *testing.T
	b       *theBroker
	version string
	secure  bool
}

func (m mosquitto) with(t *testing.T) mosquitto { m.t = t; return m }

func (m mosquitto) topic(name string) string {
	return fmt.Sprintf("mosquitto/%s/%s/%s", m.version, m.t.Name(), name)
}

func (m mosquitto) command(program string, args ...string) *exec.Cmd {
	where := []string{"-p", strconv.Itoa(m.b.port)}
	if m.secure {
		where = []string{"-p", strconv.Itoa(m.b.tls), "--cafile", m.b.ca}
	}
	who := []string{"-h", "127.0.0.1", "-V", "mqttv" + m.version, "-u", m.b.user, "-P", m.b.password}
	return exec.CommandContext(m.t.Context(), program, slices.Concat(who, where, args)...)
}

// pub runs mosquitto_pub to its end.
func (m mosquitto) pub(args ...string) {
	m.t.Helper()
	if out, err := m.command("mosquitto_pub", args...).CombinedOutput(); err != nil || len(out) > 0 {
		m.t.Fatalf("mosquitto_pub %v: %v\n%s", args, err, out)
	}
}

// ears is a mosquitto_sub, or a mosquitto_rr, that is running.
type ears struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
}

// listen starts a program that prints one message a line and waits until its
// subscription is made.
func (m mosquitto) listen(program string, args ...string) *ears {
	m.t.Helper()
	args = append([]string{"-d", "-F", "message %t %q %r %p"}, args...)
	e := &ears{t: m.t, cmd: m.command("stdbuf", args...), lines: make(chan string, 1000)}
	e.cmd.Args = append([]string{"stdbuf", "-oL", program}, e.cmd.Args[1:]...) // each line at once
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	e.cmd.Stderr = e.cmd.Stdout
	if err := e.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { e.cmd.Process.Kill(); e.cmd.Wait() })
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			e.lines <- s.Text()
		}
		close(e.lines)
	}()
	e.await("Subscribed")
	return e
}

// await takes lines until one begins with a word.
func (e *ears) await(word string) string {
	e.t.Helper()
	late := time.After(15 * time.Second)
	for {
		select {
		case l, ok := <-e.lines:
			if !ok {
				e.t.Fatalf("the program ended before it said %q", word)
			}
			if strings.HasPrefix(l, word) {
				return l
			}
		case <-late:
			e.t.Fatalf("the program did not say %q within 15 s", word)
		}
	}
}

func (e *ears) want(topic string, qos int, retain bool, payload string) {
	e.t.Helper()
	kept := 0
	if retain {
		kept = 1
	}
	if got, want := e.await("message"), fmt.Sprintf("message %s %d %d %s", topic, qos, kept, payload); got != want {
		e.t.Errorf("got %q, want %q", got, want)
	}
}

func (m mosquitto) everyQoS() {
	x := m.topic("x")
	e := m.listen("mosquitto_sub", "-t", x, "-q", "2")
	for qos := range 3 {
		m.pub("-t", x, "-q", strconv.Itoa(qos), "-m", fmt.Sprint("m", qos))
		e.want(x, qos, false, fmt.Sprint("m", qos))
	}
}

func (m mosquitto) retained() {
	x := m.topic("x")
	m.pub("-t", x, "-q", "1", "-r", "-m", "kept")
	m.listen("mosquitto_sub", "-t", x, "-q", "1").want(x, 1, true, "kept")
	m.pub("-t", x, "-q", "1", "-r", "-n")
	e := m.listen("mosquitto_sub", "-t", x, "-q", "1")
	m.pub("-t", x, "-q", "1", "-m", "news")
	e.want(x, 1, false, "news")
}

func (m mosquitto) will() {
	w := m.topic("w")
	e := m.listen("mosquitto_sub", "-t", w, "-q", "1")
	dying := m.listen("mosquitto_sub", "-t", m.topic("x"), "--will-topic", w, "--will-payload", "gone", "--will-qos", "1")
	dying.cmd.Process.Kill()
	e.want(w, 1, false, "gone")
}

func (m mosquitto) keptSession() {
	x := m.topic("x")
	kept := []string{"-t", x, "-q", "1", "-c", "-i", "kept" + m.version}
	if m.version == "5" {
		kept = append(kept, "-x", "300")
	}
	e := m.listen("mosquitto_sub", kept...)
	e.cmd.Process.Kill()
	e.cmd.Wait()
	for i := range 5 {
		m.pub("-t", x, "-q", "1", "-m", fmt.Sprint(i))
	}
	e = &ears{t: m.t, lines: make(chan string, 100)}
	out, err := m.command("mosquitto_sub", append([]string{"-F", "message %t %q %r %p", "-C", "5"}, kept...)...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("mosquitto_sub: %v\n%s", err, out)
	}
	for l := range strings.Lines(string(out)) {
		e.lines <- strings.TrimSpace(l)
	}
	close(e.lines)
	for i := range 5 {
		e.want(x, 1, false, fmt.Sprint(i))
	}
}

func (m mosquitto) shared() {
	x := m.topic("x")
	a := m.listen("mosquitto_sub", "-t", "$share/g/"+x, "-q", "1")
	b := m.listen("mosquitto_sub", "-t", "$share/g/"+x, "-q", "1")
	seen := map[string]int{}
	for i := range 6 {
		m.pub("-t", x, "-q", "1", "-m", fmt.Sprint(i))
	}
	for deadline := time.After(time.Minute); len(seen) < 6; {
		select {
		case l := <-a.lines:
			if strings.HasPrefix(l, "message") {
				seen[l]++
			}
		case l := <-b.lines:
			if strings.HasPrefix(l, "message") {
				seen[l]++
			}
		case <-deadline:
			m.t.Fatalf("of 6 messages came %v", seen)
		}
	}
	for l, n := range seen {
		if n != 1 {
			m.t.Errorf("%q came %d times, want once", l, n)
		}
	}
}

// request has mosquitto_rr ask and this test's mosquitto_sub and mosquitto_pub
// answer.
func (m mosquitto) request() {
	ask, answer := m.topic("ask"), m.topic("answer")
	e := m.listen("mosquitto_sub", "-t", ask, "-q", "1")
	asking := m.command("mosquitto_rr", "-t", ask, "-e", answer, "-q", "1", "-m", "what", "-W", "15")
	said := make(chan string, 1)
	go func() {
		out, err := asking.CombinedOutput()
		said <- fmt.Sprintf("%s %v", strings.TrimSpace(string(out)), err)
	}()
	e.want(ask, 1, false, "what")
	m.pub("-t", answer, "-q", "1", "-m", "that")
	if got := <-said; got != "that <nil>" {
		m.t.Errorf("mosquitto_rr said %q, want that", got)
	}
}
