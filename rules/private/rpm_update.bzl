"""Declares rule rpm_update: `bazel run` of what updates of a release mean for its images."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")

visibility(["//rules/...", "//variants/..."])

RPMLOCK_TARGET_SCHEMA = 1

def _rpm_update_impl(ctx):
    files = [file for file in [ctx.file.manifest, ctx.file.lock, ctx.file.images] if file]
    if not ctx.attr.refuse and len(files) < 3:
        fail("%s: attributes manifest, lock and images must be set, or refuse" % ctx.label)
    content = {"schema": RPMLOCK_TARGET_SCHEMA, "verb": ctx.attr.verb}
    if ctx.attr.refuse:
        content |= {"hint": ctx.attr.hint, "refuse": ctx.attr.refuse}
        files = []
    else:
        content |= {
            "images": ctx.file.images.short_path,
            "lock": ctx.file.lock.short_path,
            "manifest": ctx.file.manifest.short_path,
        }
    target = ctx.actions.declare_file(ctx.label.name + ".target.json")
    ctx.actions.write(target, json.encode_indent(content) + "\n")
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = executable, target_file = ctx.toolchains[TOOLCHAIN_TYPE].rpm.rpmlock.executable, is_executable = True)
    return [
        DefaultInfo(executable = executable, runfiles = ctx.runfiles([target] + files)),
        RunEnvironmentInfo(environment = {"RPMLOCK_TARGET": target.short_path}),
    ]

rpm_update = rule(
    implementation = _rpm_update_impl,
    doc = """Runs rpmlock on the lock and the images of a release.

        rpm_inventory(
            name = "images",
            names = ["nginx"],
            platforms = ["@rules_slimrpm//rules/platforms:linux_amd64"],
            release = "al2023",
            rootfs = ["//images/nginx:rootfs"],
        )

        rpm_update(
            name = "outdated",
            images = ":images",
            lock = "rpms.lock.json",
            manifest = "rpms.yaml",
            verb = "outdated",
        )

    Then `bazel run :outdated` says which images an update is due for, and exits with 10 when there are any. It builds the root
    filesystems of all images first, to know what is in them.""",
    attrs = {
        "hint": attr.string(doc = "What to do instead, with refuse."),
        "images": attr.label(doc = "The rpm_inventory.", allow_single_file = [".json"]),
        "lock": attr.label(doc = "The lock, a file of the workspace.", allow_single_file = [".json"]),
        "manifest": attr.label(doc = "The manifest, a file of the workspace.", allow_single_file = [".yaml"]),
        "refuse": attr.string(doc = "Why the verb can do nothing for this release; then nothing is built, and running the target fails with these words."),
        "verb": attr.string(doc = "What to do; rules/docs/locking.md tells.", mandatory = True, values = ["diff", "outdated", "summary", "update"]),
    },
    executable = True,
    toolchains = [TOOLCHAIN_TYPE],
)
