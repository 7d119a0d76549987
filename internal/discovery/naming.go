package discovery

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// entityID is the id Home Assistant gives a new entity, without the domain: of
// what the document asks for (default_entity_id, or the older object_id), or
// else of the full name. The full name is that of the device followed by the
// entity's own, which documents of Zigbee2MQTT 1 already begin with the
// device's.
func (e *Entity) entityID(o object) string {
	if id := o.text("default_entity_id"); id != "" {
		if _, after, ok := strings.Cut(id, "."); ok {
			id = after
		}
		return Slug(id)
	}
	if id := o.text("object_id"); id != "" {
		return Slug(id)
	}
	device := ""
	if e.Device != nil {
		device = e.Device.Name
	}
	name := e.Name
	if name == "" && !o.isNull("name") {
		name = defaultName(e.Component, e.DeviceClass)
	}
	if id := EntityID(device, name); id != "" {
		return id
	}
	return Slug("MQTT " + e.Component)
}

// EntityID is the id, without its domain, that Home Assistant gives an entity
// called name of a device called device. Either may be empty.
func EntityID(device, name string) string {
	switch {
	case name == "":
		return Slug(device)
	case device == "" || beginsWith(name, device):
		return Slug(name)
	}
	return Slug(device + " " + name)
}

// beginsWith reports whether the words of name begin with those of device.
func beginsWith(name, device string) bool {
	n, d := Slug(name), Slug(device)
	return n == d || strings.HasPrefix(n, d+"_")
}

// defaultName is what Home Assistant calls an entity whose document gives no
// name: after its device class, or else after the integration.
func defaultName(component, class string) string {
	if class == "" {
		return "MQTT " + strings.ReplaceAll(component, "_", " ")
	}
	if class == "pm25" {
		return "PM2.5"
	}
	return strings.ReplaceAll(class, "_", " ")
}

// Slug turns a name into an id as Home Assistant does: Latin letters lose
// their accents, and everything that is no letter a to z and no digit becomes
// one "_" between words. A name with nothing to keep gives "unknown". Letters
// of other alphabets, which Home Assistant spells in Latin ones, are left out.
func Slug(name string) string {
	if name == "" {
		return ""
	}
	var b strings.Builder
	gap := false
	put := func(s string) {
		if gap && b.Len() > 0 {
			b.WriteByte('_')
		}
		gap = false
		b.WriteString(s)
	}
	for _, r := range norm.NFKD.String(clip(name)) {
		r = unicode.ToLower(r)
		switch s, special := spelled[r]; {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9':
			put(string(r))
		case special:
			if s != "" {
				put(s)
			}
		case unicode.Is(unicode.Mn, r): // an accent, taken off its letter
		default:
			gap = true
		}
	}
	if b.Len() == 0 {
		return "unknown"
	}
	return b.String()
}

// spelled are letters and signs that do not decompose into a Latin letter and
// an accent.
var spelled = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'ħ': "h", 'ı': "i",
	'ł': "l", 'ŋ': "ng", 'þ': "th", 'ŧ': "t", '°': "deg", 'μ': "u", 'ω': "o",
	'’': "",
}
