"""Declares rule rootcheck_inputs: what the checks of broken targets read, without the checks."""

load("//rules/private:transitions.bzl", "named_platform")

visibility("//rules/tests/rootcheck")

def _files_impl(ctx):
    groups = [target[OutputGroupInfo] for target in ctx.attr.targets]
    return [DefaultInfo(files = depset(transitive = [group.rootcheck_spec for group in groups] + [group.tree for group in groups]))]

_files = rule(
    implementation = _files_impl,
    doc = "Specs and trees of targets.",
    attrs = {
        "platform": attr.label(doc = "Platform of the targets.", mandatory = True),
        "targets": attr.label_list(
            cfg = named_platform,
            doc = "Targets of rpm_rootfs, or layers of rpm_image.",
            mandatory = True,
        ),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
    },
)

def _inputs_impl(ctx):
    copies = []
    for file in ctx.files.files:
        copies.append(ctx.actions.declare_file("%s/%s" % (ctx.label.name, file.basename)))
        ctx.actions.symlink(output = copies[-1], target_file = file)
    return [DefaultInfo(files = depset(copies), runfiles = ctx.runfiles(copies))]

_inputs = rule(
    implementation = _inputs_impl,
    doc = "The files in a folder that is called like the target. Bazel does not run the checks of tools, so they are made like one.",
    attrs = {"files": attr.label(cfg = "exec", doc = "Specs and trees.", mandatory = True)},
)

def rootcheck_inputs(*, name, platform, targets, visibility):
    """The specs and the trees of targets whose checks fail. A test compares what they find.

    Args:
      name: name of the target.
      platform: platform of the targets.
      targets: targets of rpm_rootfs, or layers of rpm_image.
      visibility: visibility of the target.
    """
    _files(
        name = name + "_files",
        platform = platform,
        tags = ["manual"],
        targets = targets,
        visibility = ["//visibility:private"],
    )
    _inputs(
        name = name,
        files = name + "_files",
        tags = ["manual"],
        visibility = visibility,
    )
