package journal

// Unheard is what of replay, the last lines of a program as somebody else holds
// them, is not in known, the last lines as we hold them: the lines after the
// longest beginning of replay that ends known.
func Unheard(known, replay []string) []string {
	for n := min(len(known), len(replay)); n > 0; n-- {
		if equal(known[len(known)-n:], replay[:n]) {
			return replay[n:]
		}
	}
	return replay
}

func equal(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
