package scriptlet

import (
	"encoding/base64"
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// rpmLib is the module rpm of rpm's Lua.
func (r *luaRun) rpmLib() *lua.LTable {
	t := r.table(map[string]lua.LGFunction{
		"vercmp": func(L *lua.LState) int {
			a, errA := evr.Parse(L.CheckString(1))
			b, errB := evr.Parse(L.CheckString(2))
			order := evr.Compare(a, b)
			if errA != nil || errB != nil {
				order = evr.Vercmp(L.CheckString(1), L.CheckString(2))
			}
			L.Push(lua.LNumber(order))
			return 1
		},
		"expand": func(L *lua.LState) int {
			v, err := r.m.macros(L.CheckString(1))
			if err != nil {
				r.m.stop("rpm.expand: %v", err)
			}
			L.Push(lua.LString(v))
			return 1
		},
		"execute": func(L *lua.LState) int { return executed(L, r.argv(stringsFrom(L, 1))) },
		"spawn": func(L *lua.LState) int {
			var argv []string
			L.CheckTable(1).ForEach(func(_, v lua.LValue) { argv = append(argv, v.String()) })
			if L.GetTop() > 1 {
				r.m.stop("rpm.spawn with actions is not known")
			}
			return executed(L, r.argv(argv))
		},
		"next_file": func(L *lua.LState) int {
			if len(r.files) == 0 {
				L.Push(lua.LNil)
				return 1
			}
			L.Push(lua.LString(r.files[0]))
			r.files = r.files[1:]
			return 1
		},
		"b64encode": func(L *lua.LState) int {
			L.Push(lua.LString(base64.StdEncoding.EncodeToString([]byte(L.CheckString(1)))))
			return 1
		},
		"b64decode": func(L *lua.LState) int {
			data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(L.CheckString(1)), ""))
			if err != nil {
				L.RaiseError("not valid base64 input")
			}
			L.Push(lua.LString(data))
			return 1
		},
		"open": r.ioOpen,
		"glob": func(L *lua.LState) int {
			names, err := expand.Fields(r.sh.config(), &syntax.Word{Parts: []syntax.WordPart{&syntax.Lit{Value: L.CheckString(1)}}})
			if err != nil {
				r.m.stop("rpm.glob: %v", err)
			}
			t := L.NewTable()
			for _, n := range names {
				t.Append(lua.LString(n))
			}
			L.Push(t)
			return 1
		},
		"redirect2null": func(L *lua.LState) int { return 0 },
		"isdefined": func(L *lua.LState) int {
			_, ok := r.m.macro(L.CheckString(1))
			L.Push(lua.LBool(ok))
			L.Push(lua.LFalse)
			return 2
		},
	})
	return t
}

// macro returns a macro of the installed system that scripts ask for, as every RPM distribution defines it.
func (m *Machine) macro(name string) (string, bool) {
	values := map[string]string{
		"_prefix": "/usr", "_exec_prefix": "/usr", "_bindir": "/usr/bin", "_sbindir": "/usr/sbin", "_libexecdir": "/usr/libexec",
		"_datadir": "/usr/share", "_datarootdir": "/usr/share", "_sysconfdir": "/etc", "_sharedstatedir": "/var/lib", "_localstatedir": "/var",
		"_var": "/var", "_rundir": "/run", "_lib": "lib64", "_libdir": "/usr/lib64", "_includedir": "/usr/include", "_infodir": "/usr/share/info",
		"_mandir": "/usr/share/man", "_docdir": "/usr/share/doc", "_usr": "/usr", "_tmppath": "/var/tmp", "_unitdir": "/usr/lib/systemd/system",
		"_userunitdir": "/usr/lib/systemd/user", "_presetdir": "/usr/lib/systemd/system-preset", "_tmpfilesdir": "/usr/lib/tmpfiles.d",
		"_sysusersdir": "/usr/lib/sysusers.d", "_arch": m.Arch, "_target_cpu": m.Arch, "_host_cpu": m.Arch, "_build_arch": m.Arch, "_os": "linux",
		"_target_os": "linux", "__isa_bits": "64", "_dbpath": "/var/lib/rpm", "__cp": "/usr/bin/cp", "__mv": "/usr/bin/mv", "__rm": "/usr/bin/rm",
		"__ln_s": "ln -s", "__mkdir_p": "/usr/bin/mkdir -p", "__chmod": "/usr/bin/chmod", "__sed": "/usr/bin/sed", "__grep": "/usr/bin/grep",
		"__cat": "/usr/bin/cat", "nil": "",
	}
	v, ok := values[name]
	return v, ok
}

// macros expands %name, %{name}, %{?name}, %{?name:text}, %{!?name:text} and %%.
func (m *Machine) macros(text string) (string, error) {
	m.enter()
	defer m.leave()
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		m.step(1)
		if text[i] != '%' || i+1 >= len(text) {
			out.WriteByte(text[i])
			continue
		}
		i++
		switch ch := text[i]; {
		case ch == '%':
			out.WriteByte('%')
		case ch == '{':
			end := closing(text[i:])
			if end < 0 {
				return "", fmt.Errorf("%q: a brace is not closed", shorten(text))
			}
			v, err := m.braced(text[i+1 : i+end])
			if err != nil {
				return "", err
			}
			out.WriteString(v)
			i += end
		default:
			end := i
			for end < len(text) && (text[end] == '_' || text[end] >= 'a' && text[end] <= 'z' || text[end] >= 'A' && text[end] <= 'Z' || text[end] >= '0' && text[end] <= '9') {
				end++
			}
			v, ok := m.macro(text[i:end])
			if !ok {
				return "", fmt.Errorf("macro %%%s is not known", shorten(text[i:end]))
			}
			out.WriteString(v)
			i = end - 1
		}
	}
	return out.String(), nil
}

// closing returns the place of the brace that closes the first one.
func closing(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func (m *Machine) braced(text string) (string, error) {
	name := strings.TrimLeft(text, "!?")
	flags := text[:len(text)-len(name)]
	name, alternative, both := strings.Cut(name, ":")
	value, ok := m.macro(name)
	if flags == "" {
		if !ok || both {
			return "", fmt.Errorf("macro %%{%s} is not known", shorten(text))
		}
		return value, nil
	}
	if strings.Count(flags, "!")%2 == 1 {
		if ok || !both {
			return "", nil
		}
		return m.macros(alternative)
	}
	if !ok {
		return "", nil // what the installed system does not define either
	}
	if both {
		return m.macros(alternative)
	}
	return value, nil
}
