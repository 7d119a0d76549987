package discovery

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Slug turns a name into an id as Home Assistant does (with python-slugify 8.0.4
// and text-unidecode 1.3): letters are spelled in Latin ones without accents,
// commas between digits go, and everything that is no letter a to z and no digit
// becomes one "_" between words. A name with nothing to keep gives "unknown".
//
// Spelled are letters of European alphabets and common signs. Those of others,
// such as Chinese, which Home Assistant spells too, are left out.
func Slug(name string) string {
	if name == "" {
		return ""
	}
	var b strings.Builder
	gap := false
	last := byte(0)
	put := func(s string) {
		for i := range len(s) {
			switch c := s[i]; {
			case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
				if gap && b.Len() > 0 {
					b.WriteByte('_')
				}
				gap, last = false, c
				b.WriteByte(c)
			default:
				gap = true
			}
		}
	}
	letters := []rune(norm.NFKD.String(clip(name)))
	digitAt := func(i int) bool { return i >= 0 && i < len(letters) && '0' <= letters[i] && letters[i] <= '9' }
	for i, r := range letters {
		s, special := spelled[r]
		if !special {
			r = unicode.ToLower(r)
			s, special = spelled[r]
		}
		switch {
		case special:
			put(s)
		case r == ',' && digitAt(i-1) && digitAt(i+1) && last != 0: // of thousands
		case r < 0x80:
			put(string(r))
		case unicode.Is(unicode.Mn, r), r > 0xffff: // an accent, taken off its letter; a picture
		default:
			gap = true
		}
	}
	if b.Len() == 0 {
		return "unknown"
	}
	return b.String()
}

// spelled are letters and signs that do not decompose into a Latin letter and an
// accent, and how they are spelled. Other signs are gaps.
var spelled = spellings(
	"ß ss æ ae œ oe ø o đ d ð d ħ h ı i ĸ k ł l ŋ ng þ th ŧ t "+
		"¢ c/ £ ps ¥ y= § ss © (c) ® (r) ° deg ¶ p × x € eur ₩ w № no ‰ %0 "+
		// Greek
		"α a β b γ g δ d ε e ζ z η e θ th ι i κ k λ l μ m ν n ξ x Ξ ks ο o π p ρ r ς s σ s τ t υ u φ ph χ kh ψ ps ω o "+
		// Cyrillic
		"а a б b в v г g д d е e ж zh з z и i к k л l м m н n о o п p р r с s т t у u ф f х kh ц ts ч ch ш sh щ shch "+
		"ы y э e ю iu я ia ђ dj є ie Є e ѕ dz і i ј j љ lj њ nj ћ tsh џ dzh ґ g",
	"ъь’‘‛′ʹʼ\u00ad")

// spellings makes a table of letters, each followed by its spelling, and of those
// that are left out without a gap.
func spellings(pairs, nothing string) map[rune]string {
	table := map[rune]string{}
	fields := strings.Fields(pairs)
	for i := 0; i+1 < len(fields); i += 2 {
		table[[]rune(fields[i])[0]] = fields[i+1]
	}
	for _, r := range nothing {
		table[r] = ""
	}
	return table
}
