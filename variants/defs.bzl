"""Declares macro variant: one image of ours, for every release.

A variant is data in a BUILD file; this file turns it into targets. See README.md for how to add one."""

load("@al2//:release.bzl", _AL2_LOCKED = "LOCKED", _AL2_PACKAGES = "PACKAGES")
load("@al2023//:release.bzl", _AL2023_LOCKED = "LOCKED", _AL2023_PACKAGES = "PACKAGES")
load("@debrpm//:release.bzl", _DEBRPM_LOCKED = "LOCKED", _DEBRPM_PACKAGES = "PACKAGES")
load("@bazel_skylib//rules:write_file.bzl", "write_file")
load("@rules_oci//oci:defs.bzl", "oci_push")
load("//rules:defs.bzl", "rpm_binary", "rpm_image", "rpm_inventory", "rpm_package", "rpm_rootfs")
load("//rules/private:rootfs_golden_test.bzl", "rootfs_golden_test")
load("//rules/private:rootfs_golden_update.bzl", "rootfs_golden_update")
load("//rules/private:rpm_image_test.bzl", "rpm_image_test")
load("//rules/private:rpm_publish.bzl", "rpm_publish")
load(":image_smoke_test.bzl", "image_smoke_test")

visibility("//variants/...")

# Release -> its lock, whether the lock can be used, the names of its packages, and whether they get newer without a commit, because the
# lock is not committed. Images of a release without a lock are `manual`, so that `//...` builds without them.
_RELEASES = {
    "al2": struct(lock = "//variants/releases/al2:rpms.lock.json", locked = _AL2_LOCKED, moving = False, packages = _AL2_PACKAGES),
    "al2023": struct(lock = "//variants/releases/al2023:rpms.lock.json", locked = _AL2023_LOCKED, moving = False, packages = _AL2023_PACKAGES),
    "debrpm": struct(lock = "@debrpm_release//:rpms.lock.json", locked = _DEBRPM_LOCKED, moving = True, packages = _DEBRPM_PACKAGES),
}

RELEASES = sorted(_RELEASES)

_PLATFORMS = {
    "amd64": "//rules/platforms:linux_amd64",
    "arm64": "//rules/platforms:linux_arm64",
}

DEFAULT_RELEASE = "debrpm"

def is_locked(release):
    """Tells whether images of a release can be built.

    Args:
      release: name of the release.

    Returns:
      bool.
    """
    return _RELEASES[release].locked

# Tags of the targets that follow the flag //variants:release.
VARIANT_TAGS = [] if _RELEASES[DEFAULT_RELEASE].locked else ["manual"]

# Images without a C library, where a cache of the dynamic loader has no reader.
_WITHOUT_GLIBC = [None, "base", "nonroot"]

_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

# What a release may say about a variant, and what it means to say nothing.
_RELEASE_DEFAULTS = {
    "accounts": {},
    "alternatives": [],
    "binaries": {},
    "ca_formats": [],
    "check": {},
    "exclude": [],
    "packages": [],
    "remove": [],
    "requires": [],
    "symlinks": {},
    "user": None,
}

# What a variant may say about its smoke test.
_SMOKE_KEYS = ["cgo_programs", "data", "deps", "images", "program_deps", "programs", "releases", "srcs"]

def variant(
        *,
        name,
        releases,
        base = None,
        user = "0",
        accounts = {},
        dirs = {},
        files = {},
        contents = [],
        ca_trust = False,
        ld_so_cache = None,
        labels = {},
        env = {},
        entrypoint = None,
        workdir = None,
        commands = [],
        modes = {},
        no_shell = True,
        size_budget = {},
        smoke = {}):
    """An image of ours, for every release.

    Targets: `<release>` is the OCI index, `<release>_rootfs` the root filesystem, `<release>_rpms` what it asks for,
    `<release>_<arch>_test` the test that runs the image (of a release with a lock), `<release>_<arch>_smoke_test` the one in Go that
    uses it as its users do; `<release>_why` and
    `<release>_report` say for each platform what brings something in, and what was left out; `<release>_push` and `<release>_promote`
    publish the image (README.md of releases); `name`, `push`, `promote`, `rootfs`, `why` and `report` are those of
    the release that `//variants:release` chooses; `<release>_<arch>_golden_test` compares what is in the image with
    golden/<release>_<arch>.txt, and its size with the budget, and `update_goldens` writes these lists again. Root filesystems are `manual`: an
    image builds them for its platforms, and `//...` need not build them once more for the host. Images of a release without a lock are `manual` too.

    Args:
      name: name of the variant, and of its folder.
      releases: dict of release to dict. What is in it comes from `packages` (names; whole, with the libraries they need), `requires` (names;
        with everything they require, but without `exclude`) and `binaries` (dict of name to paths; these files, with the libraries they
        need). alternatives, check, remove, symlinks are as in rpm_rootfs, user overrides that of all releases. A release that is left out
        does not have the variant.
      base: name of the variant that this one builds on.
      user: user of the process.
      accounts: as in rpm_rootfs.
      dirs: as in rpm_rootfs.
      files: as in rpm_rootfs.
      contents: image_content targets: what is no package.
      ca_trust: as in rpm_rootfs.
      ld_so_cache: as in rpm_rootfs. None: where the variant has packages of its own and builds on glibc, so that the cache of the base does not
        lack their libraries.
      labels: dict of labels of the image, besides its title.
      env: dict of environment variables, besides PATH.
      entrypoint: list of strings.
      workdir: working directory of the process.
      commands: commands that the tests of the image run, as in rpm_image_test.
      modes: permission bits that the tests of the image demand, as in rpm_image_test.
      no_shell: whether the image must have no shell.
      size_budget: dict of release to dict of OCI architecture to the MiB that the regular files of the image may have, hard links once. A
        test fails for a release with a lock that has none, or when the image is larger.
      smoke: the smoke test, in Go: dict of srcs, and cgo_programs, data, deps, images, program_deps, programs as in
        image_smoke_test, with `{release}` in labels of images
        standing for the release, and releases: those that it runs for, if not all.
    """
    unknown = [key for key in smoke if key not in _SMOKE_KEYS]
    if unknown:
        fail("variant %s: smoke says %s; what it may say is %s" % (name, ", ".join(unknown), ", ".join(_SMOKE_KEYS)))
    for release, budget in size_budget.items():
        if release not in releases or [arch for arch in budget if arch not in _PLATFORMS]:
            fail("variant %s: size_budget has %s: %s; it may have %s, and for each %s" % (name, release, budget, ", ".join(releases), ", ".join(_PLATFORMS)))
    goldens = []
    for release, data in releases.items():
        unknown = [key for key in data if key not in _RELEASE_DEFAULTS]
        if release not in RELEASES or unknown:
            fail("variant %s: release %s%s; releases are %s, and what they may say is %s" % (
                name,
                release,
                " says " + ", ".join(unknown) if unknown else " does not exist",
                ", ".join(RELEASES),
                ", ".join(sorted(_RELEASE_DEFAULTS)),
            ))
        for package in _named(data):
            if package not in _RELEASES[release].packages:
                fail("variant %s: release %s has no package %s%s; add it to install in variants/releases/%s/rpms.yaml and make the lock again" % (
                    name,
                    release,
                    package,
                    _similar(package, _RELEASES[release].packages),
                    release,
                ))
        release_user = data.get("user") or user
        tags = [] if _RELEASES[release].locked else ["manual"]
        base_rootfs = "//variants/%s:%s_rootfs" % (base, release) if base else None
        rootfs = release + "_rootfs"
        cache = ld_so_cache if ld_so_cache != None else bool(_named(data)) and base not in _WITHOUT_GLIBC
        if data or accounts or dirs or files or contents or ca_trust or cache or not base:
            _rootfs(
                name = rootfs,
                accounts = accounts | data.get("accounts", {}),
                base = base_rootfs,
                ca_trust = ca_trust,
                contents = contents,
                data = _RELEASE_DEFAULTS | data,
                dirs = dirs,
                files = files,
                ld_so_cache = cache,
                no_shell = no_shell,
                release = release,
            )
        else:
            native.alias(
                name = rootfs,
                actual = base_rootfs,
                tags = ["manual"],
                visibility = ["//visibility:public"],
            )
        rpm_image(
            name = release,
            entrypoint = entrypoint,
            env = _ENV | env,
            labels = {"org.opencontainers.image.title": name} | labels,
            rootfs = rootfs,
            tags = tags,
            user = release_user,
            visibility = ["//visibility:public"],
            workdir = workdir,
        )
        for arch, platform in _PLATFORMS.items() if _RELEASES[release].locked else []:
            golden = "golden/%s_%s.txt" % (release, arch)
            golden_file = golden if native.glob([golden], allow_empty = True) else None
            rpm_image_test(
                name = "%s_%s_test" % (release, arch),
                commands = commands,
                golden = golden_file,
                image = release,
                lock = _RELEASES[release].lock,
                modes = modes,
                no_shell = no_shell,
                platform = platform,
                rootfs = rootfs,
                scanners = True,
                user = release_user,
            )
            if smoke and release in smoke.get("releases", RELEASES):
                image_smoke_test(
                    name = "%s_%s_smoke_test" % (release, arch),
                    srcs = smoke["srcs"],
                    arch = arch,
                    cgo_programs = smoke.get("cgo_programs", {}),
                    data = smoke.get("data", []),
                    image = ":" + release,
                    images = {key: label.format(release = release) for key, label in smoke.get("images", {}).items()},
                    program_deps = smoke.get("program_deps", []),
                    programs = smoke.get("programs", {}),
                    release = release,
                    deps = smoke.get("deps", []),
                )
            goldens.append("%s_%s_golden_test" % (release, arch))
            rootfs_golden_test(
                name = goldens[-1],
                base = base_rootfs,
                golden = golden_file,
                moving = _RELEASES[release].moving,
                path = golden,
                platform = platform,
                release = release,
                rootfs = rootfs,
                size = "small",
                size_budget = size_budget.get(release, {}).get(arch, 0),
                update = "update_goldens",
                variant = name,
            )
    rootfs_golden_update(
        name = "update_goldens",
        testonly = True,
        tags = ["manual"],
        tests = goldens,
        visibility = ["//variants:__pkg__"],
    )
    native.filegroup(
        name = "golden_pages",
        srcs = native.glob(["README.md", "golden/*.txt"], allow_empty = True),
        visibility = ["//variants:__pkg__"],
    )

    for release in RELEASES:
        _inventory(name = release + "_images", release = release, variant = name if release in releases and _RELEASES[release].locked else None)
    for release in releases:
        kinds = ["test"] + (["smoke_test"] if smoke and release in smoke.get("releases", RELEASES) else [])
        _publish(
            name = release,
            tests = {
                arch: ["//variants/%s:%s_%s_%s" % (name, release, arch, kind) for kind in kinds]
                for arch in _PLATFORMS
            },
            variant = name,
        )

    # What the variant says, for programs that compare it with something.
    write_file(
        name = "definition",
        out = "definition.json",
        content = [json.encode({"base": base or "", "releases": releases, "schema": 1, "variant": name}), ""],
        tags = ["manual"],
        visibility = ["//tools:__subpackages__", "//variants:__subpackages__"],
    )
    for alias, suffix, tags in [(name, "", VARIANT_TAGS)] + [(verb, "_" + verb, ["manual"]) for verb in ["promote", "push", "report", "rootfs", "sbom", "why"]]:
        native.alias(
            name = alias,
            actual = select(
                {"//variants:release_" + release: release + suffix for release in releases},
                no_match_error = "variant %s exists for the releases %s only" % (name, ", ".join(releases)),
            ),
            tags = tags,
            visibility = ["//visibility:public"],
        )

def _inventory(*, name, release, variant):
    # One that a variant does not have is empty, so that //variants can merge those of all folders.
    rpm_inventory(
        name = name,
        names = [variant] if variant else [],
        platforms = [str(Label(platform)) for platform in _PLATFORMS.values()],
        release = release,
        rootfs = [release + "_rootfs"] if variant else [],
        tags = ["manual"],
        visibility = ["//variants:__pkg__"],
    )

def _publish(*, name, variant, tests):
    # `latest` is the release that `//variants:<image>` is made of when nobody chooses.
    moving_tags = (["latest"] if name == DEFAULT_RELEASE else []) + ["latest-" + name]
    oci_push(
        name = name + "_oci_push",
        image = name,
        # oci_push must name one; the registry is chosen on the command line.
        repository = "registry.invalid/" + variant,
        tags = ["manual"],
        visibility = ["//visibility:private"],
    )
    for verb in ["promote", "push"]:
        rpm_publish(
            name = "%s_%s" % (name, verb),
            digests = "variants/releases/%s/digests.json" % name,
            image = name,
            image_name = variant,
            moving_tags = moving_tags,
            pusher = name + "_oci_push",
            release = name,
            tags = ["manual"],
            tests = tests,
            verb = verb,
            visibility = ["//visibility:public"],
        )

def _rootfs(*, name, release, data, base, accounts, dirs, files, contents, ca_trust, ld_so_cache, no_shell):
    contents = list(contents)

    if data["packages"]:
        contents.append(release + "_rpms")
        rpm_package(
            name = release + "_rpms",
            rpms = ["@%s//%s" % (release, package) for package in data["packages"]],
            tags = ["manual"],
            deps = "elf",
        )
    if data["requires"]:
        contents.append(release + "_required_rpms")
        rpm_package(
            name = release + "_required_rpms",
            exclude = ["@%s//%s" % (release, package) for package in data["exclude"]],
            rpms = ["@%s//%s" % (release, package) for package in data["requires"]],
            tags = ["manual"],
            deps = "requires",
        )
    for package, paths in data["binaries"].items():
        target = "%s_%s_binaries" % (release, package)
        contents.append(target)
        rpm_binary(
            name = target,
            binaries = paths,
            rpm = "@%s//%s" % (release, package),
            tags = ["manual"],
        )
    rpm_rootfs(
        name = name,
        account_ids = "//variants/releases/%s:accounts.conf" % release,
        accounts = accounts,
        alternatives = data["alternatives"],
        base = base,
        ca_formats = data["ca_formats"],
        ca_trust = ca_trust,
        check = {"shell": not no_shell} | data["check"],
        contents = contents,
        dirs = dirs,
        files = files,
        ld_so_cache = ld_so_cache,
        remove = data["remove"],
        symlinks = data["symlinks"],
        tags = ["manual"],
        visibility = ["//visibility:public"],
    )

def _similar(name, packages):
    """What to say about packages of nearly that name: one contains the other, or they have the same letters."""
    letters = sorted(name.elems())
    found = [package for package in packages if name in package or package in name or sorted(package.elems()) == letters]
    return " (but %s)" % ", ".join(found[:5]) if found else ""

def _named(data):
    """The names of packages in the data of a release."""
    return data.get("packages", []) + data.get("requires", []) + data.get("exclude", []) + list(data.get("binaries", {}))
