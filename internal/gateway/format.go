package gateway

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// figure is a number as people read it, with its unit.
type figure struct{ Number, Unit string }

const minus = "−" // U+2212: as wide as a digit, unlike the hyphen

// formatPower writes watts: whole below 10 kW, then kW with two decimals.
func formatPower(w *float64) figure {
	if w == nil {
		return figure{"–", "W"}
	}
	if v := math.Round(*w); math.Abs(v) < 10_000 {
		return figure{grouped(int(v)), "W"}
	}
	return figure{strings.Replace(strconv.FormatFloat(*w/1000, 'f', 2, 64), "-", minus, 1), "kW"}
}

// formatKWh writes two decimals below 10, one below 100, none above.
func formatKWh(v *float64) figure {
	if v == nil {
		return figure{"–", "kWh"}
	}
	decimals := 2
	switch a := math.Abs(*v); {
	case a >= 99.95:
		return figure{grouped(int(math.Round(*v))), "kWh"}
	case a >= 9.995:
		decimals = 1
	}
	return figure{strings.Replace(strconv.FormatFloat(*v, 'f', decimals, 64), "-", minus, 1), "kWh"}
}

func formatWhole(v *float64) string {
	if v == nil {
		return "–"
	}
	return grouped(int(math.Round(*v)))
}

// grouped writes a whole number with commas between thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = minus, s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// formatAgo says how long ago something was, in the largest unit that fits. The
// script says the same (ui/src/age.ts).
func formatAgo(d time.Duration) string {
	switch s := int(d.Seconds()); {
	case s < 1:
		return "just now"
	case s < 90:
		return fmt.Sprintf("%d s ago", s)
	case s < 90*60:
		return fmt.Sprintf("%d min ago", (s+30)/60)
	case s < 36*3600:
		return fmt.Sprintf("%d h ago", (s+1800)/3600)
	default:
		return fmt.Sprintf("%d days ago", (s+12*3600)/(24*3600))
	}
}

// formatSince is a moment as people say it at now (both in the home's time
// zone): the time, with the day when it was another day. The script says the
// same (ui/src/format.ts).
func formatSince(at, now time.Time) string {
	switch {
	case at.Format(time.DateOnly) == now.Format(time.DateOnly):
		return at.Format("15:04")
	case now.Sub(at) < 6*24*time.Hour:
		return at.Format("Mon 15:04")
	}
	return at.Format("02/01/2006")
}

// linkBars turns a link quality (0 to 255) into one to four bars; nil is none.
func linkBars(v *float64) int {
	switch {
	case v == nil:
		return 0
	case *v >= 120:
		return 4
	case *v >= 70:
		return 3
	case *v >= 30:
		return 2
	}
	return 1
}

func linkWord(v *float64) string {
	return [...]string{"–", "poor", "weak", "good", "strong"}[linkBars(v)]
}

// batteryFill is the width of the battery's filling, of 14 units.
func batteryFill(v *float64) string {
	if v == nil {
		return "0"
	}
	return strconv.FormatFloat(14*min(max(*v, 0), 100)/100, 'f', 1, 64)
}

// batteryLow tells when a battery wants to be changed soon.
func batteryLow(v *float64) bool { return v != nil && *v <= 15 }
