"""Declares macro rpm_image: an OCI image per platform, and their index."""

load("@rules_oci//oci:defs.bzl", "oci_image", "oci_image_index")
load(":architectures.bzl", "oci_architecture_select")
load(":checks.bzl", "read_check", "split_check")
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
        check = {},
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
    `<name>_rootfs` is the root filesystem, when it is made here. Building any of them checks the tree of each platform, base included,
    and that it has the user and the program of the image config. `bazel run` of `<name>_why` with `-- PACKAGE`
    or `-- /PATH` says for each platform what brings it in; `<name>_report` lists the packages by size, and what was left out and why.
    `bazel build` of `<name>_sbom` makes a bill of materials and a list of packages for each platform (rules/docs/sbom.md).

    Args:
      name: name of the index.
      rootfs: an rpm_rootfs. Either this, or `contents` and `base`.
      contents: rpm_binary, rpm_package and image_content targets, for a root filesystem that needs no more than them.
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
      check: dict, as in rpm_rootfs: `allow`, and where the root filesystem is made here or not checked by itself, `shell` and
        `size_budget`.
      tags: tags of the index.
      testonly: whether only tests may use the targets.
      visibility: visibility of the index and of the image.
    """
    inner_tags = ["manual"] + [tag for tag in tags if tag in _EXECUTION_TAGS]
    if rootfs and (contents or base):
        fail("rpm_image %s: give either rootfs, or contents and base" % name)
    check = read_check("rpm_image " + name, check)
    if check == None:
        fail("rpm_image %s: check is None; an image that ships is checked, so allow what is right, in check = {\"allow\": {...}}" % name)
    if not rootfs:
        rootfs = name + "_rootfs"
        tree_check, check = split_check(check)
        rpm_rootfs(
            name = rootfs,
            base = base,
            check = tree_check,
            contents = contents,
            tags = inner_tags,
            testonly = testonly,
            visibility = visibility,
        )
    if compression not in ["gzip", "none"]:
        fail("rpm_image %s: compression is %s; it is gzip or none" % (name, repr(compression)))
    rpm_image_layers(
        name = name + "_layers",
        base_image = base_image,
        check = json.encode(check),
        cmd = _words("cmd", name, cmd),
        compression = compression,
        entrypoint = _words("entrypoint", name, entrypoint),
        image = "//%s:%s" % (native.package_name(), name),
        path = env.get("PATH") if type(env) == "dict" else None,
        rootfs = rootfs,
        tags = inner_tags,
        testonly = testonly,
        user = user,
        visibility = ["//visibility:private"],
        workdir = workdir,
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
        tars = [name + "_layers"],
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

def _words(attribute, name, value):
    if type(value) == "string":
        fail("rpm_image %s: %s is %s; it must be a list of strings, such as [\"/usr/sbin/nft\"]" % (name, attribute, repr(value)))
    return value
