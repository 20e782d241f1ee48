package gosdk

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestLatest(t *testing.T) {
	var versions []string
	for _, v := range []string{"1.26.9.linux-amd64", "1.26.9.linux-arm64", "1.26.10.linux-amd64", "1.26.10.linux-arm64", "1.26.11.linux-amd64",
		"1.26rc1.linux-amd64", "1.27.0.linux-amd64", "1.27.0.linux-arm64", "1.26.12.darwin-arm64", "1.26.12.windows-amd64", "1.2.99.linux-amd64"} {
		versions = append(versions, "v0.0.1-go"+v)
	}
	digests := map[string]string{"amd64": "", "arm64": ""}
	for _, c := range []struct {
		why  string
		sdk  SDK
		want string
	}{
		{"the newest that is there for both", SDK{Series: "1.26", Version: "1.26.4", Digests: digests}, "1.26.10"},
		{"numbers, not text", SDK{Series: "1.26", Version: "1.26.9", Digests: digests}, "1.26.10"},
		{"never back", SDK{Series: "1.26", Version: "1.26.20", Digests: digests}, "1.26.20"},
		{"for one architecture only", SDK{Series: "1.26", Version: "1.26.4", Digests: map[string]string{"amd64": ""}}, "1.26.11"},
		{"another series", SDK{Series: "1.25", Version: "1.25.1", Digests: digests}, "1.25.1"},
		{"a series is no prefix", SDK{Series: "1.2", Version: "1.2.1", Digests: map[string]string{"amd64": ""}}, "1.2.99"},
	} {
		if got := c.sdk.Latest(versions); got != c.want {
			t.Errorf("%s: got %s, want %s", c.why, got, c.want)
		}
	}
}

// TestOurs reads the file of our images, and writes it as it is.
func TestOurs(t *testing.T) {
	data, err := os.ReadFile("../../../variants/golang/sdks.json")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read(bytes.NewReader(data), "sdks.json")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Write(&out, f); err != nil {
		t.Fatal(err)
	}
	if out.String() != string(data) {
		t.Errorf("written anew it is\n%s", &out)
	}
}

func TestReadRefuses(t *testing.T) {
	const digest = `"h1:XriDgll2yv4W2YeUo2X/WuUuy+iGJkXGH0CQloMBEXo="`
	for _, c := range []struct{ text, want string }{
		{`{"schema":2}`, "schema 2, this tool reads 1"},
		{`{"schema":1,"module":"m","sdks":[{"series":"1.26","version":"1.25.1","digests":{"amd64":` + digest + `}}]}`, `series 1.26: version "1.25.1": must be like 1.26.1`},
		{`{"schema":1,"module":"m","sdks":[{"series":"1.26","version":"1.26.1","digests":{"amd64":"sha256:1"}}]}`, `digest of amd64 is "sha256:1"`},
		{`{"schema":1,"module":"m","sdks":[{"series":"1.26","version":"1.26.1","digests":{}}]}`, "series 1.26: no digests"},
		{`{"schema":1,"module":"m","sdks":[{"series":"1.26","version":"1.26.1","digests":{"amd64":` + digest + `}},{"series":"1.9","version":"1.9.1","digests":{"amd64":` + digest + `}}]}`, "series 1.9: not sorted"},
	} {
		if _, err := Read(strings.NewReader(c.text), "sdks.json"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}
