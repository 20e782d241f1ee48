"""Declares provider RootfsInfo."""

visibility("public")

RootfsInfo = provider(
    doc = "A root filesystem: its layers and what is known about them.",
    fields = {
        "allow": "dict of string to string: findings that are allowed, `code:path` to the reason, of this root filesystem and its bases.",
        "arch": "string: RPM architecture, such as `x86_64`.",
        "checked": "bool: whether building the target checks its tree.",
        "compressed_layers": "tuple of File: `layers` as gzip, in the same order; made only where something asks for them.",
        "foreign": "struct or None: the image of others below `layers`, as rpm_base_image read it: `image` (File, OCI layout), `layer` (File, tar of all its files), `headers` (File, of its packages).",
        "layers": "tuple of File: layer tars, the oldest first. All of them, on top of `foreign`, make the root filesystem; the last one is what this target adds.",
        "packages": "RpmClosureInfo: every package that some layer may hold.",
        "release": "RpmReleaseInfo: the release of the packages, or None for an image of others alone.",
        "reports": "tuple of File: report.json of each layer, in the order of `layers`: packages, sizes, what was left out and why.",
        "selections": "tuple of File: selection.json of each layer: packages and the reasons for each.",
        "shell": "bool: whether the root filesystem, or a base, is meant to have a shell.",
        "tree": "File: tree.json, every path of all layers.",
    },
)
