// Package git_test clones from local servers with the git of the image.
package git_test

import (
	"crypto/tls"
	"fmt"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

const (
	backendPath = "/usr/lib/git-core/git-http-backend"
	user        = 65532
)

// repository is a bare one, made by the git of the machine: two commits, a tag, a folder, a link, an executable file.
type repository struct {
	dir, head string
	big       string // content of a file that does not fit into one packet
}

func run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=c", "GIT_COMMITTER_EMAIL=c@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func newRepository(t *testing.T) repository {
	dir := t.TempDir()
	work := filepath.Join(dir, "work")
	run(t, dir, "git", "init", "-q", "-b", "main", work)
	r := repository{dir: dir}
	var big strings.Builder
	for i := range 20000 {
		fmt.Fprintln(&big, "line", i*i)
	}
	r.big = big.String()
	write := func(name, content string, mode os.FileMode) {
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("README", "first\n", 0o644)
	run(t, work, "git", "add", ".")
	run(t, work, "git", "commit", "-qm", "first")
	run(t, work, "git", "tag", "-a", "v1", "-m", "one")
	write("README", "second\n", 0o644)
	write("folder/big", r.big, 0o644)
	write("folder/run", "#!/bin/sh\n", 0o755)
	if err := os.Symlink("README", filepath.Join(work, "link")); err != nil {
		t.Fatal(err)
	}
	run(t, work, "git", "add", ".")
	run(t, work, "git", "commit", "-qm", "second")
	r.head = run(t, work, "git", "rev-parse", "HEAD")
	run(t, dir, "git", "clone", "-q", "--bare", work, filepath.Join(dir, "repo.git"))
	return r
}

// check compares a clone with what was committed.
func (r repository) check(t *testing.T, clone string) {
	t.Helper()
	for name, want := range map[string]string{"README": "second\n", "link": "second\n", "folder/big": r.big, "folder/run": "#!/bin/sh\n"} {
		if got, err := os.ReadFile(filepath.Join(clone, name)); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
		}
	}
	if link, err := os.Readlink(filepath.Join(clone, "link")); err != nil || link != "README" {
		t.Errorf("link: %q, %v", link, err)
	}
	if info, err := os.Stat(filepath.Join(clone, "folder/run")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("folder/run: %v, %v", info, err)
	}
	if got := run(t, clone, "git", "-c", "safe.directory=*", "rev-parse", "HEAD", "v1^{tree}"); !strings.HasPrefix(got, r.head+"\n") {
		t.Errorf("HEAD and v1 are %q, want %s first", got, r.head)
	}
	run(t, clone, "git", "-c", "safe.directory=*", "fsck", "--full", "--strict")
}

// home is a folder of the user in the image, with the keys of ssh in it.
func home(t *testing.T) string {
	dir := t.TempDir()
	if err := os.Chown(dir, user, user); err != nil {
		t.Fatal(err)
	}
	return dir
}

func git(network *imagerun.Network, home string, args ...string) imagerun.Process {
	return imagerun.Process{
		Args: args, Network: network, User: fmt.Sprint(user), Cwd: "/home/nonroot", ReadOnly: true,
		Env:    []string{"GIT_TERMINAL_PROMPT=0"},
		Mounts: []imagerun.Mount{imagerun.BindWritable(home, "/home/nonroot"), imagerun.Tmpfs("/tmp", "mode=1777")},
	}
}

// sshServer starts the machine's sshd, and returns the options of ssh that reach it.
func sshServer(t *testing.T, network *imagerun.Network, home string) []string {
	t.Helper()
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("no sshd on this machine (Debian's openssh-server; ./bazelw's root has it); not run: clone and push over ssh")
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // compiled into sshd, which demands that it is root's
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, hostKey := filepath.Join(home, "id"), filepath.Join(dir, "host")
	for _, name := range []string{key, hostKey} {
		run(t, dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
	}
	authorized, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile(hostKey + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		filepath.Join(dir, "authorized"): string(authorized), filepath.Join(home, "known_hosts"): "[127.0.0.1]:2222 " + string(host),
		filepath.Join(dir, "config"): strings.Join([]string{
			"ListenAddress 127.0.0.1:2222", "HostKey " + hostKey, "AuthorizedKeysFile " + filepath.Join(dir, "authorized"),
			"StrictModes no", "PermitRootLogin prohibit-password", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "UsePAM no", "PidFile none", "",
		}, "\n"),
	} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(key, user, user); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "config"))
	cmd.Stderr = &log
	if err := network.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("sshd said:\n%s", log.String())
		}
	})
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		c, err := network.Dial(t.Context(), "tcp", "127.0.0.1:2222")
		if err == nil {
			c.Close()
			break
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("sshd does not listen: %v\n%s", err, log.String())
		}
	}
	return []string{"/usr/bin/ssh", "-F", "none", "-p", "2222", "-i", "/home/nonroot/id", "-o", "BatchMode=yes",
		"-o", "UserKnownHostsFile=/home/nonroot/known_hosts", "-o", "StrictHostKeyChecking=yes"}
}

func TestSSH(t *testing.T) {
	image, network, repository, home := smoke.Open(t), smoke.NewNetwork(t), newRepository(t), home(t)
	ssh := sshServer(t, network, home)
	path := filepath.Join(repository.dir, "repo.git")

	// What git would start: it says what there is, and ends when it is told that nothing is wanted.
	p := git(network, home, append(ssh, "root@127.0.0.1", "git-upload-pack '"+path+"'")...)
	p.Stdin = strings.NewReader("0000")
	image.Match(t, p, "(?s)"+repository.head+" HEAD\x00.*"+repository.head+" refs/heads/main\n.*refs/tags/v1")

	if err := os.WriteFile(filepath.Join(home, "no_hosts"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// Of an option that ssh is told twice, the first one counts.
	unknown := append([]string{ssh[0], "-o", "UserKnownHostsFile=/home/nonroot/no_hosts"}, ssh[1:]...)
	image.Fail(t, git(network, home, append(unknown, "root@127.0.0.1", "true")...), "Host key verification failed")

	t.Run("clone and push", func(t *testing.T) {
		image.StartsPrograms(t)
		cloneAndPush(t, image, network, repository, home, ssh)
	})
}

func cloneAndPush(t *testing.T, image *smoke.Image, network *imagerun.Network, repository repository, home string, ssh []string) {
	path := filepath.Join(repository.dir, "repo.git")
	environment := "GIT_SSH_COMMAND=" + strings.Join(ssh, " ")
	p := git(network, home, "/usr/bin/git", "clone", "ssh://root@127.0.0.1:2222"+path, "clone")
	p.Env = append(p.Env, environment)
	image.Output(t, p)
	repository.check(t, filepath.Join(home, "clone"))

	p = git(network, home, "/usr/bin/git", "-c", "user.name=n", "-c", "user.email=n@example.com", "commit", "-q", "--allow-empty", "-m", "of the image")
	p.Cwd = "/home/nonroot/clone"
	image.Succeed(t, p)
	p = git(network, home, "/usr/bin/git", "push", "origin", "main")
	p.Cwd, p.Env = "/home/nonroot/clone", append(p.Env, environment)
	image.Output(t, p)
	if got := run(t, path, "git", "log", "-1", "--format=%s %an", "main"); got != "of the image n" {
		t.Errorf("the server has %q", got)
	}
}

func TestHTTPS(t *testing.T) {
	plain, company, network, repository := smoke.Open(t), smoke.OpenNamed(t, "with_ca"), smoke.NewNetwork(t), newRepository(t)
	if _, err := os.Stat(backendPath); err != nil {
		t.Skipf("%v (Debian's git; ./bazelw's root has it); not run: clone over https", err)
	}
	smoke.Serve(t, network, "127.0.0.1:443", &tls.Config{Certificates: []tls.Certificate{smoke.ServerCertificate(t)}},
		&cgi.Handler{Path: backendPath, Env: []string{"GIT_PROJECT_ROOT=" + repository.dir, "GIT_HTTP_EXPORT_ALL=1"}})
	const url, refused = "https://127.0.0.1/repo.git", "(?i)certificate"

	// What git would start: it is asked for what there is, in the version of the protocol that answers by itself.
	helper := func() imagerun.Process {
		p := git(network, home(t), "/usr/lib/git-core/git-remote-https", url, url)
		p.Env, p.Stdin = append(p.Env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=protocol.version", "GIT_CONFIG_VALUE_0=0"), strings.NewReader("list\n\n")
		return p
	}
	company.Match(t, helper(), repository.head+" refs/heads/main\n")
	plain.Fail(t, helper(), refused)

	t.Run("clone", func(t *testing.T) {
		plain.StartsPrograms(t)
		company.StartsPrograms(t)
		clone := func(home string) imagerun.Process {
			return git(network, home, "/usr/bin/git", "clone", url, "clone")
		}
		dir := home(t)
		company.Output(t, clone(dir))
		repository.check(t, filepath.Join(dir, "clone"))

		plain.Fail(t, clone(home(t)), refused)
		dir = home(t)
		p := clone(dir)
		p.Env = append(p.Env, "GIT_SSL_CAINFO=/ca.pem")
		p.Mounts = append(p.Mounts, imagerun.Bind(smoke.WriteFile(t, "ca.pem", string(smoke.CA)), "/ca.pem"))
		plain.Output(t, p)
		repository.check(t, filepath.Join(dir, "clone"))
	})
}

// TestSignature: the image tells a tag that is signed by a known key from one whose signer it does not know.
func TestSignature(t *testing.T) {
	image, repository := smoke.Open(t), newRepository(t)
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skipf("%v (Debian's gnupg; ./bazelw's root has it); not run: verifying signatures", err)
	}
	keys := filepath.Join(repository.dir, "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run(t, keys, "gpgconf", "--homedir", keys, "--kill", "all") })
	const signer = "Signer <signer@example.com>"
	run(t, keys, "gpg", "--homedir", keys, "--batch", "--passphrase", "", "--quick-gen-key", signer, "ed25519", "sign", "never")
	script := smoke.WriteFile(t, "gpg", "#!/bin/sh\nexec gpg --homedir "+keys+" \"$@\"\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(repository.dir, "repo.git")
	run(t, path, "git", "-c", "gpg.program="+script, "tag", "-u", signer, "-s", "signed", "-m", "signed")
	public := run(t, keys, "gpg", "--homedir", keys, "--armor", "--export", signer)

	image.StartsPrograms(t)
	dir := home(t)
	process := func(args ...string) imagerun.Process {
		p := git(nil, dir, args...)
		p.Mounts = append(p.Mounts, imagerun.Bind(path, "/repo.git"))
		return p
	}
	verify := process("/usr/bin/git", "-c", "safe.directory=*", "-C", "/repo.git", "verify-tag", "signed")
	image.Fail(t, verify, "Can't check signature: No public key")
	// The image has no agent, which public keys need not.
	p := process("/usr/bin/gpg", "--batch", "--no-autostart", "--import")
	p.Stdin = strings.NewReader(public)
	image.Match(t, p, "imported: 1")
	image.Match(t, verify, `Good signature from "Signer <signer@example.com>"`)
}
