//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hems types a command to the appliance that runs.
func (u *under) hems(args ...string) string {
	u.t.Helper()
	cmd := exec.Command(binary(u.t, "hems"), args...)
	cmd.Env = os.Environ()
	for _, key := range []string{"HEMS_URL", "HEMS_USER", "HEMS_PASSWORD"} {
		cmd.Env = append(cmd.Env, key+"="+u.env[key])
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		u.t.Fatalf("hems %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// mosquitto runs one of Mosquitto's clients against the port with TLS, and tells
// what it printed of the conversation.
func (u *under) mosquitto(program string, args ...string) (string, error) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), 20*time.Second)
	defer cancel()
	all := append([]string{"-V", "5", "-h", "localhost", "-p", u.env["MQTT_TLS_PORT"], "--cafile", filepath.Join(u.dir, "pki", "ca.crt"), "-d"}, args...)
	out, err := exec.CommandContext(ctx, program, all...).CombinedOutput()
	return string(out), err
}

// TestADeviceGetsAUser gives a device a user and a certificate, takes both away
// again, and looks at what it can do through real clients.
func TestADeviceGetsAUser(t *testing.T) {
	if out, err := exec.Command("../../.ci/need", "mosquitto_pub=mosquitto-clients").CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	u := run(t, tempDir(t), portBase(t))
	password := filepath.Join(u.dir, "plug-password")
	if err := os.WriteFile(password, []byte("of the plug\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.hems("mqtt", "user", "add", "plug", "-role", "device", "-mqtt-password-file", password)
	u.hems("mqtt", "user", "certificate", "plug", "-o", u.dir)
	byPassword := []string{"-u", "plug", "-P", "of the plug"}
	byCertificate := []string{"--cert", filepath.Join(u.dir, "plug.crt"), "--key", filepath.Join(u.dir, "plug.key")}
	for name, who := range map[string][]string{"password": byPassword, "certificate": byCertificate} {
		u.eventually("signing in with the "+name, func() error {
			out, err := u.mosquitto("mosquitto_pub", append(who, "-q", "1", "-t", "plug/status", "-m", "{}")...)
			if err != nil || !strings.Contains(out, "CONNACK (0)") {
				return fmt.Errorf("%v: %s", err, out)
			}
			return nil
		})
		out, _ := u.mosquitto("mosquitto_pub", append(who, "-q", "1", "-t", "zigbee2mqtt/lamp/set", "-m", "{}")...)
		if !strings.Contains(out, "RC:135") {
			t.Errorf("with the %s, a device may speak for others:\n%s", name, out)
		}
	}
	if out, err := u.mosquitto("mosquitto_pub", "-u", "plug", "-P", "another", "-t", "plug/x", "-m", "x"); err == nil {
		t.Errorf("with any password:\n%s", out)
	}

	ended := make(chan string, 2)
	for _, who := range [][]string{byPassword, byCertificate} {
		go func() {
			out, _ := u.mosquitto("mosquitto_sub", append(who, "-t", "plug/#", "-E", "-W", "15")...)
			if strings.Contains(out, "SUBACK") { // it was in
				out, _ = u.mosquitto("mosquitto_sub", append(who, "-t", "plug/#", "-W", "15")...)
			}
			ended <- out
		}()
	}
	time.Sleep(2 * time.Second) // they are in, or it is seen below that they were not
	u.hems("mqtt", "user", "remove", "plug")
	for range 2 {
		if out := <-ended; !strings.Contains(out, "DISCONNECT (135)") {
			t.Errorf("a client of the removed user was not told to go:\n%s", out)
		}
	}
	for name, who := range map[string][]string{"password": byPassword, "certificate": byCertificate} {
		u.eventually("being refused with the "+name, func() error {
			if _, err := u.mosquitto("mosquitto_pub", append(who, "-t", "plug/x", "-m", "x")...); err == nil {
				return errors.New("it signs in")
			}
			return nil
		})
	}
}
