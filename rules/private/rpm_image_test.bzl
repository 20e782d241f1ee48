"""Declares rpm_image_test: runs an image and compares it with what real programs see."""

load("//rules/providers:providers.bzl", "RootfsInfo")
load(":architectures.bzl", "ARCHITECTURES")
load(":transitions.bzl", "named_platform")

visibility(["//rules/...", "//variants/..."])

def _rpm_image_test_impl(ctx):
    rootfs = ctx.attr.rootfs[0][RootfsInfo]
    spec = ctx.actions.declare_file(ctx.label.name + ".spec.json")
    ctx.actions.write(spec, json.encode_indent({
        "arch": ARCHITECTURES[rootfs.arch][1],
        "commands": json.decode(ctx.attr.commands),
        "golden": ctx.file.golden.short_path if ctx.file.golden else "",
        "image": ctx.file.image.short_path,
        "lock": ctx.file.lock.short_path,
        "modes": ctx.attr.modes,
        "no_shell": ctx.attr.no_shell,
        "scanners": ctx.attr.scanners,
        "tree": rootfs.tree.short_path,
        "user": ctx.attr.user,
    }) + "\n")
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = executable, target_file = ctx.executable._imagetest, is_executable = True)
    return [
        DefaultInfo(
            executable = executable,
            runfiles = ctx.runfiles([file for file in [spec, ctx.file.image, ctx.file.lock, ctx.file.golden, rootfs.tree] if file]),
        ),
        RunEnvironmentInfo(
            environment = {"IMAGETEST_SPEC": spec.short_path},
            inherited_environment = ["SLIMRPM_SCANNERS"] if ctx.attr.scanners else [],
        ),
    ]

_rpm_image_test = rule(
    implementation = _rpm_image_test_impl,
    doc = "What the macro rpm_image_test instantiates.",
    attrs = {
        "commands": attr.string(doc = "JSON: list of imagetest's Command.", mandatory = True),
        "golden": attr.label(doc = "Committed list of what is in the image.", allow_single_file = [".txt"]),
        "image": attr.label(doc = "OCI layout.", allow_single_file = True, mandatory = True),
        "lock": attr.label(doc = "rpms.lock.json of the release.", allow_single_file = [".json"], mandatory = True),
        "modes": attr.string_dict(doc = "Path to octal permission bits that the file must have."),
        "no_shell": attr.bool(doc = "Whether the image must not have a shell."),
        "platform": attr.label(doc = "Platform whose image of the index is run.", mandatory = True),
        "rootfs": attr.label(doc = "Root filesystem of the image.", cfg = named_platform, mandatory = True, providers = [RootfsInfo]),
        "scanners": attr.bool(doc = "Whether syft, grype, go-rpmdb and osv-scalibr must find the packages of the image."),
        "user": attr.string(doc = "User that the image must name."),
        "_allowlist_function_transition": attr.label(default = "@bazel_tools//tools/allowlists/function_transition_allowlist"),
        "_imagetest": attr.label(cfg = "exec", default = "//tools/imagetest", executable = True),
    },
    test = True,
)

def rpm_image_test(*, name, image, rootfs, platform, lock, commands = [], modes = {}, user = "", no_shell = False, scanners = False, golden = None, size = "medium", tags = []):
    """Runs an image of an index and compares it with what umoci, runc, skopeo and rpm see.

        rpm_image_test(
            name = "iptables_amd64_test",
            commands = [{"args": ["/usr/sbin/iptables", "--version"], "output": "nf_tables"}],
            image = ":iptables",
            lock = "rpms.lock.json",
            no_shell = True,
            platform = "//rules/platforms:linux_amd64",
            rootfs = ":iptables_rootfs",
        )

    The test needs root and these programs, and qemu-user for another architecture than that of the machine; without them it says what
    it did not check, and passes.

    Args:
      name: name of the test.
      image: rpm_image, or another target that makes an OCI layout.
      rootfs: the rpm_rootfs of the image.
      platform: platform whose image is run.
      lock: rpms.lock.json that every package must be in.
      commands: list of dicts: args, output (regular expression of stdout and stderr), exit, capabilities (more than the default ones), emulated
        (dict: output and exit under emulation), starts_programs (whether it starts other programs of the image), native_only (reason not
        to run it under emulation).
      modes: dict of path to permission bits that the file must have, such as {"/bin/mount": "4755"}; links are followed.
      user: user that the image must name.
      no_shell: whether the image must not have a shell.
      scanners: whether syft, grype, go-rpmdb and osv-scalibr must find exactly the packages of the tree; `./bazelw --scanners` builds them, and
        without them the test says so.
      golden: committed list of what is in the image, whose packages scanners must find.
      size: size of the test.
      tags: tags of the test; `no-sandbox` is added, because the sandbox maps owners away.
    """
    _rpm_image_test(
        name = name,
        commands = json.encode(commands),
        golden = golden,
        image = image,
        lock = lock,
        modes = modes,
        no_shell = no_shell,
        platform = platform,
        rootfs = rootfs,
        scanners = scanners,
        size = size,
        tags = tags + ["image", "no-sandbox"],
        user = user,
    )
