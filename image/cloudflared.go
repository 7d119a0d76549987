package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// cloudflaredPackage is Cloudflare's program, built from its source at the version in
// image/cloudflared/go.mod.
const cloudflaredPackage = "github.com/cloudflare/cloudflared/cmd/cloudflared"

// buildCloudflared leaves cloudflared and its licence in a directory, from where
// config.json takes them onto the card.
func buildCloudflared(ctx context.Context, checkout, dir string, env []string, progress io.Writer) error {
	module := filepath.Join(checkout, "image", "cloudflared")
	list := exec.CommandContext(ctx, "go", "list", "-C", module, "-f", "{{.Module.Version}}\n{{.Module.Dir}}", cloudflaredPackage)
	list.Env = slices.Concat(env, []string{"GOFLAGS="})
	out, err := list.Output()
	version, source, ok := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || !ok {
		return fmt.Errorf("finding cloudflared's source: %w", err)
	}
	build := exec.CommandContext(ctx, filepath.Join(checkout, ".ci", "progress"), "cloudflared", "go", "build", "-C", module, "-v",
		"-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.Version="+version, "-o", filepath.Join(dir, "cloudflared"), cloudflaredPackage)
	build.Env = slices.Concat(env, []string{"GOFLAGS="})
	build.Stdout, build.Stderr = progress, progress
	if err := build.Run(); err != nil {
		return fmt.Errorf("building cloudflared for the card: %w", err)
	}
	licence, err := os.ReadFile(filepath.Join(source, "LICENSE"))
	if err != nil {
		return fmt.Errorf("taking cloudflared's licence along: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "LICENSE"), licence, 0o644)
}
