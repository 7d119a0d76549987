package keeper

import (
	"strings"
	"testing"
	"time"
)

// An event is something that happens so many seconds after the power came, and
// what the policy says right after it.
type event struct {
	at   int
	what string // "ready", "trial", "alive", "confirmed", "" for the mere passing of time
	why  string // a part of why there are no more kicks; "" while there are
}

func TestPolicy(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []event
	}{
		{"KicksWhileTheCardIsSeenTo", []event{{0, "", ""}, {899, "", ""}, {900, "", ""}}},
		{"NotForEver", []event{{901, "", "were not started within 15m"}}},
		{"GraceCountsFromTheStartOfThePrograms", []event{{600, "ready", ""}, {750, "", ""}, {751, "", "within 2m30s of the start"}}},
		{"SilenceOfAMinute", []event{{5, "ready", ""}, {20, "alive", ""}, {80, "", ""}, {81, "", "no sign of life for 1m0s"}}},
		{"AMinuteFromTheLastSign", []event{{5, "ready", ""}, {20, "alive", ""}, {79, "alive", ""}, {139, "", ""}, {140, "", "no sign of life for 1m0s"}}},
		{"LivesForLong", []event{{5, "ready", ""}, {20, "alive", ""}, {70, "alive", ""}, {120, "alive", ""}, {170, "alive", ""}, {220, "alive", ""}, {280, "", ""}}},
		{"WhatIsOverStaysOver", []event{{5, "ready", ""}, {156, "", "within 2m30s of the start"}, {157, "alive", "within 2m30s of the start"}, {158, "confirmed", "within 2m30s of the start"}, {159, "ready", "within 2m30s of the start"}}},
		{"OnlyKickJudges", []event{{5, "ready", ""}, {150, "alive", ""}, {200, "alive", ""}}},
		{"TrialIsNotConfirmed", []event{{5, "trial", ""}, {60, "alive", ""}, {110, "alive", ""}, {160, "alive", ""}, {210, "alive", ""}, {260, "alive", ""}, {304, "alive", ""}, {305, "alive", ""}, {306, "alive", "was not confirmed within 5m0s"}}},
		{"TrialIsConfirmed", []event{{5, "trial", ""}, {60, "alive", ""}, {110, "confirmed", ""}, {160, "alive", ""}, {210, "alive", ""}, {260, "alive", ""}, {306, "alive", ""}, {366, "", ""}, {367, "", "no sign of life for 1m0s"}}},
		{"TrialConfirmedTooLate", []event{{5, "trial", ""}, {300, "alive", ""}, {306, "", "was not confirmed"}, {307, "confirmed", "was not confirmed"}}},
		{"SilenceInATrial", []event{{5, "trial", ""}, {60, "alive", ""}, {121, "", "no sign of life"}}},
		{"AManagerThatNeverComesInATrial", []event{{5, "trial", ""}, {156, "", "within 2m30s of the start"}}},
		{"ReadyOnce", []event{{5, "trial", ""}, {100, "alive", ""}, {150, "ready", ""}, {200, "alive", ""}, {250, "alive", ""}, {306, "alive", "was not confirmed"}}},
		{"ConfirmedWithoutATrial", []event{{5, "ready", ""}, {10, "confirmed", ""}, {71, "", "no sign of life for 1m0s"}}},
		{"LongCheckIsNotAtTheTrialsExpense", []event{{800, "trial", ""}, {850, "alive", ""}, {900, "alive", ""}, {950, "alive", ""}, {1000, "alive", ""}, {1050, "alive", ""}, {1100, "alive", ""}, {1101, "", "was not confirmed"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			p := NewPolicy(start)
			for _, e := range tt.events {
				now := start.Add(time.Duration(e.at) * time.Second)
				switch e.what {
				case "ready":
					p.Ready(now, 0)
				case "trial":
					p.Ready(now, TrialLimit)
				case "alive":
					p.Alive(now)
				case "confirmed":
					p.Confirmed(now)
				}
				ok, why := p.Kick(now)
				if ok != (e.why == "") || !strings.Contains(why, e.why) || ok && why != "" {
					t.Fatalf("%d s, %q: got %v, %q, want %q", e.at, e.what, ok, why, e.why)
				}
			}
		})
	}
}
