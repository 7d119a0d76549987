package conformance

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The notation of packets, for what is sent and what is expected:
//
//	30            bytes in hexadecimal
//	05/87         the first to MQTT 3.x, the second to MQTT 5; - for nothing
//	"a/b"         a string with its length before it (Go's escapes, also \xff)
//	'x'           bytes without a length
//	"a"*70 'x'*70 the same, repeated
//	[ … ]         with the length before it, as a packet's
//	( … , … )     properties with their length before them; nothing before MQTT 5
//	$p            a packet identifier: the first time expected it is learnt
//	N v           the protocol's name and version
//	@ @reader     user name and password
//
// Only in what is expected: .. is any byte (also 0a..), ... is whatever else there is (in a
// property, of it), and a property may stand anywhere among the others.
type node struct {
	kind  byte // 'b' bytes, '.' any byte, '?' bytes and any one, '*' the rest, '[', '(', '$'
	b     []byte
	name  string
	inner []node   // of [
	props [][]node // of (
	open  bool     // ( has ... in it
}

// notation reads packets as they are written in scripts, for one client.
type notation struct {
	version        byte
	user, password string
	passwords      func(user string) string
	vars           map[string][]byte
}

func lengthed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// words splits a line at blanks outside quotes and around brackets.
func words(line string) []string {
	var all []string
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == ' ' || c == '\t':
			i++
		case strings.IndexByte("[](),", c) >= 0:
			all = append(all, string(c))
			i++
		default:
			begin := i
			var quote byte
			for ; i < len(line); i++ {
				if quote != 0 {
					if line[i] == '\\' {
						i++
					} else if line[i] == quote {
						quote = 0
					}
					continue
				}
				if line[i] == '"' || line[i] == '\'' {
					quote = line[i]
				} else if strings.IndexByte(" \t[](),", line[i]) >= 0 {
					break
				}
			}
			all = append(all, line[begin:i])
		}
	}
	return all
}

func (n *notation) parse(line string) ([]node, error) {
	w := words(line)
	nodes, rest, err := n.sequence(w, "")
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%q is too much", rest)
	}
	return nodes, err
}

func (n *notation) sequence(w []string, end string) (nodes []node, rest []string, err error) {
	for len(w) > 0 {
		word := w[0]
		w = w[1:]
		switch word {
		case end:
			return nodes, w, nil
		case "[":
			var inner []node
			if inner, w, err = n.sequence(w, "]"); err != nil {
				return nil, nil, err
			}
			nodes = append(nodes, node{kind: '[', inner: inner})
		case "(":
			p := node{kind: '('}
			if w, err = n.properties(&p, w); err != nil {
				return nil, nil, err
			}
			if n.version == 5 {
				nodes = append(nodes, p)
			}
		default:
			one, err := n.word(word)
			if err != nil {
				return nil, nil, err
			}
			nodes = append(nodes, one)
		}
	}
	if end != "" {
		return nil, nil, fmt.Errorf("no %s at the end", end)
	}
	return nodes, nil, nil
}

func (n *notation) properties(p *node, w []string) ([]string, error) {
	var one []node
	done := func() {
		if len(one) > 0 {
			p.props = append(p.props, one)
		}
		one = nil
	}
	for len(w) > 0 {
		word := w[0]
		w = w[1:]
		switch word {
		case ")":
			done()
			return w, nil
		case ",":
			done()
		case "...":
			if len(one) > 0 {
				one = append(one, node{kind: '*'})
			} else {
				p.open = true
			}
		default:
			x, err := n.word(word)
			if err != nil {
				return nil, err
			}
			one = append(one, x)
		}
	}
	return nil, errors.New("no ) at the end")
}

func (n *notation) word(word string) (node, error) {
	switch word {
	case "..":
		return node{kind: '.'}, nil
	case "...":
		return node{kind: '*'}, nil
	case "v":
		return node{kind: 'b', b: []byte{n.version}}, nil
	case "N":
		if n.version == 3 {
			return node{kind: 'b', b: lengthed([]byte("MQIsdp"))}, nil
		}
		return node{kind: 'b', b: lengthed([]byte("MQTT"))}, nil
	case "@":
		return node{kind: 'b', b: append(lengthed([]byte(n.user)), lengthed([]byte(n.password))...)}, nil
	}
	if word[0] == '@' {
		b := lengthed([]byte(word[1:]))
		return node{kind: 'b', b: append(b, lengthed([]byte(n.passwords(word[1:])))...)}, nil
	}
	if word[0] == '$' {
		return node{kind: '$', name: word[1:]}, nil
	}
	if word[0] == '"' || word[0] == '\'' {
		b, err := quoted(word)
		return node{kind: 'b', b: b}, err
	}
	if old, five, ok := strings.Cut(word, "/"); ok {
		word = old
		if n.version == 5 {
			word = five
		}
		if word == "..." {
			return node{kind: '*'}, nil
		}
		if word == "-" {
			word = ""
		}
	}
	if known, ok := strings.CutSuffix(word, ".."); ok {
		b, err := hex.DecodeString(known)
		return node{kind: '?', b: b}, err
	}
	b, err := hex.DecodeString(word)
	return node{kind: 'b', b: b}, err
}

func quoted(word string) ([]byte, error) {
	end := strings.LastIndexByte(word, word[0])
	text, tail := word[1:end], word[end+1:]
	s, err := strconv.Unquote(`"` + text + `"`)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", word, err)
	}
	if tail != "" {
		times, err := strconv.Atoi(strings.TrimPrefix(tail, "*"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", word, err)
		}
		s = strings.Repeat(s, times)
	}
	if word[0] == '"' {
		return lengthed([]byte(s)), nil
	}
	return []byte(s), nil
}

// encode makes the bytes of what is sent.
func (n *notation) encode(nodes []node) ([]byte, error) {
	var out []byte
	for _, x := range nodes {
		switch x.kind {
		case 'b':
			out = append(out, x.b...)
		case '$':
			b, ok := n.vars[x.name]
			if !ok {
				return nil, fmt.Errorf("$%s has not been learnt", x.name)
			}
			out = append(out, b...)
		case '[', '(':
			inner, err := n.encode(x.inner)
			for _, p := range x.props {
				var b []byte
				b, err = n.encode(p)
				inner = append(inner, b...)
			}
			if err != nil {
				return nil, err
			}
			out = binary.AppendUvarint(out, uint64(len(inner)))
			out = append(out, inner...)
		default:
			return nil, errors.New("it has dots, and is to be sent")
		}
	}
	return out, nil
}

// match tells whether a packet is as expected, and learns identifiers from it.
func (n *notation) match(nodes []node, got []byte) error {
	learnt := map[string][]byte{}
	if err := n.fits(nodes, got, learnt); err != nil {
		return err
	}
	for name, id := range learnt {
		n.vars[name] = id
	}
	return nil
}

func (n *notation) fits(nodes []node, got []byte, learnt map[string][]byte) error {
	for _, x := range nodes {
		switch x.kind {
		case '*':
			return nil
		case '.':
			if len(got) == 0 {
				return errors.New("it ends too early")
			}
			got = got[1:]
		case 'b', '?':
			if !bytes.HasPrefix(got, x.b) {
				return fmt.Errorf("want %x %q, got %x %q", x.b, x.b, got[:min(len(got), len(x.b))], got[:min(len(got), len(x.b))])
			}
			got = got[len(x.b):]
			if x.kind == '?' && len(got) == 0 {
				return errors.New("it ends too early")
			}
			if x.kind == '?' {
				got = got[1:]
			}
		case '$':
			if len(got) < 2 {
				return errors.New("it ends before the identifier")
			}
			want, ok := n.vars[x.name]
			if !ok {
				want, ok = learnt[x.name]
			}
			if ok && !bytes.Equal(want, got[:2]) {
				return fmt.Errorf("want $%s = %x, got %x", x.name, want, got[:2])
			}
			if binary.BigEndian.Uint16(got) == 0 {
				return fmt.Errorf("the identifier $%s is 0", x.name)
			}
			learnt[x.name] = bytes.Clone(got[:2])
			got = got[2:]
		case '[', '(':
			size, k := binary.Uvarint(got)
			if k <= 0 || int(size) > len(got)-k {
				return errors.New("a length in it is wrong")
			}
			inner := got[k : k+int(size)]
			got = got[k+int(size):]
			var err error
			if x.kind == '[' {
				err = n.fits(x.inner, inner, learnt)
			} else {
				err = n.has(x, inner)
			}
			if err != nil {
				return err
			}
		}
	}
	if len(got) > 0 {
		return fmt.Errorf("%x (%q) is too much", got, got)
	}
	return nil
}

// has compares properties: each that is wanted must be there, those with the
// same identifier in the same order, and without ... no others.
func (n *notation) has(want node, got []byte) error {
	all, err := splitProperties(got)
	if err != nil {
		return err
	}
	used := make([]bool, len(all))
	last := map[byte]int{}
	for _, p := range want.props {
		id := byte(0)
		if p[0].kind == 'b' && len(p[0].b) > 0 {
			id = p[0].b[0]
		}
		found := false
		for i := last[id]; i < len(all) && !found; i++ {
			if !used[i] && n.fits(p, all[i], map[string][]byte{}) == nil {
				used[i], found, last[id] = true, true, i+1
			}
		}
		if !found {
			return fmt.Errorf("property %02x is not as wanted in properties %x %q", id, got, got)
		}
	}
	for i, p := range all {
		if !used[i] && !want.open {
			return fmt.Errorf("property %x (%q) is not wanted", p, p)
		}
	}
	return nil
}

// splitProperties cuts properties apart (MQTT 5, 2.2.2.2).
func splitProperties(b []byte) ([][]byte, error) {
	var all [][]byte
	for len(b) > 0 {
		n := 1
		text := func() {
			if len(b) >= n+2 {
				n += 2 + int(binary.BigEndian.Uint16(b[n:]))
			} else {
				n = len(b) + 1
			}
		}
		switch b[0] {
		case 0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a:
			n++
		case 0x13, 0x21, 0x22, 0x23:
			n += 2
		case 0x02, 0x11, 0x18, 0x27:
			n += 4
		case 0x0b:
			_, k := binary.Uvarint(b[1:])
			n += max(k, 1)
		case 0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f:
			text()
		case 0x26:
			text()
			text()
		default:
			return nil, fmt.Errorf("property %02x is unknown", b[0])
		}
		if n > len(b) {
			return nil, errors.New("a property is cut short")
		}
		all = append(all, b[:n])
		b = b[n:]
	}
	return all, nil
}
