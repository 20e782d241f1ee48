package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/airgap/rules_oci/internal/imagelayout"
)

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustRun(t *testing.T, args ...string) {
	t.Helper()
	if err := run(args); err != nil {
		t.Fatalf("ocilayout %s: %v", strings.Join(args, " "), err)
	}
}

// TestFromLayerToArchive runs all forms, each on the output of the one before.
func TestFromLayerToArchive(t *testing.T) {
	dir := t.TempDir()
	layer := write(t, dir, "layer.tar", "layer")
	description, image, index := filepath.Join(dir, "d.json"), filepath.Join(dir, "image"), filepath.Join(dir, "index")
	mustRun(t, "layer", "--in="+layer, "--created-by=bazel build //:l", "--out="+description)
	mustRun(t, "image", "--os=linux", "--architecture=amd64", "--layer="+layer, "--description="+description,
		"--entrypoint-file="+write(t, dir, "e", "/bin/sh\n-c\nfirst%5Cnsecond"), "--env-file="+write(t, dir, "env", "A=b=c\n"),
		"--labels-file="+write(t, dir, "l", "k=v=w\n\n"), "--exposed-ports-file="+write(t, dir, "p", "80,443/udp"),
		"--volumes-file="+write(t, dir, "v", "/a,/b"), "--created-file="+write(t, dir, "c", "2001-02-03T04:05:06Z\n"),
		"--user=u", "--workdir=/w", "--out="+image)
	mustRun(t, "index", "--image="+image, "--out="+index)
	mustRun(t, "digest", "--layout="+index, "--out="+filepath.Join(dir, "digest"))
	mustRun(t, "archive", "--layout="+index, "--format=oci", "--tags-file="+write(t, dir, "tags", "a:b\n"), "--out="+filepath.Join(dir, "tar"))

	root, err := imagelayout.Root(image)
	if err != nil {
		t.Fatal(err)
	}
	got, err := imagelayout.ReadImage(image, root)
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(got.Config.Config)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Entrypoint":["/bin/sh","-c","first\nsecond"],"Env":["A=b=c"],"Labels":{"k":"v=w"},"User":"u",` +
		`"Volumes":{"/a":{},"/b":{}},"WorkingDir":"/w","ExposedPorts":{"443/udp":{},"80":{}}}`
	if string(config) != want {
		t.Errorf("got config\n%s\nwant\n%s", config, want)
	}
	if got.Config.Created.UTC().Year() != 2001 {
		t.Errorf("got creation time %s, want 2001", got.Config.Created)
	}
	rootOfIndex, err := imagelayout.Root(index)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := os.ReadFile(filepath.Join(dir, "digest"))
	if err != nil {
		t.Fatal(err)
	}
	if string(digest) != rootOfIndex.Digest.String()+"\n" {
		t.Errorf("got digest file %q, want %s", digest, rootOfIndex.Digest)
	}
	archive, err := os.ReadFile(filepath.Join(dir, "tar"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(archive, []byte(`"org.opencontainers.image.ref.name":"a:b"`)) {
		t.Error("the archive does not have the tag")
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		summary string
		args    []string
		want    string
	}{
		{"no command", nil, "want layer, image, index, digest or archive"},
		{"an unknown command", []string{"tar"}, "want layer, image, index, digest or archive"},
		{"a positional argument", []string{"layer", "--in=x", "--out=y", "z"}, `unexpected argument "z"`},
		{"an empty required flag", []string{"layer", "--in=x"}, "missing flag --out"},
		{"a layer without its description", []string{"image", "--layer=x", "--out=y"}, "1 --layer for 0 --description"},
		{"labels without a value", []string{"image", "--labels-file=" + write(t, dir, "l", "word"), "--out=" + dir}, `attribute labels: line "word": want NAME=value`},
		{"a description with an unknown field", []string{"image", "--layer=x", "--description=" + write(t, dir, "d", `{"x":1}`), "--out=" + dir}, "unknown field"},
		{"an index without images", []string{"index", "--out=" + dir}, "missing flag --image"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			if err := run(row.args); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got error %v, want one with %q", err, row.want)
			}
		})
	}
}

func TestWords(t *testing.T) {
	if got, want := words("a\n\nb c\n"), []string{"a", "b c"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
