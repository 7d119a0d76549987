package zcl

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsePayload reads what the payload of a general command holds.
func parsePayload(f Frame) (attributes []Attribute, reporting []ReportConfig, err error) {
	if f.ClusterSpecific {
		return nil, nil, nil
	}
	switch f.Command {
	case CommandReadResponse:
		attributes, err = ParseReadResponse(f.Payload)
	case CommandReport, CommandWrite:
		attributes, err = ParseReport(f.Payload)
	case CommandConfigureReporting:
		reporting, err = ParseConfigureReporting(f.Payload)
	}
	return attributes, reporting, err
}

func TestParse(t *testing.T) {
	for _, tt := range frames {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(unhex(t, tt.hex))
			if err != nil {
				t.Fatal(err)
			}
			attributes, reporting, err := parsePayload(got)
			if err != nil {
				t.Fatal(err)
			}
			if tt.frame.Payload == nil { // then the table has what it holds
				got.Payload = nil
			}
			if diff := cmp.Diff(tt.frame, got); diff != "" {
				t.Errorf("frame (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.attributes, attributes); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.reporting, reporting); diff != "" {
				t.Errorf("reporting (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range frames {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.frame
			switch {
			case f.Payload != nil:
			case f.Command == CommandReadResponse:
				q := Frame{Manufacturer: f.Manufacturer, Seq: f.Seq}
				f = ReadResponse(q, tt.attributes)
			case f.Command == CommandReport:
				f = Report(tt.attributes)
				f.Seq = tt.frame.Seq
			case f.Command == CommandConfigureReporting:
				f = ConfigureReporting(tt.reporting)
				f.Seq = tt.frame.Seq
			}
			if diff := cmp.Diff(unhex(t, tt.hex), f.Append(nil)); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseCutShort(t *testing.T) {
	for _, tt := range frames {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			boundaries := 0
			for n := range b {
				f, err := Parse(b[:n:n])
				if err != nil {
					if !errors.Is(err, ErrShort) {
						t.Errorf("the first %d bytes: got %v, want %v", n, err, ErrShort)
					}
					continue
				}
				attributes, reporting, err := parsePayload(f)
				if err == nil {
					boundaries++ // between two records, or before the first
				} else if !errors.Is(err, ErrShort) {
					t.Errorf("the first %d bytes: got %v, want %v", n, err, ErrShort)
				}
				if len(attributes) >= max(1, len(tt.attributes)) || len(reporting) >= max(1, len(tt.reporting)) {
					t.Errorf("the first %d of %d bytes gave all of it", n, len(b))
				}
			}
			if records := len(tt.attributes) + len(tt.reporting); records > 0 && boundaries != records {
				t.Errorf("%d cuts of a frame with %d records were taken for a whole", boundaries, records)
			}
		})
	}
}

func TestParseBadHeader(t *testing.T) {
	for name, b := range map[string]string{
		"ReservedFrameType2":  "1201000500",
		"ReservedFrameType3":  "1301000500",
		"ManufacturerZero":    "14000001000500",
		"ManufacturerMissing": "14151001",
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := Parse(unhex(t, b)); err == nil {
				t.Errorf("got %+v, want an error", f)
			}
		})
	}
}

func TestParseKeepsWhatCameBeforeTheFault(t *testing.T) {
	// A demand, then an attribute of a type that does not exist.
	got, err := ParseReport(unhex(t, "00042adc0500 0000770102"))
	if err == nil {
		t.Error("got no error for type 0x77")
	}
	want := []Attribute{{ID: AttrInstantaneousDemand, Value: Number(Int24, 1500)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		frame Frame
		want  string
	}{
		"ReadTwo":             {ReadAttributes(0x0400, 0x0000), "10000000040000"},
		"ReadReportingConfig": {ReadReportingConfig(0x0400), "100008000004"},
		"WritePulses": {func() Frame {
			f := WriteAttributes([]Attribute{{ID: 0x0300, Value: Number(Uint16, 1000)}})
			f.Manufacturer = ManufacturerDevelco
			return f
		}(), "1415100002000321e803"},
		"StopReporting": {ConfigureReporting([]ReportConfig{{Attribute: 0x0021, Type: Uint8, Max: 0xffff}}), "10000600210020" + "0000ffff00"},
		"DiscreteHasNoChange": {ConfigureReporting([]ReportConfig{{Attribute: 0x0200, Type: Bitmap8, Min: 1, Max: 300, Change: 9}}),
			"10000600000218" + "01002c01"},
		"DefaultResponseKeepsManufacturer": {
			DefaultResponse(Frame{FromServer: true, Manufacturer: ManufacturerDevelco, Seq: 7, Command: CommandReport}, StatusSuccess),
			"141510070b0a00"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(unhex(t, tt.want), tt.frame.Append(nil)); diff != "" {
				t.Errorf("bytes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseStatusLists(t *testing.T) {
	type result struct {
		List []AttributeStatus
		Bad  bool
	}
	for name, tt := range map[string]struct {
		parse func([]byte) ([]AttributeStatus, error)
		hex   string
		want  result
	}{
		"ReportingAllGood":     {ParseConfigureReportingResponse, "00", result{}},
		"ReportingAllBad":      {ParseConfigureReportingResponse, "8c", result{List: []AttributeStatus{{AllAttributes, StatusUnreportable}}}},
		"ReportingOneBad":      {ParseConfigureReportingResponse, "00000004 8d000000", result{List: []AttributeStatus{{0, StatusInvalidDataType}}}},
		"ReportingEmpty":       {ParseConfigureReportingResponse, "", result{Bad: true}},
		"ReportingCutShort":    {ParseConfigureReportingResponse, "8d0000", result{Bad: true}},
		"WriteAllGood":         {ParseWriteResponse, "00", result{}},
		"WriteAllBad":          {ParseWriteResponse, "01", result{List: []AttributeStatus{{AllAttributes, StatusFailure}}}},
		"WriteOneBad":          {ParseWriteResponse, "880003", result{List: []AttributeStatus{{0x0300, StatusReadOnly}}}},
		"WriteCutShort":        {ParseWriteResponse, "8800", result{Bad: true}},
		"WriteEmpty":           {ParseWriteResponse, "", result{Bad: true}},
		"WriteGoodInLongForm":  {ParseWriteResponse, "000003", result{}},
		"ReportingGoodAllLong": {ParseConfigureReportingResponse, "00000004", result{}},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := tt.parse(unhex(t, tt.hex))
			if diff := cmp.Diff(tt.want, result{list, err != nil}); diff != "" {
				t.Errorf("(-want +got):\n%s\nerror: %v", diff, err)
			}
		})
	}
}

func TestParseReadReportingConfigResponse(t *testing.T) {
	got, err := ParseReadReportingConfigResponse(unhex(t, "0000 0004 2a 0a00 2c01 050000  8b00 2100"))
	if err != nil {
		t.Fatal(err)
	}
	want := []ReportingState{
		{Config: ReportConfig{Attribute: AttrInstantaneousDemand, Type: Int24, Min: 10, Max: 300, Change: 5}},
		{Status: StatusNotFound, Config: ReportConfig{Attribute: AttrBatteryPercentage}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"000000042a", "0001000400", "00000004770a002c01"} {
		if got, err := ParseReadReportingConfigResponse(unhex(t, bad)); err == nil {
			t.Errorf("%s: got %+v, want an error", bad, got)
		}
	}
}

func TestIsAnswerTo(t *testing.T) {
	q := Frame{Seq: 7, Manufacturer: ManufacturerDevelco, Command: CommandRead}
	for name, tt := range map[string]struct {
		f    Frame
		want bool
	}{
		"Response":                 {Frame{Seq: 7, FromServer: true, Manufacturer: ManufacturerDevelco, Command: CommandReadResponse}, true},
		"OtherSequence":            {Frame{Seq: 8, FromServer: true, Manufacturer: ManufacturerDevelco, Command: CommandReadResponse}, false},
		"SameDirection":            {Frame{Seq: 7, Manufacturer: ManufacturerDevelco, Command: CommandReadResponse}, false},
		"OtherManufacturer":        {Frame{Seq: 7, FromServer: true, Command: CommandReadResponse}, false},
		"DefaultResponseWithout":   {Frame{Seq: 7, FromServer: true, Command: CommandDefaultResponse}, true},
		"ClusterCommandOfThatCode": {Frame{Seq: 7, FromServer: true, ClusterSpecific: true, Command: CommandDefaultResponse}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.f.IsAnswerTo(q); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWantsDefaultResponse(t *testing.T) {
	for name, tt := range map[string]struct {
		f    Frame
		want bool
	}{
		"Report":          {Frame{Command: CommandReport}, true},
		"ReportDisabled":  {Frame{Command: CommandReport, DisableDefaultResponse: true}, false},
		"ClusterCommand":  {Frame{ClusterSpecific: true, Command: CommandReadResponse}, true},
		"ReadResponse":    {Frame{Command: CommandReadResponse}, false},
		"DefaultResponse": {Frame{Command: CommandDefaultResponse}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.f.WantsDefaultResponse(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEUI64(t *testing.T) {
	const text = "0x0015bc001b0211a5"
	e, err := ParseEUI64("0x0015BC001B0211A5")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.String(); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	if diff := cmp.Diff(unhex(t, "a511021b00bc1500"), e.Append(nil)); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
	if got, err := DecodeEUI64(e.Append(nil)); err != nil || got != e {
		t.Errorf("got %v, %v, want %v", got, err, e)
	}
	if _, err := DecodeEUI64(make([]byte, 7)); !errors.Is(err, ErrShort) {
		t.Errorf("seven bytes: got %v, want %v", err, ErrShort)
	}
	var u EUI64
	if err := u.UnmarshalText([]byte(text)); err != nil || u != e {
		t.Errorf("got %v, %v, want %v", u, err, e)
	}
	for _, bad := range []string{"", "0x", "0015bc001b0211a5", "0x15bc001b0211a5", "0x0015bc001b0211zz", "0x+015bc001b0211a5", "0x0015bc001b0211a500"} {
		if got, err := ParseEUI64(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

// FuzzFrame: whatever parses is encoded to bytes that parse to the same, and
// no payload stops the parsers.
func FuzzFrame(f *testing.F) {
	for _, tt := range frames {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(frame.Append(nil))
		if err != nil {
			t.Fatalf("%x: its own encoding does not parse: %v", b, err)
		}
		if diff := cmp.Diff(frame, again); diff != "" {
			t.Fatalf("%x (-first +second):\n%s", b, diff)
		}
		p := frame.Payload
		if list, err := ParseReadResponse(p); err == nil {
			got := ReadResponse(Frame{}, list).Payload
			if !bytes.Equal(p, got) {
				t.Fatalf("read response %x encoded as %x", p, got)
			}
		}
		if list, err := ParseReport(p); err == nil {
			if got := Report(list).Payload; !bytes.Equal(p, got) {
				t.Fatalf("report %x encoded as %x", p, got)
			}
		}
		if list, err := ParseConfigureReporting(p); err == nil {
			if got := ConfigureReporting(list).Payload; !bytes.Equal(p, got) {
				t.Fatalf("reporting %x encoded as %x", p, got)
			}
		}
		if ids, err := ParseReadAttributes(p); err == nil {
			if got := ReadAttributes(ids...).Payload; !bytes.Equal(p, got) {
				t.Fatalf("read %x encoded as %x", p, got)
			}
		}
		ParseConfigureReportingResponse(p)
		ParseWriteResponse(p)
		ParseReadReportingConfigResponse(p)
		ParseDefaultResponse(p)
		ParseGroupResponse(p)
		if list, err := ParseGroupMembership(p); err == nil && 2*len(list) > len(p) {
			t.Fatalf("%d groups in %d bytes", len(list), len(p))
		}
	})
}

func TestGroups(t *testing.T) {
	for name, tt := range map[string]struct {
		f    Frame
		want string
	}{
		"Add":        {AddGroup(0x0385), "110000850300"},
		"Remove":     {RemoveGroup(0x0385), "1100038503"},
		"RemoveAll":  {RemoveAllGroups(), "010004"},
		"Membership": {GetGroupMembership(), "11000200"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.f.Append(nil); !bytes.Equal(got, unhex(t, tt.want)) {
				t.Errorf("got %x, want %s", got, tt.want)
			}
		})
	}
	if s, group, err := ParseGroupResponse(unhex(t, "8a8503")); s != StatusDuplicateExists || group != 901 || err != nil {
		t.Errorf("got %v, %d, %v", s, group, err)
	}
	if list, err := ParseGroupMembership(unhex(t, "0a0285030100")); !slices.Equal(list, []uint16{901, 1}) || err != nil {
		t.Errorf("got %v, %v", list, err)
	}
	for _, cut := range []string{"", "0a", "0a02850301"} {
		if list, err := ParseGroupMembership(unhex(t, cut)); !errors.Is(err, ErrShort) {
			t.Errorf("%q: got %v, %v", cut, list, err)
		}
	}
}
