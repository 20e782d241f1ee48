package elfresolve

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// el7 is CentOS 7's closure of httpd, 113 packages, from the shared data folder.
func el7(t testing.TB) (dir string, indexes []*pkgindex.Index) {
	t.Helper()
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	rpms, err := filepath.Glob(filepath.Join(shared, "el7-httpd", "*.rpm"))
	if err != nil || len(rpms) == 0 {
		t.Skip("no el7-httpd at hand (SLIMRPM_SHARED_DATA): the closure was not checked on packages of others")
	}
	dir = t.TempDir()
	errs := make([]error, len(rpms))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				out := filepath.Join(dir, strings.TrimSuffix(filepath.Base(rpms[i]), ".rpm"))
				errs[i] = extract.Run(extract.Options{RPM: rpms[i], Payload: out + ".tar", Index: out + ".json", Header: out + ".bin"})
			}
		})
	}
	for i := range rpms {
		next <- i
	}
	close(next)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return dir, readIndexes(t, dir)
}

func readIndexes(t testing.TB, dir string) []*pkgindex.Index {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*pkgindex.Index
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		x, err := pkgindex.Read(f, name)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// everything requests all packages.
func everything(indexes []*pkgindex.Index) *Input {
	var names []string
	for _, x := range indexes {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	return input(indexes, packages("//x:all", names...))
}

// TestEL7: all programs of a real distribution find their libraries, and each of them with the files of its own closure only.
func TestEL7(t *testing.T) {
	dir, indexes := el7(t)
	in := everything(indexes)
	all, err := Resolve(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Packages) != len(indexes) {
		t.Errorf("%d packages selected, %d requested", len(all.Packages), len(indexes))
	}
	t.Run("closures", func(t *testing.T) { testClosures(t, in) })
	t.Run("loader", func(t *testing.T) { testLoader(t, dir, indexes) })
}

func testClosures(t *testing.T, in *Input) {
	programs := 0
	for _, x := range in.Indexes {
		for i := range x.Files {
			f := &x.Files[i]
			if f.ELF == nil || f.ELF.Interp == "" || f.ELF.Soname != "" || f.Mode&0o111 == 0 {
				continue
			}
			programs++
			for _, libraries := range []string{selection.LibrariesPackage, selection.LibrariesSlice} {
				q := binary("//x:one", x.Name, f.Path)
				q.Libraries = libraries
				s, err := Resolve(input(in.Indexes, q))
				if err != nil {
					t.Errorf("%s of %s (%s): %v", f.Path, x.NEVRA, libraries, err)
					continue
				}
				if !hasPackage(s, "glibc") {
					t.Errorf("%s of %s (%s): glibc is not selected", f.Path, x.NEVRA, libraries)
				}
			}
		}
	}
	if programs < 381 { // the data's own count, which leaves out some of libexec
		t.Errorf("%d programs, want at least 381", programs)
	}
	t.Logf("%d programs find their libraries, whole packages and slices", programs)
}

func hasPackage(s *selection.Selection, name string) bool {
	return slices.ContainsFunc(s.Packages, func(p selection.Package) bool { return p.Name == name })
}

// testLoader compares with the distribution's own loader, run in the unpacked tree.
func testLoader(t *testing.T, dir string, indexes []*pkgindex.Index) {
	if os.Geteuid() != 0 || runtime.GOARCH != "amd64" {
		t.Skip("chroot needs root on x86_64: not compared with the real loader")
	}
	root := t.TempDir()
	if err := unpackAll(dir, root); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chroot", root, "/sbin/ldconfig").CombinedOutput(); err != nil {
		t.Skipf("chroot: %v: %s: not compared with the real loader", err, out)
	}
	u, err := newUniverse(everything(indexes))
	if err != nil {
		t.Fatal(err)
	}
	r := &resolver{in: everything(indexes), u: u, searches: map[searchKey]*searchOf{}}
	for _, p := range u.pkgs {
		p.whole = true
	}
	compared, edges := 0, 0
	for _, p := range u.pkgs {
		for i := range p.files {
			f := &p.files[i]
			if f.ELF == nil || f.ELF.Type != "dyn" && f.ELF.Type != "exec" || f.ELF.Static || !native("x86_64", f.ELF) {
				continue
			}
			want := listed(t, u, root, f.Path)
			got := r.traced(f)
			for name, at := range want {
				if got[name] != at {
					t.Errorf("%s: %s: found %q, the loader says %q", f.Path, name, got[name], at)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %d libraries, the loader says %d: %v, %v", f.Path, len(got), len(want), got, want)
			}
			compared, edges = compared+1, edges+len(want)
		}
	}
	t.Logf("%d files with %d libraries equal to the loader's own listing", compared, edges)
}

// traced is the search for one file: canonical paths by name.
func (r *resolver) traced(f *file) map[string]string {
	out := map[string]string{}
	q := &request{Request: &selection.Request{}}
	c := &closure{r: r, q: q}
	root := &found{steps: []step{{f.Path, f.node, f}}}
	name := f.ELF.Interp
	if name == "" {
		name = "/lib64/ld-linux-x86-64.so.2"
	}
	for _, d := range r.searchFor(q, f.ELF).Trace(root.object(), c.interpreter(f, name), f.Mode&0o6000 != 0) {
		if d.To == nil {
			out[d.Want.Name] = "not found"
		} else {
			out[d.Want.Name] = d.To.Identity
		}
	}
	return out
}

// listed asks the real loader.
func listed(t *testing.T, u *universe, root, name string) map[string]string {
	t.Helper()
	text, err := exec.Command("chroot", root, "/lib64/ld-linux-x86-64.so.2", "--list", name).CombinedOutput()
	if err != nil && !strings.Contains(string(text), "=>") {
		t.Errorf("%s: %v: %s", name, err, text)
		return nil
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		lib, rest, ok := strings.Cut(line, " => ")
		if !ok {
			// The loader itself, by its own path, or the kernel's page.
			if file, _, ok := strings.Cut(line, " (0x"); ok && strings.HasPrefix(file, "/") {
				lib, rest = rootfs.Base(file), file+" ("
			} else {
				continue
			}
		}
		if rest == "not found" {
			out[lib] = rest
			continue
		}
		file, _, _ := strings.Cut(rest, " (")
		if strings.HasPrefix(file, "/") {
			out[lib] = u.dir(file) // follows all links
		}
	}
	return out
}

// unpackAll lays down the payloads without owners.
func unpackAll(dir, root string) error {
	tars, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	if err != nil {
		return err
	}
	// Links of directories (filesystem's) first: a payload may use them.
	for _, links := range []bool{true, false} {
		for _, name := range tars {
			if filesystem := strings.HasPrefix(filepath.Base(name), "filesystem-"); filesystem == links {
				if err := unpack(name, root); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func unpack(name, root string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := unpackEntry(r, h, root); err != nil {
			return err
		}
	}
}

func unpackEntry(r io.Reader, h *tar.Header, root string) error {
	at := filepath.Join(root, h.Name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(at, 0o755)
	case tar.TypeSymlink:
		os.Remove(at) // a package may have it too
		return os.Symlink(h.Linkname, at)
	case tar.TypeLink:
		os.Remove(at)
		return os.Link(filepath.Join(root, h.Linkname), at)
	case tar.TypeReg:
		f, err := os.OpenFile(at, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Close())
	}
	return nil
}

// BenchmarkResolve measures one request of the el7 set with everything decoded; see tools/elfresolve for the whole program.
func BenchmarkResolve(b *testing.B) {
	_, indexes := el7(b)
	in := everything(indexes)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Resolve(in); err != nil {
			b.Fatal(err)
		}
	}
}
