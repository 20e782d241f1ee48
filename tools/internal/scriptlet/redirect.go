package scriptlet

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// redirect opens the files of a statement. It prints what goes wrong.
func (s *shell) redirect(list []*syntax.Redirect) bool {
	for _, r := range list {
		if err := s.redirectOne(r); err != nil {
			s.errorf("%v", err)
			return false
		}
		if s.ctl != goOn {
			return false
		}
	}
	return true
}

func (s *shell) redirectOne(r *syntax.Redirect) error {
	fd := -1
	if r.N != nil {
		n, ok := atoi(r.N.Value)
		if !ok {
			s.m.stop("redirection {%s} is not known", r.N.Value)
		}
		fd = n
	}
	in, out := fd, fd
	if fd < 0 {
		in, out = 0, 1
	}
	switch r.Op {
	case syntax.Hdoc, syntax.DashHdoc, syntax.WordHdoc:
		s.fds[in] = &file{r: strings2reader(s.document(r))}
		return nil
	}
	word := s.literal(r.Word)
	switch r.Op {
	case syntax.RdrIn:
		return s.openRead(in, word)
	case syntax.RdrOut, syntax.RdrClob, syntax.AppOut, syntax.RdrInOut:
		return s.openWrite(out, word, r.Op == syntax.AppOut || r.Op == syntax.RdrInOut)
	case syntax.RdrAll, syntax.AppAll:
		if err := s.openWrite(1, word, r.Op == syntax.AppAll); err != nil {
			return err
		}
		s.fds[2] = s.fds[1]
		return nil
	case syntax.DplOut, syntax.DplIn:
		if r.Op == syntax.DplIn {
			out = in
		}
		return s.duplicate(out, word, fd < 0 && r.Op == syntax.DplOut)
	}
	s.m.stop("redirection %s is not known", r.Op)
	return nil
}

func strings2reader(s string) *bytes.Reader { return bytes.NewReader([]byte(s)) }

// document expands a here-document.
func (s *shell) document(r *syntax.Redirect) string {
	if r.Op == syntax.WordHdoc {
		return s.literal(r.Word) + "\n"
	}
	if r.Hdoc == nil {
		return ""
	}
	text, err := expand.Document(s.config(r.Hdoc), r.Hdoc)
	s.expansion(err)
	if r.Op == syntax.DashHdoc {
		lines := strings.SplitAfter(text, "\n")
		for i := range lines {
			lines[i] = strings.TrimLeft(lines[i], "\t")
		}
		text = strings.Join(lines, "")
	}
	s.m.produce(len(text))
	return text
}

func (s *shell) duplicate(fd int, word string, both bool) error {
	if word == "-" {
		delete(s.fds, fd)
		return nil
	}
	n, ok := atoi(strings.TrimSuffix(word, "-"))
	if !ok {
		if !both {
			return fmt.Errorf("%s: ambiguous redirect", word)
		}
		if err := s.openWrite(1, word, false); err != nil { // >&file
			return err
		}
		s.fds[2] = s.fds[1]
		return nil
	}
	if s.fds[n] == nil {
		return fmt.Errorf("%s: Bad file descriptor", word)
	}
	s.fds[fd] = s.fds[n]
	if strings.HasSuffix(word, "-") && n != fd {
		delete(s.fds, n)
	}
	return nil
}

// standard returns the descriptor behind /dev/stdout and its like.
func standard(p string) (int, bool) {
	switch path.Clean(p) {
	case "/dev/stdin", "/dev/fd/0":
		return 0, true
	case "/dev/stdout", "/dev/fd/1":
		return 1, true
	case "/dev/stderr", "/dev/fd/2":
		return 2, true
	}
	return 0, false
}

func (s *shell) openRead(fd int, word string) error {
	p := abs(s.dir, word)
	if n, ok := standard(p); ok {
		s.fds[fd] = s.fds[n]
		return nil
	}
	data, err := s.m.read(p)
	if err != nil {
		return fmt.Errorf("%s: %w", word, err)
	}
	s.fds[fd] = &file{r: bytes.NewReader(data)}
	return nil
}

func (s *shell) openWrite(fd int, word string, add bool) error {
	w, err := s.m.open(abs(s.dir, word), add, 0o666&^s.umask, s)
	if err != nil {
		return fmt.Errorf("%s: %w", word, err)
	}
	s.fds[fd] = w
	return nil
}

// open opens a file for writing; the files of /dev that write somewhere else are those of the shell.
func (m *Machine) open(p string, add bool, mode uint32, s *shell) (*file, error) {
	if path.Clean(p) == "/dev/null" {
		return &file{w: io.Discard}, nil
	}
	if n, ok := standard(p); ok {
		if f := s.fds[n]; f != nil {
			return f, nil
		}
		return &file{}, nil
	}
	if m.stat(p) == nil {
		if err := m.missing(p); strings.HasPrefix(p, "/proc/") || strings.HasPrefix(p, "/sys/") {
			return nil, err
		}
	}
	e, err := m.create(p, mode)
	if err != nil {
		return nil, err
	}
	if !add {
		m.setData(e, nil)
	}
	return &file{w: &fileWriter{m, e}}, nil
}

// fileWriter appends to a file of the tree.
type fileWriter struct {
	m *Machine
	e *rootfs.Entry
}

func (w *fileWriter) Write(p []byte) (int, error) {
	w.m.write(w.e, p)
	return len(p), nil
}
