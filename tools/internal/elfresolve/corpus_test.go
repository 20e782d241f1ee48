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
	"syscall"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// corpus is a set of RPMs of one architecture that others made, with the way to run its loader.
type corpus struct {
	rpms     []string
	arch     string
	loader   []string // in the unpacked root
	ldconfig string
	// emulators are programs of the host, of which any will do that is linked statically; empty if the machine runs the programs itself.
	emulators []string
}

// el7 is CentOS 7's closure of httpd, 113 packages, from the shared data folder.
func el7(t testing.TB) corpus {
	t.Helper()
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	return corpus{rpms: glob(t, filepath.Join(shared, "el7-httpd", "*.rpm"), "SLIMRPM_SHARED_DATA"), arch: "x86_64",
		loader: []string{"/lib64/ld-linux-x86-64.so.2"}, ldconfig: "/sbin/ldconfig"}
}

// debrpm is what third_party/debrpm makes, for one architecture; SLIMRPM_DEBRPM is its folder.
func debrpm(t testing.TB, arch string) corpus {
	t.Helper()
	c := corpus{arch: arch, ldconfig: "/sbin/ldconfig", loader: []string{"/lib64/ld-linux-x86-64.so.2"}}
	pattern := filepath.Join(os.Getenv("SLIMRPM_DEBRPM"), "*", arch, "Packages", "*.rpm")
	if c.rpms = glob(t, pattern, "SLIMRPM_DEBRPM"); arch == "aarch64" {
		c.loader, c.emulators = []string{"/emulator", "/lib/ld-linux-aarch64.so.1"}, []string{"qemu-aarch64-static", "qemu-aarch64"}
	}
	return c
}

func glob(t testing.TB, pattern, variable string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Skipf("no packages at hand (%s): the search was not checked on packages of others", variable)
	}
	return files
}

// extract unpacks the packages into payload tars and indexes.
func (c *corpus) extract(t testing.TB) (dir string, indexes []*pkgindex.Index) {
	t.Helper()
	dir = t.TempDir()
	errs := make([]error, len(c.rpms))
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				out := filepath.Join(dir, strings.TrimSuffix(filepath.Base(c.rpms[i]), ".rpm"))
				errs[i] = extract.Run(extract.Options{RPM: c.rpms[i], Payload: out + ".tar", Index: out + ".json", Header: out + ".bin"})
			}
		})
	}
	for i := range c.rpms {
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
func (c *corpus) everything(indexes []*pkgindex.Index) *Input {
	var names []string
	for _, x := range indexes {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	in := input(indexes, packages("//x:all", names...))
	in.Spec.Arch = c.arch
	return in
}

// TestEL7: all programs of a real distribution find their libraries, and each of them with the files of its own closure only.
func TestEL7(t *testing.T) {
	c := el7(t)
	dir, indexes := c.extract(t)
	all, err := Resolve(c.everything(indexes))
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Packages) != len(indexes) {
		t.Errorf("%d packages selected, %d requested", len(all.Packages), len(indexes))
	}
	t.Run("closures", func(t *testing.T) {
		if n := c.closures(t, indexes, "glibc"); n < 381 { // the data's own count, which leaves out some of libexec
			t.Errorf("%d programs, want at least 381", n)
		}
	})
	t.Run("loader", func(t *testing.T) { c.compare(t, dir, indexes) })
}

// TestDebrpm: the same for Debian's packages and layout, on both architectures.
func TestDebrpm(t *testing.T) {
	for _, arch := range []string{"x86_64", "aarch64"} {
		t.Run(arch, func(t *testing.T) {
			c := debrpm(t, arch)
			dir, indexes := c.extract(t)
			if _, err := Resolve(c.everything(indexes)); err != nil {
				t.Error(err)
			}
			t.Run("closures", func(t *testing.T) { c.closures(t, indexes, "libc6") })
			t.Run("loader", func(t *testing.T) { c.compare(t, dir, indexes) })
		})
	}
}

// sliceEvery thins out the second kind of closure, which takes as long as the first.
const sliceEvery = 5

// closures resolves every program alone and returns their number. libc is the package that each must bring.
func (c *corpus) closures(t *testing.T, indexes []*pkgindex.Index, libc string) (programs int) {
	for _, x := range indexes {
		for i := range x.Files {
			f := &x.Files[i]
			if f.ELF == nil || f.ELF.Interp == "" || f.ELF.Soname != "" || f.Mode&0o111 == 0 || !native(c.arch, f.ELF) {
				continue
			}
			programs++
			kinds := []string{selection.LibrariesPackage, selection.LibrariesSlice}
			if programs%sliceEvery != 0 {
				kinds = kinds[:1]
			}
			for _, libraries := range kinds {
				q := binary("//x:one", x.Name, f.Path)
				q.Libraries = libraries
				in := input(indexes, q)
				in.Spec.Arch = c.arch
				s, err := Resolve(in)
				if err != nil {
					t.Errorf("%s of %s (%s): %v", f.Path, x.NEVRA, libraries, err)
				} else if !hasPackage(s, libc) {
					t.Errorf("%s of %s (%s): %s is not selected", f.Path, x.NEVRA, libraries, libc)
				}
			}
		}
	}
	t.Logf("%d programs find their libraries, every %dth also with slices", programs, sliceEvery)
	return programs
}

func hasPackage(s *selection.Selection, name string) bool {
	return slices.ContainsFunc(s.Packages, func(p selection.Package) bool { return p.Name == name })
}

// compare asks the distribution's own loader, run in the unpacked tree, about every ELF file.
func (c *corpus) compare(t *testing.T, dir string, indexes []*pkgindex.Index) {
	if os.Geteuid() != 0 || runtime.GOARCH != "amd64" {
		t.Skip("chroot needs root on x86_64: not compared with the real loader")
	}
	root := t.TempDir()
	if err := unpackAll(dir, root); err != nil {
		t.Fatal(err)
	}
	run := []string{root}
	if len(c.emulators) > 0 {
		if err := copyProgram(c.emulators, filepath.Join(root, "emulator")); err != nil {
			t.Skipf("%v: not compared with the real loader", err)
		}
		run = append(run, "/emulator")
	}
	if out, err := exec.Command("chroot", append(run, c.ldconfig)...).CombinedOutput(); err != nil {
		t.Skipf("chroot: %v: %s: not compared with the real loader", err, out)
	}
	in := c.everything(indexes)
	u, err := newUniverse(in)
	if err != nil {
		t.Fatal(err)
	}
	r := &resolver{in: in, u: u, searches: map[searchKey]*searchOf{}}
	for _, p := range u.pkgs {
		p.whole = true
	}
	compared, edges := 0, 0
	for _, p := range u.pkgs {
		for i := range p.files {
			f := &p.files[i]
			if f.ELF == nil || f.ELF.Type != "dyn" && f.ELF.Type != "exec" || f.ELF.Static || !native(c.arch, f.ELF) {
				continue
			}
			want, got := c.listed(t, u, root, f.Path), r.traced(f)
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

// copyProgram copies the first of the programs that the machine has.
func copyProgram(names []string, to string) error {
	var from string
	var err error
	for _, name := range names {
		if from, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// traced is the search for one file: canonical paths by name.
func (r *resolver) traced(f *file) map[string]string {
	out := map[string]string{}
	q := &request{Request: &selection.Request{}}
	c := &closure{r: r, q: q}
	root := &found{steps: []step{*fileStep(f)}}
	name := f.ELF.Interp
	if name == "" {
		name = ldso.Interpreter(f.ELF)
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
func (c *corpus) listed(t *testing.T, u *universe, root, name string) map[string]string {
	t.Helper()
	cmd := exec.Command(c.loader[0], append(slices.Clone(c.loader[1:]), name)...)
	cmd.Env = []string{"LD_TRACE_LOADED_OBJECTS=1"} // as ldd does; --list of newer loaders gives up at the first missing library
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Dir = "/"
	text, err := cmd.CombinedOutput()
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
			file, _, isFile := strings.Cut(line, " (0x")
			if !isFile || !strings.HasPrefix(file, "/") {
				continue
			}
			lib, rest = rootfs.Base(file), file+" ("
		}
		if rest == "not found" {
			out[lib] = rest
			continue
		}
		if file, _, _ := strings.Cut(rest, " ("); strings.HasPrefix(file, "/") {
			out[rootfs.Base("/"+lib)] = u.dir(file) // follows all links
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
	// The merged /usr first: the paths of all packages may go through the links to it.
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(root, "usr", d), 0o755); err != nil {
			return err
		}
	}
	for _, links := range []bool{true, false} {
		for _, name := range tars {
			err := unpack(name, root, func(h *tar.Header) bool {
				return !links || h.Typeflag == tar.TypeSymlink && !strings.Contains(strings.Trim(h.Name, "./"), "/")
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func unpack(name, root string, want func(*tar.Header) bool) error {
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
		if want(h) {
			if err := unpackEntry(r, h, root); err != nil {
				return err
			}
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
	c := el7(b)
	_, indexes := c.extract(b)
	in := c.everything(indexes)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Resolve(in); err != nil {
			b.Fatal(err)
		}
	}
}
