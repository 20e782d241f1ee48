package apt

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSources(t *testing.T) {
	for _, test := range []struct {
		sentence, file, content, want string
	}{
		{"a machine with the same release", "debian.sources",
			"Types: deb deb-src\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\nSigned-By: /k.gpg\n\n" +
				"Types: deb\nURIs: http://m/sec\nSuites: bookworm-security\nComponents: main\n",
			"Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\nArchitectures: amd64 arm64\nSigned-By: /host/k.gpg\n\n" +
				"Types: deb\nURIs: http://m/sec\nSuites: bookworm-security\nComponents: main\nArchitectures: amd64 arm64\n\n"},
		{"a machine on sid, in one line, with options", "x.list",
			"# deb http://no/ sid main\ndeb [ arch=amd64 signed-by=/k.gpg ] http://m/debian sid main # c\ndeb-src http://m/debian sid main\n",
			"Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\nArchitectures: amd64 arm64\nSigned-By: /host/k.gpg\n\n"},
		{"vendors, backports and disabled sources are left alone", "y.sources",
			"Types: deb\nURIs: http://v/\nSuites: nodistro\nComponents: main\n\nTypes: deb\nURIs: http://m/\nSuites: bookworm-backports\nComponents: main\n\n" +
				"Enabled: no\nTypes: deb\nURIs: http://m/\nSuites: bookworm\nComponents: main\n", ""},
		{"other file names are not read", "z.list.disabled", "deb http://m/debian sid main\n", ""},
		{"an inline key", "k.sources", "Types: deb\nURIs: http://m/\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN\n .\n abc\n",
			"Types: deb\nURIs: http://m/\nSuites: bookworm bookworm-updates\nComponents: main\nArchitectures: amd64 arm64\nSigned-By: -----BEGIN\n .\n abc\n\n"},
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "sources.list.d"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "sources.list.d", test.file), []byte(test.content), 0o644); err != nil {
			t.Fatal(err)
		}
		sources, err := ReadSources(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(ForSuite(sources, "bookworm"), "/host", Architectures); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", test.sentence, got, test.want)
		}
	}
}
