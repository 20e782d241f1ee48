"""Declares refused_rootfs: keeps what a root filesystem that cannot be built says."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/private:transitions.bzl", "named_platform")

visibility("//rules/e2e/scriptlets")

_RootfsActionInfo = provider(
    doc = "The action that composes a root filesystem.",
    fields = {"action": "Action."},
)

def _rootfs_action_impl(target, _ctx):
    return [_RootfsActionInfo(action = action) for action in target.actions if action.mnemonic == "Rootfs"]

_rootfs_action = aspect(
    implementation = _rootfs_action_impl,
    doc = "Finds the action of a rpm_rootfs; running it is left to the rule.",
)

def _refused_rootfs_impl(ctx):
    action = ctx.attr.rootfs[0][_RootfsActionInfo].action
    program = ctx.toolchains[TOOLCHAIN_TYPE].rpm.rootfs
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    args = ctx.actions.args()
    args.add(out, format = "--out=%s")
    args.add(program.executable, format = "--program=%s")
    ctx.actions.run(
        mnemonic = "ExpectFailure",
        executable = ctx.executable._expectfailure,
        arguments = [args] + action.args,
        inputs = action.inputs,
        outputs = [out],
        tools = [program],
        toolchain = TOOLCHAIN_TYPE,
    )
    return [DefaultInfo(files = depset([out]))]

refused_rootfs = rule(
    implementation = _refused_rootfs_impl,
    doc = "Runs the tool that composes a root filesystem, which must fail; the output is what it says.",
    attrs = {
        "platform": attr.label(doc = "Platform of the root filesystem.", mandatory = True),
        "rootfs": attr.label(doc = "A rpm_rootfs that cannot be built.", aspects = [_rootfs_action], cfg = named_platform, mandatory = True),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
        "_expectfailure": attr.label(default = "//rules/e2e/scriptlets/expectfailure", cfg = "exec", executable = True),
    },
    toolchains = [TOOLCHAIN_TYPE],
)
