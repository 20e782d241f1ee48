"""Declares rule rpm_release: what all packages of a release share."""

load("//rules/private:architectures.bzl", "ARCHITECTURE_ATTRS", "target_architecture")
load("//rules/providers:providers.bzl", "RpmReleaseInfo")

# Loaded by the hub repositories that the module extension makes.
visibility("public")

def _rpm_release_impl(ctx):
    if ctx.attr.problem:
        fail("%s\nhint: %s" % (ctx.attr.problem, ctx.attr.repair))
    arch = target_architecture(ctx)
    graph = None
    for target, graph_arch in ctx.attr.graphs.items():
        if graph_arch == arch:
            graph = target[DefaultInfo].files.to_list()[0]
    return [RpmReleaseInfo(
        graph = graph,
        lock = ctx.attr.lock,
        name = ctx.attr.release,
        repair = ctx.attr.repair,
        rpmdb_backend = ctx.attr.rpmdb_backend,
        rpmdb_path = ctx.attr.rpmdb_path,
        source_date_epoch = int(ctx.attr.source_date_epoch),
    )]

rpm_release = rule(
    implementation = _rpm_release_impl,
    doc = "What all packages of a release share; `@<release>//:release`. Fails when the lock cannot be used.",
    attrs = ARCHITECTURE_ATTRS | {
        "graphs": attr.label_keyed_string_dict(doc = "graph.json -> RPM architecture.", allow_files = [".json"]),
        "lock": attr.string(doc = "Label of the lock, for messages.", mandatory = True),
        "problem": attr.string(doc = "Why the lock cannot be used; empty when it can."),
        "release": attr.string(doc = "Name of the release.", mandatory = True),
        "repair": attr.string(doc = "The command that makes the lock again.", mandatory = True),
        "rpmdb_backend": attr.string(doc = "Format of the package database of images."),
        "rpmdb_path": attr.string(doc = "Place of the package database of images."),
        "source_date_epoch": attr.string(doc = "Time of images in seconds; a string, since it may exceed 32 bits.", default = "0"),
    },
    provides = [RpmReleaseInfo],
)
