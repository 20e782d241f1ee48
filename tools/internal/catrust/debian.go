package catrust

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Paths of LayoutDebian.
const (
	debianCerts = "/usr/share/ca-certificates"
	debianLocal = "/usr/local/share/ca-certificates"
	debianStore = "/etc/ssl/certs"
	debianConf  = "/etc/ca-certificates.conf"
)

// DebianName returns the name under which update-ca-certificates(8) puts a certificate file into /etc/ssl/certs.
func DebianName(file string) string {
	name := strings.TrimSuffix(file[strings.LastIndexByte(file, '/')+1:], ".crt")
	return strings.NewReplacer(" ", "_", "(", "=", ")", "=", ",", "_").Replace(name) + ".pem"
}

// ParseDebianConf reads ca-certificates.conf: names below /usr/share/ca-certificates, "!" before those that are not trusted.
func ParseDebianConf(text string) (trusted []string) {
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' && line[0] != '!' {
			trusted = append(trusted, line)
		}
	}
	return trusted
}

// debianFile is one certificate file with what is in it.
type debianFile struct {
	path  string
	data  []byte
	certs []Certificate
}

// updateDebian makes a link per certificate file, links by hash, and the bundle: files in the order of ca-certificates.conf
// (without it, of their names), local ones after them by name.
func updateDebian(fsys fs.FS, o Options) (*Result, error) {
	if slices.Contains(o.Formats, FormatOpenSSL) {
		return nil, fmt.Errorf("format %s: Debian's layout has no place for it", FormatOpenSSL)
	}
	r := &Result{Layout: LayoutDebian}
	for _, x := range o.Anchors {
		r.Sources = append(r.Sources, File{Path: debianLocal + "/" + x.Name + ".crt", Data: x.Data, Mode: 0o644})
	}
	blocked := &Source{blockedKeys: map[string]bool{}, blockedSerials: map[string]bool{}}
	for _, x := range o.Distrusted {
		certs, err := ParsePEM(x.Data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.Name, err)
		}
		for _, der := range certs {
			f, err := readFields(der)
			if err != nil {
				return nil, err
			}
			blocked.block(f.key, f.issuer, f.serial)
		}
	}
	files, err := r.debianFiles(fsys, blocked)
	if err != nil {
		return nil, err
	}
	return r, r.debianStores(fsys, files, o)
}

// debianFiles reads the certificate files that are chosen. A distrusted one is deselected, in ca-certificates.conf too, so that
// the real program stays with that.
func (r *Result) debianFiles(fsys fs.FS, blocked *Source) ([]debianFile, error) {
	names, err := debianNames(fsys, r.Sources)
	if err != nil {
		return nil, err
	}
	conf, confErr := fs.ReadFile(fsys, debianConf[1:])
	text := "\n" + string(conf)
	var out []debianFile
	for _, name := range names {
		f := debianFile{path: name}
		if i := slices.IndexFunc(r.Sources, func(x File) bool { return x.Path == name }); i >= 0 {
			f.data = r.Sources[i].Data
		} else if f.data, err = fs.ReadFile(fsys, name[1:]); err != nil {
			r.Notes = append(r.Notes, name+": "+debianConf+" names it, but it is not there")
			continue
		}
		ders, err := ParsePEM(f.data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		distrusted := false
		for _, der := range ders {
			fields, err := readFields(der)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			distrusted = distrusted || blocked.blockedKeys[string(fields.key)] || blocked.blockedSerials[string(fields.issuer)+string(fields.serial)]
			f.certs = append(f.certs, Certificate{DER: der, Label: strings.TrimSuffix(DebianName(name), ".pem"), Trusted: true, fields: fields})
		}
		if !distrusted {
			out = append(out, f)
			continue
		}
		rel, packaged := strings.CutPrefix(name, debianCerts+"/")
		if !packaged {
			return nil, fmt.Errorf("%s: it is distrusted, and update-ca-certificates would trust it again", name)
		}
		text = strings.Replace(text, "\n"+rel+"\n", "\n!"+rel+"\n", 1)
	}
	if confErr == nil && text[1:] != string(conf) {
		r.Sources = append(r.Sources, File{Path: debianConf, Data: []byte(text[1:]), Mode: 0o644})
	}
	return out, nil
}

func debianNames(fsys fs.FS, extra []File) ([]string, error) {
	var names []string
	if conf, err := fs.ReadFile(fsys, debianConf[1:]); err == nil {
		for _, name := range ParseDebianConf(string(conf)) {
			names = append(names, path.Join(debianCerts, name))
		}
	} else if names, err = certificateFiles(fsys, debianCerts); err != nil {
		return nil, err
	}
	local, err := certificateFiles(fsys, debianLocal)
	if err != nil {
		return nil, err
	}
	for _, f := range extra {
		if !slices.Contains(local, f.Path) {
			local = append(local, f.Path)
		}
	}
	slices.Sort(local)
	return append(names, local...), nil
}

// certificateFiles lists the *.crt files below dir, by path.
func certificateFiles(fsys fs.FS, dir string) ([]string, error) {
	if _, err := fs.Stat(fsys, dir[1:]); err != nil {
		return nil, nil
	}
	var out []string
	err := fs.WalkDir(fsys, dir[1:], func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".crt") {
			return err
		}
		if info, err := fs.Stat(fsys, name); err == nil && info.Mode().IsRegular() {
			out = append(out, "/"+name)
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

var hashLink = regexp.MustCompile(`^[0-9a-f]{8}\.[0-9]+$`)

func (r *Result) debianStores(fsys fs.FS, list []debianFile, o Options) error {
	var bundle bytes.Buffer
	var all []Certificate
	rehashed := map[string][]byte{}
	placed := map[string]bool{}
	for _, f := range list {
		bundle.Write(f.data)
		if !bytes.HasSuffix(f.data, []byte("\n")) {
			bundle.WriteByte('\n')
		}
		all = append(all, f.certs...)
		name := DebianName(f.path)
		if len(f.certs) == 1 {
			rehashed[name] = f.certs[0].DER
		} else {
			r.Notes = append(r.Notes, fmt.Sprintf("%s: %d certificates; programs that search %s by hash find none of them", f.path, len(f.certs), debianStore))
		}
		if placed[name] {
			return fmt.Errorf("%s: another file makes %s/%s too", f.path, debianStore, name)
		}
		placed[name] = true
		r.Files = append(r.Files, File{Path: debianStore + "/" + name, Link: f.path})
	}
	if err := r.rehashFound(fsys, rehashed); err != nil {
		return err
	}
	links, err := HashLinks(rehashed)
	if err != nil {
		return err
	}
	for _, l := range links {
		r.Files = append(r.Files, File{Path: debianStore + "/" + l.Name, Link: l.Target})
	}
	r.Files = append(r.Files, File{Path: debianStore + "/ca-certificates.crt", Data: bundle.Bytes(), Mode: 0o644})
	r.Trusted = len(all)
	if slices.Contains(o.Formats, FormatJava) {
		data, err := JKS(all, o.Time)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, File{Path: debianStore + "/java/cacerts", Data: data, Mode: 0o644})
	}
	if slices.Contains(o.Formats, FormatPKCS12) {
		data, err := PKCS12(all)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, File{Path: debianStore + "/java/cacerts.p12", Data: data, Mode: 0o644})
	}
	if slices.Contains(o.Formats, FormatEDK2) {
		r.Files = append(r.Files, File{Path: debianStore + "/edk2/cacerts.bin", Data: EDK2(all), Mode: 0o644})
	}
	r.Remove = leftOver(fsys, debianStore, r.Files, func(e fs.DirEntry) bool {
		if e.Type()&fs.ModeSymlink == 0 {
			return false
		}
		if hashLink.MatchString(e.Name()) {
			return true
		}
		target, err := fs.ReadLink(fsys, path.Join(debianStore[1:], e.Name()))
		return err == nil && (strings.HasPrefix(target, debianCerts+"/") || strings.HasPrefix(target, debianLocal+"/"))
	})
	return nil
}

// rehashFound adds the certificates that lie in the store itself, which the real program rehashes too.
func (r *Result) rehashFound(fsys fs.FS, rehashed map[string][]byte) error {
	entries, err := fs.ReadDir(fsys, debianStore[1:])
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || !slices.Contains([]string{".pem", ".crt", ".cer"}, path.Ext(name)) || name == "ca-certificates.crt" || rehashed[name] != nil {
			continue
		}
		data, err := fs.ReadFile(fsys, path.Join(debianStore[1:], name))
		if err != nil {
			return err
		}
		if certs, err := ParsePEM(data); err == nil && len(certs) == 1 {
			rehashed[name] = certs[0]
		}
	}
	return nil
}
