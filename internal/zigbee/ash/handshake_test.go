package ash

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestFirstBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, ncp := net.Pipe()
		go Open(t.Context(), host, Options{})
		got := make([]byte, 5)
		if _, err := io.ReadFull(ncp, got); err != nil {
			t.Fatal(err)
		}
		if want := unhex(t, "1ac038bc7e"); !bytes.Equal(got, want) {
			t.Errorf("got % x, want % x", got, want)
		}
		ncp.Close()
	})
}

func TestHandshake(t *testing.T) {
	tests := []struct {
		name  string
		play  func(s *script)
		want  error // nil: open
		code  ResetCode
		after time.Duration
	}{
		{"AfterNoise", func(s *script) {
			s.expect(frame{kind: kindRst})
			s.raw(unhex(s.t, "ddf9ff1ac1020b0a527e"))
		}, nil, ResetSoftware, 0},
		{"InTheMiddleOfAnOldConversation", func(s *script) {
			s.expect(frame{kind: kindRst})
			s.send(data(3, 5, "old"), frame{kind: kindError, version: 2, code: CodeTimeouts}, ackOf(2), rstAck)
		}, nil, ResetSoftware, 0},
		{"AtTheSecondTry", func(s *script) {
			s.expect(frame{kind: kindRst})
			s.expect(frame{kind: kindRst})
			s.send(rstAck)
		}, nil, ResetSoftware, 2500 * time.Millisecond},
		{"PowerOnIsAResetToo", func(s *script) {
			s.expect(frame{kind: kindRst})
			s.send(frame{kind: kindRstAck, version: 2, code: ResetPowerOn})
		}, nil, ResetPowerOn, 0},
		{"Silence", func(s *script) {
			for range 4 {
				s.expect(frame{kind: kindRst})
			}
		}, ErrNoAnswer{Tries: 4}, 0, 10 * time.Second},
		{"SomethingElse", func(s *script) {
			s.expect(frame{kind: kindRst})
			s.raw([]byte("login: "))
			for range 3 {
				s.expect(frame{kind: kindRst})
			}
		}, ErrNoAnswer{Tries: 4, Bytes: 7}, 0, 10 * time.Second},
		{"AnotherVersion", func(s *script) {
			s.expect(frame{kind: kindRst})
			s.send(frame{kind: kindRstAck, version: 1, code: ResetSoftware})
		}, ErrVersion{1}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, host := newScript(t)
				played := make(chan struct{})
				go func() { tt.play(s); close(played) }()
				start := time.Now()
				c, err := Open(t.Context(), host, Options{})
				<-played
				if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if got := time.Since(start); got != tt.after {
					t.Errorf("after %v, want %v", got, tt.after)
				}
				if err == nil {
					if got := c.ResetCode(); got != tt.code {
						t.Errorf("got code %v, want %v", got, tt.code)
					}
					c.Close()
				}
			})
		})
	}
}

func TestTwoResetsAreOneAtTheBeginning(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, s *script, c *Conn) {
		send(t, c, "one")
		s.expect(data(0, 0, "one"))
		s.send(frame{kind: kindRstAck, version: 2, code: ResetSoftware}) // the NCP has lost it
		s.expect(again(data(0, 0, "one")))
		s.send(data(0, 1, "reply"))
		receive(t, c, "reply")
		s.expect(ackOf(1))
		if c.Err() != nil {
			t.Errorf("got %v", c.Err())
		}
	})
}

func TestOpenObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, ncp := net.Pipe()
		go io.Copy(io.Discard, ncp)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := Open(ctx, host, Options{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("took %v", got)
		}
	})
}
