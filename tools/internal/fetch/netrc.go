package fetch

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// maxNetrc bounds a netrc file.
const maxNetrc = 1 << 20

// Netrc holds the entries of a netrc file, as curl and Bazel read it: words apart by white space, quoted words, comments.
// A `default` entry is not used: the list of mirrors would decide who gets its password.
type Netrc struct {
	machines map[string]login
}

type login struct{ name, password string }

// NetrcCredentials reads the netrc file of an environment when the first request is made.
func NetrcCredentials(getenv func(string) string) Credentials {
	load := sync.OnceValues(func() (*Netrc, error) { return NetrcFrom(getenv) })
	return func(ctx context.Context, u *url.URL) (http.Header, error) {
		n, err := load()
		if err != nil {
			return nil, err
		}
		return n.Credentials(ctx, u)
	}
}

// NetrcFrom reads the file that NETRC names, which must exist, or else .netrc of the home folder, which need not.
func NetrcFrom(getenv func(string) string) (*Netrc, error) {
	name := getenv("NETRC")
	chosen := name != ""
	if !chosen {
		home := getenv("HOME")
		if home == "" {
			return &Netrc{}, nil
		}
		name = filepath.Join(home, ".netrc")
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) && !chosen {
		return &Netrc{}, nil
	}
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("reading netrc: %w", err), "correct or unset NETRC")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNetrc+1))
	if err != nil {
		return nil, fmt.Errorf("reading netrc: %w", err)
	}
	n, err := ParseNetrc(data)
	if err != nil {
		return nil, cli.Hint(fmt.Errorf("reading netrc %s: %w", name, err), "correct the file, or set NETRC to another one")
	}
	return n, nil
}

// ParseNetrc reads a netrc file. Errors name lines, never words, which may be passwords. The first entry of a host counts.
func ParseNetrc(data []byte) (*Netrc, error) {
	if len(data) > maxNetrc {
		return nil, fmt.Errorf("larger than %d bytes", maxNetrc)
	}
	words := netrcWords{text: string(data), line: 1}
	n := &Netrc{machines: map[string]login{}}
	host, entry, inside := "", login{}, false
	keep := func() {
		if _, known := n.machines[host]; inside && host != "" && !known {
			n.machines[host] = entry
		}
	}
	for {
		key, ok, err := words.next(true)
		if err != nil {
			return nil, err
		}
		if !ok {
			keep()
			return n, nil
		}
		var into *string
		switch key {
		case "default":
			keep()
			host, entry, inside = "", login{}, true
			continue
		case "macdef":
			words.skipMacro()
			continue
		case "machine":
			keep()
			host, entry, inside = "", login{}, true
			into = &host
		case "login":
			into = &entry.name
		case "password":
			into = &entry.password
		case "account":
			into = new(string)
		default:
			return nil, fmt.Errorf("line %d: not one of machine, default, login, password, account and macdef", words.line)
		}
		if !inside {
			return nil, fmt.Errorf("line %d: %s before the first machine", words.line, key)
		}
		value, ok, err := words.next(false)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("line %d: %s has no value", words.line, key)
		}
		if *into = value; key == "machine" {
			host = strings.ToLower(value)
		}
	}
}

type netrcWords struct {
	text string
	line int
}

// next returns a word. Where a keyword may stand, so may a comment.
func (w *netrcWords) next(comments bool) (word string, ok bool, err error) {
	for w.text != "" {
		switch c := w.text[0]; {
		case c == '\n':
			w.line++
			fallthrough
		case c == ' ' || c == '\t' || c == '\r':
			w.text = w.text[1:]
		case c == '#' && comments:
			_, rest, found := strings.Cut(w.text, "\n")
			if w.text = rest; found {
				w.line++
			}
		case c == '"':
			word, err = w.quoted()
			return word, err == nil, err
		default:
			end := strings.IndexAny(w.text, " \t\r\n")
			if end < 0 {
				end = len(w.text)
			}
			word, w.text = w.text[:end], w.text[end:]
			return word, true, nil
		}
	}
	return "", false, nil
}

func (w *netrcWords) quoted() (string, error) {
	var out strings.Builder
	for i := 1; i < len(w.text) && w.text[i] != '\n'; i++ {
		switch w.text[i] {
		case '"':
			w.text = w.text[i+1:]
			return out.String(), nil
		case '\\':
			if i++; i < len(w.text) {
				out.WriteByte(w.text[i])
			}
		default:
			out.WriteByte(w.text[i])
		}
	}
	return "", fmt.Errorf("line %d: a closing quote is missing", w.line)
}

// skipMacro passes over a macro, which ends at an empty line.
func (w *netrcWords) skipMacro() {
	macro, rest, _ := strings.Cut(w.text, "\n\n")
	w.line += strings.Count(macro, "\n") + 2
	w.text = rest
}

// Credentials is the entry of the host of a URL, as header fields.
func (n *Netrc) Credentials(_ context.Context, u *url.URL) (http.Header, error) {
	entry, ok := n.machines[strings.ToLower(u.Hostname())]
	if !ok {
		return nil, nil
	}
	both := base64.StdEncoding.EncodeToString([]byte(entry.name + ":" + entry.password))
	return http.Header{"Authorization": {"Basic " + both}}, nil
}
