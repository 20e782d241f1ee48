package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestExpandParams(t *testing.T) {
	file := filepath.Join(t.TempDir(), "params")
	if err := os.WriteFile(file, []byte("--a=1\n# not a comment\n  --b= x \n@nested\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := ExpandParams([]string{"--first=1", "@" + file, "--last=1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--first=1", "--a=1", "# not a comment", "  --b= x ", "@nested", "--last=1"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReportPrintsEveryHintOnce(t *testing.T) {
	err := fmt.Errorf("outer: %w", errors.Join(
		Hint(errors.New("one"), "do this"), Hint(errors.New("two"), "do this"), Hint(errors.New("three"), "do that")))
	var out bytes.Buffer
	Report(&out, "tool", err)
	want := "tool: error: outer: one\ntool:        two\ntool:        three\ntool: hint: do this\ntool: hint: do that\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestParseIsStrict(t *testing.T) {
	for _, c := range []struct {
		summary string
		args    []string
		want    string
	}{
		{"an unknown flag", []string{"--nope=1"}, "flag provided but not defined: -nope"},
		{"a positional argument", []string{"--out=x", "y"}, `unexpected argument "y"`},
		{"a missing flag", nil, "missing flag --out"},
		{"all is well", []string{"--out=x"}, "<nil>"},
	} {
		fs := NewFlagSet("tool")
		fs.String("out", "", "")
		if got := fmt.Sprint(Parse(fs, c.args, "out")); got != c.want {
			t.Errorf("%s: got %q, want %q", c.summary, got, c.want)
		}
	}
}
