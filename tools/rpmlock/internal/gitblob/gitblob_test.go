package gitblob

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// git runs git in a folder without the configuration of the machine.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	c := exec.Command("git", args...)
	c.Dir = dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@example.com",
		"GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@example.com", "GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000"}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestLikeGit compares every revision of a repository with what git shows: loose, packed with deltas, from a linked worktree and
// from a clone that borrows its objects.
func TestLikeGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("not compared: git is not here")
	}
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main", "repo")
	repo := filepath.Join(dir, "repo")
	rnd := rand.New(rand.NewSource(1))
	text := make([]byte, 100_000)
	for i := range text {
		text[i] = "0123456789abcdef\n"[rnd.Intn(17)]
	}
	name := filepath.Join(repo, "a folder", "rpms.lock.json")
	for n := range 10 {
		copy(text[rnd.Intn(len(text)-100):], fmt.Sprintf("commit %d", n))
		write(t, name, text)
		git(t, repo, "add", ".")
		git(t, repo, "commit", "-q", "-m", fmt.Sprint(n))
	}
	git(t, repo, "tag", "light", "HEAD~3")
	git(t, repo, "tag", "-a", "-m", "annotated", "v1.0", "HEAD~5")
	git(t, repo, "checkout", "-q", "-b", "side/branch", "HEAD~4")
	write(t, name, []byte("side\n"))
	git(t, repo, "commit", "-q", "-a", "-m", "side")
	git(t, repo, "checkout", "-q", "main")
	git(t, repo, "merge", "-q", "-s", "ours", "-m", "merge", "side/branch")
	revisions := []string{"@", "main~1", "HEAD^2", "HEAD^2~2", "HEAD~2^1", "light", "v1.0~2", "side/branch", "heads/main", git(t, repo, "rev-parse", "HEAD~6"), git(t, repo, "rev-parse", "--short=9", "HEAD~9")}
	compare := func(what, name string) {
		t.Helper()
		for _, revision := range revisions {
			want := git(t, filepath.Dir(name), "show", revision+":./rpms.lock.json")
			got, err := Read(name, revision, 1<<20)
			if err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("%s, %s: %v, or another content than git shows", what, revision, err)
			}
		}
	}
	compare("loose", name)
	git(t, repo, "repack", "-a", "-d", "-f", "-q")
	git(t, repo, "pack-refs", "--all")
	compare("packed", name)
	git(t, repo, "worktree", "add", "-q", "--detach", filepath.Join(dir, "linked"), "main")
	compare("linked worktree", filepath.Join(dir, "linked", "a folder", "rpms.lock.json"))
	git(t, dir, "clone", "-q", "--shared", "repo", "clone")
	git(t, filepath.Join(dir, "clone"), "branch", "side/branch", "origin/side/branch")
	compare("borrowed objects", filepath.Join(dir, "clone", "a folder", "rpms.lock.json"))
	revisions = []string{"origin/main", "origin", "origin/side/branch"}
	compare("remote branches", filepath.Join(dir, "clone", "a folder", "rpms.lock.json"))
	for revision, want := range map[string]string{
		"nothing": `unknown revision "nothing"`, "HEAD~99": "has 0 parents", "HEAD^7": "has 2 parents", "HEAD@{1}": `unknown revision "HEAD@{1}"`,
		"HEAD^{tree}": "only ~N and ^N are understood", "": `unknown revision ""`, "../../x": "unknown revision",
	} {
		if _, err := Read(name, revision, 1<<20); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", revision, err, want)
		}
	}
	if _, err := Read(filepath.Join(repo, "absent.json"), "HEAD", 1<<20); err == nil || !strings.Contains(err.Error(), "has no file absent.json") {
		t.Errorf("an absent file: %v", err)
	}
	if _, err := Read(name, "HEAD", 1000); err == nil || !strings.Contains(err.Error(), "larger than 1000 bytes") {
		t.Errorf("a large file: %v", err)
	}
	damage(t, repo, name)
}

// damage flips bytes of the pack: whatever happens, nothing panics, and a content is never cut short.
func damage(t *testing.T, repo, name string) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(repo, ".git/objects/pack/*.pack"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("no pack: %v", err)
	}
	good, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	want, err := Read(name, "HEAD~3", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewSource(2))
	failed := 0
	if err := os.Chmod(packs[0], 0o644); err != nil {
		t.Fatal(err)
	}
	for range 60 {
		bad := bytes.Clone(good)
		bad[rnd.Intn(len(bad))] ^= byte(1 + rnd.Intn(255))
		write(t, packs[0], bad)
		got, err := Read(name, "HEAD~3", 1<<20)
		if err != nil {
			failed++
		} else if !bytes.Equal(got, want) {
			t.Error("a damaged pack gives another content")
		}
	}
	write(t, packs[0], good[:len(good)/2])
	_, err = Read(name, "HEAD~9", 1<<20)
	t.Logf("%d of 60 damaged packs were refused; half a pack: %v", failed, err)
}

// TestByHand reads objects that are made here, for machines without git.
func TestByHand(t *testing.T) {
	dir := t.TempDir()
	put := func(kind string, content string) id {
		data := fmt.Sprintf("%s %d\x00%s", kind, len(content), content)
		sum := id(sha1.Sum([]byte(data)))
		var packed bytes.Buffer
		z := zlib.NewWriter(&packed)
		fmt.Fprint(z, data)
		z.Close()
		write(t, filepath.Join(dir, ".git/objects", sum.String()[:2], sum.String()[2:]), packed.Bytes())
		return sum
	}
	blob := put("blob", "the lock\n")
	tree := put("tree", "100644 rpms.lock.json\x00"+string(blob[:]))
	commit := put("commit", fmt.Sprintf("tree %s\nauthor T <t@example.com> 1 +0000\n\nfirst\n", tree))
	tag := put("tag", fmt.Sprintf("object %s\ntype commit\ntag v1\n\nx\n", commit))
	write(t, filepath.Join(dir, ".git/HEAD"), []byte("ref: refs/heads/main\n"))
	write(t, filepath.Join(dir, ".git/packed-refs"), fmt.Appendf(nil, "# pack-refs with: peeled\n%s refs/heads/main\n%s refs/tags/v1\n^%s\n", commit, tag, commit))
	name := filepath.Join(dir, "rpms.lock.json")
	for _, revision := range []string{"HEAD", "main", "v1", commit.String()[:7]} {
		if got, err := Read(name, revision, 100); err != nil || string(got) != "the lock\n" {
			t.Errorf("%s: %q, %v", revision, got, err)
		}
	}
	write(t, filepath.Join(dir, ".git/config"), []byte("[extensions]\n\tobjectFormat = sha256\n"))
	if _, err := Read(name, "HEAD", 100); err == nil || !strings.Contains(err.Error(), "objectformat sha256") {
		t.Errorf("error %v for a repository of SHA-256", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "x"), "HEAD", 100); err == nil || !strings.Contains(err.Error(), "is in no git repository") {
		t.Errorf("error %v outside of repositories", err)
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte("base"), []byte("\x04\x06\x90\x04\x02xy"))
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		if out, err := patch(base, delta, 1<<16); err == nil && len(out) > 1<<16 {
			t.Errorf("%d bytes", len(out))
		}
	})
}
