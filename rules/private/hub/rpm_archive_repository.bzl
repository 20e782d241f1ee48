"""Declares repository rule rpm_archive_repository: one RPM."""

load("@bazel_tools//tools/build_defs/repo:utils.bzl", "read_user_netrc", "use_netrc")

visibility("//rules/...")

_BUILD = """\
load("{rule}", "rpm_archive")

rpm_archive(
    name = "rpm",
    nevra = {nevra},
    rpm = "package.rpm",
    sha256 = {sha256},
    visibility = ["//visibility:public"],
)
"""

def _rpm_archive_repository_impl(ctx):
    if ctx.attr.urls:
        urls = ["%s%s" % (url, ctx.attr.path) for url in ctx.attr.urls]
        ctx.download(urls, output = "package.rpm", sha256 = ctx.attr.sha256, auth = use_netrc(read_user_netrc(ctx), urls, {}))
    else:
        _link(ctx)
    ctx.file("REPO.bazel")
    ctx.file("BUILD.bazel", _BUILD.format(
        nevra = repr(ctx.attr.nevra),
        rule = str(Label("//rules/private/hub:rpm_archive.bzl")),
        sha256 = repr(ctx.attr.sha256),
    ))

def _link(ctx):
    folder = ctx.path(ctx.attr.lock).dirname
    tried = []
    for relative in ctx.attr.relative_urls:
        file = folder.get_child(*[part for part in (relative + ctx.attr.path).split("/") if part not in ["", "."]])
        if file.exists:
            # rpmextract checks the digest.
            ctx.symlink(file, "package.rpm")
            return
        tried.append(str(file))
    fail("fetching %s: no such file: %s\nhint: %s" % (ctx.attr.nevra, " or ".join(tried), ctx.attr.repair))

rpm_archive_repository = repository_rule(
    implementation = _rpm_archive_repository_impl,
    doc = "One RPM: `//:rpm` unpacks it. Made by the module extension, one for each package of a lock.",
    attrs = {
        "lock": attr.label(doc = "The lock; `relative_urls` start from its folder."),
        "nevra": attr.string(doc = "What the file must hold.", mandatory = True),
        "path": attr.string(doc = "Path of the file below each base URL.", mandatory = True),
        "relative_urls": attr.string_list(doc = "Base paths relative to the folder of the lock; used when there are no `urls`."),
        "repair": attr.string(doc = "Command that makes the lock again, for messages."),
        "sha256": attr.string(doc = "Digest of the file, in hex.", mandatory = True),
        "urls": attr.string_list(doc = "Base URLs, in the order to try."),
    },
)
