// Package publish tests the targets of rule rpm_publish with a real image, oci_push, docker-registry and skopeo.
package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/publish/registrytest"
)

type workspace struct {
	t             *testing.T
	dir, registry string
}

// run runs a target as `bazel run` does.
func (w *workspace) run(variable string, args ...string) (string, bool) {
	w.t.Helper()
	program := os.Getenv(variable)
	cmd := exec.Command(program, append([]string{"--registry=" + w.registry}, args...)...)
	cmd.Env = append(os.Environ(), "PUBLISH_TARGET="+program+".target.json", "BUILD_WORKSPACE_DIRECTORY="+w.dir, "DOCKER_CONFIG="+w.dir)
	out, err := cmd.CombinedOutput()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		w.t.Fatal(err)
	}
	w.t.Logf("%s %s\n%s", program, strings.Join(args, " "), out)
	return string(out), err == nil
}

func (w *workspace) skopeo(args ...string) string {
	w.t.Helper()
	cmd := exec.Command("skopeo", append([]string{"inspect", "--tls-verify=false"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+w.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("skopeo %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// pass leaves the verdicts that the tests of a target leave when they pass.
func (w *workspace) pass(digest string, archs ...string) {
	w.t.Helper()
	data, err := os.ReadFile(os.Getenv("PROMOTE") + ".target.json")
	if err != nil {
		w.t.Fatal(err)
	}
	var target struct {
		Tests map[string][]string `json:"tests"`
	}
	if err := json.Unmarshal(data, &target); err != nil {
		w.t.Fatal(err)
	}
	for _, arch := range archs {
		if len(target.Tests[arch]) == 0 {
			w.t.Fatalf("the target demands no test for %s", arch)
		}
		for _, label := range target.Tests[arch] {
			dir := filepath.Join(w.dir, "bazel-testlogs", strings.ReplaceAll(strings.TrimPrefix(label, "//"), ":", "/"), "test.outputs")
			text := fmt.Sprintf(`{"schema": 1, "test": %q, "digest": %q, "arch": %q, "checks": 3}`, label, digest, arch)
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "passed.json"), []byte(text), 0o644)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// layoutDigest is the digest of the image that was built.
func layoutDigest(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(os.Getenv("LAYOUT"), "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Manifests []struct {
			Digest string `json:"digest"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(data, &index); err != nil || len(index.Manifests) != 1 {
		t.Fatalf("%v: %s", err, data)
	}
	return index.Manifests[0].Digest
}

func TestPushAndPromote(t *testing.T) {
	if os.Getenv("PUSH") == "" {
		t.Skip("not run by Bazel; not checked: pushing an image (bazel test //rules/e2e/publish:publish_test does)")
	}
	address, err := registrytest.Serve(t)
	if err == nil {
		_, err = exec.LookPath("skopeo")
	}
	if err != nil {
		t.Skipf("%v; not checked: pushing an image (the root of ./bazelw has what it needs)", err)
	}
	w := &workspace{t, t.TempDir(), address + "/slimrpm"}
	if err := os.MkdirAll(filepath.Join(w.dir, "variants/releases/debrpm"), 0o755); err != nil {
		t.Fatal(err)
	}
	digest := layoutDigest(t)
	repository := w.registry + "/nonroot"
	tag := repository + ":2026-11-27-" + digest[7:19]

	if out, ok := w.run("PUSH", "--date=2026-11-27"); !ok || !strings.Contains(out, tag+"\n") {
		t.Fatal("the push has failed")
	}
	if raw := w.skopeo("--raw", "docker://"+tag); fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(raw))) != digest {
		t.Errorf("the tag names another index than %s:\n%s", digest, raw)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if got := w.skopeo("--override-arch="+arch, "--config", "--format={{.Architecture}}/{{.Config.User}}", "docker://"+tag); got != arch+"/65532\n" {
			t.Errorf("the image for %s is %q", arch, got)
		}
	}
	if out, ok := w.run("PROMOTE"); ok || !strings.Contains(out, "the tests of all architectures must have passed first") {
		t.Error("promoted without tests")
	}
	w.pass(digest, "amd64")
	if out, ok := w.run("PROMOTE"); ok || !strings.Contains(out, "arm64_test has not passed") {
		t.Error("promoted with the tests of one architecture")
	}
	if exec.Command("skopeo", "inspect", "--tls-verify=false", "--raw", "docker://"+repository+":latest").Run() == nil {
		t.Error("latest is there without tests")
	}
	w.pass(digest, "amd64", "arm64")
	if _, ok := w.run("PROMOTE"); !ok {
		t.Fatal("not promoted")
	}
	for _, moving := range []string{"latest", "latest-debrpm"} {
		if raw := w.skopeo("--raw", "docker://"+repository+":"+moving); fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(raw))) != digest {
			t.Errorf("%s is not %s", moving, digest)
		}
	}
	data, err := os.ReadFile(filepath.Join(w.dir, "variants/releases/debrpm/digests.json"))
	if err != nil || !strings.Contains(string(data), `"digest": "`+digest+`"`) || !strings.Contains(string(data), `"latest-debrpm"`) {
		t.Errorf("digests.json: %v\n%s", err, data)
	}
	t.Logf("%s", data)
}
