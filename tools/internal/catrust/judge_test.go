package catrust

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/mounttest"
)

// writeTree puts a tree, and what Update made, below root.
func writeTree(t *testing.T, root string, tree fstest.MapFS, files ...File) {
	t.Helper()
	for name, f := range tree {
		files = append(files, File{Path: "/" + name, Data: f.Data, Mode: 0o644})
	}
	for _, f := range files {
		at := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if f.Link != "" {
			err = os.Symlink(f.Link, at)
		} else {
			err = os.WriteFile(at, f.Data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// extractor returns a function that runs the real trust(1) on the sources below root.
func extractor(t *testing.T, root string) func(args ...string) string {
	t.Helper()
	const module = "/usr/share/p11-kit/modules/p11-kit-trust.module"
	conf, err := os.ReadFile(module)
	if err != nil {
		t.Skip("no p11-kit trust module on this machine; not checked: stores against trust extract")
	}
	if _, err := exec.LookPath("trust"); err != nil {
		t.Skip("no trust on this machine; not checked: stores against trust extract")
	}
	text := strings.Replace(string(conf), "x-init-reserved:", "x-init-reserved: paths='"+root+LocalSource+":"+root+VendorSource+"' ", 1)
	mine := filepath.Join(t.TempDir(), "module")
	if err := os.WriteFile(mine, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) string {
		out := filepath.Join(t.TempDir(), "out")
		args = append(append([]string{"extract", "--overwrite"}, args...), out)
		mounttest.Over(t, "stores against trust extract", []mounttest.Bind{{From: mine, To: module}}, func() {
			if text, err := exec.Command("trust", args...).CombinedOutput(); err != nil {
				t.Errorf("trust %v: %v\n%s", args, err, text)
			}
		})
		return out
	}
}

// TestTrustExtract compares every store with what the real trust(1) makes of the same sources: generated ones of every kind,
// and those of CentOS 7.
func TestTrustExtract(t *testing.T) {
	root := t.TempDir()
	tree := sources(t)
	// p11-kit reads a directory in the order of the file system, which nobody can foretell: one anchor keeps the bytes comparable.
	for name := range tree {
		if strings.HasPrefix(name, LocalSource[1:]+"/anchors/") && !strings.HasSuffix(name, "/company.pem") {
			delete(tree, name)
		}
	}
	t.Run("generated", func(t *testing.T) { compareWithTrust(t, root, tree) })
	t.Run("unordered", func(t *testing.T) { compareSets(t) })
}

func compareWithTrust(t *testing.T, root string, tree fstest.MapFS) {
	writeTree(t, root, tree)
	trust := extractor(t, root)
	const epoch = 1700000000
	r, err := Update(os.DirFS(root), Options{Layout: LayoutP11Kit, Formats: AllFormats, Time: epoch})
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]File{}
	for _, f := range r.Files {
		ours[f.Path] = f
	}
	for _, c := range []struct {
		path string
		args []string
	}{
		{"pem/tls-ca-bundle.pem", []string{"--format=pem-bundle", "--filter=ca-anchors", "--comment", "--purpose=server-auth"}},
		{"pem/email-ca-bundle.pem", []string{"--format=pem-bundle", "--filter=ca-anchors", "--comment", "--purpose=email"}},
		{"pem/objsign-ca-bundle.pem", []string{"--format=pem-bundle", "--filter=ca-anchors", "--comment", "--purpose=code-signing"}},
		{"openssl/ca-bundle.trust.crt", []string{"--format=openssl-bundle", "--filter=certificates", "--comment"}},
		{"java/cacerts", []string{"--format=java-cacerts", "--filter=ca-anchors", "--purpose=server-auth"}},
		{"edk2/cacerts.bin", []string{"--format=edk2-cacerts", "--filter=ca-anchors", "--purpose=server-auth"}},
	} {
		want, err := os.ReadFile(trust(c.args...))
		if err != nil {
			t.Fatal(err)
		}
		got := ours[p11Store+"/"+c.path].Data
		if c.path == "java/cacerts" {
			want, got = withoutTimes(t, want), withoutTimes(t, got)
		}
		if len(got) == 0 || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, trust makes %d; ours\n%.3000s\ntrust's\n%.3000s", c.path, len(got), len(want), got, want)
		} else {
			t.Logf("%s: %d bytes are those of trust", c.path, len(got))
		}
	}
	dir := trust("--format=pem-directory-hash", "--filter=ca-anchors", "--purpose=server-auth")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, f := range r.Files {
		if strings.HasPrefix(f.Path, p11HashDir+"/") {
			count++
		}
	}
	if count == 0 || count != len(entries) {
		t.Errorf("directory-hash: %d entries, trust makes %d", count, len(entries))
	}
	for _, e := range entries {
		f := ours[p11HashDir+"/"+e.Name()]
		link, _ := os.Readlink(filepath.Join(dir, e.Name()))
		data, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		if f.Link != link || link == "" && !bytes.Equal(f.Data, data) {
			t.Errorf("directory-hash/%s: ours %q -> %q, trust's %q -> %q", e.Name(), f.Data, f.Link, data, link)
		}
	}
}

// compareSets compares labels where several files lie in one directory.
func compareSets(t *testing.T) {
	root := t.TempDir()
	writeTree(t, root, sources(t))
	trust := extractor(t, root)
	s, err := Load(os.DirFS(root), []string{LocalSource, VendorSource}, nil)
	if err != nil {
		t.Fatal(err)
	}
	blocks := func(data []byte) []string {
		var out []string
		for _, b := range strings.Split(string(data), "# ") {
			if b = strings.TrimSpace(b); b != "" {
				out = append(out, b)
			}
		}
		slices.Sort(out)
		return out
	}
	compare := func(what string, got []byte, args ...string) {
		want, err := os.ReadFile(trust(args...))
		if err != nil {
			t.Fatal(err)
		}
		a, b := blocks(got), blocks(want)
		if len(a) == 0 || len(a) != len(b) {
			t.Errorf("%s: %d blocks, trust makes %d", what, len(a), len(b))
		}
		for _, x := range a {
			if !slices.Contains(b, x) {
				t.Errorf("%s: only ours: %s", what, x)
			}
		}
		for _, x := range b {
			if !slices.Contains(a, x) {
				t.Errorf("%s: only trust's: %s", what, x)
			}
		}
	}
	for purpose, name := range map[string]string{ServerAuth: "server-auth", Email: "email", CodeSigning: "code-signing"} {
		anchors, err := s.Anchors(purpose)
		if err != nil {
			t.Fatal(err)
		}
		compare(name, PEMBundle(anchors, true), "--format=pem-bundle", "--filter=ca-anchors", "--comment", "--purpose="+name)
	}
	all, err := OpenSSLBundle(s.All())
	if err != nil {
		t.Fatal(err)
	}
	compare("openssl", all, "--format=openssl-bundle", "--filter=certificates", "--comment")
}

// withoutTimes blanks the times of the entries of a keystore, and drops its seal, which depends on them.
func withoutTimes(t *testing.T, store []byte) []byte {
	t.Helper()
	out := bytes.Clone(store)
	at := 12
	for n := binary.BigEndian.Uint32(out[8:]); n > 0; n-- {
		at += 4
		at += 2 + int(binary.BigEndian.Uint16(out[at:]))
		clear(out[at : at+8])
		at += 8 + 7
		at += 4 + int(binary.BigEndian.Uint32(out[at:]))
	}
	if at+20 != len(out) {
		t.Fatalf("a keystore of %d bytes whose entries end at %d", len(out), at)
	}
	return out[:at]
}

// TestKeytool lets Java list both keystores.
func TestKeytool(t *testing.T) {
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Skip("no keytool on this machine; not checked: that Java reads the keystores")
	}
	s, err := Load(sources(t), []string{LocalSource, VendorSource}, nil)
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := s.Anchors(ServerAuth)
	if err != nil {
		t.Fatal(err)
	}
	jks, err := JKS(anchors, 1700000000)
	if err != nil {
		t.Fatal(err)
	}
	p12, err := PKCS12(anchors)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"jks": jks, "pkcs12": p12} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(keytool, "-J-Xshare:auto", "-J-XX:TieredStopAtLevel=1", "-J-Duser.language=en", "-list", "-keystore", file, "-storepass", StorePassword).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if n := strings.Count(string(out), "trustedCertEntry"); n != len(anchors) || !strings.Contains(string(out), "twice(a/b)-1") {
			t.Errorf("%s: keytool sees %d of %d entries:\n%s", name, n, len(anchors), out)
		}
	}
}

// TestUpdateCACertificates compares with Debian's own program: the bundle, the links, and what a second run removes.
func TestUpdateCACertificates(t *testing.T) {
	program, err := exec.LookPath("update-ca-certificates")
	if err != nil { // not on the PATH of every user
		program, err = exec.LookPath("/usr/sbin/update-ca-certificates")
	}
	if err != nil {
		t.Skip("no update-ca-certificates on this machine; not checked: Debian's stores")
	}
	root := t.TempDir()
	cert := func(cn string) []byte { return EncodePEM(newCert(t, rawName(t, 12, cn))) }
	same := newCert(t, rawName(t, 12, "Same"))
	other := newCert(t, rawName(t, 12, "Same"))
	bad := cert("Bad")
	tree := fstest.MapFS{
		"usr/share/ca-certificates/mozilla/B_(x).crt": {Data: bytes.TrimSuffix(cert("B"), []byte("\n"))},
		"usr/share/ca-certificates/mozilla/A.crt":     {Data: cert("A")},
		"usr/share/ca-certificates/mozilla/Bad.crt":   {Data: bad},
		"usr/share/ca-certificates/mozilla/Off.crt":   {Data: cert("Off")},
		"usr/share/ca-certificates/mozilla/S2.crt":    {Data: EncodePEM(other)},
		"usr/share/ca-certificates/mozilla/S1.crt":    {Data: EncodePEM(same)},
		"etc/ca-certificates.conf":                    {Data: []byte("# text\nmozilla/B_(x).crt\nmozilla/A.crt\n!mozilla/Off.crt\nmozilla/S2.crt\nmozilla/S1.crt\nmozilla/Bad.crt\n")},
		"usr/local/share/ca-certificates/z/two.crt":   {Data: append(cert("one"), cert("two")...)},
		"usr/local/share/ca-certificates/company.crt": {Data: cert("Company")},
		"etc/ssl/certs/keep.pem":                      {Data: cert("kept")},
	}
	writeTree(t, root, tree)
	run := func() map[string]string {
		at := func(p string) string { return filepath.Join(root, p) }
		if out, err := exec.Command(program, "--certsconf", at(debianConf), "--certsdir", at(debianCerts), "--localcertsdir", at(debianLocal),
			"--etccertsdir", at(debianStore), "--hooksdir", at("none")).CombinedOutput(); err != nil {
			t.Fatalf("update-ca-certificates: %v\n%s", err, out)
		}
		return list(t, root)
	}
	apply := func(r *Result) map[string]string {
		for _, name := range r.Remove {
			if err := os.Remove(filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range append(slices.Clone(r.Sources), r.Files...) {
			os.Remove(filepath.Join(root, f.Path))
			writeTree(t, root, nil, f)
		}
		return list(t, root)
	}
	compare := func(what string, got, want map[string]string) {
		for _, m := range []map[string]string{got, want} {
			for k := range m {
				if got[k] != want[k] {
					t.Errorf("%s: %s: ours %q, update-ca-certificates' %q", what, k, got[k], want[k])
				}
			}
		}
	}
	r, err := Update(os.DirFS(root), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Layout != LayoutDebian || r.Trusted != 8 || len(r.Notes) != 1 {
		t.Errorf("layout %s, %d trusted, notes %v", r.Layout, r.Trusted, r.Notes)
	}
	ours := apply(r)
	if err := os.RemoveAll(filepath.Join(root, debianStore)); err != nil {
		t.Fatal(err)
	}
	writeTree(t, root, fstest.MapFS{"etc/ssl/certs/keep.pem": tree["etc/ssl/certs/keep.pem"]})
	compare("first run", ours, run())

	if err := os.RemoveAll(filepath.Join(root, debianStore)); err != nil {
		t.Fatal(err)
	}
	writeTree(t, root, fstest.MapFS{"etc/ssl/certs/keep.pem": tree["etc/ssl/certs/keep.pem"]})
	if r, err = Update(os.DirFS(root), Options{}); err != nil {
		t.Fatal(err)
	}
	apply(r)
	if r, err = Update(os.DirFS(root), Options{Anchors: []Extra{{"new", cert("New")}}, Distrusted: []Extra{{"bad", bad}}}); err != nil {
		t.Fatal(err)
	}
	ours = apply(r)
	if len(r.Remove) == 0 {
		t.Error("nothing of the distrusted authority is removed")
	}
	compare("second run", ours, run())
}

// list describes the store below root.
func list(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	dir := filepath.Join(root, debianStore)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if link, err := os.Readlink(name); err == nil {
			out[name[len(dir):]] = "-> " + strings.TrimPrefix(link, root)
			return nil
		}
		data, err := os.ReadFile(name)
		out[name[len(dir):]] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
