"""Declares rule rootfs_explanation: `bazel run` of what is in a root filesystem, and why."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/providers:providers.bzl", "RootfsInfo")
load(":rootfs_sbom.bzl", "rootfs_sbom")
load(":transitions.bzl", "each_platform")

visibility("//rules/...")

EXPLAIN_SCHEMA = 1

def _rootfs_explanation_impl(ctx):
    rootfs = [target[RootfsInfo] for target in ctx.attr.rootfs]

    # Files of two platforms have the same path in runfiles, so each gets a link with a name of its own.
    images = [
        {
            "reports": [_link(ctx, info.arch, file, i) for i, file in enumerate(info.reports)],
            "selections": [_link(ctx, info.arch, file, i) for i, file in enumerate(info.selections)],
            "tree": _link(ctx, info.arch, info.tree, 0),
        }
        for info in rootfs
    ]
    files = [file for image in images for file in [image["tree"]] + image["reports"] + image["selections"]]
    spec = ctx.actions.declare_file(ctx.label.name + ".explain_spec.json")
    ctx.actions.write(spec, json.encode_indent({
        "images": [
            {
                "reports": [file.short_path for file in image["reports"]],
                "selections": [file.short_path for file in image["selections"]],
                "tree": image["tree"].short_path,
            }
            for image in images
        ],
        "schema": EXPLAIN_SCHEMA,
        "verb": ctx.attr.verb,
    }) + "\n")
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = executable, target_file = ctx.toolchains[TOOLCHAIN_TYPE].rpm.explain.executable, is_executable = True)
    return [
        DefaultInfo(executable = executable, runfiles = ctx.runfiles([spec] + files)),
        RunEnvironmentInfo(environment = {"EXPLAIN_SPEC": spec.short_path}),
    ]

def _link(ctx, arch, file, i):
    out = ctx.actions.declare_file("%s.files/%s/%d.%s" % (ctx.label.name, arch, i, file.basename))
    ctx.actions.symlink(output = out, target_file = file)
    return out

rootfs_explanation = rule(
    implementation = _rootfs_explanation_impl,
    doc = "Runs the program explain on a root filesystem. rpm_rootfs and rpm_image make two of them: `<name>_why` and `<name>_report`.",
    attrs = {
        "platforms": attr.string_list(doc = "Labels of the platforms to explain; empty: the target platform."),
        "rootfs": attr.label(doc = "The root filesystem.", cfg = each_platform, mandatory = True, providers = [RootfsInfo]),
        "verb": attr.string(doc = "What to print.", mandatory = True, values = ["report", "why"]),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
    executable = True,
    toolchains = [TOOLCHAIN_TYPE],
)

def rootfs_explanations(*, name, rootfs, platforms = [], testonly = False, visibility = None):
    """Makes `<name>_why`, `<name>_report` and `<name>_sbom`.

    Args:
      name: name of the root filesystem or image.
      rootfs: label of the root filesystem.
      platforms: list of Label or string, platforms to explain; empty: the target platform.
      testonly: whether only tests may use the targets.
      visibility: visibility of the targets.
    """
    platforms = [str(native.package_relative_label(platform)) for platform in platforms]
    rootfs_sbom(
        name = name + "_sbom",
        platforms = platforms,
        rootfs = rootfs,
        tags = ["manual"],
        testonly = testonly,
        visibility = visibility,
    )
    for verb in ["report", "why"]:
        rootfs_explanation(
            name = "%s_%s" % (name, verb),
            platforms = platforms,
            rootfs = rootfs,
            tags = ["manual"],
            testonly = testonly,
            verb = verb,
            visibility = visibility,
        )
