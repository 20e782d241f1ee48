"""Writes the BUILD files of hub repositories."""

load("//rules/private:architectures.bzl", "ARCHITECTURES")

visibility("//rules/...")

_PACKAGE_BZL = Label("//rules/private/hub:rpm_locked_package.bzl")
_RELEASE_BZL = Label("//rules/private/hub:rpm_release.bzl")
_COMMAND_BZL = Label("//rules/private/hub:release_command.bzl")

_VISIBLE = 'package(default_visibility = ["//visibility:public"])\n'

# Verbs of rpmlock. Each takes the two files; init and import write them.
_VERBS = ["diff", "export", "import", "init", "lock", "outdated", "provides", "update", "verify", "why", "why-not"]

def locked_package_build(name, archives, closures):
    """BUILD file of a package.

    Args:
      name: string, name of the package.
      archives: dict of RPM architecture to label of the rpm_archive.
      closures: dict of kind to dict of RPM architecture to struct(members, next), from condense().

    Returns:
      string.
    """
    text = "load(%s, \"rpm_closure\", \"rpm_locked_package\")\n\n" % repr(str(_PACKAGE_BZL)) + _VISIBLE
    text += _target(
        "rpm_locked_package",
        name = repr(name),
        archive = _select({arch: repr(label) for arch, label in archives.items()}, "None"),
        release = repr("//:release"),
    )
    for kind, by_arch in closures.items():
        # One target per architecture: the cycles of two architectures may differ, and together they could make a new one.
        text += _target(
            "alias",
            name = repr(kind),
            actual = _select({arch: repr(":%s_%s" % (kind, arch)) for arch in by_arch}, repr("//:no_packages")),
        )
        for arch, component in by_arch.items():
            text += _target(
                "rpm_closure",
                name = repr("%s_%s" % (kind, arch)),
                closures = repr(["//%s:%s_%s" % (following, kind, arch) for following in component.next]),
                rpms = repr(["//" + member for member in component.members]),
            )
    return text

def unlocked_package_build(name, kinds):
    """BUILD file of a package that is named by a manifest, but not locked: analyzing it fails in //:release.

    Args:
      name: string, name of the package.
      kinds: kinds of closures.

    Returns:
      string.
    """
    text = "load(%s, \"rpm_locked_package\")\n\n" % repr(str(_PACKAGE_BZL)) + _VISIBLE
    text += _target("rpm_locked_package", name = repr(name), release = repr("//:release"))
    for kind in kinds:
        text += _target("alias", name = repr(kind), actual = repr("//:no_packages"))
    return text

def release_build(*, release, lock_label, lock_path, manifest_path, repair, problem, graphs, rpmdb, source_date_epoch):
    """BUILD file of the top package of a hub.

    Args:
      release: string, name of the release.
      lock_label: string, label of the lock.
      lock_path: string, absolute path of the lock.
      manifest_path: string, absolute path of the manifest.
      repair: string, the command that makes the lock again.
      problem: string, why the lock cannot be used, or empty.
      graphs: dict of file name to RPM architecture.
      rpmdb: dict, backend and path; empty without a lock.
      source_date_epoch: int.

    Returns:
      string.
    """
    text = "load(%s, \"rpm_closure\")\nload(%s, \"rpm_release\")\nload(%s, \"release_command\")\n\n" % (
        repr(str(_PACKAGE_BZL)),
        repr(str(_RELEASE_BZL)),
        repr(str(_COMMAND_BZL)),
    ) + _VISIBLE
    text += "\nexports_files([\"release.bzl\"])\n"
    text += _target(
        "rpm_release",
        name = repr("release"),
        graphs = repr({":" + name: arch for name, arch in graphs.items()}),
        lock = repr(lock_label),
        problem = repr(problem),
        release = repr(release),
        repair = repr(repair),
        rpmdb_backend = repr(rpmdb.get("backend", "")),
        rpmdb_path = repr(rpmdb.get("path", "")),
        source_date_epoch = repr(str(source_date_epoch)),
    )
    text += _target("rpm_closure", name = repr("no_packages"))
    for verb in _VERBS:
        text += _target(
            "release_command",
            name = repr(verb),
            args = repr([verb, _argument("--manifest=" + manifest_path), _argument("--lock=" + lock_path)]),
            tool = repr("rpmlock"),
        )
    text += _target(
        "release_command",
        name = repr("mirror"),
        args = repr([_argument("--lock=" + lock_path)]),
        tool = repr("rpmfetch"),
    )
    return text

def _argument(text):
    # `args` goes through expansion of "$" and the tokenization of a shell.
    return "'%s'" % text.replace("$", "$$").replace("'", "'\\''")

def _select(by_arch, default):
    cases = ["        %s: %s,\n" % (repr(str(ARCHITECTURES[arch][0])), value) for arch, value in sorted(by_arch.items()) if arch in ARCHITECTURES]
    return "select({\n%s        \"//conditions:default\": %s,\n    })" % ("".join(cases), default)

def _target(rule, **attributes):
    return "\n%s(\n%s)\n" % (rule, "".join(["    %s = %s,\n" % (name, value) for name, value in attributes.items()]))
