package store

// TextSample is a state that is no number, at a time.
type TextSample struct {
	Milli int64 // ms since 1970
	Text  string
}
