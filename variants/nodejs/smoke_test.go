// Package nodejs_test lets Node.js say what works in the image.
package nodejs_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/imagerun"
	"github.com/rules-slimrpm/rules_slimrpm/tools/imagetest/smoke"
)

// majors is the major version that a release has.
var majors = map[string]string{"debrpm": "18", "al2023": "18"}

// architectures is what Node.js calls one.
var architectures = map[string]string{"amd64": "x64", "arm64": "arm64"}

func process(t *testing.T, args ...string) imagerun.Process {
	certificate, key := smoke.WriteCertificate(t)
	return imagerun.Process{
		Args: args, ReadOnly: true, Timeout: 2 * time.Minute,
		Mounts: []imagerun.Mount{
			imagerun.Bind(smoke.File(t, "probe.js"), "/probe.js"),
			imagerun.Bind(certificate, "/etc/server/server.pem"),
			imagerun.Bind(key, "/etc/server/server.key"),
			imagerun.Bind(smoke.WriteFile(t, "ca.pem", string(smoke.CA)), "/etc/server/ca.pem"),
			imagerun.Tmpfs("/tmp", "mode=1777"),
		},
	}
}

func TestScript(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	for _, user := range []string{"0", "65532"} {
		p := process(t, "/usr/bin/node", "/probe.js")
		p.User = user
		out := image.Output(t, p)
		for _, want := range []string{
			"modules: loaded\n", "\nfetches: answer to /page\n", "\nimports: 42\n", "\ntls: secret over TLSv1.3\n", "\ncrypto: e3b0c442\n", "\ncompression: gzip brotli\n",
			"\ninternational: Dienstag, 4. August 2026", "02:00:00 MESZ\n", "\nworker: 42\n", "\nchildren: 42\n", "\nabsent: npm npx corepack yarn sh bash\n",
			"\nnode v" + majors[image.Release] + ".", " on " + architectures[image.Arch] + "\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("as %s: no %q in\n%s", user, want, out)
			}
		}
		t.Logf("as %s: %s", user, strings.ReplaceAll(strings.TrimSpace(out), "\n", "; "))
	}
}

// TestAuthorities: with --use-openssl-ca it trusts what the image trusts, and nothing when that is hidden.
func TestAuthorities(t *testing.T) {
	image := smoke.Open(t)
	const script = `
const { X509Certificate } = require('crypto'), fs = require('fs'), https = require('https');
const server = https.createServer({ cert: fs.readFileSync('/etc/server/server.pem'), key: fs.readFileSync('/etc/server/server.key') }, (q, a) => a.end('secret'));
server.listen(0, '127.0.0.1', () => https.get({ host: '127.0.0.1', port: server.address().port },
  (a) => { a.on('data', (d) => console.log(String(d))).on('end', () => server.close()); }).on('error', (e) => { console.log(e.code); process.exit(1); }));
`
	p := process(t, "/usr/bin/node", "--use-openssl-ca", "-e", script)
	image.Fail(t, p, "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
	p.Mounts = append(p.Mounts, imagerun.Bind(smoke.WriteFile(t, "ca.pem", string(smoke.CA)), "/etc/ssl/certs/ca-certificates.crt"))
	image.Match(t, p, "^secret\n$")
}

// TestEnv: scripts start with #!/usr/bin/env node.
func TestEnv(t *testing.T) {
	image := smoke.Open(t)
	image.StartsPrograms(t)
	p := process(t, "/script", "argument")
	script := smoke.WriteFile(t, "script", "#!/usr/bin/env node\nconsole.log('called with', process.argv[2]);\n")
	if err := os.Chmod(script, 0o755); err != nil {
		t.Fatal(err)
	}
	p.Mounts = append(p.Mounts, imagerun.Bind(script, "/script"))
	image.Match(t, p, "^called with argument\n$")
	image.Fail(t, process(t, "npm", "--version"), "(?i)executable file not found")
}

func TestNoShell(t *testing.T) {
	smoke.Open(t).NoShell(t)
}
