package check

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
)

// FuzzReadSpec: what is accepted can be used, and is read back the same.
func FuzzReadSpec(f *testing.F) {
	f.Add(`{"schema":1,"label":"//x"}`)
	f.Add(`{"schema":1,"label":"//x","arch":"aarch64","scope":"tree","allow":{"setuid:/usr/**/m[ou]*":"users mount","missing-soname:/a\\\\#b#lib?.so":"y"},"base_allow":{"shell:/bin/sh":"z"},"shell":true,"size_budget":5}`)
	f.Add(`{"schema":1,"label":"//x","scope":"config","user":"a:b","entrypoint":["/x"],"cmd":["y"],"path":":/a:","workdir":"/w","allow":{"entrypoint:/x":"y"}}`)
	f.Add(`{"schema":1,"label":"//x","allow":{"missing-version:/x#":"y"}}`)
	f.Add(`{"schema":1,"label":"//x","allow":{"unused-allow:/x":"y","setuid:x":"","colour:/":"why?"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := ReadSpec(strings.NewReader(text), "spec.json")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "reading spec spec.json: ") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		findings := Check(spec, good(elf("/usr/bin/x", elftest.Exec("x86_64", "libx.so"))))
		if again := Check(spec, good(elf("/usr/bin/x", elftest.Exec("x86_64", "libx.so")))); !reflect.DeepEqual(again, findings) {
			t.Errorf("got %q, then %q", lines(findings), lines(again))
		}
		Advice("r", Refused(findings))
		if got := len(Summary(findings)); got > len(findings) {
			t.Errorf("%d lines for %d findings", got, len(findings))
		}
		data, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ReadSpec(strings.NewReader(string(data)), "again")
		if err != nil {
			t.Fatalf("%v in %s", err, data)
		}
		data2, err := json.Marshal(back)
		if err != nil || string(data2) != string(data) {
			t.Errorf("read back as %s (%v), want %s", data2, err, data)
		}
	})
}

// FuzzAllowance: what is advised allows the finding, whatever its path and library are called.
func FuzzAllowance(f *testing.F) {
	f.Add("/usr/bin/x", "libx.so.1")
	f.Add("/a#b/[c]*?", `li\\b#[x].so`)
	f.Fuzz(func(t *testing.T, path, soname string) {
		if !strings.HasPrefix(path, "/") || strings.Contains(soname, "/") || soname == "" {
			return
		}
		for _, code := range []string{MissingSoname, SetUID} {
			finding := Finding{Code: code, Path: path}
			if aboutLibrary(code) {
				finding.Soname = soname
			}
			key := finding.allowance()
			if err := checkAllow(key, "because"); err != nil {
				if strings.Count(path, "/") > maxGlobParts {
					continue
				}
				t.Fatalf("%q: %v", key, err)
			}
			if !parseRules(map[string]string{key: "because"})[0].match(&finding) {
				t.Errorf("%q does not match %+v", key, finding)
			}
		}
	})
}
