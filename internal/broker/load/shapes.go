package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Result is what came out.
type Result struct {
	Rate    float64 // messages delivered in a second
	Sent    int
	Arrived int
	Took    time.Duration // from the first message sent to the last delivered
	Acked   time.Duration // to the last acknowledgement
}

// Lost is how many messages did not arrive.
func (r Result) Lost() int { return r.Sent - r.Arrived }

// FanIn has many publishers send each messages to one subscriber, as fast as
// the broker takes them. At QoS 1 each has window messages open at most.
type FanIn struct {
	Publishers, Each int
	QoS              byte
	Size             int // of a payload
	Window           int // 0: any number
	Kept             bool
}

// quiet is how long nothing may arrive before the rest counts as lost.
const quiet = 5 * time.Second

// Run measures.
func (f FanIn) Run(b Broker) (r Result, err error) {
	name := fmt.Sprintf("in-%d", time.Now().UnixNano())
	ears, err := b.Dial(name+"-ears", !f.Kept)
	if err != nil {
		return r, err
	}
	defer ears.Close()
	if err := ears.Subscribe(name+"/#", f.QoS); err != nil {
		return r, err
	}
	mouths, err := b.dialAll(name, f.Publishers)
	defer closeAll(mouths)
	if err != nil {
		return r, err
	}
	r.Sent = f.Publishers * f.Each
	begin := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, len(mouths))
	for i, m := range mouths {
		wg.Go(func() { errs[i] = m.flood(fmt.Sprintf("%s/%d", name, i), f) })
	}
	err = ears.Receive(quiet, func(_, _ []byte) bool {
		r.Arrived++
		r.Took = time.Since(begin)
		return r.Arrived < r.Sent
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil // what is missing is counted
	}
	wg.Wait()
	r.Acked = time.Since(begin)
	r.Rate = float64(r.Arrived) / r.Took.Seconds()
	return r, errors.Join(append(errs, err)...)
}

// flood sends what one publisher of a fan-in has to send.
func (c *Client) flood(topic string, f FanIn) error {
	payload := make([]byte, f.Size)
	if f.QoS == 0 {
		for n := range f.Each {
			binary.BigEndian.PutUint32(payload, uint32(n))
			if err := c.Publish(topic, 0, false, 0, payload); err != nil {
				return err
			}
		}
		return c.Flush()
	}
	window := f.Window
	if window == 0 {
		window = min(f.Each, 60000)
	}
	room := make(chan struct{}, window)
	acked := make(chan error, 1)
	go func() {
		for n := range f.Each {
			if err := c.Acknowledged(1); err != nil {
				acked <- fmt.Errorf("after %d: %w", n, err)
				return
			}
			<-room
		}
		acked <- nil
	}()
	for n := range f.Each {
		select {
		case room <- struct{}{}:
		default:
			if err := c.Flush(); err != nil {
				return err
			}
			select {
			case room <- struct{}{}:
			case err := <-acked:
				return err
			}
		}
		binary.BigEndian.PutUint32(payload, uint32(n))
		if err := c.Publish(topic, f.QoS, false, uint16(n%60000+1), payload); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	return <-acked
}

// FanOut has one publisher send messages to many subscribers.
type FanOut struct {
	Subscribers, Messages int
	QoS                   byte
	Size                  int
}

// Run measures.
func (f FanOut) Run(b Broker) (r Result, err error) {
	name := fmt.Sprintf("out-%d", time.Now().UnixNano())
	ears, err := b.dialAll(name, f.Subscribers)
	defer closeAll(ears)
	if err != nil {
		return r, err
	}
	for _, e := range ears {
		if err := e.Subscribe(name, f.QoS); err != nil {
			return r, err
		}
	}
	mouth, err := b.Dial(name+"-mouth", true)
	if err != nil {
		return r, err
	}
	defer mouth.Close()
	r.Sent = f.Subscribers * f.Messages
	arrived, last := make([]int, len(ears)), make([]time.Duration, len(ears))
	begin := time.Now()
	var wg sync.WaitGroup
	for i, e := range ears {
		wg.Go(func() {
			e.Receive(quiet, func(_, _ []byte) bool {
				arrived[i]++
				if arrived[i]%64 == 0 || arrived[i] == f.Messages {
					last[i] = time.Since(begin)
				}
				return arrived[i] < f.Messages
			})
		})
	}
	err = mouth.flood(name, FanIn{Each: f.Messages, QoS: f.QoS, Size: f.Size})
	wg.Wait()
	for i := range ears {
		r.Arrived += arrived[i]
		r.Took = max(r.Took, last[i])
	}
	r.Rate = float64(r.Arrived) / r.Took.Seconds()
	return r, err
}

// Steady sends at a rate to one subscriber and measures how long each takes.
type Steady struct {
	PerSecond int
	For       time.Duration
	QoS       byte
	Size      int
}

// Latency is of messages from Publish to Receive, in one process.
type Latency struct {
	Median, P99   time.Duration
	Sent, Arrived int
}

// Run measures.
func (s Steady) Run(b Broker) (l Latency, err error) {
	name := fmt.Sprintf("steady-%d", time.Now().UnixNano())
	ears, err := b.Dial(name+"-ears", true)
	if err != nil {
		return l, err
	}
	defer ears.Close()
	if err := ears.Subscribe(name, s.QoS); err != nil {
		return l, err
	}
	mouth, err := b.Dial(name+"-mouth", true)
	if err != nil {
		return l, err
	}
	defer mouth.Close()
	if s.QoS > 0 {
		go mouth.Receive(Patience, func(_, _ []byte) bool { return true }) // swallow acknowledgements
	}
	l.Sent = int(s.For.Seconds() * float64(s.PerSecond))
	took := make([]time.Duration, 0, l.Sent)
	begin := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		ears.Receive(quiet, func(_, payload []byte) bool {
			took = append(took, time.Since(begin)-time.Duration(binary.BigEndian.Uint64(payload)))
			return len(took) < l.Sent
		})
	}()
	payload := make([]byte, max(8, s.Size))
	for n := range l.Sent {
		if wait := time.Duration(n)*time.Second/time.Duration(s.PerSecond) - time.Since(begin); wait > 0 {
			time.Sleep(wait)
		}
		binary.BigEndian.PutUint64(payload, uint64(time.Since(begin)))
		mouth.Publish(name, s.QoS, false, uint16(n%60000+1), payload)
		if err := mouth.Flush(); err != nil {
			return l, err
		}
	}
	<-done
	l.Arrived = len(took)
	if l.Arrived == 0 {
		return l, errors.New("nothing arrived")
	}
	slices.Sort(took)
	l.Median, l.P99 = took[len(took)/2], took[len(took)*99/100]
	return l, nil
}

// Retain stores n messages, each on a topic of its own, at QoS 1.
func Retain(b Broker, n, size int) error {
	c, err := b.Dial("retain", true)
	if err != nil {
		return err
	}
	defer c.Close()
	payload := make([]byte, size)
	done := make(chan error, 1)
	go func() { done <- c.Acknowledged(n) }()
	for i := range n {
		if err := c.Publish(fmt.Sprintf("retained/house/%d/state", i), 1, true, uint16(i%60000+1), payload); err != nil {
			return err
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	return <-done
}

func (b Broker) dialAll(name string, n int) (all []*Client, err error) {
	for i := range n {
		c, err := b.Dial(fmt.Sprintf("%s-%d", name, i), true)
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	return all, nil
}

func closeAll(all []*Client) {
	for _, c := range all {
		c.Close()
	}
}
