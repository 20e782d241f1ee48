package scriptlet

import (
	"strings"
	"testing"
)

// commandCases are scripts with the lines of the tree that they must leave behind; a line that starts with "!" must not be there.
var commandCases = []struct {
	why    string
	lua    bool
	tree   []string
	script string
	want   string
}{
	{"install", false, []string{"/src.txt: x"}, `install -d -m 750 -o 7 -g 8 /a/b; install -D -m 4711 /src.txt /c/d; install -m 600 /dev/null /e`, `
/a dir 0755 0:0
/a/b dir 0750 7:8
/c/d file 4711 0:0 "x"
/e file 0600 0:0 ""`},
	{"copies and moves", false, []string{"/d/", "/d/f: x", "/d/l -> f"}, `cp -a /d /e; cp -rL /d/. /g 2>/dev/null; mv /d/f /d/h; mv /e /d; cp /d/h /new`, `
/d/e/f file 0755 0:0 "x"
/d/e/l symlink 0777 0:0 -> f
/d/h file 0755 0:0 "x"
!/d/f
!/e
/new file 0755 0:0 "x"`},
	{"links", false, []string{"/usr/", "/usr/bin/", "/usr/bin/tool: x", "/lib -> usr"}, `ln -s tool /usr/bin/t; ln -sfn bin /lib; ln /usr/bin/tool /usr/bin/a; ln -sr /usr/bin/tool /usr/link; readlink -f /usr/link > /o.txt`, `
/lib symlink 0777 0:0 -> bin
/o.txt file 0644 0:0 "/usr/bin/tool\n"
/usr/bin/a file 0755 0:0 "x"
/usr/bin/tool file 0755 0:0 = /usr/bin/a
/usr/link symlink 0777 0:0 -> bin/tool`},
	{"modes", false, []string{"/d/", "/d/f: x", "/s.txt: y"}, `chmod -R go-rwx,u+X /d; chmod g=u,o+t,u+s /s.txt; chown 5:6 /s.txt; chgrp 9 /d`, `
/d dir 0700 0:9
/d/f file 0700 0:0 "x"
/s.txt file 5664 5:6 "y"`},
	{"a shared file behind hard links", false, []string{"/a: x"}, `ln /a /b; echo more >> /b; sed -i s/x/y/ /a`, `
/a file 0755 0:0 "ymore\n"
/b file 0755 0:0 "xmore\n"`},
	{"removals", false, []string{"/d/", "/d/e/", "/d/e/f: x", "/g/", "/h/"}, `rm -rf /d; rmdir /g; rm /h 2>/dev/null || touch /kept; rm -f /none`, `
!/d
!/d/e/f
!/g
/h dir 0755 0:0
/kept file 0644 0:0 ""`},
	{"find", false, []string{"/d/", "/d/a.txt: x", "/d/b: y", "/d/s/", "/d/s/c.txt: z"}, `find /d -name '*.txt' -exec chmod 600 {} +; find /d -type d ! -path /d -prune -o -name b -print > /o.txt; find /d -type f -name '*.txt' -delete`, `
!/d/a.txt
!/d/s/c.txt
/o.txt file 0644 0:0 "/d/b\n"`},
	{"units without systemd", false, []string{"/usr/lib/systemd/system/x.service: [Install]\nWantedBy=multi-user.target\n"},
		`systemctl preset x.service || echo $? > /o.txt; /usr/lib/systemd/systemd-update-helper install-system-units x.service`, `
/o.txt file 0644 0:0 "127\n"
!/etc/systemd/system/multi-user.target.wants/x.service`},
	{"units by preset", false, []string{"/usr/lib/systemd/systemd: x", "/usr/lib/systemd/system/x.service: [Install]\nWantedBy=multi-user.target\nAlias=y.service\nAlso=x.socket\n",
		"/usr/lib/systemd/system/x.socket: [Install]\nWantedBy=sockets.target\n", "/usr/lib/systemd/system/no.service: [Install]\nWantedBy=multi-user.target\n",
		"/usr/lib/systemd/system/t@.service: [Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n", "/usr/lib/systemd/system-preset/90.preset: enable x.*\ndisable *\n"},
		`systemctl --no-reload preset x.service no.service >/dev/null; systemctl enable t@.service t@tty2; systemctl mask no; systemctl daemon-reload`, `
/etc/systemd/system/getty.target.wants/t@tty1.service symlink 0777 0:0 -> /usr/lib/systemd/system/t@.service
/etc/systemd/system/getty.target.wants/t@tty2.service symlink 0777 0:0 -> /usr/lib/systemd/system/t@.service
/etc/systemd/system/multi-user.target.wants/x.service symlink 0777 0:0 -> /usr/lib/systemd/system/x.service
/etc/systemd/system/no.service symlink 0777 0:0 -> /dev/null
/etc/systemd/system/sockets.target.wants/x.socket symlink 0777 0:0 -> /usr/lib/systemd/system/x.socket
/etc/systemd/system/y.service symlink 0777 0:0 -> /usr/lib/systemd/system/x.service
!/etc/systemd/system/multi-user.target.wants/no.service`},
	{"tmpfiles", false, []string{"/usr/lib/tmpfiles.d/x.conf: d /run/x 0750 5 6 -\nf /run/x/f 0600 - - - text\nL /run/l - - - - ../x\nL+ /run/m - - - - a\nx /tmp/*\nd! /boot1\n", "/run/", "/run/m -> old"},
		`systemd-tmpfiles --create x.conf`, `
/run/l symlink 0777 0:0 -> ../x
/run/m symlink 0777 0:0 -> a
/run/x dir 0750 5:6
/run/x/f file 0600 0:0 "text"
!/boot1`},
	{"sourced files and scripts of the image", false, []string{"/etc/conf: A=1\nB=\"two words\"\n", "/usr/bin/helper: #!/bin/sh\necho helper $1 $X\nexit 3\n"},
		`. /etc/conf; X=env helper "$B" > /o.txt; echo $? $A >> /o.txt`, `
/o.txt file 0644 0:0 "helper two words env\n3 1\n"`},
	{"services of SysV", false, []string{"/sbin/chkconfig: x", "/etc/rc.d/init.d/", "/etc/rc.d/rc3.d/", "/etc/rc.d/init.d/a: #!/bin/sh\n# chkconfig: 35 85 15\n# description: a\n",
		"/etc/rc.d/init.d/b: #!/bin/sh\n# chkconfig: - 20 80\n", "/etc/rc.d/init.d/c: #!/bin/sh\n### BEGIN INIT INFO\n# Default-Start: 2 3\n# Required-Start: $local_fs a\n### END INIT INFO\n",
		"/etc/rc.d/init.d/d: #!/bin/sh\n"}, `chkconfig --add a; chkconfig --add b; chkconfig --add c; chkconfig b on; chkconfig --level 35 a off; chkconfig --add d || echo $? > /o.txt; chkconfig --del a; chkconfig --add a`, `
/etc/rc.d/rc0.d/K15a symlink 0777 0:0 -> ../init.d/a
/etc/rc.d/rc0.d/K80b symlink 0777 0:0 -> ../init.d/b
/etc/rc.d/rc1.d/K15a symlink 0777 0:0 -> ../init.d/a
/etc/rc.d/rc3.d/S20b symlink 0777 0:0 -> ../init.d/b
/etc/rc.d/rc3.d/S85a symlink 0777 0:0 -> ../init.d/a
/etc/rc.d/rc3.d/S50c symlink 0777 0:0 -> ../init.d/c
/etc/rc.d/rc4.d/K15a symlink 0777 0:0 -> ../init.d/a
/etc/rc.d/rc4.d/S20b symlink 0777 0:0 -> ../init.d/b
/o.txt file 0644 0:0 "1\n"
!/etc/rc.d/rc3.d/K15a
!/etc/rc.d/rc3.d/K80b`},
	{"links in place of copies", false, []string{"/usr/", "/usr/f/", "/usr/f/d/", "/usr/f/d/x: x", "/var/"}, `cp -as /usr/f /var; hardlink -c /usr/f/d/x /usr/y; cp /usr/f/d/x /usr/z; hardlink -c /usr/f/d/x /usr/z`, `
/usr/z file 0755 0:0 = /usr/f/d/x
/var/f/d/x symlink 0777 0:0 -> /usr/f/d/x`},
	{"people", false, []string{"/etc/login.defs: CREATE_HOME\tyes\n", "/etc/default/useradd: SHELL=/bin/sh\n", "/bin/sh: x", "/home/", "/etc/skel/", "/etc/skel/.profile: x"},
		`groupadd wheel; useradd -u 1234 jo; useradd -M -u 1235 ann; getent passwd jo ann > /o.txt`, `
/home/jo dir 0700 1234:1234
/home/jo/.profile file 0755 1234:1234 "x"
/o.txt file 0644 0:0 "jo:x:1234:1234::/home/jo:/bin/sh\nann:x:1235:1235::/home/ann:/bin/sh\n"
!/home/ann`},
	{"caches that nobody needs", false, []string{"/usr/bin/fc-cache: x", "/usr/lib/jvm/jre/bin/java: x", "/usr/bin/mkfontdir: x", "/usr/bin/glib-compile-schemas: x", "/usr/share/glib-2.0/schemas/"},
		`glib-compile-schemas /usr/share/glib-2.0/schemas && fc-cache -f && /usr/lib/jvm/jre/bin/java -Xshare:dump && mkfontdir /usr/share/fonts/x && gio-querymodules /usr/lib/gio/modules && echo $? > /o.txt
gtk-update-icon-cache /usr/share/icons/x || echo $? >> /o.txt`, `
/o.txt file 0644 0:0 "0\n127\n"`},
	{"rpm's posix module", true, []string{"/usr/", "/f: x"}, `
posix.mkdir("/d") posix.symlink("usr", "/lib") posix.chmod("/f", "rw-r-----") posix.chown("/f", 3, 4)
local st = posix.stat("/lib") local o = io.open("/o.txt", "w")
o:write(st.type, " ", posix.readlink("/lib"), " ", tostring(posix.access("/f", "x")), " ", tostring(posix.stat("/none")), "\n")
for f in posix.files("/usr") do o:write(f, " ") end
o:write(rpm.vercmp("1.10", "1.9"), " ", rpm.expand("%{_libdir}"), " ", posix.getcwd(), " ", arg[2]) o:close()
if posix.fork() == 0 then posix.exec("/bin/mkdir", "/forked") end
os.rename("/d", "/e") os.execute("touch /shell")`, `
/e dir 0755 0:0
/f file 0640 3:4 "x"
/forked dir 0755 0:0
/lib symlink 0777 0:0 -> usr
/o.txt file 0644 0:0 "link usr nil nil\n. .. 1 /usr/lib64 / 1"
/shell file 0644 0:0 ""`},
	{"lines of a file in Lua", true, []string{"/etc/shells: /bin/sh\n"}, `
local f = io.open("/etc/shells", "a+") local text = "\n" .. f:read("*all") .. "\n"
for _, s in ipairs({"/bin/sh", "/bin/bash"}) do if not text:find("\n" .. s .. "\n") then f:write(s .. "\n") end end f:close()
for line in io.lines("/etc/shells") do print(line) end`, `
/etc/shells file 0755 0:0 "/bin/sh\n/bin/bash\n"`},
}

func TestCommands(t *testing.T) {
	for _, c := range commandCases {
		t.Run(strings.ReplaceAll(c.why, " ", "_"), func(t *testing.T) {
			w := newWorld(t, c.tree...)
			run := w.sh
			if c.lua {
				run = w.luaScript
			}
			if o := run(c.script); o.Err != nil {
				t.Fatalf("%v, output %q", o.Err, o.Output)
			} else if o.ExitCode != 0 {
				t.Errorf("exit %d: %s", o.ExitCode, o.Output)
			}
			got := "\n" + w.listing()
			for _, line := range strings.Split(strings.TrimSpace(c.want), "\n") {
				if gone, ok := strings.CutPrefix(line, "!"); ok {
					if strings.Contains(got, "\n"+gone+" ") {
						t.Errorf("%s is still there", gone)
					}
				} else if !strings.Contains(got, "\n"+line+"\n") {
					t.Errorf("no line %s in%s", line, got)
				}
			}
			checkTree(t, w)
		})
	}
}

// TestRefused: what an image cannot have been built with is told with the reason, whether the image has the program or not.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`/usr/libexec/openldap/create-certdb.sh || :`, "no secret of its build"},
		{`openssl genrsa 2048 > /key`, "at random"},
		{`curl -f https://example.org/x`, "no network"},
		{`make -C /usr/share/x`, "nothing is compiled"},
		{`gdk-pixbuf-query-loaders-64 --update-cache`, "loading each module"},
		{`mkfontdir /usr/share/fonts`, "/usr/bin/Xorg"},
		{`fc-cache --version`, "which version"},
		{`glib-compile-schemas /usr/share/glib-2.0/schemas`, "/usr/share/glib-2.0/schemas/org.x.gschema.xml cannot be compiled"},
		{`update-mime-database /usr/share/mime`, "in a container once"},
		{`java -version`, "only -Xshare:dump"},
		{`chkconfig --list`, "--list"},
	} {
		w := newWorld(t, "/usr/bin/Xorg: x", "/usr/bin/openssl: x", "/sbin/chkconfig: x", "/usr/bin/fc-cache: x", "/usr/bin/mkfontdir: x", "/usr/bin/glib-compile-schemas: x",
			"/usr/bin/update-mime-database: x", "/usr/share/glib-2.0/schemas/", "/usr/share/glib-2.0/schemas/org.x.gschema.xml: x")
		if o := w.sh(c.script); o.Status != StatusNotCovered || !strings.Contains(o.Err.Error(), c.want) {
			t.Errorf("%s: %s %v, want %q", c.script, o.Status, o.Err, c.want)
		}
	}
	w := newWorld(t, "/usr/bin/fc-cache: x")
	w.FS.Get("/usr/bin/fc-cache").Owners = []string{"fontconfig-2:2.13.1-3.el8.x86_64"}
	if o := w.sh(`fc-cache --version 2>&1 | grep -q 2.13.1 && curl -s http://169.254.169.254/x; echo $?`); o.Output != "7" {
		t.Errorf("%v %q", o.Err, o.Output)
	}
}
