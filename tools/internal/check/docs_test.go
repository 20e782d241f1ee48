package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocs keeps the codes of rules/docs/checks.md equal to those there are, with messages that a tree really gives.
func TestDocs(t *testing.T) {
	page := filepath.Join("..", "..", "..", "rules", "docs", "checks.md")
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const marker = "<!-- codes: UPDATE_DOCS=1 go test ./tools/internal/check -->\n"
	head, _, ok := strings.Cut(string(data), marker)
	if !ok {
		t.Fatalf("%s has no line %s", page, marker)
	}
	want := head + marker + codesPage()
	if want == string(data) {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s is out of date; run: UPDATE_DOCS=1 go test ./tools/internal/check", page)
	}
	if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func codesPage() string {
	var out strings.Builder
	for _, c := range codes {
		for _, x := range examples() {
			if strings.HasPrefix(x.want, c.Code+" ") {
				path := strings.TrimSuffix(strings.Fields(x.want)[1], ":")
				fmt.Fprintf(&out, "\n### %s\n\n%s.\n\n    %s\n\nTo repair it: %s.\n", c.Code, strings.ToUpper(c.Meaning[:1])+c.Meaning[1:],
					strings.ReplaceAll(x.want, "p-1-1", "app-1-1"), inCode(strings.ReplaceAll(c.Fix, "PATH", path)))
				if c.Code != UnusedAllow {
					if f := Check(&x.spec, good(x.entries...))[0]; aboutLibrary(c.Code) {
						path += "#" + f.Soname
					}
					fmt.Fprintf(&out, "To allow it: `\"%s:%s\": \"...\"`%s.\n", c.Code, path, where(c))
				}
				break
			}
		}
	}
	return out.String()
}

func where(c codeInfo) string {
	if c.config {
		return " in `check` of the `rpm_image`"
	}
	return ""
}

// inCode marks what is Starlark in the text of a repair.
func inCode(fix string) string {
	for _, start := range []string{"remove = [", "check = {", "accounts = {", "symlinks = {", "setuid = \"", "user = \"", "dirs or files = {"} {
		at := strings.Index(fix, start)
		if at < 0 {
			continue
		}
		end := at + len(start)
		switch {
		case strings.HasSuffix(start, "\""):
			end += strings.Index(fix[end:], "\"") + 1
		default:
			for depth := 1; depth > 0 && end < len(fix); end++ {
				depth += strings.Count("[{", fix[end:end+1]) - strings.Count("]}", fix[end:end+1])
			}
		}
		fix = fix[:at] + "`" + fix[at:end] + "`" + fix[end:]
	}
	return fix
}
