package diagnostics

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on the search for secrets.
const (
	maxSecretFile = 1 << 20  // bytes; larger files hold data, not secrets
	maxStateFile  = 64 << 20 // bytes, of a file that holds keys beside much else
	maxSecrets    = 20_000
	maxWalk       = 50_000 // files looked at
)

// redactor knows the values of all secrets below the data directory.
func (o Options) redactor() (*Redactor, error) {
	values := append([]string{}, o.Known...)
	seen := 0
	err := filepath.WalkDir(o.Data, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if seen++; seen > maxWalk || len(values) > maxSecrets {
			return errors.New("there are too many files to look through")
		}
		rel, err := filepath.Rel(o.Data, path)
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		found, err := o.secretsIn(filepath.ToSlash(rel), path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // replaced meanwhile; the new one may hold another secret, which is not in old logs
		}
		values = append(values, found...)
		return err
	})
	return NewRedactor(values), err
}

// secretFile is a name that says that the whole file is a secret.
var secretFile = regexp.MustCompile(`(?i)(?:pass|token|secret|credential|key|claim|seed)[^/]*$`)

// quotedWord is a text of JSON that may be a secret.
var quotedWord = regexp.MustCompile(`"([^"\\]{8,})"`)

// hexKey is how a 128-bit key stands in a file.
var hexKey = regexp.MustCompile(`\b[0-9A-Fa-f]{32}\b`)

// wholly are directories whose files are secrets as a whole; hashes those whose
// JSON files hold hashes of secrets and other long words that nobody needs to
// see; configs those of what hems.yaml said before; states those whose files may be
// large and have keys in them.
var (
	wholly  = []string{"secrets/", "pki/"}
	hashes  = []string{"gateway/", "tailnet/"}
	configs = []string{"manager/config/"}
	states  = []string{"zigbee/"}
)

// secretsIn are the secrets in a file, as far as its place tells.
func (o Options) secretsIn(rel, path string) ([]string, error) {
	within := func(dirs []string) bool {
		for _, dir := range dirs {
			if strings.HasPrefix(rel, dir) {
				return true
			}
		}
		return false
	}
	whole := within(wholly) || secretFile.MatchString(rel)
	base := rel[strings.LastIndexByte(rel, '/')+1:]
	isJSON := strings.HasSuffix(base, ".json") || strings.Contains(base, ".json.") // .refused, .old, .migrated, .*.tmp
	isEnv := strings.HasSuffix(rel, ".env")
	isConfig := rel == o.Config || within(configs)
	if !whole && !isJSON && !isEnv && !isConfig {
		return nil, nil
	}
	most := int64(maxSecretFile)
	if within(states) {
		most = maxStateFile
	}
	b, err := readBounded(path, most)
	if err != nil {
		return nil, err
	}
	var out []string
	if isConfig {
		var v struct {
			Text string `json:"text"`
		}
		if isJSON && json.Unmarshal(b, &v) == nil {
			b = []byte(v.Text)
		}
		return o.secretsInYAML(b), nil
	}
	if isJSON {
		var v any
		if json.Unmarshal(b, &v) == nil {
			long := 0 // no word is hidden for being long
			if within(hashes) {
				long = 16
			}
			stringsIn(v, false, long, &out)
			return out, nil
		}
		if within(states) { // damaged: there only keys are secret, and much else is not
			for _, m := range hexKey.FindAll(b, -1) {
				out = append(out, string(m))
			}
			return out, nil
		}
		for _, m := range quotedWord.FindAllSubmatch(b, -1) { // damaged: any of them may be one
			out = append(out, string(m[1]))
		}
		return out, nil
	}
	if isEnv {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && secretKey.MatchString(name) {
				out = append(out, strings.Trim(value, `'"`))
			}
		}
		return out, nil
	}
	return append(out, string(b)), nil
}

// secretsInYAML are the values of keys that sound like a secret's, and how one
// signs in within addresses.
func (o Options) secretsInYAML(text []byte) (out []string) {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) == nil {
		collect(&doc, false, &out)
		out = slices.DeleteFunc(out, o.isSecretsName)
	}
	for _, m := range userInfo.FindAllSubmatch(text, -1) {
		who := strings.TrimSuffix(strings.TrimPrefix(string(m[0]), string(m[1])), "@")
		if _, password, ok := strings.Cut(who, ":"); ok {
			who = password
		}
		out = append(out, who)
		if plain, err := url.PathUnescape(who); err == nil {
			out = append(out, plain)
		}
	}
	return out
}

// isSecretsName says whether a value is the name of a file with a secret:
// metrics.destinations say in which file their token is.
func (o Options) isSecretsName(s string) bool {
	_, err := os.Lstat(filepath.Join(o.Data, "secrets", filepath.Base(s)))
	return err == nil
}

// stringsIn collects the texts below keys that sound like a secret's, and those
// of at least so many bytes (0: none).
func stringsIn(v any, secret bool, long int, out *[]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			stringsIn(below, secret || secretKey.MatchString(k), long, out)
			if long > 0 && len(k) >= long {
				*out = append(*out, k)
			}
		}
	case []any:
		for _, below := range v {
			stringsIn(below, secret, long, out)
		}
	case string:
		if secret || long > 0 && len(v) >= long {
			*out = append(*out, v)
			for part := range strings.SplitSeq(v, "$") { // of a hash in PHC form
				if len(part) >= 16 {
					*out = append(*out, part)
				}
			}
		}
	}
}
