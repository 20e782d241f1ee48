package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const imageTarget = "//variants:iptables"

var entries = []entry{
	{name: "image: iptables layer from RPM files, " + arch, target: "no demand", ours: imageFromRPMs, peer: dnfInstallRoot},
	{name: "image: iptables layer from cached indexes", target: "no demand", ours: imageFromIndexes, peer: dnfInstallRoot},
	{name: "bazel: no-op build of " + imageTarget, target: "<= 1.5 s", ours: noopBuild, why: "no peer for RPM images can be had here"},
	{name: "bazel: rebuild after one changed label", target: "<= 3 s", ours: labelBuild, why: "no peer for RPM images can be had here"},
}

func noopBuild(e *env) (figure, error) {
	var f figure
	if err := new(figure).measure(e.build()); err != nil { // warm up
		return f, err
	}
	return f, f.measure(e.build())
}

func (e *env) build(flags ...string) *exec.Cmd {
	cmd := exec.Command(e.bazelw, append([]string{"build", "--noshow_progress", imageTarget}, flags...)...)
	cmd.Dir = e.workspace
	return cmd
}

// labelBuild changes one attribute of the image in a BUILD file, builds, and puts the file back.
func labelBuild(e *env) (figure, error) {
	var f figure
	file := filepath.Join(e.workspace, "variants", "iptables", "BUILD.bazel")
	before, err := os.ReadFile(file)
	if err != nil {
		return f, err
	}
	if err := new(figure).measure(e.build()); err != nil {
		return f, err
	}
	changed, err := setLabel(string(before), fmt.Sprint(os.Getpid(), "-", labelSerial()))
	if err != nil {
		return f, err
	}
	if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
		return f, err
	}
	defer os.WriteFile(file, before, 0o644)
	return f, f.measure(e.build())
}
