"""Declares repository rule rpm_archive_repository: one RPM."""

load("@bazel_tools//tools/build_defs/repo:utils.bzl", "read_user_netrc", "use_netrc")
load(":lock.bzl", "archive_urls", "mirror_bases")

visibility("//rules/...")

_BUILD = """\
load("{rule}", "rpm_archive")

rpm_archive(
    name = "rpm",
    nevra = {nevra},
    rpm = {rpm},
    sha256 = {sha256},
    visibility = ["//visibility:public"],
)
"""

_MIRROR = "SLIMRPM_MIRROR"

def _rpm_archive_repository_impl(ctx):
    mirrors, problem = mirror_bases(ctx.getenv(_MIRROR, ""))
    if problem:
        fail(problem)
    urls = archive_urls(
        arch = ctx.attr.arch,
        mirrors = mirrors,
        path = ctx.attr.path,
        repository = ctx.attr.repository,
        urls = ctx.attr.urls,
    ) + ctx.attr.elsewhere
    missing = _link(ctx) if not ctx.attr.urls else ["it is not here"]
    if missing and urls:
        ctx.download(urls, output = ctx.attr.file, sha256 = ctx.attr.sha256, auth = use_netrc(read_user_netrc(ctx), urls, {}))
    elif missing:
        fail("fetching %s: no such file: %s\nhint: %s" % (ctx.attr.nevra, " or ".join(missing), ctx.attr.repair))
    ctx.file("REPO.bazel")
    ctx.file("BUILD.bazel", _BUILD.format(
        nevra = repr(ctx.attr.nevra),
        rpm = repr(ctx.attr.file),
        rule = str(Label("//rules/private/hub:rpm_archive.bzl")),
        sha256 = repr(ctx.attr.sha256),
    ))

def _link(ctx):
    # Returns where the file was looked for in vain.
    folder = ctx.path(ctx.attr.lock).dirname
    tried = []
    for relative in ctx.attr.relative_urls:
        file = folder.get_child(*[part for part in (relative + ctx.attr.path).split("/") if part not in ["", "."]])
        if file.exists:
            # rpmextract checks the digest.
            ctx.symlink(file, ctx.attr.file)
            return []
        tried.append(str(file))
    return tried

rpm_archive_repository = repository_rule(
    implementation = _rpm_archive_repository_impl,
    doc = """One RPM: `//:rpm` unpacks it. Made by the module extension, one for each package of a lock.

The environment variable SLIMRPM_MIRROR names folders and URLs to try before the repository; rpmfetch fills them.""",
    attrs = {
        "arch": attr.string(doc = "RPM architecture whose section of the lock names the package.", mandatory = True),
        "elsewhere": attr.string_list(doc = "Further URLs of exactly this file, to try last."),
        "file": attr.string(doc = "Name of the file; Bazel looks for it in --distdir.", mandatory = True),
        "lock": attr.label(doc = "The lock; `relative_urls` start from its folder."),
        "nevra": attr.string(doc = "What the file must hold.", mandatory = True),
        "path": attr.string(doc = "Path of the file below each base URL.", mandatory = True),
        "relative_urls": attr.string_list(doc = "Base paths relative to the folder of the lock; used when there are no `urls`."),
        "repair": attr.string(doc = "Command that makes the lock again, for messages."),
        "repository": attr.string(doc = "Id of the repository in the lock.", mandatory = True),
        "sha256": attr.string(doc = "Digest of the file, in hex.", mandatory = True),
        "urls": attr.string_list(doc = "Base URLs, in the order to try."),
    },
)
