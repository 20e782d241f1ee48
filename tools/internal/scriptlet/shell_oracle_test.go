package scriptlet

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// judge runs a script with the bash of the machine.
func judge(t *testing.T, bash, script, in string) (string, int) {
	t.Helper()
	cmd := exec.Command(bash, "-c", script, "/bin/sh", "1")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/sbin:/bin:/usr/sbin:/usr/bin", "LC_ALL=C", "HOME=/"}
	cmd.Stdin = strings.NewReader(in)
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// runHere runs it in a machine with an empty tree.
func runHere(t *testing.T, script, in string) (string, int) {
	t.Helper()
	w := newWorld(t, "/bin/", "/tmp/")
	o := w.Run(&Script{Kind: "post", Program: []string{"/bin/sh"}, Args: []string{"1"}, Stdin: []byte(in), Body: "exec >/tmp/out\n" + script})
	if o.Err != nil {
		return "not covered: " + o.Err.Error() + "\n", -1
	}
	return w.text(t, "/tmp/out"), o.ExitCode
}

func needBash(t *testing.T) string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash on this machine; not checked: the shell against it")
	}
	return bash
}

func readTestdata(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(string(data), "\n")
}

// TestAgainstBash lets bash run the same scripts: output and status must be the same.
func TestAgainstBash(t *testing.T) {
	bash := needBash(t)
	scripts := strings.Split(readTestdata(t, "shell.txt"), "\n----\n")
	for _, script := range scripts {
		want, wantStatus := judge(t, bash, script, "")
		got, status := runHere(t, script, "")
		if got != want || status != wantStatus {
			t.Errorf("%s\n--- ours, status %d\n%s--- bash, status %d\n%s", script, status, got, wantStatus, want)
		}
	}
	t.Logf("%d scripts", len(scripts))
}

// TestAgainstSed lets the sed of the machine run the same command lines: arguments, a tab, the input.
func TestAgainstSed(t *testing.T) {
	bash := needBash(t)
	if out, err := exec.Command("sed", "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), "GNU sed") {
		t.Skip("no GNU sed on this machine; not checked: our sed against it")
	}
	lines := strings.Split(readTestdata(t, "sed.txt"), "\n")
	for _, line := range lines {
		args, in, _ := strings.Cut(line, "\t")
		in = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(in)
		script := "sed " + args
		want, wantStatus := judge(t, bash, script, in)
		got, status := runHere(t, script, in)
		if got != want || status != wantStatus {
			t.Errorf("%s on %q\n--- ours, status %d\n%s--- sed, status %d\n%s", script, in, status, got, wantStatus, want)
		}
	}
	t.Logf("%d command lines", len(lines))
}
