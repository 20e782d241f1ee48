"""Declares repository rule release_repository: the hub of a release."""

load(":build_files.bzl", "locked_package_build", "release_build", "unlocked_package_build")
load(":closures.bzl", "CLOSURE_KINDS", "condense", "edges_of_kind")
load(":lock.bzl", "archive_repository_names", "manifest_roots", "parse_lock")

visibility("//rules/...")

GRAPH_SCHEMA = 1

def _release_repository_impl(ctx):
    release = ctx.attr.release
    manifest = ctx.path(ctx.attr.manifest)
    lock_file = ctx.path(ctx.attr.lock)
    ctx.watch(manifest)
    ctx.watch(lock_file)
    lock, problem = None, None
    if lock_file.exists:
        lock, problem = parse_lock(ctx.read(lock_file), _show(ctx.attr.lock))
    if not lock and not problem:
        problem = "release %s has no lock yet: %s" % (release, _show(ctx.attr.lock))
    if lock:
        problem = _staleness(ctx, manifest, lock)

    names = {package["name"]: None for section in lock["architectures"].values() for package in section["packages"]} if lock else {}
    if not problem:
        _write_locked(ctx, lock)
    else:
        names |= {root: None for root in manifest_roots(ctx.read(manifest))} if manifest.exists else {}
        for name in names:
            ctx.file("%s/BUILD.bazel" % name, unlocked_package_build(name, CLOSURE_KINDS), executable = False)
    ctx.file("REPO.bazel")
    ctx.file("BUILD.bazel", release_build(
        graphs = {_graph_name(arch): arch for arch in lock["architectures"]} if not problem else {},
        lock_label = _show(ctx.attr.lock),
        lock_path = str(lock_file),
        manifest_path = str(manifest),
        problem = problem or "",
        release = release,
        repair = ctx.attr.repair,
        rpmdb = lock["rpmdb"] if lock else {},
        source_date_epoch = lock["source_date_epoch"] if lock else 0,
    ), executable = False)
    ctx.file("release.bzl", _release_bzl(release, lock, problem, sorted(names)), executable = False)

def _staleness(ctx, manifest, lock):
    # Starlark has no SHA-256, but a download computes one.
    got = ctx.download("file://" + _url_path(str(manifest)), output = "manifest", allow_fail = True)
    if not got.success:
        return "cannot read %s, the manifest of release %s" % (_show(ctx.attr.manifest), ctx.attr.release)
    ctx.delete("manifest")
    if lock["manifest"] != "sha256:" + got.sha256:
        return "the lock of release %s is stale: %s was made from another %s" % (ctx.attr.release, _show(ctx.attr.lock), _show(ctx.attr.manifest))
    return None

def _url_path(path):
    for character, escape in [("%", "%25"), (" ", "%20"), ("#", "%23"), ("?", "%3F")]:
        path = path.replace(character, escape)
    return path

def _show(label):
    # Labels of the main repository as users write them.
    return str(label).removeprefix("@@") if str(label).startswith("@@//") else str(label)

def _write_locked(ctx, lock):
    repositories = archive_repository_names(ctx.attr.release, lock)
    archives = {}
    condensed = {}
    for arch, section in lock["architectures"].items():
        for package in section["packages"]:
            archives.setdefault(package["name"], {})[arch] = "@%s//:rpm" % repositories[package["sha256"]]
        for kind in CLOSURE_KINDS:
            for name, component in condense(edges_of_kind(section["packages"], kind)).items():
                condensed.setdefault(name, {}).setdefault(kind, {})[arch] = component
        ctx.file(_graph_name(arch), _graph(section["packages"]), executable = False)
    for name in archives:
        ctx.file("%s/BUILD.bazel" % name, locked_package_build(name, archives[name], condensed[name]), executable = False)

def _graph_name(arch):
    return "graph_%s.json" % arch

def _graph(packages):
    # tools/internal/selection.Graph
    executables = {}
    for package in packages:
        for path in package.get("executables", []):
            executables.setdefault(path, package["name"])
    return json.encode({
        "executables": executables,
        "packages": {
            package["name"]: {
                kind: package[kind]
                for kind in ["conflicts", "elf", "requires", "script", "scriptlet", "weak"]
                if package.get(kind)
            } | ({"cut": [{"reason": cut["reason"], "requires": cut["requires"].split(" ")[0]} for cut in package["cut"]]} if package.get("cut") else {})
            for package in packages
        },
        "schema": GRAPH_SCHEMA,
    }) + "\n"

def _release_bzl(release, lock, problem, names):
    data = {
        "ARCHITECTURES": sorted(lock["architectures"]) if lock else [],
        "LOCKED": problem == None,
        "PACKAGES": names,
        "RELEASE": release,
        "RPMDB": lock["rpmdb"] if lock else None,
        "SOURCE_DATE_EPOCH": lock["source_date_epoch"] if lock else None,
    }
    return '"""Facts of release %s, for BUILD files and macros."""\n\n' % release + "".join(["%s = %s\n" % (name, repr(value)) for name, value in data.items()])

release_repository = repository_rule(
    implementation = _release_repository_impl,
    doc = """The hub of a release.

`//<package>` is a package; `//<package>:elf` and `:requires` are its closures; `//:lock`, `//:update`, `//:why` and the
other verbs run rpmlock, `//:mirror` runs rpmfetch; `//:release.bzl` holds facts. A release without a usable lock has only the verbs and, for the
packages of the manifest, targets that fail with the command that makes the lock.""",
    attrs = {
        "lock": attr.label(doc = "rpms.lock.json; need not exist yet.", mandatory = True),
        "manifest": attr.label(doc = "rpms.yaml.", mandatory = True),
        "release": attr.string(doc = "Name of the release.", mandatory = True),
        "repair": attr.string(doc = "The command that makes the lock again.", mandatory = True),
    },
)
