package gateway

import "strings"

// browsers and systems are what a User-Agent is searched for, in this order: many
// browsers say that they are others too.
var (
	browsers = [][2]string{
		{"hems/", "hems"}, {"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"},
		{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"CriOS/", "Chrome"}, {"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"},
		{"Safari/", "Safari"}, {"curl/", "curl"}, {"Go-http-client/", "a Go program"}, {"python", "a Python program"},
	}
	systems = [][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "a Chromebook"}, {"Windows", "Windows"},
		{"Macintosh", "a Mac"}, {"Linux", "Linux"},
	}
)

// browserOf is a User-Agent in words, such as "Firefox on Android". It is what the
// visitor says, and nothing is decided by it.
func browserOf(agent string) string {
	name, on := "", ""
	for _, b := range browsers {
		if strings.Contains(agent, b[0]) {
			name = b[1]
			break
		}
	}
	for _, s := range systems {
		if strings.Contains(agent, s[0]) {
			on = s[1]
			break
		}
	}
	switch {
	case name == "" && on == "":
		return "an unknown browser"
	case on == "":
		return name
	case name == "":
		return "a browser on " + on
	}
	return name + " on " + on
}
