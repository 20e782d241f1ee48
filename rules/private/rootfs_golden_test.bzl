"""Declares rule rootfs_golden_test: compares a root filesystem with the committed list of what is in it, and its size with a budget."""

load("//rules/providers:providers.bzl", "RootfsInfo")
load(":architectures.bzl", "ARCHITECTURES")
load(":transitions.bzl", "named_platform")

visibility(["//rules/...", "//variants/..."])

_SCHEMA = 1

def _rootfs_golden_test_impl(ctx):
    rootfs = ctx.attr.rootfs[0][RootfsInfo]
    arch = ARCHITECTURES[rootfs.arch][1]

    # Files of two platforms have the same path in runfiles, and what updates goldens has both, so each gets a link with a name of its own.
    tree = _link(ctx, "tree", rootfs.tree)
    base_tree = _link(ctx, "base_tree", ctx.attr.base[0][RootfsInfo].tree) if ctx.attr.base else None
    spec = ctx.actions.declare_file(ctx.label.name + ".golden_spec.json")
    ctx.actions.write(spec, json.encode_indent({
        "arch": arch,
        "base_tree": base_tree.short_path if base_tree else "",
        "budget_mib": ctx.attr.size_budget,
        "golden": ctx.file.golden.short_path if ctx.file.golden else "",
        "moving": ctx.attr.moving,
        "path": "%s/%s" % (ctx.label.package, ctx.attr.path),
        "release": ctx.attr.release,
        "schema": _SCHEMA,
        "tree": tree.short_path,
        "update": "//%s:%s" % (ctx.label.package, ctx.attr.update),
        "variant": ctx.attr.variant,
    }) + "\n")
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = executable, target_file = ctx.executable._golden, is_executable = True)
    return [
        DefaultInfo(
            executable = executable,
            runfiles = ctx.runfiles([file for file in [spec, tree, base_tree, ctx.file.golden] if file]),
        ),
        OutputGroupInfo(golden_spec = depset([spec])),
        RunEnvironmentInfo(environment = {"GOLDEN_SPECS": spec.short_path}),
    ]

def _link(ctx, what, file):
    out = ctx.actions.declare_file("%s.%s.json" % (ctx.label.name, what))
    ctx.actions.symlink(output = out, target_file = file)
    return out

rootfs_golden_test = rule(
    implementation = _rootfs_golden_test_impl,
    doc = """Compares a root filesystem with the committed list of its packages and paths, and its size with a budget.

        rootfs_golden_test(
            name = "debrpm_amd64_golden_test",
            base = "//variants/base:debrpm_rootfs",
            golden = "golden/debrpm_amd64.txt",
            path = "golden/debrpm_amd64.txt",
            platform = "//rules/platforms:linux_amd64",
            release = "debrpm",
            rootfs = ":debrpm_rootfs",
            size_budget = 22,
            update = "update_goldens",
            variant = "glibc",
        )
""",
    attrs = {
        "base": attr.label(doc = "Root filesystem below, whose paths the list leaves out.", cfg = named_platform, providers = [RootfsInfo]),
        "golden": attr.label(doc = "The list; None when there is none yet, which the test says.", allow_single_file = [".txt"]),
        "moving": attr.bool(doc = "Whether packages of the release get newer without a commit: what follows from that is a note then, and no error."),
        "path": attr.string(doc = "Path of the list in the package.", mandatory = True),
        "platform": attr.label(doc = "Platform whose root filesystem is compared.", mandatory = True),
        "release": attr.string(doc = "Name of the release.", mandatory = True),
        "rootfs": attr.label(doc = "The root filesystem.", cfg = named_platform, mandatory = True, providers = [RootfsInfo]),
        "size_budget": attr.int(doc = "MiB that the regular files may have, hard links once. 0: none is given, which is an error."),
        "update": attr.string(doc = "Name of the rootfs_golden_update of the package.", mandatory = True),
        "variant": attr.string(doc = "Name of the image.", mandatory = True),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
        "_golden": attr.label(cfg = "exec", default = "//tools/golden", executable = True),
    },
    test = True,
)
