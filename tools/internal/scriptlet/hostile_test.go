package scriptlet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hostileShell are scripts that try to leave the image, or never to end. Each names what the error says; empty: it ends by itself.
var hostileShell = []struct{ why, script, want string }{
	{"an endless loop", `while :; do :; done`, "does it ever end"},
	{"an endless loop of commands", `until false; do true; done`, "does it ever end"},
	{"a fork bomb", `:(){ :|:& };:`, "deeper than"},
	{"recursion", `f() { f; }; f`, "deeper than"},
	{"recursion in a condition", `f() { if f; then :; fi; }; f || :`, "deeper than"},
	{"eval in eval", `x='eval "$x"'; eval "$x"`, "deeper than"},
	{"a script that runs itself", `printf '#!/bin/sh\n/me\n' > /me; chmod 755 /me; /me`, "deeper than"},
	{"a trap that traps", `trap 'trap "$x" EXIT; sh -c "$y"' EXIT; y='sh -c "$y"'; export y; exit`, "deeper than"},
	{"the machine's files", `cat /proc/self/environ`, ""},
	{"the machine's passwords", `cat /etc/shadow`, ""},
	{"the network", `exec 3<>/dev/tcp/127.0.0.1/80`, "there is no network"},
	{"the network by cat", `cat < /dev/udp/127.0.0.1/53`, "there is no network"},
	{"random bytes", `head -c 16 /dev/urandom`, "no fixed contents"},
	{"random numbers", `echo $RANDOM`, "different every time"},
	{"endless zeros", `cat /dev/zero > /big`, "no fixed contents"},
	{"a gigabyte of output", `x=aaaaaaaaaaaaaaaa; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26; do x="$x$x"; done; echo "$x"`, "gets more than"},
	{"a gigabyte printed", `seq 1 3000 > /a; while :; do cat /a /a /a /a /a /a /a /a; done`, "of output"},
	{"a gigabyte written", `seq 1 3000 > /a; while :; do cat /a /a /a /a /a /a /a /a >> /b; done`, "than 67108864 bytes"},
	{"a wide printf", `printf '%999999999d' 1`, "width"},
	{"brace expansion", `echo {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}`, ""},
	{"a long sequence", `echo {1..999999999}`, ""},
	{"globs", `mkdir -p /g/a /g/b /g/c /g/d /g/e /g/f /g/h /g/i; cd /g; echo */../*/../*/../*/../*/../*/../*/../*/../*/../*`, "does it ever end"},
	{"arithmetic", `echo $((2**62*2**62)) $((1<<200))`, ""},
	{"a variable of itself", `x=x; echo $((x))`, ""},
	{"replacements that multiply", `x=aaaaaaaaaaaaaaaa; for i in 1 2 3 4 5 6 7 8 9 10; do x=$x$x; done; y=$x; z=${x//a/$y}`, "an expansion of more than"},
	{"a regular expression", `echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa | grep -E '^(a+)+$'; [[ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab =~ ^(a|a)*$ ]]`, ""},
	{"a large repetition", `echo a | grep -E '((((a{100}){100}){100}){100})'`, "regular expression"},
	{"awk that doubles", `awk 'BEGIN { x = "a"; while (1) x = x x }'`, ""},
	{"awk without end", `awk 'BEGIN { for (;;) ; }'`, "does it ever end"},
	{"awk that waits for nothing", `awk 'BEGIN { while (("echo" | getline) > -1) ; }'`, "does it ever end"},
	{"awk that calls itself", `awk 'function f() { f() } BEGIN { f() }'`, ""},
	{"awk that runs itself", `x='awk "BEGIN { system(ENVIRON[\"x\"]) }"'; export x; eval "$x"`, "deeper than"},
	{"awk with a large array", `awk 'BEGIN { while (1) a[i++] = i }'`, "does it ever end"},
	{"awk with an expression and a text that are large", `awk 'BEGIN { x = sprintf("%60000s", ""); x = x x x x x x x x; while (1) n += x ~ /( ?){900}y/ }'`, "does it ever end"},
	{"awk that deletes", `awk 'BEGIN { while (1) { for (i = 0; i < 30000; i++) a[i]; for (i = 0; i < 30000; i++) delete a[i] } }'`, "does it ever end"},
	{"awk with many fields", `awk 'BEGIN { $1e9 = 1 }'`, ""},
	{"awk with a wide format", `awk 'BEGIN { printf "%999999999d", 1 }'`, ""},
	{"awk with a gigabyte of output", `awk 'BEGIN { x = sprintf("%60000s", ""); while (1) print x x x x x x x x }'`, "of output"},
	{"awk with random numbers", `awk 'BEGIN { srand(); print rand() }'`, "differs from run to run"},
	{"awk with brackets", "awk 'BEGIN { x = " + strings.Repeat("(", 4_000) + "' || :", "deeper than"},
	{"awk with conditions", "awk 'BEGIN { " + strings.Repeat("if (1) ", 4_000) + "' || :", "deeper than"},
	{"awk with the machine's files", `awk '{ print }' /proc/self/environ /etc/hostname`, ""},
	{"awk with the network", `awk 'BEGIN { "/inet/tcp/0/127.0.0.1/80" |& getline }'`, "awk program"},
	{"awk with a large repetition", `echo a | awk '/((((a{100}){100}){100}){100})/'`, "regular expression"},
	{"sed that doubles", `echo a | sed ':a;s/.*/&&/;ta'`, "pattern space"},
	{"sed without end", `echo a | sed ':a;ba'`, "does it ever end"},
	{"find that copies itself", `mkdir /d; find /d -exec cp -r /d /d/x ';'`, ""},
	{"many files", `i=0; while :; do i=$((i+1)); : > /f$i; done`, "does it ever end"},
	{"a deep directory", `while mkdir d && cd d; do :; done`, ""},
	{"links in a circle", `ln -s b a; ln -s a b; cat a; cd a; ls a/`, ""},
	{"here-documents", "cat <<A\n" + strings.Repeat("$(cat <<B\n", 50) + "A\n", "shell script"},
	{"brackets", strings.Repeat("(", 200_000), "brackets"},
	{"substitutions", "echo " + strings.Repeat("$(", 4_900), "shell script"},
	{"backquotes", "echo " + strings.Repeat("`", 100_000), ""},
	{"conditions", strings.Repeat("if ", 80_000), "shell script"},
	{"negations", strings.Repeat("! ", 100_000), "shell script"},
	{"braces", strings.Repeat("{ ", 100_000), "shell script"},
	{"pipes", "a" + strings.Repeat("|a", 100_000), "deeper than"},
	{"a script that is too long", strings.Repeat(":;", 200_000), "the limit is"},
	{"the whole image", `rm -rf --no-preserve-root /`, "removes the whole image"},
	{"the whole image by glob", `rm -rf /*`, ""},
	{"another root", `chroot /proc/1/root sh`, "not known"},
	{"programs of the host", `/usr/bin/env -S touch /tmp/x; perl -e 1`, "not known"},
	{"tilde of a user of the host", `echo ~daemon ~nobody/x > /home; cat /home`, ""},
	{"many arguments", `set -- a b c d e f g h; while :; do set -- "$@" "$@"; done`, "does it ever end"},
	{"process substitution", `cat <(echo x)`, "not known"},
	{"an endless yes", `yes | head -1`, ""},
	{"xargs of itself", `x='xargs -I{} sh -c "{}"'; echo "$x" | sh -c "$x"`, ""},
}

// TestHostileShell: each script ends soon, with the error that it should have, and nothing of the machine is touched.
func TestHostileShell(t *testing.T) {
	guard := guardHost(t)
	for _, c := range hostileShell {
		t.Run(strings.ReplaceAll(c.why, " ", "_"), func(t *testing.T) {
			w := newWorld(t, "/etc/", "/bin/", "/etc/file.txt: text", "/etc/alternatives/")
			start := time.Now()
			o := w.sh(c.script)
			checkBounded(t, start, o, c.want)
			guard(t)
		})
	}
}

// hostileLua does the same in Lua.
var hostileLua = []struct{ why, script, want string }{
	{"an endless loop", `while true do end`, "does it ever end"},
	{"an endless loop that catches errors", `while true do pcall(function() while true do end end) end`, "does it ever end"},
	{"a string that doubles", `s = "a" for i = 1, 60 do s = s .. s end`, "a string of more than"},
	{"a string that repeats", `s = ("x"):rep(1e12)`, "a string of more than"},
	{"a table joined", `t = {} for i = 1, 100 do t[i] = ("x"):rep(100000) end s = table.concat(t)`, "a string of more than"},
	{"recursion", `function f() return 1 + f() end f()`, ""},
	{"recursion by pcall", `function f() pcall(f) end f()`, ""},
	{"patterns", `("a"):rep(5000):find(".-.-.-.-.-b")`, "repetitions on"},
	{"a wide format", `string.format("%999999999d", 1)`, ""},
	{"the machine's files", `for l in io.lines("/proc/self/environ") do print(l) end`, ""},
	{"files beyond the root", `f = io.open("/../../../../etc/hostname", "r") if f then print(f:read("*a")) end`, ""},
	{"a shell", `os.execute("while :; do :; done")`, "does it ever end"},
	{"packages", `require("os")`, ""},
	{"native code", `string.dump(print)`, ""},
	{"random numbers", `print(math.random())`, "different every time"},
	{"concatenation taken away", `_G["(concat)"] = nil; x = "a" .. "b"`, ""},
	{"many values", `t = {} for i = 1, 1e6 do t[i] = i end print(unpack(t))`, ""},
	{"coroutines", `coroutine.wrap(function() while true do end end)()`, ""},
	{"brackets", "x = " + strings.Repeat("(", 50_000), "no Lua script"},
	{"minus signs", "x = " + strings.Repeat("- ", 60_000) + "1", ""},
	{"exit in pcall", `pcall(os.exit, 3) while true do end`, ""},
	{"sort that lies", `t = {} for i = 1, 10000 do t[i] = i end table.sort(t, function() return true end)`, ""},
	{"gsub that grows", `s = ("a"):rep(100000):gsub("a", ("b"):rep(10000))`, "a string of more than"},
	{"load in load", `s = "load(s)()" load(s)()`, ""},
}

func TestHostileLua(t *testing.T) {
	guard := guardHost(t)
	for _, c := range hostileLua {
		t.Run(strings.ReplaceAll(c.why, " ", "_"), func(t *testing.T) {
			w := newWorld(t, "/etc/", "/etc/file.txt: text")
			start := time.Now()
			o := w.luaScript(c.script)
			checkBounded(t, start, o, c.want)
			guard(t)
		})
	}
}

// slowest is far above what any of them needs, and far below what would be noticed as endless.
const slowest = 20 * time.Second

func checkBounded(t *testing.T, start time.Time, o *Outcome, want string) {
	t.Helper()
	took := time.Since(start)
	if took > slowest {
		t.Errorf("it took %v", took)
	}
	switch {
	case want == "" && o.Err != nil:
		t.Errorf("got %v, expected it to end by itself", o.Err)
	case want != "" && (o.Err == nil || !strings.Contains(o.Err.Error(), want)):
		t.Errorf("got %v (exit %d, %q), want %q", o.Err, o.ExitCode, o.Output, want)
	}
	if strings.Contains(o.Output, "PATH=/") || strings.Contains(o.Output, "root:") {
		t.Errorf("it saw the machine: %q", o.Output)
	}
	t.Logf("%v: %v, exit %d", took.Round(time.Millisecond), o.Err, o.ExitCode)
}

// guardHost returns a check that the working directory and a file beside it are as they were.
func guardHost(t *testing.T) func(*testing.T) {
	t.Helper()
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("untouched"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	return func(t *testing.T) {
		t.Helper()
		names, err := os.ReadDir(dir)
		data, errFile := os.ReadFile(victim)
		if err != nil || errFile != nil || len(names) != 1 || string(data) != "untouched" {
			t.Fatalf("the machine was touched: %v %v %v %q", names, err, errFile, data)
		}
	}
}

// TestHostilePaths: no path leads out of the tree, and what goes through links stays in it.
func TestHostilePaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	w := newWorld(t, "/etc/", "/out -> "+dir, "/up -> ../../../../../../../../..", "/etc/abs -> "+dir+"/x")
	o := w.sh("cd /etc; echo 1 > ../../../../../../.." + dir + "/a; echo 2 > /out/b; echo 3 > /up" + dir + "/c; echo 4 > abs; mkdir -p /out; echo 5 > /out/d; cp -r / /up/copy; ln -s " + dir + " l; touch l/e; ln /etc/passwd hard")
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 0 {
		t.Fatalf("the machine was touched: %v, %v", names, err)
	}
}

// fuzzSteps keeps every input far below the ten seconds after which a fuzzer believes that it hangs.
const fuzzSteps = 20_000

func FuzzShell(f *testing.F) {
	for _, c := range hostileShell {
		if len(c.script) < 1000 {
			f.Add(c.script)
		}
	}
	data, err := os.ReadFile("testdata/shell.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range strings.Split(string(data), "\n----\n") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		w := newWorld(t, "/etc/", "/bin/", "/tmp/", "/etc/file.txt: one\ntwo\n", "/etc/link -> file.txt")
		w.limit = fuzzSteps
		if o := w.sh(script); o.Err == nil && o.Status != StatusRun {
			t.Fatalf("status %s", o.Status)
		}
		checkTree(t, w)
	})
}

func FuzzLua(f *testing.F) {
	for _, c := range hostileLua {
		if len(c.script) < 1000 {
			f.Add(c.script)
		}
	}
	f.Add(`f = io.open('/etc/shells', 'a+') local s = f:read('*all') if not s:find('x') then f:write('x') end f:close()`)
	f.Fuzz(func(t *testing.T, script string) {
		w := newWorld(t, "/etc/", "/etc/file.txt: one\ntwo\n")
		w.limit = fuzzSteps
		w.luaScript(script)
		checkTree(t, w)
	})
}

func FuzzSed(f *testing.F) {
	data, err := os.ReadFile("testdata/sed.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		args, in, _ := strings.Cut(line, "\t")
		f.Add(strings.Trim(strings.TrimLeft(args, "-nEsz "), "'"), in)
	}
	f.Fuzz(func(t *testing.T, script, in string) {
		w := newWorld(t, "/in.txt: "+in)
		w.limit = fuzzSteps
		quoted := "'" + strings.ReplaceAll(script, "'", `'\''`) + "'"
		w.sh("sed -e " + quoted + " /in.txt; sed -n -E -i -e " + quoted + " /in.txt")
		checkTree(t, w)
	})
}

func FuzzAwk(f *testing.F) {
	for _, line := range strings.Split(readTestdata(f, "awk.txt"), "\n") {
		script, in, _ := strings.Cut(line, "\t")
		if _, rest, ok := strings.Cut(script, "'"); ok {
			program, _, _ := strings.Cut(rest, "'")
			f.Add(program, in)
		}
	}
	f.Fuzz(func(t *testing.T, program, in string) {
		w := newWorld(t, "/etc/", "/tmp/", "/p.txt: "+program)
		w.limit = fuzzSteps
		o := w.Run(&Script{Kind: "post", Program: []string{"/bin/sh"}, Stdin: []byte(in), Body: "awk -f /p.txt a=1 - >/tmp/out"})
		if o.Err == nil && o.ExitCode < 0 {
			t.Errorf("exit %d", o.ExitCode)
		}
	})
}

func FuzzRegex(f *testing.F) {
	f.Add(`^\(a\|b\)*[[:alpha:]]\{2,3\}$`, false)
	f.Add(`^(a|b)*[^]x]{2,3}?+$`, true)
	f.Fuzz(func(t *testing.T, expr string, extended bool) {
		if rx, err := compileRegex(expr, extended, false); err == nil {
			rx.MatchString("some text")
		}
	})
}

// checkTree holds what every tree must: parents are directories, hard links lead to files before them.
func checkTree(t *testing.T, w *world) {
	t.Helper()
	for _, e := range w.FS.Entries() {
		if w.FS.Get(e.Path) != e {
			t.Fatalf("%s: listed, but another entry is there", e.Path)
		}
		for dir := filepath.Dir(e.Path); dir != "/"; dir = filepath.Dir(dir) {
			if p := w.FS.Get(dir); p == nil || p.Type != "dir" {
				t.Fatalf("%s: its parent %s is no directory", e.Path, dir)
			}
		}
		if e.HardLink != "" {
			if first := w.FS.Get(e.HardLink); first == nil || first.HardLink != "" || first.Path >= e.Path || first.SHA256 != e.SHA256 {
				t.Fatalf("%s: hard link to %s", e.Path, e.HardLink)
			}
		}
	}
}
