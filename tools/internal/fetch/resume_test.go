package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// site is a server that notes what it is asked and answers by the number of the request.
type site struct {
	mu    sync.Mutex
	asked []string
	base  string
}

func newSite(t *testing.T, answer func(try int, w http.ResponseWriter, r *http.Request)) *site {
	s := &site{}
	s.base = serve(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, strings.TrimSpace(r.Header.Get("Range")+" "+r.Header.Get("If-Range")))
		try := len(s.asked)
		s.mu.Unlock()
		answer(try, w, r)
	})
	return s
}

func whole(w http.ResponseWriter, r *http.Request, data []byte, etag string) {
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(data))
}

// breakOff sends some bytes of data, from where it is asked to begin, and closes the connection.
func breakOff(w http.ResponseWriter, r *http.Request, data []byte, etag string, n int) {
	from := 0
	if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		from, _ = strconv.Atoi(strings.TrimSuffix(text, "-"))
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)-from))
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Write(data[from:min(from+n, len(data))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

var other = bytes.ToUpper(content)

func TestSave(t *testing.T) {
	type handler = func(try int, w http.ResponseWriter, r *http.Request)
	good := func(_ int, w http.ResponseWriter, r *http.Request) { whole(w, r, content, `"v1"`) }
	gone := func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	tests := []struct {
		summary string
		partial []byte // what an earlier run left; nil: nothing
		sites   []handler
		asked   string // Range and If-Range of the requests; sites apart by "|", requests by ","
		err     string // "" means that the right file arrives
		left    int    // bytes of the partial file after an error; 0: it is gone
	}{
		{"a new file", nil, []handler{good}, "[]", "", 0},
		{"a file is gone on with", content[:100000], []handler{good}, "[bytes=100000-]", "", 0},
		{"another file was begun", other[:100000], []handler{good}, "[bytes=100000- ,]", "", 0},
		{"a longer file was begun", append(content, 'x'), []handler{good}, "[]", "", 0},
		{"the file had come, but not its name", content, []handler{gone}, "", "", 0},
		{"another file of the same size had come", other, []handler{good}, "[bytes=320000- ,]", "", 0},
		{"a server without ranges starts again", content[:100000], []handler{func(_ int, w http.ResponseWriter, _ *http.Request) { w.Write(content) }},
			"[bytes=100000-]", "", 0},
		{"a server that answers another range", content[:100000], []handler{func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 5-319999/320000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(content[5:])
		}}, "[bytes=100000- ,bytes=100000- ,bytes=100000-]", `the server answers another range: "bytes 5-319999/320000"`, 100000},
		{"every connection breaks off after some progress", nil, []handler{func(_ int, w http.ResponseWriter, r *http.Request) {
			breakOff(w, r, content, `"v1"`, 70000)
		}}, `[,bytes=70000- "v1",bytes=140000- "v1",bytes=210000- "v1",bytes=280000- "v1"]`, "", 0},
		{"a weak ETag proves nothing", nil, []handler{func(_ int, w http.ResponseWriter, r *http.Request) {
			breakOff(w, r, content, `W/"v1"`, 170000)
		}}, "[,bytes=170000-]", "", 0},
		{"the file changes between two tries", nil, []handler{func(try int, w http.ResponseWriter, r *http.Request) {
			if try == 1 {
				breakOff(w, r, other, `"old"`, 100000)
			}
			whole(w, r, content, `"new"`)
		}}, `[,bytes=100000- "old"]`, "", 0},
		{"the file changes and the server does not say so", nil, []handler{func(try int, w http.ResponseWriter, r *http.Request) {
			if try == 1 {
				breakOff(w, r, other, "", 100000)
			}
			whole(w, r, content, "")
		}}, "[,bytes=100000- ,]", "", 0},
		{"another mirror goes on in mid-file", nil, []handler{func(try int, w http.ResponseWriter, r *http.Request) {
			if try > 1 {
				gone(try, w, r)
				return
			}
			breakOff(w, r, content, `"v1"`, 100000)
		}, good}, `[,bytes=100000- "v1"]|[bytes=100000-]`, "", 0},
		{"the mirror before had another file", nil, []handler{func(try int, w http.ResponseWriter, r *http.Request) {
			if try > 1 {
				gone(try, w, r)
				return
			}
			breakOff(w, r, other, `"v1"`, 100000)
		}, good}, `[,bytes=100000- "v1"]|[bytes=100000- ,]`, "", 0},
		{"an overloaded server recovers", content[:10], []handler{func(try int, w http.ResponseWriter, r *http.Request) {
			if try < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			good(try, w, r)
		}}, "[bytes=10- ,bytes=10- ,bytes=10-]", "", 0},
		{"not found keeps what has come", content[:10], []handler{gone}, "[bytes=10-]", "fetching BASE0/file: the server answers 404 Not Found", 10},
		{"not found leaves nothing behind", nil, []handler{gone, gone}, "[]|[]", "fetching BASE1/file: the server answers 404 Not Found", 0},
		{"a server that stalls", nil, []handler{func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Write(content[:1000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}}, "[,bytes=1000- ,bytes=1000-]", "fetching BASE0/file: no data for 200ms", 1000},
		{"a truncated file that claims to be whole", nil, []handler{func(_ int, w http.ResponseWriter, _ *http.Request) { w.Write(content[:1000]) }},
			"[]", "fetching BASE0/file: size mismatch: wanted 320000 bytes, got 1000 bytes", 0},
		{"another file of the same size", nil, []handler{func(_ int, w http.ResponseWriter, _ *http.Request) { w.Write(other) }},
			"[]", "fetching BASE0/file: sha256 mismatch: wanted " + digestOf(content).Hex, 0},
		{"a file that never ends", nil, []handler{func(_ int, w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(content); err != nil {
					return
				}
			}
		}}, "[]", "fetching BASE0/file: size mismatch: wanted 320000 bytes, got more", 0},
		{"a redirect loop", nil, []handler{func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/file", http.StatusFound) }},
			"*", "fetching BASE0/file: more than 10 redirects", 0},
	}
	for _, test := range tests {
		t.Run(test.summary, func(t *testing.T) {
			place := filepath.Join(t.TempDir(), "sub", "file")
			if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
				t.Fatal(err)
			}
			if test.partial != nil {
				if err := os.WriteFile(place+PartialSuffix, test.partial, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var sites []*site
			var targets []string
			for _, answer := range test.sites {
				s := newSite(t, answer)
				sites, targets = append(sites, s), append(targets, s.base+"file")
			}
			counted := int64(0)
			err := client(t).Save(context.Background(), targets, digestOf(content), place, func(n int64) { counted += n })
			checkSaved(t, place, err, test.err, test.left, sites)
			var asked []string
			for _, s := range sites {
				if len(s.asked) > 0 {
					asked = append(asked, "["+strings.Join(s.asked, ",")+"]")
				}
			}
			// strings.TrimSpace left out what follows an empty If-Range.
			if want := strings.ReplaceAll(test.asked, "- ,", "-,"); want != "*" && strings.Join(asked, "|") != want {
				t.Errorf("asked for %s, want %s", strings.Join(asked, "|"), want)
			}
			if want := int64(len(content)); err == nil && counted != want || err != nil && counted != int64(test.left) {
				t.Errorf("progress says %d bytes", counted)
			}
		})
	}
}

func checkSaved(t *testing.T, place string, err error, want string, left int, sites []*site) {
	t.Helper()
	if want == "" {
		got, reading := os.ReadFile(place)
		if err != nil || reading != nil || !bytes.Equal(got, content) {
			t.Errorf("got %d bytes, %v, %v", len(got), err, reading)
		}
		if _, err := os.Stat(place + PartialSuffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the partial file is still there (%v)", err)
		}
		return
	}
	text := fmt.Sprint(err)
	for i, s := range sites {
		text = strings.ReplaceAll(text, s.base, fmt.Sprintf("BASE%d/", i))
	}
	if err == nil || !strings.Contains(text, want) {
		t.Errorf("error %s, want %s", text, want)
	}
	if _, err := os.Stat(place); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not right is there (%v)", err)
	}
	info, err := os.Stat(place + PartialSuffix)
	switch {
	case left == 0 && !errors.Is(err, fs.ErrNotExist):
		t.Errorf("the partial file is still there (%v)", err)
	case left > 0 && (err != nil || info.Size() != int64(left)):
		t.Errorf("the partial file does not have %d bytes: %v, %v", left, info, err)
	}
}

func TestSaveKeepsWhatCameWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := newSite(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		w.Write(content[:100000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	place := filepath.Join(t.TempDir(), "file")
	c := client(t)
	c.Stall = time.Minute
	got := int64(0)
	err := c.Save(ctx, []string{s.base, s.base + "second"}, digestOf(content), place, func(n int64) {
		if got += n; got >= 100000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(s.asked) != 1 {
		t.Errorf("error %v after %d requests", err, len(s.asked))
	}
	if info, err := os.Stat(place + PartialSuffix); err != nil || info.Size() != 100000 {
		t.Errorf("the partial file: %v, %v", info, err)
	}
}

func TestSaveReplacesAndCopies(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string][]byte{"source": content, "place": []byte("old"), "place.partial": other[:5]} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, place := client(t), filepath.Join(dir, "place")
	c.Root = dir
	if err := c.Save(context.Background(), []string{"nothing", "source"}, digestOf(content), place, nil); err != nil {
		t.Fatal(err)
	}
	checkSaved(t, place, nil, "", 0, nil)
}

func TestADiskThatFailsIsNotTheServersFault(t *testing.T) {
	s := newSite(t, func(_ int, w http.ResponseWriter, r *http.Request) { whole(w, r, content, "") })
	p, err := openPartial(filepath.Join(t.TempDir(), "file"), digestOf(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.file.Close() // whatever is written from now on fails
	c := client(t)
	err = c.first(context.Background(), []string{s.base, s.base + "second"}, func(target string) error { return c.fill(context.Background(), target, p) })
	if !errors.Is(err, os.ErrClosed) || len(s.asked) != 1 {
		t.Errorf("error %v after %d requests", err, len(s.asked))
	}
}

func TestSaveRefusesWhatIsNoFile(t *testing.T) {
	place := filepath.Join(t.TempDir(), "file")
	if err := os.Symlink(os.DevNull, place+PartialSuffix); err != nil {
		t.Fatal(err)
	}
	err := client(t).Save(context.Background(), []string{"x"}, digestOf(content), place, nil)
	if err == nil || !strings.Contains(err.Error(), "file.partial is not a file") {
		t.Errorf("error %v", err)
	}
}

func TestVerifyFile(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string][]byte{"good": content, "short": content[1:], "long": append(content, 'x'), "other": other} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"good": "<nil>", "short": "size mismatch: wanted 320000 bytes, got 319999 bytes", "long": "size mismatch: wanted 320000 bytes, got more",
		"other": "sha256 mismatch: wanted " + digestOf(content).Hex, ".": "type mismatch: wanted a file, got a d---------", "none": "no such file",
	} {
		if err := fmt.Sprint(VerifyFile(filepath.Join(dir, name), digestOf(content))); !strings.Contains(err, want) {
			t.Errorf("%s: %s, want %s", name, err, want)
		}
	}
}
