"""Module extension rpm: makes the packages of a lock available as repositories."""

load("//rules/private/hub:lock.bzl", "archive_repository_names", "distdir_names", "file_target_name", "parse_lock")
load("//rules/private/hub:release_repository.bzl", "release_repository")
load("//rules/private/hub:rpm_archive_repository.bzl", "rpm_archive_repository")

visibility("public")

def _rpm_impl(module_ctx):
    owners = {}
    for module in module_ctx.modules:
        for tag in module.tags.release:
            if tag.name in owners:
                fail("two modules define release %s of the extension rpm: %s and %s; rename one of them" % (tag.name, owners[tag.name], module.name))
            owners[tag.name] = module.name
            _release(module_ctx, tag)
    return module_ctx.extension_metadata(reproducible = True)

def _release(module_ctx, tag):
    repair = tag.repair or "bazel run @%s//:lock" % tag.name
    release_repository(
        name = tag.name,
        lock = tag.lock,
        manifest = tag.manifest,
        release = tag.name,
        repair = repair,
    )
    lock_file = module_ctx.path(tag.lock)
    module_ctx.watch(lock_file)
    if not lock_file.exists:
        return
    lock, _ = parse_lock(module_ctx.read(lock_file), str(tag.lock))
    if not lock:
        # The hub says why.
        return
    bases = {(repository["id"], repository["arch"]): repository["urls"] for repository in lock["repositories"]}
    names = archive_repository_names(tag.name, lock)
    files = distdir_names(lock)
    made = {}
    for arch, section in lock["architectures"].items():
        for package in section["packages"]:
            name = names[package["sha256"]]
            if name in made:
                continue
            made[name] = None
            urls = bases[(package["repository"], arch)]
            rpm_archive_repository(
                name = name,
                arch = arch,
                elsewhere = package.get("urls", []),
                file = file_target_name(files[package["sha256"]]),
                lock = tag.lock if not all(["://" in url for url in urls]) else None,
                nevra = package["nevra"],
                path = package["path"],
                relative_urls = [url for url in urls if "://" not in url],
                repair = repair,
                repository = package["repository"],
                sha256 = package["sha256"],
                urls = [url for url in urls if "://" in url],
            )

_release_tag = tag_class(
    doc = """One release.

    rpm = use_extension("@rules_slimrpm//rules:extensions.bzl", "rpm")
    rpm.release(
        name = "al2023",
        lock = "//images:al2023.lock.json",
        manifest = "//images:al2023.yaml",
    )
    use_repo(rpm, "al2023")

Then `@al2023//iptables-nft` is a package, and `bazel run @al2023//:lock` makes the lock.""",
    attrs = {
        "lock": attr.label(doc = "The lock, rpms.lock.json. It need not exist yet.", mandatory = True),
        "manifest": attr.label(doc = "The manifest, rpms.yaml.", mandatory = True),
        "name": attr.string(doc = "Name of the release and of its repository.", mandatory = True),
        "repair": attr.string(doc = "The command that messages name when the lock is missing or stale. Default: `bazel run @<name>//:lock`."),
    },
)

rpm = module_extension(
    implementation = _rpm_impl,
    doc = "Makes the packages of locks available.",
    tag_classes = {"release": _release_tag},
)
