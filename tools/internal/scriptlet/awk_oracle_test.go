package scriptlet

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// awkDiffers are parts of command lines of testdata/awk.txt in which one awk does not do what all others do.
var awkDiffers = map[string]map[string]string{
	"mawk":         {`substr("hello", -1, 3)`: "counts the length from before the start"},
	"original-awk": {`-Ft`: "a tab"},
	"busybox": {
		"gsub(/x*/": "replaces the nothing behind a match", `RS = ""`: "splits one more piece off the end", `"none"`: "takes the empty field for no text",
		"^": "it was built without mathematics", `%*d`: "no width from an argument", "/none": "status 1 for an error", "$(-1)": "likewise",
	},
}

// TestAgainstAwk lets every awk of the machine run the same command lines: arguments, a tab, the input.
func TestAgainstAwk(t *testing.T) {
	bash := needBash(t)
	lines := strings.Split(readTestdata(t, "awk.txt"), "\n")
	found := 0
	for _, name := range []string{"mawk", "gawk", "original-awk", "busybox"} {
		real, err := exec.LookPath(name)
		if err != nil {
			t.Logf("no %s on this machine; not checked: our awk against it", name)
			continue
		}
		found++
		t.Run(name, func(t *testing.T) { compareAwk(t, bash, name, real, lines) })
	}
	if found == 0 {
		t.Skip("no awk on this machine; not checked: ours against it")
	}
}

func compareAwk(t *testing.T, bash, name, real string, lines []string) {
	dir := t.TempDir()
	shim := "#!/bin/sh\nexec " + real + " \"$@\"\n"
	if name == "busybox" {
		shim = "#!/bin/sh\nexec " + real + " awk \"$@\"\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "awk"), []byte(shim), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		script, in, _ := strings.Cut(line, "\t")
		in = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(in)
		if before, program, ok := strings.Cut(script, `'\n`); ok || strings.HasPrefix(script, "awk '#") {
			if !ok {
				before, program = "", script
			} else {
				before += "'\n"
			}
			script = before + strings.ReplaceAll(program, `\n`, "\n")
		}
		want, wantStatus := judge(t, bash, "PATH="+dir+":$PATH\n"+script, in)
		got, status := runHere(t, script, in)
		if (got != want || status != wantStatus) && !isKnown(name, script) {
			t.Errorf("%s on %q\n--- ours, status %d\n%s--- %s, status %d\n%s", script, in, status, got, name, wantStatus, want)
		}
	}
	t.Logf("%d command lines", len(lines))
}

func isKnown(name, script string) bool {
	for part := range awkDiffers[name] {
		if strings.Contains(script, part) {
			return true
		}
	}
	return false
}
