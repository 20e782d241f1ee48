"""Declares image_content: a macro that encodes nested data for one rule."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/providers:providers.bzl", "ContentInfo")
load(":actions.bzl", "show_label", "single_file")

visibility("//rules/...")

CONTENT_SCHEMA = 1

def _image_content_impl(ctx):
    label = show_label(ctx.label)
    spec = json.decode(ctx.attr.spec)
    inputs = []
    for target, places in ctx.attr.files.items():
        file = single_file(ctx, target, "files")
        inputs.append(file)
        spec["files"].extend([place | {"source": file.path} for place in json.decode(places)])
    spec["files"] = sorted(spec["files"], key = lambda file: file["path"])
    if ctx.attr.archive:
        file = single_file(ctx, ctx.attr.archive, "archive")
        inputs.append(file)
        spec["archive"] |= {"digest": ctx.attr.digest, "source": file.path, "strip_prefix": ctx.attr.strip_prefix}
    spec_file = ctx.actions.declare_file(ctx.label.name + ".content_spec.json")
    ctx.actions.write(spec_file, json.encode_indent(spec | {"label": label, "schema": CONTENT_SCHEMA}) + "\n")
    payload = ctx.actions.declare_file(ctx.label.name + ".payload.tar")
    index = ctx.actions.declare_file(ctx.label.name + ".content.json")
    args = ctx.actions.args()
    args.add(spec_file, format = "--spec=%s")
    args.add(payload, format = "--payload=%s")
    args.add(index, format = "--index=%s")
    ctx.actions.run(
        mnemonic = "ImageContent",
        progress_message = "Reading content %{label}",
        executable = ctx.toolchains[TOOLCHAIN_TYPE].rpm.content,
        arguments = [args],
        inputs = [spec_file] + inputs,
        outputs = [payload, index],
        toolchain = TOOLCHAIN_TYPE,
    )
    return [
        ContentInfo(index = index, payload = payload),
        DefaultInfo(files = depset([payload])),
        OutputGroupInfo(index = depset([index])),
    ]

_image_content = rule(
    implementation = _image_content_impl,
    doc = "What the macro image_content instantiates.",
    attrs = {
        "archive": attr.label(doc = "Archive.", allow_files = True),
        "digest": attr.string(doc = "Of the archive."),
        "files": attr.label_keyed_string_dict(doc = "File -> JSON: list of content.File without source.", allow_files = True),
        "spec": attr.string(doc = "JSON: fields of content.Spec without label, schema, and what the other attributes say.", mandatory = True),
        "strip_prefix": attr.string(doc = "Folders of the archive that paths lose."),
    },
    provides = [ContentInfo],
    toolchains = [TOOLCHAIN_TYPE],
)

def image_content(
        *,
        name,
        version,
        purl,
        license,
        updates,
        content_name = None,
        files = {},
        archive = None,
        digest = None,
        prefix = None,
        strip_prefix = "",
        exclude = [],
        executable = [],
        symlinks = {},
        user = "0",
        group = "0",
        tags = [],
        testonly = False,
        visibility = None):
    """What an image holds that is no RPM package: programs that Bazel builds, or the tree of an archive.

        image_content(
            name = "agent",
            version = "1.4.0",
            files = {"/usr/bin/agent": {"mode": "0755", "src": "//agent"}},
            license = "Apache-2.0",
            purl = "pkg:generic/agent@1.4.0",
            updates = {"kind": "built"},
        )

        image_content(
            name = "sdk",
            version = "1.26.4",
            archive = "@go_linux_amd64//file",
            digest = "sha256:...",
            exclude = ["go/test/**"],
            license = "BSD-3-Clause",
            prefix = "/usr/local",
            purl = "pkg:golang/toolchain@1.26.4",
            symlinks = {"/usr/bin/go": "../local/go/bin/go"},
            updates = {"kind": "go-toolchain", "series": "1.26"},
        )

    Goes into `contents` of an rpm_rootfs or rpm_image. Programs are built for the platform of the image. It stands in tree.json and in the
    reports beside the packages, and its files are checked like theirs. It replaces nothing: a path that a package has too is an error.
    See rules/docs/content.md.

    Args:
      name: name of the target.
      version: version of what it is.
      purl: its package URL, with the version.
      license: its licence, as an SPDX expression.
      updates: dict that says where newer versions are found: `kind` is `built` (from source of the build; nothing to look up but its
        compiler), `go-module` with `module` (path of a Go module), `go-toolchain` with `series` (such as `1.26`), or `manual` with `url`
        (a page that a person looks at).
      content_name: what it is called in reports; `name` by default.
      files: dict of path to label, or to dict (`src`, `mode`; 0644 by default).
      archive: a tar (plain, gzip, xz, zstd, bzip2) or a zip.
      digest: of the archive, required: `sha256:` and hex digits, or `h1:` and the hash that go.sum has of the zip of a Go module.
      prefix: directory of the image that the archive goes to.
      strip_prefix: folders of the archive to leave out of paths; what lies elsewhere in the archive is left out.
      exclude: globs over the rest (`**` stands for any folders) of what is left out. One that matches nothing is an error.
      executable: likewise, of files that get mode 0755 besides those that are executable in the archive; zips often say nothing of it.
      symlinks: dict of path to target.
      user: owner of everything: name or number.
      group: likewise.
      tags: tags of the target.
      testonly: whether only tests may use the target.
      visibility: visibility of the target.
    """
    if bool(archive) != bool(prefix) or bool(archive) != bool(digest):
        fail("image_content %s: archive, digest and prefix belong together; without an archive there are only files" % name)
    if not archive and not files:
        fail("image_content %s: give files, or an archive" % name)
    if not archive and (strip_prefix or exclude or executable):
        fail("image_content %s: strip_prefix, exclude and executable are about an archive, and there is none" % name)
    places = {}
    for path, file in files.items():
        place = {"path": path}
        if type(file) == "dict":
            unknown = [key for key in file if key not in ["mode", "src"]]
            if unknown or "src" not in file:
                fail("image_content %s: files has %s: %s; its fields are src and mode" % (name, path, file))
            place |= {key: file[key] for key in file if key != "src"}
            file = file["src"]
        places.setdefault(file, []).append(place)
    spec = {
        "files": [],
        "group": group,
        "license": license,
        "name": content_name or name,
        "purl": purl,
        "symlinks": symlinks,
        "updates": updates,
        "user": user,
        "version": version,
    }
    if archive:
        spec["archive"] = {
            "exclude": exclude,
            "executable": executable,
            "prefix": prefix,
        }
    _image_content(
        name = name,
        archive = archive,
        digest = digest,
        files = {file: json.encode(place) for file, place in places.items()},
        spec = json.encode(spec),
        strip_prefix = strip_prefix,
        tags = tags,
        testonly = testonly,
        visibility = visibility,
    )
