// Package iptables_test sets packet filters in a network namespace, and sees what they do to packets.
package iptables_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// backend is one of the two implementations of iptables, chosen by attribute in an image that stands on ours.
type backend struct {
	name, version, other string
	emulated             string // what --version says under qemu-user, which has no netfilter sockets
}

var backends = []backend{
	{"legacy", `v[0-9.]+ \(legacy\)`, "nft", ""},
	{"nft", `v[0-9.]+ \(nf_tables\)`, "legacy", "Failed to initialize nft: Protocol not supported"},
}

// filter is a namespace with an image that filters in it, and a server on port 81.
type filter struct {
	image   *smoke.Image
	network *imagerun.Network
}

func newFilter(t *testing.T, image *smoke.Image) filter {
	f := filter{image, smoke.NewNetwork(t)}
	for _, address := range []string{"127.0.0.1:81", "[::1]:81"} {
		smoke.Serve(t, f.network, address, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "reached") }))
	}
	return f
}

func (f filter) process(command string) imagerun.Process {
	return imagerun.Process{
		Args: strings.Fields(command), Network: f.network, Capabilities: []string{"CAP_NET_ADMIN", "CAP_NET_RAW"},
		ReadOnly: true, Mounts: []imagerun.Mount{imagerun.Tmpfs("/run")},
	}
}

// do sets rules. Where the kernel cannot, the test ends with what it said.
func (f filter) do(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		r := f.image.Run(t, f.process(command))
		if r.Exit != 0 && regexp.MustCompile(`Table does not exist|Protocol not supported|kernel doesn't support`).MatchString(r.Output()) {
			t.Skipf("this kernel cannot do %q: %s", command, r.Output())
		}
		if r.Exit != 0 {
			t.Fatalf("%s: exit status %d\n%s", command, r.Exit, r.Output())
		}
	}
}

// reach connects through the filters; err is nil, or how the kernel refused.
func (f filter) reach(t *testing.T, url string) error {
	t.Helper()
	got, err := smoke.Get(t.Context(), f.network, url)
	if err == nil && got != "reached" {
		t.Fatalf("%s answered %q", url, got)
	}
	return err
}

// TestChoice: images choose a backend by attribute; update-alternatives says which, and so do the programs.
func TestChoice(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			f := newFilter(t, smoke.OpenNamed(t, b.name))
			f.image.NoShell(t)
			for _, name := range []string{"iptables", "ip6tables"} {
				query := f.process("/usr/bin/update-alternatives --query " + name)
				f.image.Match(t, query, `(?s)^Name: `+name+`\nLink: /usr/sbin/`+name+`\n.*Status: manual\n.*Value: /usr/sbin/`+name+"-"+b.name+`\n.*Alternative: /usr/sbin/`+name+"-"+b.other+`\n`)
				if f.image.Emulated() && b.emulated != "" {
					f.image.Fail(t, f.process("/usr/sbin/"+name+" --version"), b.emulated)
					continue
				}
				for _, suffix := range []string{"", "-save", "-restore"} {
					f.image.Match(t, f.process("/usr/sbin/"+name+suffix+" --version"), "^"+name+suffix+" "+b.version)
				}
			}
		})
	}
}

// TestRules: rules of either backend are listed, saved, restored, and do what they say, for IPv4 and IPv6.
func TestRules(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user has no netfilter sockets")
	for _, b := range backends {
		image := smoke.OpenNamed(t, b.name)
		for _, family := range []struct{ program, host string }{{"iptables", "127.0.0.1"}, {"ip6tables", "[::1]"}} {
			t.Run(family.program+" "+b.name, func(t *testing.T) {
				newFilter(t, image).rules(t, b, "/usr/sbin/"+family.program, "http://"+family.host)
			})
		}
	}
}

func (f filter) rules(t *testing.T, b backend, program, url string) {
	f.image.Succeed(t, f.process(program+"-save"))
	if err := f.reach(t, url+":81/"); err != nil {
		t.Fatal(err)
	}
	f.do(t,
		program+" -t nat -A OUTPUT -p tcp --dport 82 -j REDIRECT --to-ports 81",
		program+" -t mangle -N KUBE-IPTABLES-HINT",
		program+" -A INPUT -p tcp --dport 83 -m comment --comment smoke -j REJECT --reject-with tcp-reset",
		program+" -A INPUT -m conntrack --ctstate INVALID -j DROP")
	f.image.Match(t, f.process(program+" -S INPUT"), `(?m)^-A INPUT -p tcp -m tcp --dport 83 -m comment --comment (")?smoke(")? -j REJECT --reject-with tcp-reset$`)
	f.image.Match(t, f.process(program+" -L INPUT -n"), `REJECT .* tcp dpt:83 /\* smoke \*/ reject-with tcp-reset`)
	if err := f.reach(t, url+":82/"); err != nil {
		t.Errorf("port 82 is not redirected: %v", err)
	}
	if err := f.reach(t, url+":83/"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("port 83: %v", err)
	}

	saved := f.save(t, program)
	for _, want := range []string{"*nat\n", "*mangle\n", ":KUBE-IPTABLES-HINT ", "*filter\n", "--dport 82 -j REDIRECT --to-ports 81"} {
		if !strings.Contains(saved, want) {
			t.Errorf("%s-save does not say %q:\n%s", program, want, saved)
		}
	}
	// The other backend has its own rules, which are none.
	if r := f.image.Run(t, f.process(program+"-"+b.other+"-save")); r.Exit != 0 || strings.Contains(r.Stdout, "REDIRECT") {
		t.Errorf("%s-%s-save: %d\n%s", program, b.other, r.Exit, r.Output())
	}

	f.do(t, program+" -t nat -F", program+" -F", program+" -t mangle -X")
	if err := f.reach(t, url+":82/"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("port 82 without rules: %v", err)
	}
	restore := f.process(program + "-restore")
	restore.Stdin = strings.NewReader(saved)
	f.image.Succeed(t, restore)
	if again := f.save(t, program); again != saved {
		t.Errorf("restored\n%s\nsaved\n%s", again, saved)
	}
	if err := f.reach(t, url+":82/"); err != nil {
		t.Errorf("port 82 with restored rules: %v", err)
	}
	broken := f.process(program + "-restore")
	broken.Stdin = strings.NewReader("*filter\n-A NO-SUCH-CHAIN -j DROP\nCOMMIT\n")
	f.image.Fail(t, broken, "NO-SUCH-CHAIN|line 2")
}

// volatile is what differs between two outputs of -save of the same rules.
var volatile = regexp.MustCompile(`(?m)^#.*\n|\[[0-9]+:[0-9]+\]`)

func (f filter) save(t *testing.T, program string) string {
	t.Helper()
	r := f.image.Run(t, f.process(program+"-save"))
	if r.Exit != 0 || r.Stdout == "" {
		t.Fatalf("%s-save: %d\n%s", program, r.Exit, r.Output())
	}
	return volatile.ReplaceAllString(r.Stdout, "")
}

// TestTools: the other programs make, use and list what theirs is.
func TestTools(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user has no netfilter sockets; --version of each runs in debrpm_arm64_test")
	image := smoke.Open(t)
	for _, test := range []struct {
		summary    string
		commands   []string
		list, want string
	}{
		{"ebtables", []string{"/usr/sbin/ebtables -A INPUT -p ARP -j DROP"}, "/usr/sbin/ebtables -L INPUT", `-p ARP -j DROP`},
		{"ebtables-legacy", []string{"/usr/sbin/ebtables-legacy -A INPUT -p ARP -j DROP"}, "/usr/sbin/ebtables-legacy -L INPUT", `-p ARP -j DROP`},
		{"arptables", []string{"/usr/sbin/arptables -A INPUT -s 192.0.2.1 -j DROP"}, "/usr/sbin/arptables -L INPUT -n", `192\.0\.2\.1`},
		{"arptables-legacy", []string{"/usr/sbin/arptables-legacy -A INPUT -s 192.0.2.1 -j DROP"}, "/usr/sbin/arptables-legacy -L INPUT -n", `192\.0\.2\.1`},
		{"nft", []string{"/usr/sbin/nft add table inet smoke", "/usr/sbin/nft add set inet smoke names { type ipv4_addr ; }", "/usr/sbin/nft add element inet smoke names { 192.0.2.7 }"},
			"/usr/sbin/nft -j list ruleset", `"elem": *\["192\.0\.2\.7"\]`},
		{"ipset", []string{"/usr/sbin/ipset create smoke hash:ip", "/usr/sbin/ipset add smoke 192.0.2.8", "/usr/sbin/iptables-nft -A INPUT -m set --match-set smoke src -j DROP"},
			"/usr/sbin/ipset list smoke", `(?s)References: 1\n.*192\.0\.2\.8`},
		{"conntrack", []string{"/usr/sbin/iptables-nft -A INPUT -m conntrack --ctstate INVALID -j DROP"}, "/usr/sbin/conntrack -C", `^[0-9]+\n$`},
	} {
		t.Run(test.summary, func(t *testing.T) {
			f := newFilter(t, image)
			f.do(t, test.commands...)
			f.image.Match(t, f.process(test.list), test.want)
		})
	}
	t.Run("conntrack sees a connection", func(t *testing.T) {
		f := newFilter(t, image)
		f.do(t, "/usr/sbin/iptables-nft -A INPUT -m conntrack --ctstate INVALID -j DROP")
		if err := f.reach(t, "http://127.0.0.1:81/"); err != nil {
			t.Fatal(err)
		}
		f.image.Match(t, f.process("/usr/sbin/conntrack -L -p tcp --dport 81"), fmt.Sprintf(`(?m)^tcp +6 .* src=%[1]s dst=%[1]s .*dport=81`, `127\.0\.0\.1`))
	})
}

const wrapperPath = "/usr/sbin/iptables-wrapper"

// wrapped is a namespace with the image itself, in which iptables-wrapper has not been called.
func wrapped(t *testing.T, image *smoke.Image) filter {
	t.Helper()
	f := filter{image, smoke.NewNetwork(t)}
	for _, family := range families {
		f.image.Run(t, f.writing("/usr/bin/update-alternatives --set "+family+" "+wrapperPath))
		f.leads(t, family, wrapperPath)
	}
	return f
}

var families = []string{"iptables", "ip6tables"}

// writing is a process that may change the alternatives.
func (f filter) writing(command string) imagerun.Process {
	p := f.process(command)
	p.ReadOnly = false
	return p
}

// leads demands what update-alternatives says of a program.
func (f filter) leads(t *testing.T, family, path string) {
	t.Helper()
	f.image.Match(t, f.process("/usr/bin/update-alternatives --query "+family), `(?s)^Name: `+family+`\n.*Status: manual\n.*Value: `+path+`\n`)
}

// uses demands that all names are programs of a backend by now.
func (f filter) uses(t *testing.T, b backend) {
	t.Helper()
	for _, family := range families {
		f.leads(t, family, "/usr/sbin/"+family+"-"+b.name)
		for _, suffix := range []string{"", "-save", "-restore"} {
			f.image.Match(t, f.process("/usr/sbin/"+family+suffix+" --version"), "^"+family+suffix+" "+b.version)
		}
	}
}

// TestHints: wherever kubelet has left its chain, the first call of any name finds it, and from then on all names are programs of that
// backend. Chains of others in the other backend do not matter.
func TestHints(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user has no netfilter sockets")
	image := smoke.Open(t)
	for _, b := range backends {
		for i, family := range families {
			for k, first := range []string{"/usr/sbin/iptables -L", "/usr/sbin/ip6tables-save", "ip6tables -t nat -S"} {
				chain := []string{"KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"}[(i+k)%2]
				t.Run(fmt.Sprintf("%s in %s of %s, %s", chain, b.name, family, first), func(t *testing.T) {
					f := wrapped(t, image)
					f.do(t, "/usr/sbin/"+family+"-"+b.name+" -t mangle -N "+chain)
					for _, junk := range []string{"BAD-1", "BAD-2"} {
						f.do(t, "/usr/sbin/"+family+"-"+b.other+" -t mangle -N "+junk)
					}
					f.leads(t, "iptables", wrapperPath)
					f.image.Succeed(t, f.writing(first))
					f.uses(t, b)
				})
			}
		}
	}
}

// TestNoHint: without a hint it is nf_tables, and to look does not make tables of ip_tables.
func TestNoHint(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user has no netfilter sockets")
	image := smoke.Open(t)
	f := wrapped(t, image)
	f.image.Succeed(t, f.writing("/usr/sbin/iptables -L"))
	f.uses(t, backends[1])
	if r := f.image.Run(t, f.process("/usr/sbin/iptables -L")); strings.Contains(r.Stderr, "legacy tables present") {
		t.Errorf("the wrapper has made tables: %s", r.Stderr)
	}
	// What others have made without a hint does not decide.
	f = wrapped(t, image)
	f.do(t, "/usr/sbin/iptables-legacy -t mangle -N BAD-1", "/usr/sbin/iptables-legacy -A INPUT -p tcp --dport 83 -j DROP")
	f.image.Succeed(t, f.writing("/usr/sbin/ip6tables -L"))
	f.uses(t, backends[1])
}

// TestWrapperReadOnly: on a root filesystem that cannot be written, every call finds out for itself.
func TestWrapperReadOnly(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user has no netfilter sockets")
	image := smoke.Open(t)
	f := wrapped(t, image)
	for _, family := range families {
		f.image.Match(t, f.process("/usr/sbin/"+family+" --version"), backends[1].version)
	}
	f.do(t, "/usr/sbin/ip6tables-legacy -t mangle -N KUBE-IPTABLES-HINT")
	for _, family := range families {
		f.image.Match(t, f.process("/usr/sbin/"+family+" --version"), backends[0].version)
	}
	f.leads(t, "iptables", wrapperPath)
	restore := f.process("ip6tables-restore --noflush")
	restore.Stdin = strings.NewReader("*filter\n:SMOKE - [0:0]\nCOMMIT\n")
	f.image.Succeed(t, restore)
	f.image.Match(t, f.process("/usr/sbin/ip6tables-legacy-save"), `(?m)^:SMOKE - `)
}

// TestWrapperAtOnce: calls that are made together all get an answer, and the same one.
func TestWrapperAtOnce(t *testing.T) {
	smoke.NativeOnly(t, "qemu-user has no netfilter sockets")
	image := smoke.Open(t)
	f := wrapped(t, image)
	f.do(t, "/usr/sbin/iptables-legacy -t mangle -N KUBE-KUBELET-CANARY")
	var running []*imagerun.Running
	for i := range 6 {
		r, err := image.Image.Start(f.writing("/usr/sbin/" + families[i%2] + " --version"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Kill)
		running = append(running, r)
	}
	for _, r := range running {
		if result, err := r.Wait(); err != nil || result.Exit != 0 || !regexp.MustCompile(backends[0].version).MatchString(result.Stdout) || result.Stderr != "" {
			t.Errorf("%v, %d\n%s", err, result.Exit, result.Output())
		}
	}
	f.uses(t, backends[0])
}

// TestWrapperUndecided: without the right to see packet filters nothing is decided for good, and the right program says what is missing.
func TestWrapperUndecided(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	f := filter{image, smoke.NewNetwork(t)}
	p := f.writing("/usr/sbin/iptables -L")
	p.Capabilities = nil
	image.Fail(t, p, "iptables.*Could not fetch rule set generation id: Permission denied|Failed to initialize nft: (Protocol not supported|Operation not permitted)")
	f.leads(t, "iptables", wrapperPath)
	image.Fail(t, f.process(wrapperPath+" -L"), `^iptables-wrapper: error: called as "iptables-wrapper"\niptables-wrapper: hint: this program stands in for iptables, `)
}

func TestNoShell(t *testing.T) {
	smoke.Open(t).NoShell(t)
}
