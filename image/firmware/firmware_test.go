package firmware

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// card is a boot partition as the appliance has it: a committed slot a, a slot b
// to be tried, the firmware of all boards. Changes replace files; "" removes one.
func card(changes map[string]string) fs.FS {
	files := map[string]string{
		"bootcode.bin": "b", "start.elf": "s", "fixup.dat": "f", "start4.elf": "s4", "fixup4.dat": "f4",
		"config.txt":  "arm_64bit=1\nenable_uart=1\nkernel=vmlinuz.gz\nkernel_watchdog_timeout=60\nos_prefix=a/\n",
		"tryboot.txt": "arm_64bit=1\nenable_uart=1\nkernel=vmlinuz.gz\nkernel_watchdog_timeout=60\nos_prefix=b/\n",
	}
	for _, slot := range []string{"a/", "b/"} {
		files[slot+"vmlinuz.gz"] = "kernel of " + slot
		files[slot+"cmdline.txt"] = "root=" + slot + " init=/user/hems-boot\n"
		files[slot+"overlays/README"] = "README"
		for _, b := range Boards {
			files[slot+b.DeviceTrees[0]] = "dtb"
		}
	}
	maps.Copy(files, changes)
	out := fstest.MapFS{}
	for name, text := range files {
		if text != "" {
			out[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return out
}

// config is another config.txt.
func config(lines ...string) map[string]string {
	return map[string]string{"config.txt": strings.Join(lines, "\n")}
}

const whole = "arm_64bit=1\nkernel=vmlinuz.gz\nos_prefix=a/"

func TestLoad(t *testing.T) {
	type result struct {
		Config, Prefix, Kernel, DeviceTree, Overlays, CommandLine string
		Watchdog                                                  time.Duration
		Notes                                                     string // what one of them holds
	}
	a := result{"config.txt", "a/", "kernel of a/", "a/bcm2711-rpi-4-b.dtb", "a/overlays/",
		"root=a/ init=/user/hems-boot watchdog.open_timeout=60", time.Minute, ""}
	b := result{"tryboot.txt", "b/", "kernel of b/", "b/bcm2711-rpi-4-b.dtb", "b/overlays/",
		"root=b/ init=/user/hems-boot watchdog.open_timeout=60", time.Minute, ""}
	// with is a result with a change.
	with := func(r result, change func(*result)) result { change(&r); return r }
	calm := with(a, func(r *result) { r.Watchdog, r.CommandLine = 0, "root=a/ init=/user/hems-boot" })
	shared := map[string]string{
		"vmlinuz.gz": "shared kernel", "bcm2711-rpi-4-b.dtb": "dtb", "cmdline.txt": "root=shared",
	}
	merge := func(all ...map[string]string) map[string]string {
		out := map[string]string{}
		for _, m := range all {
			maps.Copy(out, m)
		}
		return out
	}
	fallen := result{"config.txt", "", "shared kernel", "bcm2711-rpi-4-b.dtb", "overlays/", "root=shared watchdog.open_timeout=60", time.Minute, "os_prefix=a/ is ignored"}
	for _, tt := range []struct {
		name    string
		board   Board
		tryboot bool
		changes map[string]string
		want    result
	}{
		{"CommittedSlot", Pi4, false, nil, a},
		{"TrybootReplacesConfig", Pi4, true, nil, b},
		{"TrybootFileMissing", Pi4, true, map[string]string{"tryboot.txt": ""},
			with(a, func(r *result) { r.Notes = "the tryboot flag was set and there is no tryboot.txt" })},
		{"Pi3", Pi3, false, nil, with(a, func(r *result) { r.DeviceTree = "a/bcm2710-rpi-3-b.dtb" })},
		{"Pi3Plus", Pi3Plus, false, nil, with(a, func(r *result) { r.DeviceTree = "a/bcm2710-rpi-3-b-plus.dtb" })},
		{"Zero2W", Zero2W, false, nil, with(a, func(r *result) { r.DeviceTree = "a/bcm2710-rpi-zero-2-w.dtb" })},
		{"Zero2WByItsOtherName", Zero2W, false, map[string]string{"a/bcm2710-rpi-zero-2-w.dtb": "", "a/bcm2710-rpi-zero-2.dtb": "dtb"},
			with(a, func(r *result) { r.DeviceTree = "a/bcm2710-rpi-zero-2.dtb" })},
		{"Pi5", Pi5, false, nil, with(a, func(r *result) { r.DeviceTree = "a/bcm2712-rpi-5-b.dtb" })},
		{"Pi5NeedsNoFirmwareOnTheCard", Pi5, false, map[string]string{"start4.elf": "", "start.elf": "", "bootcode.bin": ""},
			with(a, func(r *result) { r.DeviceTree = "a/bcm2712-rpi-5-b.dtb" })},
		{"Pi4NeedsNoBootcode", Pi4, false, map[string]string{"bootcode.bin": ""}, a},

		{"PrefixWithoutKernelIsIgnored", Pi4, false, merge(shared, map[string]string{"a/vmlinuz.gz": ""}), fallen},
		{"PrefixWithoutDeviceTreeIsIgnored", Pi4, false, merge(shared, map[string]string{"a/bcm2711-rpi-4-b.dtb": ""}), fallen},
		{"PrefixWithoutSlashIsPartOfTheName", Pi4, false,
			merge(config("kernel=vmlinuz.gz", "os_prefix=new-"), map[string]string{
				"new-vmlinuz.gz": "new", "new-bcm2711-rpi-4-b.dtb": "dtb", "new-cmdline.txt": "root=new", "new-overlays/README": "R"}),
			result{"config.txt", "new-", "new", "new-bcm2711-rpi-4-b.dtb", "new-overlays/", "root=new", 0, ""}},
		{"AbsoluteNamesBypassThePrefix", Pi4, false, merge(config("kernel=/vmlinuz.gz", "os_prefix=a/"), shared),
			with(calm, func(r *result) { r.Kernel = "shared kernel" })},
		{"UpstreamKernelSetsThePrefix", Pi4, false, merge(config("upstream_kernel=1"), map[string]string{
			"upstream/kernel8.img": "upstream", "upstream/bcm2711-rpi-4-b.dtb": "d", "upstream/cmdline.txt": "root=up", "upstream/overlays/README": "R"}),
			result{"config.txt", "upstream/", "upstream", "upstream/bcm2711-rpi-4-b.dtb", "upstream/overlays/", "root=up", 0, ""}},
		{"OverlaysAreSharedWithoutREADME", Pi4, false, map[string]string{"a/overlays/README": ""},
			with(a, func(r *result) { r.Overlays, r.Notes = "overlays/", "overlays are the shared ones" })},
		{"OtherOverlayPrefix", Pi4, false, merge(config(whole, "overlay_prefix=o/"), map[string]string{"a/o/README": "R"}),
			with(calm, func(r *result) { r.Overlays = "a/o/" })},
		{"OtherDeviceTree", Pi4, false, merge(config(whole, "device_tree=mine.dtb"), map[string]string{"a/mine.dtb": "d"}),
			with(calm, func(r *result) { r.DeviceTree = "a/mine.dtb" })},
		{"OtherCommandLineFile", Pi4, false, merge(config(whole, "cmdline=quiet.txt"), map[string]string{"a/quiet.txt": "quiet"}),
			with(calm, func(r *result) { r.CommandLine = "quiet" })},
		{"CommandLineMissing", Pi4, false, map[string]string{"a/cmdline.txt": "", "cmdline.txt": "root=shared"},
			with(a, func(r *result) {
				r.CommandLine, r.Notes = "watchdog.open_timeout=60", "a/cmdline.txt cannot be read"
			})},
		{"CommandLineOfTwoLines", Pi4, false, map[string]string{"a/cmdline.txt": "root=one\r\nroot=two\n"},
			with(a, func(r *result) {
				r.CommandLine, r.Notes = "root=one watchdog.open_timeout=60", "more than one line"
			})},
		{"DefaultKernel", Pi4, false, merge(config("os_prefix=a/"), map[string]string{"a/kernel8.img": "eight"}),
			with(calm, func(r *result) { r.Kernel = "eight" })},
		{"DefaultKernelOfThePi5", Pi5, false, merge(config("os_prefix=a/"), map[string]string{"a/kernel8.img": "eight", "a/kernel_2712.img": "five"}),
			with(calm, func(r *result) { r.Kernel, r.DeviceTree = "five", "a/bcm2712-rpi-5-b.dtb" })},
		{"ArmControlIsTheOldWayTo64Bit", Pi3, false, config("arm_control=0x200", "kernel=vmlinuz.gz", "os_prefix=a/"),
			with(calm, func(r *result) { r.DeviceTree = "a/bcm2710-rpi-3-b.dtb" })},
		{"PaddedToASector", Pi4, false, config(whole + "\n" + strings.Repeat(" ", 400)), calm},
		{"LinesOfAnotherSystem", Pi4, false, config("kernel=vmlinuz.gz\r\nos_prefix=a/\r\n"), calm},
		{"LastLineCounts", Pi4, false, config("os_prefix=b/", whole), calm},
		{"CommentsAreNotRead", Pi4, false, config(whole, "#os_prefix=b/", " # os_prefix=b/"), calm},
		{"LineIsCutAt98Characters", Pi4, false, config(whole, "cmdline="+strings.Repeat("c", 90)+"more"),
			with(calm, func(r *result) { r.CommandLine, r.Notes = "", "a line is cut after 98 characters" })},
		{"WatchdogOfNoNumber", Pi4, false, config(whole, "kernel_watchdog_timeout=soon"), calm},

		{"FilterOfThisModel", Pi4, false, config(whole, "[pi4]", "os_prefix=b/"),
			with(calm, func(r *result) {
				r.Prefix, r.Kernel, r.DeviceTree, r.Overlays, r.CommandLine = "b/", "kernel of b/", "b/bcm2711-rpi-4-b.dtb", "b/overlays/", "root=b/ init=/user/hems-boot"
			})},
		{"FilterOfAnotherModel", Pi4, false, config(whole, "[pi3]", "os_prefix=b/"), calm},
		{"FilterOfAModelWithSeveral", Zero2W, false, config("[pi0]", "arm_64bit=1", "[pi02]", "kernel=vmlinuz.gz", "[all]", "os_prefix=a/"),
			with(calm, func(r *result) { r.DeviceTree = "a/bcm2710-rpi-zero-2-w.dtb" })},
		{"FilterByBoardType", Pi4, false, config("[board-type=0x11]", whole, "[board-type=0x17]", "os_prefix=b/"), calm},
		{"FilterAllResets", Pi4, false, config("[none]", "os_prefix=b/", "[all]", whole), calm},
		{"FilterNoneHoldsThroughAModel", Pi4, false, config(whole, "[none]", "[pi4]", "os_prefix=b/"), calm},
		{"ModelFiltersReplaceEachOther", Pi4, false, config("[pi3]", "[pi4]", whole), calm},
		{"FiltersOfTwoKindsCombine", Pi4, false, config(whole, "[tryboot]", "[pi4]", "os_prefix=b/"), calm},
		{"FilterTrybootHolds", Pi4, true, map[string]string{"tryboot.txt": whole + "\n[tryboot]\nkernel_watchdog_timeout=60"},
			with(a, func(r *result) { r.Config = "tryboot.txt" })},
		{"FilterTrybootDoesNotHold", Pi4, false, config(whole, "[tryboot]", "os_prefix=b/"), calm},
		{"FilterOfASerialNumber", Pi4, false, config(whole, "[0x12345678]", "os_prefix=b/"), calm},
		{"FilterOfAMonitor", Pi4, false, config(whole, "[EDID=VSC-TD2220]", "os_prefix=b/"),
			with(calm, func(r *result) { r.Notes = "the filter [EDID=VSC-TD2220] is taken as one that does not hold" })},
		{"FilterLeftOpen", Pi4, false, config(whole, "[pi3", "enable_uart=1"),
			with(calm, func(r *result) { r.Notes = `not a filter: "[pi3"` })},

		{"IncludeByTheFirmware", Pi4, false, merge(config("include more.txt", "kernel=vmlinuz.gz"), map[string]string{"more.txt": "os_prefix=a/"}), calm},
		{"IncludeIsNotNested", Pi4, false, merge(config("include more.txt", whole), map[string]string{"more.txt": "include again.txt"}),
			with(calm, func(r *result) { r.Notes = "include again.txt is not supported" })},
		{"IncludeOfNoFile", Pi4, false, config("include more.txt", whole), with(calm, func(r *result) { r.Notes = "include more.txt: open" })},
		{"IncludeOnThePi5", Pi5, false, merge(config("include more.txt", whole), map[string]string{"more.txt": "os_prefix=b/"}),
			with(calm, func(r *result) { r.DeviceTree, r.Notes = "a/bcm2712-rpi-5-b.dtb", "include more.txt is not supported" })},
		{"AutobootMakesTheSwitch", Pi4, true, map[string]string{"autoboot.txt": "[all]\ntryboot_a_b=1\nboot_partition=1\n"}, a},
		{"AutobootIsReadUpTo512Bytes", Pi4, true, map[string]string{"autoboot.txt": strings.Repeat("#\n", 256) + "tryboot_a_b=1\n"}, b},
		{"EEPROMWouldBeUpdated", Pi4, false, map[string]string{"pieeprom.upd": "e"}, with(a, func(r *result) { r.Notes = "would update the EEPROM" })},
		{"StartFileNamed", Pi4, false, merge(config(whole, "start_file=s.elf", "fixup_file=f.dat"), map[string]string{"s.elf": "s", "f.dat": "f", "start4.elf": ""}), calm},
		{"StartX", Pi4, false, merge(config(whole, "start_x=1"), map[string]string{"start4x.elf": "s", "fixup4x.dat": "f", "start4.elf": ""}), calm},
		{"StartDebug", Pi3, false, merge(config(whole, "start_debug=1"), map[string]string{"start_db.elf": "s", "fixup_db.dat": "f", "start.elf": ""}),
			with(calm, func(r *result) { r.DeviceTree = "a/bcm2710-rpi-3-b.dtb" })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			boot, err := Load(card(tt.changes), tt.board, tt.tryboot)
			if err != nil {
				t.Fatal(err)
			}
			got := result{boot.Config, boot.Prefix, string(boot.Kernel), boot.DeviceTree, boot.Overlays, boot.CommandLine, boot.Watchdog, strings.Join(boot.Notes, "\n")}
			if tt.want.Notes != "" && strings.Contains(got.Notes, tt.want.Notes) {
				got.Notes = tt.want.Notes
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("boot (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheBoardStandsStill(t *testing.T) {
	for _, tt := range []struct {
		name    string
		board   Board
		tryboot bool
		changes map[string]string
		want    ErrorPattern // its reason as it begins
	}{
		{"NoBootcode", Pi3, false, map[string]string{"bootcode.bin": ""}, ErrorPattern{0, 3, "bootcode.bin is missing"}},
		{"NoStart", Pi3, false, map[string]string{"start.elf": ""}, ErrorPattern{0, 4, "start.elf is missing"}},
		{"NoStart4", Pi4, false, map[string]string{"start4.elf": ""}, ErrorPattern{0, 4, "start4.elf is missing"}},
		{"NoFixup", Zero2W, false, map[string]string{"fixup.dat": ""}, ErrorPattern{0, 4, "fixup.dat, which belongs to start.elf, is missing"}},
		{"NoConfigOnThePi5", Pi5, false, map[string]string{"config.txt": ""}, ErrorPattern{0, 4, "the partition has no config.txt"}},
		{"NoConfig", Pi4, false, map[string]string{"config.txt": ""}, ErrorPattern{0, 7, "no kernel is found"}},
		{"NoConfigAndIn32BitMode", Pi3, false, map[string]string{"config.txt": ""}, ErrorPattern{0, 3, "the 64-bit kernel would be started in 32-bit mode"}},
		{"SwitchedTo32Bit", Pi4, false, config(whole, "arm_64bit=0"), ErrorPattern{0, 3, "the 64-bit kernel would be started in 32-bit mode"}},
		{"NoKernel", Pi4, false, map[string]string{"a/vmlinuz.gz": ""}, ErrorPattern{0, 7, "no kernel is found (kernel=vmlinuz.gz, os_prefix=a/)"}},
		{"NoKernelToBeTried", Pi4, true, map[string]string{"b/vmlinuz.gz": ""}, ErrorPattern{0, 7, "no kernel is found (kernel=vmlinuz.gz, os_prefix=b/)"}},
		{"NoDeviceTree", Pi4, false, map[string]string{"a/bcm2711-rpi-4-b.dtb": "", "vmlinuz.gz": "shared"}, ErrorPattern{0, 3, "no device tree is found"}},
		{"AnotherPartition", Pi4, true, map[string]string{"autoboot.txt": "[all]\nboot_partition=1\n[tryboot]\nboot_partition=3\n"}, ErrorPattern{0, 3, "autoboot.txt wants partition 3"}},
		{"PrefixThatLeadsOut", Pi4, false, config("kernel=vmlinuz.gz", "os_prefix=../a/"), ErrorPattern{0, 7, "no kernel is found"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(card(tt.changes), tt.board, tt.tryboot)
			var got *ErrorPattern
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want a board that stands still", err)
			}
			if strings.HasPrefix(got.Reason, tt.want.Reason) {
				got.Reason = tt.want.Reason
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("pattern (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImage(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte("an image")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		kernel []byte
		want   string
		err    string
	}{
		{"NotPacked", []byte("an image"), "an image", ""},
		{"PackedAsTheSignatureSays", packed.Bytes(), "an image", ""},
		{"CutShort", packed.Bytes()[:packed.Len()-9], "", "the board stands still (0 long and 3 short flashes): unpacking a/vmlinuz.gz: unexpected EOF"},
		{"SignatureOnly", []byte{0x1f, 0x8b}, "", "the board stands still (0 long and 3 short flashes): a/vmlinuz.gz: unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Boot{Kernel: tt.kernel, KernelFile: "a/vmlinuz.gz"}.Image()
			if string(got) != tt.want || tt.err == "" != (err == nil) || err != nil && err.Error() != tt.err {
				t.Errorf("got %q, %v, want %q, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestTryboot(t *testing.T) {
	for argument, want := range map[string]bool{
		"0 tryboot": true, "1 tryboot": true, " 0  tryboot ": true,
		"": false, "tryboot": false, "0": false, "0 trybootx": false, "x tryboot": false, "0 tryboot now": false, "-1 tryboot": false,
	} {
		if got := Tryboot(argument); got != want {
			t.Errorf("%q: got %v, want %v", argument, got, want)
		}
	}
}

// FuzzLoad: no configuration makes the model panic, lead out of the partition or
// say both that it boots and that it stands still.
func FuzzLoad(f *testing.F) {
	f.Add(whole, "", false)
	f.Add("[pi4]\nkernel=/vmlinuz.gz\n[none]\nos_prefix=../", "[all]\ntryboot_a_b=1", true)
	f.Add("include config.txt\nkernel_watchdog_timeout=0x7fffffff\n[board-type=0x11]", "boot_partition=2", true)
	f.Add(strings.Repeat("x", 99)+"\n[EDID=", "", false)
	f.Fuzz(func(t *testing.T, config, autoboot string, tryboot bool) {
		for _, board := range Boards {
			files := card(map[string]string{"config.txt": config, "autoboot.txt": autoboot, "more.txt": config})
			boot, err := Load(files, board, tryboot)
			if err != nil {
				var pattern *ErrorPattern
				if !errors.As(err, &pattern) || pattern.Short == 0 {
					t.Errorf("%s: got %v", board.Name, err)
				}
				continue
			}
			for _, name := range []string{boot.KernelFile, boot.DeviceTree} {
				if _, err := fs.Stat(files, name); err != nil {
					t.Errorf("%s: it boots with a file that is not there: %v", board.Name, err)
				}
			}
			if boot.Watchdog < 0 || boot.Watchdog > 0 != strings.HasSuffix(boot.CommandLine, fmt.Sprintf("watchdog.open_timeout=%d", boot.Watchdog/time.Second)) {
				t.Errorf("%s: watchdog %v with the command line %q", board.Name, boot.Watchdog, boot.CommandLine)
			}
		}
	})
}
