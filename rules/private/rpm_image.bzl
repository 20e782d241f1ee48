"""Declares macro rpm_image: an OCI image per platform, and their index."""

load("@rules_oci//oci:defs.bzl", "oci_image", "oci_image_index")
load(":architectures.bzl", "oci_architecture_select")
load(":rootfs_explanation.bzl", "rootfs_explanations")
load(":rpm_image_layers.bzl", "rpm_image_layers")
load(":rpm_rootfs.bzl", "rpm_rootfs")

visibility("//rules/...")

PLATFORMS = [
    Label("//rules/platforms:linux_amd64"),
    Label("//rules/platforms:linux_arm64"),
]

# Tags that say how to run actions, and which inner targets keep. Others select targets, and inner targets are not to be selected.
_EXECUTION_TAGS = ["no-cache", "no-remote", "no-remote-cache", "no-remote-exec", "no-sandbox", "local", "requires-network", "block-network"]

def rpm_image(
        *,
        name,
        rootfs = None,
        contents = [],
        base = None,
        base_image = None,
        platforms = PLATFORMS,
        compression = "gzip",
        user = None,
        env = None,
        entrypoint = None,
        cmd = None,
        workdir = None,
        labels = None,
        annotations = None,
        tags = [],
        testonly = False,
        visibility = None):
    """A multi-arch image.

        rpm_image(
            name = "iptables",
            base = "//images/glibc:rootfs",
            contents = [":iptables_rpms"],
            entrypoint = ["/usr/sbin/iptables"],
        )

    `name` is the OCI index of all platforms. `<name>_image` is the image of the target platform, for oci_load and for tests;
    `<name>_rootfs` is the root filesystem, when it is made here. `bazel run` of `<name>_why` with `-- PACKAGE` or `-- /PATH` says for each
    platform what brings it in; `<name>_report` lists the packages by size, and what was left out and why.

    Args:
      name: name of the index.
      rootfs: an rpm_rootfs. Either this, or `contents` and `base`.
      contents: rpm_binary and rpm_package targets, for a root filesystem that needs no more than them.
      base: an rpm_rootfs or rpm_base_image to build on, with `contents`.
      base_image: OCI layout that the root filesystem stands on, if it is built on an rpm_base_image: the `image` of that one. Its layers stay as
        they are, and so does its configuration where the attributes here say nothing.
      platforms: platforms of the index.
      compression: of the layers: `gzip`, or `none`.
      user: user of the process: name or number, with an optional group after a colon.
      env: dict of environment variables.
      entrypoint: list of strings.
      cmd: list of strings.
      workdir: working directory of the process.
      labels: dict of labels.
      annotations: dict of annotations of the manifests.
      tags: tags of the index.
      testonly: whether only tests may use the targets.
      visibility: visibility of the index and of the image.
    """
    inner_tags = ["manual"] + [tag for tag in tags if tag in _EXECUTION_TAGS]
    if rootfs and (contents or base):
        fail("rpm_image %s: give either rootfs, or contents and base" % name)
    if not rootfs:
        rootfs = name + "_rootfs"
        rpm_rootfs(
            name = rootfs,
            base = base,
            contents = contents,
            tags = inner_tags,
            testonly = testonly,
            visibility = visibility,
        )
    if compression not in ["gzip", "none"]:
        fail("rpm_image %s: compression is %s; it is gzip or none" % (name, repr(compression)))
    layers = name + "_layers"
    rpm_image_layers(
        name = layers,
        base_image = base_image,
        compression = compression,
        rootfs = rootfs,
        tags = inner_tags,
        testonly = testonly,
        visibility = ["//visibility:private"],
    )
    oci_image(
        name = name + "_image",
        annotations = annotations,
        architecture = None if base_image else oci_architecture_select(),
        base = base_image,
        cmd = cmd,
        entrypoint = entrypoint,
        env = env,
        labels = labels,
        os = None if base_image else "linux",
        tags = inner_tags,
        tars = [layers],
        testonly = testonly,
        user = user,
        visibility = visibility,
        workdir = workdir,
    )
    oci_image_index(
        name = name,
        images = [name + "_image"],
        platforms = platforms,
        tags = tags,
        testonly = testonly,
        visibility = visibility,
    )
    rootfs_explanations(
        name = name,
        platforms = platforms,
        rootfs = rootfs,
        testonly = testonly,
        visibility = visibility,
    )
