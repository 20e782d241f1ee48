package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var content = bytes.Repeat([]byte("0123456789abcdef"), 20000)

func digestOf(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest{"sha256", hex.EncodeToString(sum[:]), int64(len(data))}
}

func client(t *testing.T) *Client {
	t.Helper()
	return &Client{HTTP: httpClient(t, Access{}), CacheDir: t.TempDir(), Retries: 2, Pause: time.Millisecond, Stall: 200 * time.Millisecond}
}

func httpClient(t *testing.T, a Access) *http.Client {
	t.Helper()
	c, err := NewHTTPClient(a)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// hijack sends raw bytes in place of an answer.
func hijack(w http.ResponseWriter, text string) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	buf.WriteString(text)
	buf.Flush()
	conn.Close()
}

func TestFile(t *testing.T) {
	tests := []struct {
		summary string
		handler func(try int64, w http.ResponseWriter, r *http.Request)
		err     string // "" means that the right content arrives
		tries   int64
	}{
		{"the right file", func(_ int64, w http.ResponseWriter, _ *http.Request) { w.Write(content) }, "", 1},
		{"an overloaded server recovers", func(try int64, w http.ResponseWriter, _ *http.Request) {
			if try < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.Write(content)
		}, "", 3},
		{"too many requests", func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
			"fetching BASE/file: the server answers 429 Too Many Requests", 3},
		{"not found is final", func(_ int64, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
			"fetching BASE/file: the server answers 404 Not Found", 1},
		{"a connection that breaks off recovers", func(try int64, w http.ResponseWriter, _ *http.Request) {
			if try < 2 {
				hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n"+string(content[:1000]))
				return
			}
			w.Write(content)
		}, "", 2},
		{"a connection that always breaks off", func(_ int64, w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n"+string(content[:1000]))
		}, "fetching BASE/file: unexpected EOF", 3},
		{"a server that stalls", func(_ int64, w http.ResponseWriter, r *http.Request) {
			w.Write(content[:1000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "fetching BASE/file: no data for 200ms", 3},
		{"a file that is too short", func(_ int64, w http.ResponseWriter, _ *http.Request) { w.Write(content[:1000]) },
			"fetching BASE/file: size mismatch: wanted 320000 bytes, got 1000 bytes", 1},
		{"a file that never ends", func(_ int64, w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(content); err != nil {
					return
				}
			}
		}, "fetching BASE/file: size mismatch: wanted 320000 bytes, got more", 1},
		{"another file of the same size", func(_ int64, w http.ResponseWriter, _ *http.Request) {
			w.Write(bytes.ToUpper(content))
		}, "fetching BASE/file: sha256 mismatch: wanted " + digestOf(content).Hex, 1},
		{"a redirect loop", func(_ int64, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/file", http.StatusFound) },
			"fetching BASE/file: more than 10 redirects", 10},
	}
	for _, test := range tests {
		t.Run(test.summary, func(t *testing.T) {
			var tries atomic.Int64
			base := serve(t, func(w http.ResponseWriter, r *http.Request) { test.handler(tries.Add(1), w, r) })
			c := client(t)
			f, err := c.File(context.Background(), []string{base}, "file", digestOf(content))
			if test.err != "" {
				if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), base, "BASE/"), test.err) {
					t.Fatalf("error %v, want %s", err, test.err)
				}
				checkCache(t, c.CacheDir, 0)
			} else {
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if got, _ := io.ReadAll(f); !bytes.Equal(got, content) {
					t.Errorf("got %d other bytes", len(got))
				}
				checkCache(t, c.CacheDir, 1)
			}
			if tries.Load() != test.tries {
				t.Errorf("the server was asked %d times, want %d", tries.Load(), test.tries)
			}
		})
	}
}

// checkCache counts the files of a cache, each of which must be named by its checksum.
func checkCache(t *testing.T, dir string, want int) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		data, err := os.ReadFile(name)
		if got := digestOf(data).Hex; err == nil && filepath.Base(name) != got {
			t.Errorf("the cache has %s with the content %s", name, got)
		}
		return err
	})
	if err != nil || n != want {
		t.Errorf("the cache has %d files, want %d (%v)", n, want, err)
	}
}

func TestMirrorsAreTriedInTurn(t *testing.T) {
	dead := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	stale := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("old")) })
	good := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })
	f, err := client(t).File(context.Background(), []string{dead, stale, good}, "file", digestOf(content))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	_, err = client(t).File(context.Background(), []string{dead, stale}, "file", digestOf(content))
	if err == nil || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "size mismatch") {
		t.Errorf("the error must tell what each mirror answered: %v", err)
	}
}

func TestCacheIsCheckedAgain(t *testing.T) {
	var tries atomic.Int64
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { tries.Add(1); w.Write(content) })
	c := client(t)
	want := digestOf(content)
	for range 2 {
		f, err := c.File(context.Background(), []string{base}, "file", want)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if tries.Load() != 1 {
		t.Errorf("the server was asked %d times although the file is cached", tries.Load())
	}
	if err := os.WriteFile(c.cachePath(want), content[1:], 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := c.File(context.Background(), []string{base}, "file", want)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, _ := io.ReadAll(f); !bytes.Equal(got, content) || tries.Load() != 2 {
		t.Error("a damaged file of the cache was believed")
	}
}

func TestConcurrentRunsShareACache(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })
	dir := t.TempDir()
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			c := client(t)
			c.CacheDir = dir
			f, err := c.File(context.Background(), []string{base}, "file", digestOf(content))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if got, _ := io.ReadAll(f); !bytes.Equal(got, content) {
				t.Error("other content")
			}
		})
	}
	wait.Wait()
	checkCache(t, dir, 1)
}

func TestHead(t *testing.T) {
	tests := []struct {
		summary string
		handler http.HandlerFunc
		err     string
	}{
		{"a server with ranges", func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(content))
		}, ""},
		{"a server without ranges", func(w http.ResponseWriter, _ *http.Request) { w.Write(content) }, ""},
		{"another range", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 10-109/320000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(content[10:110])
		}, `the server answers another range: "bytes 10-109/320000"`},
		{"a short file", func(w http.ResponseWriter, _ *http.Request) { w.Write(content[:50]) },
			"the file is truncated: it ends after 50 of the 100 bytes wanted"},
	}
	for _, test := range tests {
		t.Run(test.summary, func(t *testing.T) {
			got, err := client(t).Head(context.Background(), []string{serve(t, test.handler)}, "file", 100)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil || !bytes.Equal(got, content[:100]) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestGetIsBounded(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(content) })
	_, _, err := client(t).Get(context.Background(), []string{base}, "repomd.xml", 1000)
	if err == nil || !strings.Contains(err.Error(), "the file is larger than expected: more than 1000 bytes") {
		t.Errorf("error %v", err)
	}
}

func TestMirrors(t *testing.T) {
	list := "# a comment\n\nhttps://one.example/repo\nrsync://two.example/repo/\nhttp://three.example/repo/\n"
	metalink := `<metalink><files><file name="other"/><file name="repomd.xml"><verification><hash type="sha256">` + strings.Repeat("0", 64) + `</hash></verification><resources>
		<url preference="10">http://late.example/r/repodata/repomd.xml</url>
		<url preference="100">http://early.example/r/repodata/repomd.xml</url></resources></file></files></metalink>`
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/list":
			io.WriteString(w, list)
		case "/metalink":
			io.WriteString(w, metalink)
		case "/empty":
		case "/html":
			io.WriteString(w, "<html>")
		case "/words":
			io.WriteString(w, "not a list")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	tests := []struct {
		summary string
		source  Source
		want    string
		err     string
	}{
		{"base URLs end in a slash", Source{BaseURLs: []string{"http://a.example/x", "repo/"}}, "[http://a.example/x/ repo/]", ""},
		{"a mirror list without schemes that are not supported", Source{MirrorList: base + "list"}, "[https://one.example/repo/ http://three.example/repo/]", ""},
		{"a metalink by preference", Source{MetaLink: base + "metalink"}, "[http://early.example/r/ http://late.example/r/]", ""},
		{"an empty list", Source{MirrorList: base + "empty"}, "", "no usable mirror in BASE/empty"},
		{"a page in place of a list", Source{MirrorList: base + "html"}, "", "fetching the mirror list BASE/html: it is XML; a metalink goes under metalink"},
		{"words in place of a list", Source{MirrorList: base + "words"}, "", `fetching the mirror list BASE/words: "not a list" is not a URL`},
		{"a missing list", Source{MirrorList: base + "gone"}, "", "fetching the mirror list BASE/gone: the server answers 404 Not Found"},
		{"a list in place of a metalink", Source{MetaLink: base + "list"}, "", "fetching the mirror list BASE/list: reading metalink: EOF"},
		{"an unknown scheme", Source{BaseURLs: []string{"ftp://a.example/"}}, "", `reading URL "ftp://a.example/": the scheme is not one of http, https and file`},
	}
	for _, test := range tests {
		mirrors, err := client(t).Mirrors(context.Background(), test.source)
		if test.err != "" {
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), base, "BASE/"), test.err) {
				t.Errorf("%s: error %v, want %s", test.summary, err, test.err)
			}
		} else if err != nil || fmt.Sprint(mirrors.Bases) != test.want {
			t.Errorf("%s: got %v (%v), want %s", test.summary, mirrors, err, test.want)
		}
	}
}

func TestExpand(t *testing.T) {
	vars := map[string]string{"releasever": "9", "basearch": "x86_64"}
	tests := []struct{ in, want, err string }{
		{"http://m/$releasever/${basearch}/os", "http://m/9/x86_64/os", ""},
		{"plain", "plain", ""},
		{"$releasever-$basearch.list", "9-x86_64.list", ""},
		{"a$", "", `expanding "a$": unknown variable $ (known: $basearch, $releasever)`},
		{"${basearch", "", `expanding "${basearch": a closing brace is missing`},
		{"$region", "", `expanding "$region": unknown variable $region (known: $basearch, $releasever)`},
	}
	for _, test := range tests {
		got, err := Expand(test.in, vars)
		if got != test.want || err != nil && err.Error() != test.err || err == nil && test.err != "" {
			t.Errorf("%s: got %q, %v", test.in, got, err)
		}
	}
}

func TestJoinStaysOnTheServer(t *testing.T) {
	tests := []struct{ base, location, want string }{
		{"https://h.example/core/guids/1/x86_64/", "../../../../blobstore/ab/a.rpm", "https://h.example/blobstore/ab/a.rpm"},
		{"https://h.example/a/", "../../../../../b.rpm", "https://h.example/b.rpm"},
		{"https://h.example/a/", "Packages/a+b 1.rpm", "https://h.example/a/Packages/a+b%201.rpm"},
		{"https://h.example/a/", "libstdc%2B%2B-1.rpm", "https://h.example/a/libstdc++-1.rpm"},
		{"https://h.example/a/", "100%.rpm", "https://h.example/a/100%25.rpm"},
		{"repo/x86_64/", "Packages/a.rpm", "repo/x86_64/Packages/a.rpm"},
	}
	for _, test := range tests {
		if got, err := Join(test.base, test.location); err != nil || got != test.want {
			t.Errorf("Join(%q, %q) = %q, %v, want %q", test.base, test.location, got, err, test.want)
		}
	}
}

func TestWeakChecksumsAreRefused(t *testing.T) {
	for _, kind := range []string{"md5", "sha1"} {
		_, err := client(t).File(context.Background(), []string{"x/"}, "file", Digest{Type: kind, Hex: "00"})
		if want := "fetching file: its checksum is " + kind + ", which is too weak"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
