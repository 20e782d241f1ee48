package smoke

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/verdict"
)

// ended is a test that has ended in some way; it runs its cleanups when it is told to.
type ended struct {
	testing.TB
	failed, skipped bool
	cleanups        []func()
}

func (e *ended) Failed() bool     { return e.failed }
func (e *ended) Skipped() bool    { return e.skipped }
func (e *ended) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

func TestVerdict(t *testing.T) {
	dir, layout := t.TempDir(), t.TempDir()
	t.Setenv("TEST_UNDECLARED_OUTPUTS_DIR", filepath.Join(dir, "x/x_test/test.outputs"))
	t.Setenv("TEST_TARGET", "//x:x_test")
	if err := os.MkdirAll(os.Getenv("TEST_UNDECLARED_OUTPUTS_DIR"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(layout, "index.json"), []byte(`{"manifests": [{"digest": "sha256:1"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	var v verdicts
	begin := func(failed, skipped bool) *ended {
		e := &ended{TB: t, failed: failed, skipped: skipped}
		v.watch(e, layout, "arm64")
		return e
	}
	left := func() *verdict.Verdict {
		got, err := verdict.Read(dir, "//x:x_test")
		if err != nil {
			return nil
		}
		return got
	}
	first, second := begin(false, false), begin(false, true)
	first.cleanups[0]()
	if left() != nil {
		t.Error("there is a verdict while a test is running")
	}
	second.cleanups[0]()
	want := verdict.Verdict{Schema: 1, Test: "//x:x_test", Digest: "sha256:1", Arch: "arm64", Checks: 1, Skipped: 1}
	if got := left(); got == nil || *got != want {
		t.Errorf("the verdict is %+v, want %+v", got, want)
	}
	third := begin(true, false)
	if left() != nil {
		t.Error("the verdict stays although another test has begun, which may kill the process")
	}
	third.cleanups[0]()
	begin(false, false).cleanups[0]()
	if left() != nil {
		t.Error("there is a verdict although a test has failed")
	}
}
