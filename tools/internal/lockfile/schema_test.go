package lockfile

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"go.yaml.in/yaml/v3"
)

const schemas = "../../../rules/docs"

// compile reads a published schema.
func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(schemas, name))
	if err != nil {
		t.Skipf("not checked: %s is not beside this test", name)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// document decodes JSON or YAML for the validator.
func document(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// full sets every field of a struct, so that nothing is left out.
func full(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			full(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		full(v.Index(0))
	case reflect.String:
		v.SetString("text")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	}
}

func TestLockSchema(t *testing.T) {
	schema := compile(t, "rpms.lock.schema.json")
	section := &Architecture{}
	full(reflect.ValueOf(section).Elem())
	l := &Lock{}
	full(reflect.ValueOf(l).Elem())
	sum := strings.Repeat("a", 64)
	section.Packages[0].SHA256, l.Repositories[0].RepomdSHA256, l.ManifestDigest = sum, sum, "sha256:"+sum
	l.Schema, l.RPMDB = Schema, RPMDB{"sqlite", "/var/lib/rpm"}
	l.Architectures = map[string]*Architecture{"x86_64": section}
	var out bytes.Buffer
	if err := Write(&out, l); err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(document(t, out.Bytes())); err != nil {
		t.Errorf("a lock with every field: %v\n%s", err, out.Bytes())
	}
	for _, test := range []struct{ summary, old, new string }{
		{"an unknown key", `"license"`, `"licence"`}, {"another schema", `"schema": 1`, `"schema": 2`},
		{"a short digest", sum, "aaaa"}, {"no roots", `"roots"`, `"root"`},
	} {
		if err := schema.Validate(document(t, []byte(strings.Replace(out.String(), test.old, test.new, 1)))); err == nil {
			t.Errorf("%s is valid", test.summary)
		}
	}
	locks, err := filepath.Glob("../../../*/*/*/*.lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if debrpm := os.Getenv("SLIMRPM_DEBRPM"); debrpm != "" {
		locks = append(locks, filepath.Join(debrpm, "rpms.lock.json"))
	}
	n := 0
	for _, name := range locks {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		n++
		if err := schema.Validate(document(t, data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Logf("%d locks of this checkout", n)
}

func TestManifestSchema(t *testing.T) {
	schema := compile(t, "rpms.schema.json")
	manifests, err := filepath.Glob("../../../variants/releases/*/rpms.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	for _, name := range manifests {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document(t, data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := schema.Validate(document(t, []byte(manifest))); err != nil {
		t.Errorf("the manifest of the tests: %v", err)
	}
	for keys, valid := range map[string]bool{
		"policy: smallest\nbudget: 100\nbest: true\npin: [bash = 5.2-1, glibc-2.34-1.el9.x86_64]\n": true,
		"pin: {bash: 5.2}\n": true, "pin: [bash]\n": false, "policy: other\n": false, "budget: 0\n": false,
	} {
		if err := schema.Validate(document(t, []byte(manifest+keys))); (err == nil) != valid {
			t.Errorf("%q: %v", keys, err)
		}
	}
	// the keys that the decoder knows are those of the schema
	data, err := os.ReadFile(filepath.Join(schemas, "rpms.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var published struct {
		Properties map[string]any
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	for goType, properties := range map[string]map[string]any{"Manifest": published.Properties, "ManifestRepository": published.Defs["repository"].Properties} {
		var got []string
		for key := range properties {
			got = append(got, key)
		}
		want := slices.Clone(keysOf(goType))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the schema has the keys %v, the decoder %v", goType, got, want)
		}
	}
}
