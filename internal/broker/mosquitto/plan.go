package mosquitto

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// planner makes a plan of options, one after the other, as Mosquitto reads them:
// what stands behind "listener" is of that listener.
type planner struct {
	plan *Plan
	dir  string
	errs []error

	files       map[string]option // password_file and acl_file
	perListener bool
	anonymous   bool
	anonymousAt option
	queueQoS0   bool
	listeners   []*listener
	current     *listener
	bridge      map[string]any
	bridges     []any
}

type listener struct {
	at       option
	settings map[string]any
	implicit bool // before the first "listener"
}

func (p *planner) fail(o option, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d: %s", o.file, o.line, fmt.Sprintf(format, args...)))
}

func (p *planner) note(format string, args ...any) {
	p.plan.Notes = append(p.plan.Notes, fmt.Sprintf(format, args...))
}

func (p *planner) left(o option, why string) {
	text := o.text()
	if strings.Contains(o.name, "password") && o.name != "password_file" || strings.HasSuffix(o.name, "psk") {
		text = o.name + " …" // not to be shown
	}
	file := o.file
	if rel, err := filepath.Rel(p.dir, file); err == nil {
		file = rel
	}
	p.plan.Left = append(p.plan.Left, Left{file, o.line, text, why})
}

// global options with the same name and meaning here.
var global = map[string]bool{
	"max_inflight_messages": true, "max_queued_messages": true, "max_queued_bytes": true, "max_keepalive": true,
	"max_packet_size": true,
}

// unneeded options need no counterpart.
var unneeded = map[string]string{
	"persistence":                "everything that was acknowledged is kept, always",
	"persistence_location":       "this broker has its own directory",
	"persistence_file":           "this broker has its own directory",
	"autosave_interval":          "what is acknowledged is on the disk already",
	"autosave_on_changes":        "what is acknowledged is on the disk already",
	"pid_file":                   "the appliance starts its broker itself",
	"user":                       "the broker has a user of its own",
	"log_dest":                   "see hems logs",
	"log_type":                   "see hems logs",
	"log_timestamp":              "see hems logs",
	"log_timestamp_format":       "see hems logs",
	"log_facility":               "see hems logs",
	"connection_messages":        "see hems logs",
	"websockets_log_level":       "see hems logs",
	"set_tcp_nodelay":            "it is always so",
	"retain_available":           "retained messages are always kept",
	"allow_zero_length_clientid": "it is always so",
	"auto_id_prefix":             "ids that the broker gives begin with auto-",
	"check_retain_source":        "the access list of the moment counts",
	"max_inflight_bytes":         "max_queued_bytes bounds them too",
	"upgrade_outgoing_qos":       "a message is not delivered with more than it was sent with",
	"sys_interval":               "it is 10 s",
	"retain_expiry_interval":     "retained messages stay until they are replaced",
	"memory_limit":               "each limit has its own",
	"message_size_limit":         "max_packet_size bounds what a client may send",
	"socket_domain":              "give the address",
	"bind_interface":             "give the address",
	"tls_version":                "TLS 1.2 and later",
	"ciphers":                    "Go's choice",
	"ciphers_tls1.3":             "Go's choice",
	"dhparamfile":                "Go's choice",
	"tls_engine":                 "there are none",
	"bridge_outgoing_retain":     "retained messages keep their flag",
	"bridge_attempt_unsubscribe": "it is not needed",
	"restart_timeout":            "it is tried again, at growing intervals",
	"start_type":                 "bridges always run",
	"idle_timeout":               "bridges always run",
	"threshold":                  "bridges always run",
	"bridge_max_packet_size":     "max_packet_size counts",
	"local_clientid":             "a bridge signs in as the appliance's own user bridge",
	"local_username":             "a bridge signs in as the appliance's own user bridge",
	"local_password":             "a bridge signs in as the appliance's own user bridge",
	"bridge_bind_address":        "the system chooses",
	"bridge_capath":              "give bridge_cafile",
	"use_subject_as_username":    "use_identity_as_username takes the common name",
	"http_dir":                   "this port serves MQTT alone",
	"mount_point":                "there is no counterpart",
	"use_username_as_clientid":   "there is no counterpart",
	"clientid_prefixes":          "there is no counterpart",
	"psk_hint":                   "there is no TLS with shared keys",
	"psk_file":                   "there is no TLS with shared keys",
	"plugin":                     "there are no plugins",
	"auth_plugin":                "there are no plugins",
	"capath":                     "give one file with all the authorities, as cafile",
	"max_topic_alias":            "it is 64",
	"max_qos":                    "it is 2",
	"accept_protocol_versions":   "all of them",
	"allow_duplicate_messages":   "it has no effect in Mosquitto either",
	"global_max_clients":         "there is no counterpart",
	"enable_control_api":         "there is no counterpart",
	"websockets_headers_size":    "it is 8 kB",
	"bridge_alpn":                "there is no counterpart",
	"bridge_psk":                 "there is no TLS with shared keys",
	"bridge_identity":            "there is no TLS with shared keys",
	"bridge_tls_version":         "TLS 1.2 and later",
	"bridge_reload_type":         "a change makes the bridges begin anew",
}

func (p *planner) take(options []option) {
	p.files = map[string]option{}
	for _, o := range options {
		if o.name == "per_listener_settings" {
			p.perListener = o.value == "true"
		}
	}
	for _, o := range options {
		p.one(o)
	}
}

func (p *planner) one(o option) {
	switch {
	case p.bridge != nil && p.bridgeOption(o):
	case p.listenerOption(o):
	case o.name == "connection":
		p.endBridge()
		p.bridge = map[string]any{"connection": o.value}
	case global[o.name]:
		if n, ok := p.number(o); ok {
			p.plan.MQTT[o.name] = n
		}
	case o.name == "persistent_client_expiration":
		p.plan.MQTT[o.name] = o.value
	case o.name == "queue_qos0_messages":
		p.queueQoS0 = p.truth(o)
	case o.name == "allow_anonymous" && !p.perListener:
		p.anonymous, p.anonymousAt = p.truth(o), o
	case o.name == "password_file" || o.name == "acl_file":
		if other, ok := p.files[o.name]; ok && other.value != o.value {
			p.fail(o, "%s is another file than in %s:%d, and this broker has one for all its listeners", o.name, other.file, other.line)
			return
		}
		p.files[o.name] = o
	case o.name == "per_listener_settings":
		if p.perListener {
			p.left(o, "users and their access are the same at every listener here")
		}
	case unneeded[o.name] != "":
		p.left(o, unneeded[o.name])
	default:
		p.left(o, "it is not known here")
	}
}

// listenerOption takes what is of a listener.
func (p *planner) listenerOption(o option) bool {
	switch o.name {
	case "listener":
		p.listen(o)
	case "port":
		if n, ok := p.number(o); ok && n != 0 {
			p.implicit(o).settings["port"] = n
		}
	case "bind_address":
		p.implicit(o).settings["bind_address"] = o.value
	case "protocol":
		if o.value != "mqtt" && o.value != "websockets" {
			p.fail(o, "%q is no protocol: mqtt or websockets", o.value)
		} else if o.value == "websockets" {
			p.at(o).settings["protocol"] = o.value
		}
	case "max_connections":
		if n, ok := p.number(o); ok && n > 0 {
			p.at(o).settings[o.name] = n
		}
	case "certfile", "keyfile", "cafile", "crlfile":
		p.at(o).settings[o.name] = o.value
	case "require_certificate", "use_identity_as_username":
		if p.truth(o) {
			p.at(o).settings[o.name] = true
		}
	case "websockets_origin":
		list, _ := p.at(o).settings[o.name].([]any)
		p.at(o).settings[o.name] = append(list, o.value)
	case "allow_anonymous":
		if !p.perListener {
			return false
		}
		if p.truth(o) {
			p.at(o).settings[o.name] = true
			p.anonymous = true
		}
	default:
		return false
	}
	return true
}

func (p *planner) listen(o option) {
	f := strings.Fields(o.value)
	if len(f) == 0 || len(f) > 2 {
		p.fail(o, "a listener has a port, and an address if it is not every one")
		return
	}
	n, err := strconv.Atoi(f[0])
	if err != nil || n < 0 || n > 65535 {
		p.fail(o, "%q is not a port", f[0])
		return
	}
	p.current = &listener{at: o, settings: map[string]any{}}
	if n == 0 {
		p.left(o, "the appliance's processes have a unix socket of their own")
		return // what follows is of nobody
	}
	p.current.settings["port"] = n
	if len(f) == 2 {
		p.current.settings["bind_address"] = f[1]
	}
	p.listeners = append(p.listeners, p.current)
}

// at is the listener that an option is of.
func (p *planner) at(o option) *listener {
	if p.current == nil {
		return p.implicit(o)
	}
	return p.current
}

// implicit is the listener that is there without being named, on 1883.
func (p *planner) implicit(o option) *listener {
	for _, l := range p.listeners {
		if l.implicit {
			return l
		}
	}
	l := &listener{at: o, settings: map[string]any{"port": 1883}, implicit: true}
	p.listeners = append([]*listener{l}, p.listeners...)
	return l
}

func (p *planner) endListeners() {
	var all []any
	for _, l := range p.listeners {
		s := l.settings
		if p.anonymous && !p.perListener {
			s["allow_anonymous"] = true
		}
		if p.queueQoS0 {
			s["queue_qos0_messages"] = true
		}
		if s["certfile"] != nil || s["keyfile"] != nil {
			// Their files stay where they are; the appliance has certificates of
			// its own.
			for _, name := range []string{"certfile", "keyfile"} {
				if s[name] != nil {
					p.note("%s of the listener on port %v is not copied: with tls: true the appliance's own certificate is shown; to go on with this one, copy it and set certfile and keyfile", name, s["port"])
					delete(s, name)
				}
			}
			s["tls"] = true
		}
		if s["cafile"] != nil && s["require_certificate"] == nil && s["use_identity_as_username"] == nil {
			delete(s, "cafile") // it was the server's own
			delete(s, "crlfile")
		}
		for _, name := range []string{"cafile", "crlfile"} {
			if s[name] != nil {
				p.note("%s of the listener on port %v is not copied: client certificates of the appliance's own authority are taken; to go on with those, copy the file and set %s", name, s["port"], name)
				delete(s, name)
			}
		}
		all = append(all, any(s))
	}
	if reflect.DeepEqual(all, []any{map[string]any{"port": 1883}}) {
		return // as it is here, beside others
	}
	if len(all) > 0 {
		p.plan.MQTT["listeners"] = all
	} else if p.anonymous {
		p.plan.MQTT["listeners"] = []any{map[string]any{"port": 1883, "allow_anonymous": true}}
	}
}

// Options of a bridge that are the same here, by their kind.
var bridgeOptions = map[string]string{
	"remote_clientid": "text", "clientid": "text", "remote_username": "text", "username": "text", "notification_topic": "text",
	"bridge_protocol_version": "text", "cleansession": "truth", "try_private": "truth", "notifications": "truth",
	"notifications_local_only": "truth", "round_robin": "truth", "bridge_insecure": "truth", "bridge_tls_use_os_certs": "truth",
	"keepalive_interval": "number",
}

// renamed are older names of options.
var renamed = map[string]string{"clientid": "remote_clientid", "username": "remote_username"}

func (p *planner) bridgeOption(o option) bool {
	b := p.bridge
	name := o.name
	if other := renamed[name]; other != "" {
		name = other
	}
	switch kind := bridgeOptions[o.name]; {
	case kind == "text":
		b[name] = o.value
	case kind == "truth":
		b[name] = p.truth(o)
	case kind == "number":
		if n, ok := p.number(o); ok {
			b[name] = n
		}
	case name == "address" || name == "addresses":
		list, _ := b["addresses"].([]any)
		for a := range strings.FieldsSeq(o.value) {
			if _, _, err := net.SplitHostPort(a); err != nil {
				a = net.JoinHostPort(strings.Trim(a, "[]"), "1883") // also with TLS
			}
			list = append(list, a)
		}
		b["addresses"] = list
	case name == "topic":
		list, _ := b["topics"].([]any)
		b["topics"] = append(list, o.value)
	case name == "remote_password" || name == "password":
		b["remote_password"] = secretName(b, "password")
		p.left(o, fmt.Sprintf("write it into the file secrets/%s of the appliance", b["remote_password"]))
	case name == "bridge_cafile" || name == "bridge_certfile" || name == "bridge_keyfile":
		b[name] = secretName(b, strings.TrimPrefix(name, "bridge_"))
		p.left(o, fmt.Sprintf("copy it to the file secrets/%s of the appliance", b[name]))
	default:
		return false
	}
	return true
}

// secretName is the file under secrets of something that a bridge needs.
func secretName(b map[string]any, what string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, fmt.Sprint(b["connection"]))
	return "bridge-" + name + "-" + what
}

func (p *planner) endBridge() {
	if p.bridge != nil {
		p.bridges = append(p.bridges, maps.Clone(p.bridge))
	}
	p.bridge = nil
}

func (p *planner) number(o option) (int, bool) {
	n, err := strconv.Atoi(o.value)
	if err != nil {
		p.fail(o, "%s: %q is not a number", o.name, o.value)
	}
	return n, err == nil
}

func (p *planner) truth(o option) bool {
	switch o.value {
	case "true", "1":
		return true
	case "false", "0":
	default:
		p.fail(o, "%s: %q is neither true nor false", o.name, o.value)
	}
	return false
}
