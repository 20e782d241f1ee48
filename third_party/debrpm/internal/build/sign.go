package build

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// signTime is the time of every signature: after the key was made, and fixed, so that signatures are the same every time.
const signTime = "20250101T000000!"

// Signer signs with the throw-away key in a private GnuPG home.
type Signer struct {
	Home        string
	Fingerprint string // upper-case hex
}

// NewSigner imports an armored private key. The home lies in /tmp because the agent's socket has a path limit of 108 bytes.
func NewSigner(privateKey string) (s *Signer, err error) {
	home, err := os.MkdirTemp("/tmp", "debrpm-gpg-")
	if err != nil {
		return nil, err
	}
	s = &Signer{Home: home}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if _, err := run(s.gpg("--import", privateKey)); err != nil {
		return nil, fmt.Errorf("importing the signing key: %w", err)
	}
	out, err := run(s.gpg("--with-colons", "--list-secret-keys"))
	if err != nil {
		return nil, err
	}
	for in := bufio.NewScanner(bytes.NewReader(out)); in.Scan(); {
		if fields := strings.Split(in.Text(), ":"); fields[0] == "fpr" && len(fields) > 9 {
			s.Fingerprint = fields[9]
			return s, nil
		}
	}
	return nil, fmt.Errorf("importing the signing key: %s holds no private key", privateKey)
}

// Close stops the agent of the private home and removes the home.
func (s *Signer) Close() error {
	// Without an agent there is nothing to stop; what matters is that the directory goes.
	_, _ = run(exec.Command("gpgconf", "--homedir", s.Home, "--kill", "all"))
	return os.RemoveAll(s.Home)
}

func (s *Signer) gpg(args ...string) *exec.Cmd {
	c := exec.Command("gpg", append([]string{"--homedir", s.Home, "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback",
		"--passphrase", ""}, args...)...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=" + s.Home}
	return c
}

// Macros make rpmbuild sign what it writes.
func (s *Signer) Macros() []string {
	return []string{
		"_openpgp_autosign_id " + s.Fingerprint, "_gpg_path " + s.Home, "_gpg_digest_algo sha256",
		"_gpg_sign_cmd_extra_args --batch --no-tty --quiet --no-armor --faked-system-time=" + signTime,
	}
}

// Detach writes name.asc, an armored signature of the file.
func (s *Signer) Detach(name string) error {
	_, err := run(s.gpg("--faked-system-time="+signTime, "--digest-algo", "sha256", "--local-user", s.Fingerprint, "--armor",
		"--yes", "--output", name+".asc", "--detach-sign", name))
	if err != nil {
		return fmt.Errorf("signing %s: %w", name, err)
	}
	return nil
}
