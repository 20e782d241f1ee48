"""Declares rule rootfs_golden_update: `bazel run` of what writes the lists of rootfs_golden_test again."""

visibility(["//rules/...", "//variants/..."])

def _rootfs_golden_update_impl(ctx):
    specs = depset(transitive = [test[OutputGroupInfo].golden_spec for test in ctx.attr.tests])
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = executable, target_file = ctx.executable._golden, is_executable = True)
    return [
        DefaultInfo(
            executable = executable,
            runfiles = ctx.runfiles().merge_all([test[DefaultInfo].default_runfiles for test in ctx.attr.tests]),
        ),
        OutputGroupInfo(golden_spec = specs),
        RunEnvironmentInfo(environment = {
            "GOLDEN_SPECS": " ".join([spec.short_path for spec in specs.to_list()]),
            "GOLDEN_UPDATE": "1",
        }),
    ]

rootfs_golden_update = rule(
    implementation = _rootfs_golden_update_impl,
    doc = "Writes the lists of rootfs_golden_test again, and the sizes in the pages of the images: `bazel run //variants:update_goldens`.",
    attrs = {
        "tests": attr.label_list(doc = "Targets of rootfs_golden_test, and others of this rule.", mandatory = True),
        "_golden": attr.label(cfg = "exec", default = "//tools/golden", executable = True),
    },
    executable = True,
)
