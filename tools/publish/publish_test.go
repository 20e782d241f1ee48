package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/verdict"
)

// workspace is a workspace with an image and a registry.
type workspace struct {
	t                       *testing.T
	dir, registry           string
	target                  target
	layout, digest, digest2 string
}

func newWorkspace(t *testing.T) *workspace {
	w := &workspace{t: t, dir: t.TempDir(), registry: serve(t) + "/folder"}
	w.layout = filepath.Join(w.dir, "layout")
	w.digest = writeLayout(t, w.layout)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w.target = target{
		Schema: 1, Label: "//variants/tool:r_push", Name: "tool", Release: "r", Layout: w.layout, Pusher: self, Digests: "r/digests.json",
		Tags:  []string{"latest", "latest-r"},
		Tests: map[string][]string{"amd64": {"//variants/tool:r_amd64_test"}, "arm64": {"//variants/tool:r_arm64_test"}},
	}
	t.Setenv("FAKE_PUSHER", w.layout)
	t.Setenv("BUILD_WORKSPACE_DIRECTORY", w.dir)
	t.Setenv("PUBLISH_TARGET", filepath.Join(w.dir, "target.json"))
	t.Setenv("SLIMRPM_REGISTRY", "")
	t.Setenv("DOCKER_CONFIG", w.dir)
	if err := os.Mkdir(filepath.Join(w.dir, "r"), 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

// run runs a verb and returns the error as a user sees it.
func (w *workspace) run(verb string, args ...string) string {
	w.t.Helper()
	w.target.Verb = verb
	w.target.Label = "//variants/tool:r_" + verb
	data, err := json.Marshal(w.target)
	if err == nil {
		err = os.WriteFile(os.Getenv("PUBLISH_TARGET"), data, 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	var out strings.Builder
	if err := run(append([]string{"--registry=" + w.registry}, args...)); err != nil {
		cli.Report(&out, "publish", err)
	}
	return strings.NewReplacer(w.registry, "REGISTRY", w.dir, "DIR").Replace(out.String())
}

// named asks the registry what a tag names.
func (w *workspace) named(tag string) string {
	w.t.Helper()
	ref, err := name.ParseReference(w.registry + "/tool:" + tag)
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := remote.Head(ref)
	if err != nil {
		return ""
	}
	return d.Digest.String()
}

// pass lets a test leave its verdict behind.
func (w *workspace) pass(arch, digest string, checks int) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "bazel-testlogs/variants/tool/r_"+arch+"_test/test.outputs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := verdict.Write(dir, verdict.Verdict{Test: "//variants/tool:r_" + arch + "_test", Digest: digest, Arch: arch, Checks: checks}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workspace) digests() string {
	data, _ := os.ReadFile(filepath.Join(w.dir, "r/digests.json"))
	return string(data)
}

func (w *workspace) demand(got string, want ...string) {
	w.t.Helper()
	for _, line := range want {
		if !strings.Contains(got, line) {
			w.t.Errorf("got\n%s\nwant a line with\n%s", got, line)
		}
	}
	if len(want) == 0 && got != "" {
		w.t.Errorf("got\n%s", got)
	}
}

const day = "--date=2026-11-27"

func TestPushAndPromote(t *testing.T) {
	w := newWorkspace(t)
	tag := "2026-11-27-" + w.digest[7:19]

	w.demand(w.run("promote"), "error: r/digests.json says nothing about a push of tool", "hint: bazel run //variants/tool:r_push")
	w.demand(w.run("push", day))
	if w.named(tag) != w.digest || w.named("latest") != "" {
		t.Errorf("after the push %s names %q, latest %q; want %s and nothing", tag, w.named(tag), w.named("latest"), w.digest)
	}
	w.demand(w.digests(), `"candidate": {`, `"tag": "`+tag+`"`, `"repository": "`+w.registry+`/tool"`)
	w.demand(w.run("push", day)) // again

	// Nothing has passed, then one architecture, then the other for another image.
	refused := w.run("promote")
	w.demand(refused, "promoting tool: the tests of all architectures must have passed first:", "//variants/tool:r_amd64_test has not passed: it left no passed.json",
		"//variants/tool:r_arm64_test has not passed", "hint: bazel test //variants/tool:r_amd64_test //variants/tool:r_arm64_test")
	w.pass("amd64", w.digest, 9)
	if text := w.run("promote"); !strings.Contains(text, "arm64_test has not passed") || strings.Contains(text, "amd64_test has not passed") {
		t.Errorf("with one architecture: %s", text)
	}
	w.pass("arm64", "sha256:other", 9)
	w.demand(w.run("promote"), "//variants/tool:r_arm64_test has passed for sha256:other, not for "+w.digest)
	w.pass("arm64", w.digest, 0)
	w.demand(w.run("promote"), "//variants/tool:r_arm64_test has made 0 checks for arm64, want some for arm64")
	if w.named("latest") != "" || strings.Contains(w.digests(), "latest") {
		t.Error("latest has moved without tests")
	}

	w.pass("arm64", w.digest, 9)
	w.demand(w.run("promote"))
	for _, moving := range []string{"latest", "latest-r"} {
		if got := w.named(moving); got != w.digest {
			t.Errorf("%s names %q, want %s", moving, got, w.digest)
		}
	}
	w.demand(w.digests(), `"digest": "`+w.digest+`"`, `"latest-r"`, `"arm64": "sha256:`)
	if strings.Contains(w.digests(), "candidate") {
		t.Error("the promoted image is still a candidate")
	}
	w.demand(w.run("promote")) // again
}

// TestNextImage pushes a second image: latest stays until it is promoted.
func TestNextImage(t *testing.T) {
	w := newWorkspace(t)
	w.demand(w.run("push", day))
	w.pass("amd64", w.digest, 1)
	w.pass("arm64", w.digest, 1)
	w.demand(w.run("promote"))
	first := w.digest
	if err := os.RemoveAll(w.layout); err != nil {
		t.Fatal(err)
	}
	w.digest = writeLayout(t, w.layout)
	w.demand(w.run("promote"), "tool is "+w.digest+" now, and what was pushed is "+first, "hint: bazel run //variants/tool:r_push")
	w.demand(w.run("push", "--date=2026-11-28"))
	w.demand(w.run("promote"), "has passed for "+first+", not for "+w.digest)
	if w.named("latest") != first {
		t.Error("latest has moved by a push")
	}
	w.demand(w.digests(), `"digest": "`+first+`"`, `"candidate": {`, `"digest": "`+w.digest+`"`)
	w.pass("amd64", w.digest, 1)
	w.pass("arm64", w.digest, 1)
	w.demand(w.run("promote"))
	if w.named("latest") != w.digest || w.named("2026-11-27-"+first[7:19]) != first {
		t.Error("after the second promotion the tags are wrong")
	}
}

func TestImmutableTag(t *testing.T) {
	w := newWorkspace(t)
	// Somebody has taken the tag for something else.
	other := filepath.Join(w.dir, "other")
	otherDigest := writeLayout(t, other)
	tag := "2026-11-27-" + w.digest[7:19]
	if err := fakePush(other, []string{"--repository", w.registry + "/tool", "--tag", tag}); err != nil {
		t.Fatal(err)
	}
	w.demand(w.run("push", day), "error: tag REGISTRY/tool:"+tag+" names "+otherDigest+" already, and this image is "+w.digest+": an immutable tag never moves", "hint: somebody has set the tag by hand")
	if w.named(tag) != otherDigest || w.digests() != "" {
		t.Error("the refused push has left something behind")
	}
}

func TestMovedTagIsNotPromoted(t *testing.T) {
	w := newWorkspace(t)
	w.demand(w.run("push", day))
	w.pass("amd64", w.digest, 1)
	w.pass("arm64", w.digest, 1)
	other := filepath.Join(w.dir, "other")
	writeLayout(t, other)
	if err := fakePush(other, []string{"--repository", w.registry + "/tool", "--tag", "2026-11-27-" + w.digest[7:19]}); err != nil {
		t.Fatal(err)
	}
	w.demand(w.run("promote"), "somebody has moved or deleted it")
	if w.named("latest") != "" {
		t.Error("latest has moved")
	}
}

func TestRefuses(t *testing.T) {
	w := newWorkspace(t)
	for _, row := range []struct {
		summary, verb string
		args          []string
		want          string
	}{
		{"no date", "push", nil, "error: --date= is no date"},
		{"a date that does not exist", "push", []string{"--date=2026-02-30"}, "hint: bazel run //variants/tool:r_push -- --date=$(date -u +%F)"},
		{"a date for promote", "promote", []string{day}, "flag provided but not defined: -date"},
		{"no registry", "push", []string{day, "--registry="}, "hint: bazel run //variants/tool:r_push -- --registry=HOST/FOLDER, or set SLIMRPM_REGISTRY"},
		{"a registry that is no name", "push", []string{day, "--registry=UPPER CASE"}, "--registry=UPPER CASE: "},
		{"a registry that does not answer", "push", []string{day, "--registry=127.0.0.1:1"}, "hint: is 127.0.0.1:1 the registry?"},
		{"an unknown verb", "pull", nil, `unknown verb "pull"`},
	} {
		t.Run(row.summary, func(t *testing.T) { w.demand(w.run(row.verb, row.args...), row.want) })
	}
	t.Run("a pusher that fails", func(t *testing.T) {
		w.target.Pusher = "/bin/false"
		w.demand(w.run("push", day), "with /bin/false: exit status 1")
	})
	t.Run("digests of another release", func(t *testing.T) {
		os.WriteFile(filepath.Join(w.dir, "r/digests.json"), []byte(`{"schema": 1, "release": "other", "images": []}`), 0o644)
		w.demand(w.run("promote"), "reading digests DIR/r/digests.json: it is of release other, want r")
	})
	t.Run("a moving tag that looks immutable", func(t *testing.T) {
		w.target.Tags = []string{"2026-11-27-0123456789ab"}
		w.demand(w.run("promote"), `"2026-11-27-0123456789ab" cannot be a moving tag`)
	})
	t.Run("a layout of one image", func(t *testing.T) {
		w.target.Layout = t.TempDir()
		w.demand(w.run("push", day), "reading image layout ")
	})
}
