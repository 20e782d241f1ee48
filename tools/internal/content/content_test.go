package content

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// file is an entry of a tar for tests.
type file struct {
	name string
	typ  byte
	data string // contents, or the target of a link
	mode int64
}

func makeTar(t *testing.T, files ...file) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: f.typ, Mode: f.mode, Uid: 1000, Uname: "builder"}
		if f.typ == 0 || f.typ == tar.TypeReg {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(f.data))
		} else {
			h.Linkname = f.data
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(f.data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// specOf is a spec with an archive; change may be nil.
func specOf(t *testing.T, archive []byte, change func(*Spec)) *Spec {
	t.Helper()
	name := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(name, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Spec{Schema: Schema, Label: "//x:sdk", Name: "sdk", Version: "1.0", PURL: "pkg:generic/sdk@1.0", License: "MIT",
		Updates: map[string]string{"kind": "built"}, Archive: &Archive{Source: name, Digest: digestOf(archive), Prefix: "/opt/sdk", StripPrefix: "sdk"}}
	if change != nil {
		change(s)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadSpec(bytes.NewReader(data), "spec.json")
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// build returns one line per file with its contents, and the payload.
func build(t *testing.T, s *Spec) (string, *Index, error) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "payload.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	x, err := Build(s, out)
	if err != nil {
		return "", nil, err
	}
	var encoded bytes.Buffer
	if err := Write(&encoded, x); err != nil {
		t.Fatal(err)
	}
	if x, err = Read(&encoded, "content.json"); err != nil {
		t.Fatal(err)
	}
	payload, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range x.Files {
		line := fmt.Sprintf("%s %s %04o", f.Path, f.Type, f.Mode)
		switch f.Type {
		case pkgindex.TypeFile:
			data := payload[f.Offset : f.Offset+f.SizeBytes]
			if digestOf(data) != "sha256:"+f.SHA256 {
				t.Errorf("%s: the payload has other bytes at its offset", f.Path)
			}
			line += fmt.Sprintf(" %q", data)
			if f.HardLinks > 0 {
				line += fmt.Sprintf(" set %d", f.HardLinks)
			}
		case pkgindex.TypeSymlink:
			line += " " + f.LinkTarget
		}
		if f.Interp != "" {
			line += " #!" + f.Interp
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), x, nil
}

const wantTree = `/opt/sdk/bin dir 0755
/opt/sdk/bin/run file 0755 "#!/bin/sh\n" #!/bin/sh
/opt/sdk/lib file 0644 "lib" set 1
/opt/sdk/lib2 file 0644 "lib" set 1
/opt/sdk/link symlink 0777 bin/../lib
/usr/bin/run symlink 0777 /opt/sdk/bin/run`

var someTree = []file{
	{"./sdk/", tar.TypeDir, "", 0o700}, {"./sdk/bin/", tar.TypeDir, "", 0o2777}, {"./sdk/bin/run", 0, "#!/bin/sh\n", 0o6711},
	{"./sdk/lib", 0, "lib", 0o600}, {"./sdk/lib2", tar.TypeLink, "./sdk/lib", 0}, {"./sdk/link", tar.TypeSymlink, "bin/../lib", 0o777},
	{"./sdk/test/data", 0, "x", 0o644}, {"./other", 0, "x", 0o644},
}

func TestFormats(t *testing.T) {
	plain := makeTar(t, someTree...)
	var gz, zst bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write(plain)
	w.Close()
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	z.Write(plain)
	z.Close()
	archives := map[string][]byte{"plain": plain, "gzip": gz.Bytes(), "zstd": zst.Bytes()}
	for _, program := range []string{"xz", "bzip2"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("no %s on this machine: that format is not tried", program)
			continue
		}
		cmd := exec.Command(program, "-c")
		cmd.Stdin = bytes.NewReader(plain)
		if archives[program], err = cmd.Output(); err != nil {
			t.Fatal(err)
		}
	}
	for name, archive := range archives {
		got, x, err := build(t, specOf(t, archive, func(s *Spec) {
			s.Archive.Exclude = []string{"test"}
			s.Symlinks = map[string]string{"/usr/bin/run": "/opt/sdk/bin/run"}
		}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got != wantTree {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, wantTree)
		} else if x.Content.Digest != digestOf(archive) {
			t.Errorf("%s: digest %s", name, x.Content.Digest)
		}
	}
}

// TestGNUTar reads what the real program writes of a tree with links, long names and sparse files.
func TestGNUTar(t *testing.T) {
	program, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar on this machine")
	}
	dir := t.TempDir()
	long := strings.Repeat("long/", 60) + "name"
	for name, data := range map[string]string{"sdk/a": "a", "sdk/" + long: "deep"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "sdk/a"), filepath.Join(dir, "sdk/b")); err != nil {
		t.Fatal(err)
	}
	sparse, err := os.Create(filepath.Join(dir, "sdk/sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sparse.WriteAt([]byte("end"), 1<<20); err != nil {
		t.Fatal(err)
	}
	sparse.Close()
	for _, format := range []string{"gnu", "pax", "posix"} {
		archive, err := exec.Command(program, "--sparse", "--format="+format, "-C", dir, "-c", "sdk").Output()
		if err != nil {
			t.Fatal(err)
		}
		got, x, err := build(t, specOf(t, archive, nil))
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		for _, want := range []string{"/opt/sdk/" + long + ` file 0644 "deep"`, `/opt/sdk/a file 0644 "a" set 1`, `/opt/sdk/b file 0644 "a" set 1`} {
			if !strings.Contains(got+"\n", want+"\n") {
				t.Errorf("%s: no %s in\n%.2000s", format, want, got)
			}
		}
		for _, f := range x.Files {
			if f.Path == "/opt/sdk/sparse" && f.SizeBytes != 1<<20+3 {
				t.Errorf("%s: the sparse file has %d bytes", format, f.SizeBytes)
			}
		}
	}
}

func TestZip(t *testing.T) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, data := range map[string]string{"m@v1/bin/run": "program", "m@v1/LICENSE": "free"} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(data))
	}
	link := &zip.FileHeader{Name: "m@v1/link"}
	link.SetMode(os.ModeSymlink | 0o777)
	f, err := w.CreateHeader(link)
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("LICENSE"))
	w.Close()
	got, _, err := build(t, specOf(t, out.Bytes(), func(s *Spec) {
		s.Archive.StripPrefix, s.Archive.Executable = "m@v1", []string{"bin/*"}
	}))
	want := "/opt/sdk/LICENSE file 0644 \"free\"\n/opt/sdk/bin/run file 0755 \"program\"\n/opt/sdk/link symlink 0777 LICENSE"
	if err != nil || got != want {
		t.Errorf("got\n%s\n%v, want\n%s", got, err, want)
	}
}

// TestModuleHash compares h1: hashes with those that the go command writes into go.sum, for every zip in its module cache up to a bound.
func TestModuleHash(t *testing.T) {
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Skip("no go command, so no module cache to compare with: ", err)
	}
	hashes, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(cache)), "cache/download/*/*/*/@v/*.ziphash"))
	if len(hashes) == 0 {
		t.Skip("the module cache of the go command holds no zip")
	}
	for _, name := range hashes[:min(len(hashes), 20)] {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(strings.TrimSuffix(name, "hash"))
		if err != nil {
			continue
		}
		got, err := moduleHash(f)
		f.Close()
		if err != nil || got != strings.TrimSpace(string(want)) {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		why   string
		files []file
		set   func(*Spec)
		want  string
		hint  string
	}{
		{"another archive", someTree, func(s *Spec) { s.Archive.Digest = "sha256:" + strings.Repeat("0", 64) }, "but the digest given is sha256:0000", "change version and digest together"},
		{"a name with ..", []file{{"sdk/../../etc/passwd", 0, "x", 0o644}}, nil, `the name "sdk/../../etc/passwd" leads out of the archive`, ""},
		{"an absolute name", []file{{"/etc/passwd", 0, "x", 0o644}}, nil, `the name "/etc/passwd" leads out of the archive`, ""},
		{"an absolute link", []file{{"sdk/a/l", tar.TypeSymlink, "/etc/passwd", 0o777}}, nil, "sdk/a/l: its target /etc/passwd is absolute", `exclude = ["a/l"]`},
		{"a link out of the tree", []file{{"sdk/a/l", tar.TypeSymlink, "../../x", 0o777}}, nil, "sdk/a/l: its target ../../x leads out of the archive", `exclude = ["a/l"]`},
		{"a device", []file{{"sdk/null", tar.TypeChar, "", 0o666}}, nil, "sdk/null: a character device", `exclude = ["null"]`},
		{"a FIFO", []file{{"sdk/p", tar.TypeFifo, "", 0o666}}, nil, "sdk/p: a FIFO", `exclude = ["p"]`},
		{"a hard link to what is left out", []file{{"other", 0, "x", 0o644}, {"sdk/l", tar.TypeLink, "other", 0}}, nil, "sdk/l: a hard link to other, which is no file before it", ""},
		{"a path twice", []file{{"sdk/a", 0, "x", 0o644}, {"sdk/a", 0, "y", 0o644}}, nil, "sdk/a: it is there twice", ""},
		{"a file below a file", []file{{"sdk/a", 0, "x", 0o644}, {"sdk/a/b", 0, "y", 0o644}}, nil, "it lies below /opt/sdk/a, which is no directory", ""},
		{"a file below a link", []file{{"sdk/l", tar.TypeSymlink, "a", 0o777}, {"sdk/l/b", 0, "y", 0o644}}, nil, "it lies below /opt/sdk/l, which is no directory", ""},
		{"a wrong strip_prefix", someTree, func(s *Spec) { s.Archive.StripPrefix = "go" }, "nothing of it is taken", "its top level has sdk, other"},
		{"a glob that matches nothing", someTree, func(s *Spec) { s.Archive.Exclude = []string{"tests/**"} }, `nothing matches "tests/**"`, "correct it"},
		{"a link that the archive has", someTree, func(s *Spec) { s.Symlinks = map[string]string{"/opt/sdk/lib": "x"} }, "/opt/sdk/lib: given twice", ""},
	} {
		_, _, err := build(t, specOf(t, makeTar(t, c.files...), c.set))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "content //x:sdk: ") {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		} else if hints := strings.Join(cli.Hints(err), " "); !strings.Contains(hints, c.hint) {
			t.Errorf("%s: hints %q, want %q", c.why, hints, c.hint)
		}
	}
}

// TestBomb: a sparse file of many gigabytes is refused by what its header says.
func TestBomb(t *testing.T) {
	program, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar on this machine")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sdk"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "sdk", "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(8 << 30); err != nil {
		t.Fatal(err)
	}
	f.Close()
	archive, err := exec.Command(program, "--sparse", "-C", dir, "-c", "sdk").Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := build(t, specOf(t, archive, nil)); err == nil || !strings.Contains(err.Error(), "more than 200 times its size") {
		t.Errorf("got %v", err)
	}
}

// TestDamaged cuts and changes an archive everywhere: whatever the digest says, that must be an error or a tree, never a panic.
func TestDamaged(t *testing.T) {
	archive := makeTar(t, someTree...)
	for i := 0; i < len(archive); i += 97 {
		for _, damaged := range [][]byte{archive[:i], append(append(bytes.Clone(archive[:i]), ^archive[i]), archive[i+1:]...)} {
			build(t, specOf(t, damaged, nil))
		}
	}
}

func TestSpecRefused(t *testing.T) {
	const good = `"schema":1,"label":"//x:y","name":"y","version":"1","license":"MIT"`
	files := `,"files":[{"path":"/a","source":"a"}]`
	for _, c := range []struct{ spec, want string }{
		{`{` + good + `,"purl":"pkg:generic/y@2","updates":{"kind":"built"}` + files + `}`, "must be a package URL of version 1, such as pkg:generic/y@1"},
		{`{` + good + `,"purl":"pkg:generic/y@1","updates":{"kind":"magic"}` + files + `}`, `updates: kind "magic": must be one of built, go-module, go-toolchain, manual`},
		{`{` + good + `,"purl":"pkg:generic/y@1","updates":{"kind":"go-toolchain"}` + files + `}`, "updates: kind go-toolchain needs series"},
		{`{` + good + `,"purl":"pkg:generic/y@1","updates":{"kind":"built","url":"x"}` + files + `}`, "updates: kind built has no url"},
		{`{` + good + `,"purl":"pkg:generic/y@1","updates":{"kind":"built"}}`, "neither files nor an archive"},
		{`{` + good + `,"purl":"pkg:generic/y@1","updates":{"kind":"built"},"files":[{"path":"a","source":"a"}]}`, `path "a": not absolute`},
		{`{` + good + `,"purl":"pkg:generic/y@1","updates":{"kind":"built"},"files":[{"path":"/a","source":"a","mode":"99"}]}`, `mode "99"`},
		{`{` + good + `,"purl":"pkg:generic/y@1","updates":{"kind":"built"},"archive":{"source":"a","digest":"md5:1","prefix":"/x"}}`, `digest "md5:1"`},
		{`{` + good + `,"purl":"pkg:generic/y@1","updates":{"kind":"built"},"archive":{"source":"a","digest":"h1:` + strings.Repeat("A", 43) + `=","prefix":"/x","strip_prefix":"../a"}}`, `strip_prefix "../a"`},
	} {
		if _, err := ReadSpec(strings.NewReader(c.spec), "s"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// FuzzArchive reads any bytes as an archive: that must be an error or a tree whose paths stay in the prefix.
func FuzzArchive(f *testing.F) {
	var tarball bytes.Buffer
	w := tar.NewWriter(&tarball)
	w.WriteHeader(&tar.Header{Name: "sdk/a", Typeflag: tar.TypeReg, Size: 1, Mode: 0o755})
	w.Write([]byte("x"))
	w.WriteHeader(&tar.Header{Name: "sdk/l", Typeflag: tar.TypeSymlink, Linkname: "../sdk/a"})
	w.WriteHeader(&tar.Header{Name: "sdk/h", Typeflag: tar.TypeLink, Linkname: "sdk/a"})
	w.Close()
	f.Add(tarball.Bytes())
	var zipped bytes.Buffer
	z := zip.NewWriter(&zipped)
	if member, err := z.Create("sdk/a"); err == nil {
		member.Write([]byte("x"))
	}
	z.Close()
	f.Add(zipped.Bytes())
	f.Fuzz(func(t *testing.T, archive []byte) {
		_, x, err := build(t, specOf(t, archive, nil))
		if err != nil {
			return
		}
		for _, file := range x.Files {
			if !strings.HasPrefix(file.Path, "/opt/sdk/") {
				t.Errorf("%s is outside of the prefix", file.Path)
			}
		}
	})
}
