package smoke

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/verdict"
)

// passes counts the tests of this process that have run the image under test.
var passes verdicts

// verdicts leaves passed.json where Bazel keeps the outputs of tests, as long as no test of the process is running and none has failed:
// a process that dies in a test leaves none.
type verdicts struct {
	mutex           sync.Mutex
	running         int
	passed, skipped int
	failed          bool
}

// watch counts a test that begins to run the image.
func (v *verdicts) watch(t testing.TB, layout, arch string) {
	t.Helper()
	dir := os.Getenv("TEST_UNDECLARED_OUTPUTS_DIR")
	if dir == "" {
		return
	}
	digest, err := verdict.LayoutDigest(layout)
	if err != nil {
		t.Fatal(err)
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.running++
	if err := os.Remove(filepath.Join(dir, verdict.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.mutex.Lock()
		defer v.mutex.Unlock()
		v.count(t)
		if v.running > 0 || v.failed {
			return
		}
		if err := verdict.Write(dir, verdict.Verdict{Test: os.Getenv("TEST_TARGET"), Digest: digest, Arch: arch, Checks: v.passed, Skipped: v.skipped}); err != nil {
			t.Error(err)
		}
	})
}

// count takes a test that ends.
func (v *verdicts) count(t testing.TB) {
	v.running--
	switch {
	case t.Failed():
		v.failed = true
	case t.Skipped():
		v.skipped++
	default:
		v.passed++
	}
}
