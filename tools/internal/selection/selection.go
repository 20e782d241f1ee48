// Package selection defines the request of a target, and selection.json: the packages and files it resolves to.
package selection

// Schema is the version of both formats.
const Schema = 1

// Request kinds.
const (
	KindBinary  = "binary"  // rpm_binary: some files of one package, and the ELF closure of these files
	KindPackage = "package" // rpm_package: whole packages, and their closure by Deps
)

// Dependency modes of a package request.
const (
	DepsELF      = "elf"      // packages that satisfy NEEDED of the ELF files taken
	DepsRequires = "requires" // the packages the lock's elf, requires and script edges reach
	DepsNone     = "none"
)

// Configuration files of a binary request.
const (
	ConfigNone    = "none"    // the default
	ConfigFiles   = "files"   // %config files named like the binary: /etc/wgetrc, /etc/ssh/... for ssh
	ConfigPackage = "package" // every %config file of the package
)

// How much of a package the ELF closure brings in.
const (
	LibrariesPackage = "package" // the default: the whole package
	LibrariesSlice   = "slice"   // the library, the links that lead to it, licences
)

// What happens to executable scripts of whole packages whose interpreter is not in the image.
const (
	ScriptsKeep  = "keep" // the default; DepsRequires follows the script edges
	ScriptsDrop  = "drop" // left out and listed as cut; DepsRequires does not follow the script edges
	ScriptsError = "error"
)

// What becomes of the set-user-ID and set-group-ID bits of the files that a binary request names.
const (
	SetUIDKeep  = "keep" // the default
	SetUIDStrip = "strip"
)

// Kinds of edges and reasons.
const (
	EdgeRequest      = "request"      // the target names the package
	EdgeExtra        = "extra"        // the target names it in extra
	EdgeELF          = "elf"          // NEEDED of an ELF file
	EdgeDLOpen       = "dlopen"       // a library that the file's notes call required
	EdgeInterp       = "interp"       // the program interpreter of an ELF file
	EdgeLink         = "link"         // a symbolic link leads to the file
	EdgeSearch       = "search"       // the loader's configuration that leads to a library
	EdgeAlternatives = "alternatives" // a scriptlet would make the link that leads to the file
	EdgeRequires     = "requires"     // a requirement of the package, by the lock
	EdgeScript       = "script"       // a requirement that only script files of the package have
)

// Spec is the input of elfresolve, written by the rules.
type Spec struct {
	Schema   int       `json:"schema"`
	Label    string    `json:"label"` // of the target, for messages
	Release  string    `json:"release"`
	Arch     string    `json:"arch"` // RPM architecture of the platform: x86_64, aarch64
	Requests []Request `json:"requests"`
	// NoLDSOCache: the image gets no ld.so.cache, so that the loader does not look where ld.so.conf says.
	NoLDSOCache bool `json:"no_ld_so_cache,omitempty"`
}

// Request is what one rpm_binary or rpm_package asks for.
type Request struct {
	Label    string   `json:"label"`
	Kind     string   `json:"kind"`
	Packages []string `json:"packages"`           // names; exactly one for KindBinary
	Binaries []string `json:"binaries,omitempty"` // KindBinary: absolute paths or path globs (path.Match per component)
	Deps     string   `json:"deps"`               // KindPackage: a Deps constant, "" is DepsELF; KindBinary is always DepsELF
	Config   string   `json:"config,omitempty"`   // KindBinary: "none" (default), "files" (config files that are siblings by name), "package" (every %config file)
	Exclude  []string `json:"exclude,omitempty"`  // package names left out, with what only they need
	Provided []string `json:"provided,omitempty"` // package names assumed present: not shipped, not searched further
	Extra    []string `json:"extra,omitempty"`    // package names added whole, with their ELF closure (dlopen, NSS, plugins)

	Libraries string `json:"libraries,omitempty"` // a Libraries constant
	Scripts   string `json:"scripts,omitempty"`   // KindPackage: a Scripts constant
	SetUID    string `json:"setuid,omitempty"`    // KindBinary: a SetUID constant
}

// Selection is selection.json.
type Selection struct {
	Schema   int       `json:"schema"`
	Label    string    `json:"label"`
	Release  string    `json:"release"`
	Arch     string    `json:"arch"`
	Packages []Package `json:"packages"` // by name; packages of the base are not repeated
	Edges    []Edge    `json:"edges"`    // everything that asks for something, sorted
	Cut      []Cut     `json:"cut,omitempty"`
}

// Edge is one thing that asks for a package, which may also be one of the base. Of several files of one package that ask for
// the same, the first one by path is named.
type Edge struct {
	From string `json:"from"`           // name of the package that asks; the label of the request for EdgeRequest and EdgeExtra
	File string `json:"file,omitempty"` // of From, as its header spells it
	Kind string `json:"kind"`
	Need string `json:"need"`           // soname, interpreter, link target or package name
	To   string `json:"to"`             // name of the package
	Path string `json:"path,omitempty"` // of To: where the need leads, links followed
}

// Package is one selected package.
type Package struct {
	Name    string   `json:"name"`
	NEVRA   string   `json:"nevra"`
	Partial bool     `json:"partial,omitempty"` // only Files are shipped
	Files   []string `json:"files,omitempty"`   // Partial: paths as in the header, sorted
	Why     []Reason `json:"why"`               // first reason found, from the requested target down to this package
	// StripSetID lists files that lose their set-user-ID and set-group-ID bits, sorted.
	StripSetID []string `json:"strip_set_id,omitempty"`
}

// Reason is one edge of the chain that brings a package in.
type Reason struct {
	From string `json:"from"` // label, NEVRA, or NEVRA:path
	Kind string `json:"kind"` // an Edge constant
	Need string `json:"need"` // soname, interpreter, capability or package name
}

// Cut is something that was left out on purpose.
type Cut struct {
	Package string `json:"package"`
	Need    string `json:"need"`
	Reason  string `json:"reason"`
}

// Graph is graph.json of a release and architecture, made by the module extension from the lock. It holds no versions, so
// that an update of one package does not rerun the tools for the others.
type Graph struct {
	Schema   int                  `json:"schema"`
	Packages map[string]GraphNode `json:"packages"`
	// Executables maps paths in bin and sbin directories to the package that has them.
	Executables map[string]string `json:"executables"`
}

// GraphNode holds the dependency edges of a package by kind, as names.
type GraphNode struct {
	ELF       []string `json:"elf,omitempty"`
	Requires  []string `json:"requires,omitempty"`
	Script    []string `json:"script,omitempty"`
	Scriptlet []string `json:"scriptlet,omitempty"`
	Weak      []string `json:"weak,omitempty"`
	// Conflicts are packages that cannot be in one root file system with this one.
	Conflicts []string `json:"conflicts,omitempty"`
	// Cut are requirements that the lock leaves out: by name of the capability, with the reason.
	Cut []GraphCut `json:"cut,omitempty"`
}

// GraphCut is a requirement that no edge stands for.
type GraphCut struct {
	Requires string `json:"requires"`
	Reason   string `json:"reason"`
}
