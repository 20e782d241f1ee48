package check

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Codes of findings.
const (
	Capabilities        = "capabilities"
	DanglingSymlink     = "dangling-symlink"
	DeviceNode          = "device-node"
	Entrypoint          = "entrypoint"
	EscapingSymlink     = "escaping-symlink"
	ExtraRoot           = "extra-root"
	Leftover            = "leftover"
	MissingInterpreter  = "missing-interpreter"
	MissingSoname       = "missing-soname"
	MissingVersion      = "missing-version"
	OverwrittenFile     = "overwritten-file"
	OwnerUnknown        = "owner-unknown"
	PasswdGroupMismatch = "passwd-group-mismatch"
	ShadowMismatch      = "passwd-shadow-mismatch"
	Password            = "password"
	RPMNewLeftover      = "rpmnew-leftover"
	SetGID              = "setgid"
	SetUID              = "setuid"
	Shell               = "shell"
	SizeBudget          = "size-budget"
	UnusedAllow         = "unused-allow"
	UserUnknown         = "user-unknown"
	WorldWritable       = "world-writable"
	WrongMachine        = "wrong-machine"
)

// codeInfo is what people are told about a code. In Fix, PATH stands for the path of a finding, RELEASE for the release of the
// tree, and SONAME for the library that is missing.
type codeInfo struct {
	Code, Meaning, Fix string
	config             bool // tells about the image config rather than the tree
}

// codes describes all codes, sorted.
var codes = []codeInfo{
	{Code: Capabilities, Meaning: "a file gives file capabilities to whoever runs it",
		Fix: `leave the file out (remove = ["PATH"]), or allow it if users of the image are to have these rights`},
	{Code: DanglingSymlink, Meaning: "a symbolic link leads to nothing, or in circles; links into /proc, /sys and /dev, which are mounted, are right",
		Fix: `add what it leads to (contents, files, dirs), or leave the link out: remove = ["PATH"]`},
	{Code: DeviceNode, Meaning: "a device node; whoever runs the image makes the devices that it may use",
		Fix: `leave it out: remove = ["PATH"]`},
	{Code: Entrypoint, Meaning: "the program of the image config (the first word of entrypoint and cmd) is not there, is not for this architecture, or must not be executed by the user of the image", config: true,
		Fix: `correct entrypoint or cmd, or add the package that has the program to contents`},
	{Code: EscapingSymlink, Meaning: "a symbolic link climbs above the root: harmless inside, but a tool that unpacks the image may follow it",
		Fix: `leave it out (remove = ["PATH"]), and say it anew with a path inside the root: symlinks = {"PATH": "..."}`},
	{Code: ExtraRoot, Meaning: "an account other than root has the user number 0",
		Fix: `give the accounts of the image yourself: accounts = {"replace": True, "users": [...], "groups": [...]}`},
	{Code: Leftover, Meaning: "what package managers, databases, tools and crashes leave behind: locks, caches, write-ahead logs, backups, host keys, core dumps, files in /tmp or /dev",
		Fix: `leave it out: remove = ["PATH"]`},
	{Code: MissingInterpreter, Meaning: "the interpreter of a program or of an executable script is not in the image",
		Fix: `add the package of the interpreter to contents, or leave the file out: remove = ["PATH"]`},
	{Code: MissingSoname, Meaning: "a program or library needs a library that is in no directory where the loader of this image looks",
		Fix: `find the package (bazel run @RELEASE//:provides -- SONAME) and add it to contents or extra, or leave the file out: remove = ["PATH"]`},
	{Code: MissingVersion, Meaning: "a library is there, but does not define a symbol version that a program needs of it",
		Fix: `take both from one lock, or leave the file out: remove = ["PATH"]`},
	{Code: OverwrittenFile, Meaning: "two packages have different files at one path; as rpm does, the one for the larger word size was laid down",
		Fix: `leave out the package that lost (exclude), or take single files of it with rpm_binary`},
	{Code: OwnerUnknown, Meaning: "the user or group that owns a path has no account in the image, or an account file was not read",
		Fix: `add the account: accounts = {"users": [...], "groups": [...]}`},
	{Code: PasswdGroupMismatch, Meaning: "/etc/passwd or /etc/group is damaged, has a name twice, or names a group or member that is not there",
		Fix: `give the accounts of the image: accounts = {"users": [...], "groups": [...]}`},
	{Code: ShadowMismatch, Meaning: "/etc/shadow or /etc/gshadow has other names than /etc/passwd or /etc/group",
		Fix: `leave the shadow file out (remove = ["PATH"]), or give the accounts with accounts, which keeps all files alike`},
	{Code: Password, Meaning: "an account has an empty password, so that whoever wants can be it, or the hash of a password, which whoever has the image can guess at",
		Fix: `leave the file out (remove = ["PATH"]), or give the accounts of the image with accounts`},
	{Code: RPMNewLeftover, Meaning: "configuration that rpm set aside: .rpmnew, .rpmsave, .rpmorig",
		Fix: `leave it out: remove = ["PATH"]`},
	{Code: SetGID, Meaning: "a program runs with the rights of its group",
		Fix: `take the bit away (setuid = "strip"), or leave the file out: remove = ["PATH"]`},
	{Code: SetUID, Meaning: "a program runs with the rights of its owner",
		Fix: `take the bit away (setuid = "strip"), or leave the file out: remove = ["PATH"]`},
	{Code: Shell, Meaning: "a shell, under any name that shells have; python, perl and other languages are no shells here",
		Fix: `leave it out (remove = ["PATH"]), or say that the image has a shell: check = {"shell": True}`},
	{Code: SizeBudget, Meaning: "all files together are larger than check's size_budget",
		Fix: `see what takes the space (--output_groups=report), or raise size_budget`},
	{Code: UnusedAllow, Meaning: "an allowance that matches no finding; it cannot be allowed itself",
		Fix: `correct the line in allow or setuid_allow, or take it out`},
	{Code: UserUnknown, Meaning: "the user or group of the image config has no account in the image, or is no name and no number", config: true,
		Fix: `add the account (accounts = {"users": [...]}), or give a number, which needs none: user = "65532"`},
	{Code: WorldWritable, Meaning: "everyone may write to a file, or to a directory without the sticky bit",
		Fix: `say the right mode (dirs or files = {"PATH": {"mode": "0755", ...}}), or leave it out: remove = ["PATH"]`},
	{Code: WrongMachine, Meaning: "a program in a directory of programs is for a machine that the image does not run on",
		Fix: `take the file from the package for this architecture, or leave it out: remove = ["PATH"]`},
}

// Codes lists all codes, sorted.
var Codes = func() []string {
	var out []string
	for _, c := range codes {
		out = append(out, c.Code)
	}
	return out
}()

func info(code string) codeInfo {
	i, _ := slices.BinarySearchFunc(codes, code, func(c codeInfo, code string) int { return cmp.Compare(c.Code, code) })
	return codes[i]
}

// maxAllowLines bounds the allowances that Advice shows.
const maxAllowLines = 20

// maxSameLibrary is how many findings about one library are shown one by one.
const maxSameLibrary = 3

// Summary returns the findings as they are shown to people, one item a line. A library that many files miss is one line, with the
// number of files and the first of them, so that it does not drown the rest.
func Summary(findings []Finding) []string {
	same := byLibrary(findings)
	var out []string
	for _, f := range findings {
		all := same[f.about()]
		if paths := pathsOf(all); len(paths) <= maxSameLibrary {
			out = append(out, f.String())
		} else if f == all[0] {
			out = append(out, fmt.Sprintf("%s; so do %d more files: %s, ...", f, len(paths)-1, strings.Join(paths[1:maxSameLibrary+1], ", ")))
		}
	}
	return out
}

// byLibrary returns the findings that are about a library, by what they have in common.
func byLibrary(findings []Finding) map[[2]string][]Finding {
	same := map[[2]string][]Finding{}
	for _, f := range findings {
		if f.Soname != "" {
			same[f.about()] = append(same[f.about()], f)
		}
	}
	return same
}

// about is what findings have in common that are shown as one.
func (f *Finding) about() [2]string { return [2]string{f.Code, f.Soname} }

// pathsOf returns the paths of sorted findings of one code.
func pathsOf(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.Path)
	}
	return slices.Compact(out)
}

// Advice says what to do about the findings, one item a line: how to repair each kind, and the lines that would allow them.
// release is that of the tree.
func Advice(release string, findings []Finding) []string {
	var out, allow []string
	same, last := byLibrary(findings), ""
	for _, f := range findings {
		if f.Code != last {
			out = append(out, f.Code+": "+strings.NewReplacer("PATH", f.Path, "RELEASE", release, "SONAME", f.Soname).Replace(info(f.Code).Fix))
			last = f.Code
		}
		if f.Code != UnusedAllow {
			allowance := f.allowance()
			if len(pathsOf(same[f.about()])) > maxSameLibrary {
				allowance = f.Code + ":/**#" + escapeGlob(f.Soname)
			}
			allow = append(allow, strconv.Quote(allowance)+`: "`+Placeholder+`",`)
		}
	}
	if len(allow) == 0 {
		return out
	}
	allow = unique(allow)
	if len(allow) > maxAllowLines {
		allow = append(allow[:maxAllowLines], "# and so on; ** stands for any folders, * for any part of a name")
	}
	out = append(out, `what is right on purpose is allowed with a reason; see rules/docs/checks.md: check = {"allow": {`)
	for _, line := range allow {
		out = append(out, "    "+line)
	}
	return append(out, "}}")
}

// allowance returns what would allow the finding, and no more than that.
func (f *Finding) allowance() string {
	if !aboutLibrary(f.Code) {
		return f.Code + ":" + escapeGlob(f.Path)
	}
	return f.Code + ":" + strings.ReplaceAll(escapeGlob(f.Path), "#", `\#`) + "#" + escapeGlob(f.Soname)
}

// escapeGlob makes a pattern that matches exactly the path.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
