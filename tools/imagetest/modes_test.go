package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestModes(t *testing.T) {
	rootfs := t.TempDir()
	bin := filepath.Join(rootfs, "usr", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("usr/bin", filepath.Join(rootfs, "bin")); err != nil {
		t.Fatal(err)
	}
	mount := filepath.Join(bin, "mount")
	if err := os.WriteFile(mount, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(mount, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	if err := checkModes(rootfs, map[string]string{"/bin/mount": "4755"}); err != nil {
		t.Error(err)
	}
	err := checkModes(rootfs, map[string]string{"/bin/mount": "0755", "/bin/none": "0755"})
	if err == nil || !strings.Contains(err.Error(), "/bin/mount has mode 4755, want 0755") || !strings.Contains(err.Error(), "bin/none") {
		t.Errorf("got %v", err)
	}
}
