package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// MeterFile is what became of a file of ESB Networks.
type MeterFile struct {
	At     string       `json:"at"` // civil time with its offset
	File   MeterReport  `json:"file"`
	Proofs *MeterProofs `json:"proofs,omitempty"` // nil: there are no registers
}

// MeterReport is what was in the file.
type MeterReport struct {
	Form       string         `json:"form"` // "calckWh", "kW", "DailyDNP", "Daily"
	Last3      string         `json:"mprn_ends_in"`
	Rows       int            `json:"rows"`
	Import     *MeterSide     `json:"import,omitempty"`
	Export     *MeterSide     `json:"export,omitempty"`
	Registers  *MeterChange   `json:"registers,omitempty"`
	Meters     int            `json:"meters"` // serial numbers: more than one is an exchange
	Unknown    map[string]int `json:"unknown,omitempty"`
	Faults     []Line         `json:"faults,omitempty"`
	FaultCount int            `json:"fault_count,omitempty"`
	Duplicates int            `json:"duplicates,omitempty"`
	Outliers   int            `json:"outliers,omitempty"`
	Guessed    int            `json:"guessed,omitempty"`
}

// MeterChange is how much of it was new.
type MeterChange struct {
	New     int `json:"new"`
	Same    int `json:"same"`
	Changed int `json:"changed"` // revised: what it was before is kept
}

// MeterSide is one direction.
type MeterSide struct {
	MeterChange
	From      string     `json:"from"`
	To        string     `json:"to"`
	HalfHours int        `json:"half_hours"`
	Missing   int        `json:"missing"`
	Gaps      []MeterGap `json:"gaps,omitempty"`
	KWh       float64    `json:"kwh"`
}

// MeterGap is a run of half hours that the file does not have.
type MeterGap struct {
	From      string `json:"from"`
	To        string `json:"to"`
	HalfHours int    `json:"half_hours"`
}

// MeterProofs is what registers say of the half hours.
type MeterProofs struct {
	Proven       int          `json:"proven"`
	Filled       int          `json:"filled"`
	Contradicted int          `json:"contradicted"`
	LostKWh      float64      `json:"lost_kwh"`
	BandsAgree   int          `json:"bands_agree"`
	BandsDiffer  int          `json:"bands_differ"`
	Told         []MeterProof `json:"told,omitempty"`
}

// MeterProof is one that is not simply right.
type MeterProof struct {
	Direction string  `json:"direction"`
	Band      string  `json:"band"`
	From      string  `json:"from"`
	To        string  `json:"to"`
	Counted   float64 `json:"counted_kwh"`
	Sum       float64 `json:"half_hours_kwh"`
	Missing   int     `json:"missing"`
	Lost      float64 `json:"lost_kwh"`
	Verdict   string  `json:"verdict"` // "filled" or "contradicted"
}

// Comparison is our own metering beside that of files, day by day.
type Comparison struct {
	Meter  string        `json:"meter,omitempty"`
	Import []ComparedDay `json:"import"`
	Export []ComparedDay `json:"export"`
}

// ComparedDay is a civil day. The difference is over the half hours that both
// have.
type ComparedDay struct {
	Day         string  `json:"day"`
	HalfHours   int     `json:"half_hours"` // 46, 48 or 50
	Own         float64 `json:"own_kwh"`
	File        float64 `json:"file_kwh"`
	Difference  float64 `json:"difference_kwh"`
	Both        int     `json:"both"`
	OwnMissing  int     `json:"own_missing"`
	FileMissing int     `json:"file_missing"`
	Estimated   int     `json:"estimated,omitempty"`
}

// TakeMeterFile hands a file of ESB Networks over.
func (m *Metrics) TakeMeterFile(ctx context.Context, file io.Reader, size int64) (v MeterFile, err error) {
	return v, m.c.ask(ctx, question{method: http.MethodPost, path: "/hdf", body: file, kind: "text/csv", size: size}, &v)
}

// MeterFiles asks for the last files that were taken, the latest first.
func (m *Metrics) MeterFiles(ctx context.Context) (v []MeterFile, err error) {
	return v, m.c.ask(ctx, question{method: http.MethodGet, path: "/hdf"}, &v)
}

// Compare asks for the days of a range: query has meter, from and to, or less.
func (m *Metrics) Compare(ctx context.Context, query url.Values) (v Comparison, err error) {
	return v, m.c.ask(ctx, question{method: http.MethodGet, path: "/ledger/compare", query: query}, &v)
}

// ExportLedger asks for half hours: query has meter, from, to, source (own, hdf)
// and format (csv, hdf), or less. The caller closes what it gets.
func (m *Metrics) ExportLedger(ctx context.Context, query url.Values) (io.ReadCloser, error) {
	return m.c.stream(ctx, question{method: http.MethodGet, path: "/ledger/export", query: query})
}
