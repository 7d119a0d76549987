package front

// tunnel passes bytes both ways until either end has gone: a WebSocket, for hours.
func (s *session) tunnel(u *upstream) {
	defer u.Close()
	s.request.last = false
	s.out = s.reply(s.out[:0], framedNot)
	s.out = append(s.out, u.in.buf[u.in.r:u.in.w]...)
	if _, err := s.line.Write(s.out); err != nil {
		return
	}
	if s.in.buffered() > 0 {
		if _, err := u.Write(s.in.buf[s.in.r:s.in.w]); err != nil {
			return
		}
	}
	u.forEver()
	s.line.forEver()
	s.line.still = 0
	down := make(chan struct{})
	go func() {
		defer close(down)
		carry(&s.line, &u.line, u.in.buf)
		s.line.endWrites()
		s.line.exactly(s.front.limits.linger) // the other direction has that long
		u.hurry(s.front.limits.linger)
	}()
	carry(&u.line, &s.line, s.in.buf)
	u.endWrites()
	u.exactly(s.front.limits.linger)
	s.line.hurry(s.front.limits.linger)
	<-down
}

// carry copies until reading or writing fails.
func carry(to, from *line, buf []byte) {
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
