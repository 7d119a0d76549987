package bridge

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// restartAfter lets the answer go out before the radio is away.
const restartAfter = 500 * time.Millisecond

// requestRestart ends the session with the dongle and begins anew. The process
// stays, and so do the readings that are on MQTT.
func (b *Bridge) requestRestart(ctx context.Context, r request) {
	b.logging(slog.LevelInfo, "the radio is restarted at a request")
	b.answer(r, map[string]any{})
	time.AfterFunc(restartAfter, func() {
		b.post(ctx, func() {
			err := b.long(ctx, b.net.Restart, func(err error) {
				if err != nil {
					b.logging(slog.LevelError, "the radio was not restarted: "+explained(err))
				}
				b.setInfo(b.net.Info())
			})
			if err != nil {
				b.logging(slog.LevelError, fmt.Sprintf("the radio was not restarted: %v", err))
			}
		})
	})
}

// missingRouter is a router that the coordinator does not reach.
type missingRouter struct {
	FriendlyName string `json:"friendly_name"`
	IEEEAddress  string `json:"ieee_address"`
}

func (b *Bridge) requestCoordinatorCheck(ctx context.Context, r request) {
	missing := []missingRouter{}
	b.start(ctx, r, func(ctx context.Context) error {
		list, err := b.net.CoordinatorCheck(ctx)
		for _, e := range list {
			missing = append(missing, missingRouter{IEEEAddress: e.String()})
		}
		return err
	}, func() {
		for i := range missing {
			missing[i].FriendlyName = missing[i].IEEEAddress
			if d, ok := b.find(missing[i].IEEEAddress); ok {
				missing[i].FriendlyName = b.names.name(d.EUI64)
			}
		}
		b.answer(r, map[string]any{"missing_routers": missing})
	}, "check the coordinator")
}

// maxBackup bounds what a backup holds, in bytes before it is packed.
const maxBackup = 32 << 20

// backupFile is a file in a backup.
type backupFile struct {
	name    string
	content []byte
}

// requestBackup answers with a zip archive of what a new appliance would need:
// the network in the open coordinator backup format and our state. The network
// key is in it, as in Zigbee2MQTT's: whoever may publish requests may have it.
func (b *Bridge) requestBackup(ctx context.Context, r request) {
	b.states.remember(b.devices)
	b.states.save()
	var archive bytes.Buffer
	b.start(ctx, r, func(ctx context.Context) error {
		z := zip.NewWriter(&archive)
		backup, err := b.net.Backup(ctx)
		if err != nil {
			return err
		}
		coordinator, err := backup.Encode()
		if err != nil {
			return err
		}
		if err := b.opts.State.Flush(); err != nil {
			return err
		}
		files := []backupFile{{name: "coordinator_backup.json", content: coordinator}}
		for _, path := range []string{b.opts.State.Path(), b.states.path} {
			content, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) { // nothing was learnt so far
				continue
			}
			if err != nil {
				return err
			}
			files = append(files, backupFile{filepath.Base(path), content})
		}
		for _, f := range files {
			if len(f.content) > maxBackup {
				return fmt.Errorf("%s has more than %d bytes", f.name, maxBackup)
			}
			w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: b.now()})
			if err == nil {
				_, err = w.Write(f.content)
			}
			if err != nil {
				return err
			}
		}
		return z.Close()
	}, func() {
		b.answer(r, map[string]any{"zip": base64.StdEncoding.EncodeToString(archive.Bytes())})
	}, "make a backup")
}

// requestAction is for what Zigbee2MQTT calls actions: none is known here.
func (b *Bridge) requestAction(_ context.Context, r request) {
	name, err := r.text("action")
	if err == nil && name == "" {
		err = invalid("'action' is missing")
	}
	if err == nil {
		err = refusal("Invalid action")
	}
	b.fail(r, err)
}

// channelEnergy is how loud it is on a channel.
type channelEnergy struct {
	Channel uint8 `json:"channel"`
	RSSI    int8  `json:"rssi"` // dBm, the loudest that was measured
}

// requestEnergyScan answers how loud it is on each channel:
// {"channels": [{"channel": 11, "rssi": -82}, …]}. The network hears nothing
// for some seconds meanwhile.
func (b *Bridge) requestEnergyScan(ctx context.Context, r request) {
	list := []channelEnergy{}
	b.start(ctx, r, func(ctx context.Context) error {
		all, err := b.net.EnergyScan(ctx)
		for _, c := range all {
			list = append(list, channelEnergy{c.Channel, c.RSSI})
		}
		return err
	}, func() { b.answer(r, map[string]any{"channels": list}) }, "scan the channels")
}

// requestChannel moves the network to {"channel": 15}, as a request for the
// option advanced.channel does.
func (b *Bridge) requestChannel(ctx context.Context, r request) {
	if r.scalar != nil {
		r.fields = map[string]json.RawMessage{"channel": r.scalar}
	}
	n, there, err := r.number("channel", 11, 26)
	if err == nil && !there {
		err = invalid("'channel' is missing")
	}
	if err != nil {
		b.fail(r, err)
		return
	}
	b.start(ctx, r, func(ctx context.Context) error { return b.net.ChangeChannel(ctx, uint8(n)) }, func() {
		b.setInfo(b.net.Info())
		b.answer(r, map[string]any{"channel": int(n)})
	}, fmt.Sprintf("change to channel %v", n))
}
