"""The actions of a root filesystem: resolve, compose, check."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/providers:providers.bzl", "RootfsInfo", "RpmClosureInfo")

visibility("//rules/...")

SELECTION_SCHEMA = 1
COMPOSE_SCHEMA = 1
CHECK_SCHEMA = 1

def show_label(label):
    """Writes a label as users do.

    Args:
      label: Label.

    Returns:
      string, without "@@" for the main repository.
    """
    text = str(label)
    return text.removeprefix("@@") if text.startswith("@@//") else text

def single_file(ctx, target, attribute):
    """Finds the file that a target makes.

    Args:
      ctx: context of the rule.
      target: Target.
      attribute: string, the attribute that names the target, for messages.

    Returns:
      File.
    """
    files = target[DefaultInfo].files.to_list()
    if len(files) != 1:
        fail("%s: %s has %s, which makes %d files; it must make one" % (show_label(ctx.label), attribute, show_label(target.label), len(files)))
    return files[0]

def build_rootfs(ctx, *, arch, release, requests, candidates, base, spec, inputs, contents = [], provided = [], check = None):
    """Declares the actions that make one layer.

    Args:
      ctx: context of the rule; it has TOOLCHAIN_TYPE.
      arch: string, RPM architecture.
      release: RpmReleaseInfo.
      requests: list of struct, as in RpmRequestInfo.request.
      candidates: RpmClosureInfo, packages that may ship.
      base: RootfsInfo of the root filesystem to build on, or None.
      spec: dict, the fields of compose.Spec that the caller decides.
      inputs: list of File, what spec names.
      contents: list of ContentInfo, what is no package.
      provided: list of RpmInfo, packages that are registered but not shipped.
      check: dict, the fields of check.Spec that the caller decides, or None: the tree is not checked.

    Returns:
      RootfsInfo.
    """
    selection = _resolve(ctx, arch, release, requests, candidates, base, spec.get("ld_so_cache", True))
    layer = ctx.actions.declare_file(ctx.label.name + ".layer.tar")
    tree = ctx.actions.declare_file(ctx.label.name + ".tree.json")
    report = ctx.actions.declare_file(ctx.label.name + ".report.json")

    # Most candidates do not ship: an update of one of them need not compose the image again.
    unused = ctx.actions.declare_file(ctx.label.name + ".unused_inputs.txt")
    spec_file = ctx.actions.declare_file(ctx.label.name + ".rootfs_spec.json")
    ctx.actions.write(spec_file, json.encode_indent(spec | {
        "arch": arch,
        "label": show_label(ctx.label),
        "release": release.name,
        "schema": COMPOSE_SCHEMA,
        "source_date_epoch": release.source_date_epoch,
    }) + "\n")

    args = _params(ctx)
    args.add(spec_file, format = "--spec=%s")
    args.add(selection, format = "--selection=%s")
    args.add_all(candidates.rpms, map_each = _candidate_flags)
    transitive = [candidates.files]
    direct = [spec_file, selection] + inputs
    if base:
        args.add_all(base.packages.rpms, map_each = _base_flags)
        args.add(base.tree, format = "--base-tree=%s")
        lower = ([base.foreign.layer] if base.foreign else []) + list(base.layers)
        args.add_all(lower, format_each = "--base-layer=%s")
        transitive.append(base.packages.files)
        direct.append(base.tree)
        direct.extend(lower)
        if base.foreign:
            args.add(base.foreign.headers, format = "--base-foreign=%s")
            direct.append(base.foreign.headers)
    for content in contents:
        args.add(content.index, format = "--content=%s")
        args.add(content.payload, format = "--content-payload=%s")
        direct.extend([content.index, content.payload])
    for rpm in provided:
        args.add(rpm.index, format = "--provided-index=%s")
        args.add(rpm.header, format = "--provided-header=%s")
        direct.extend([rpm.index, rpm.header])
    args.add(layer, format = "--layer=%s")
    args.add(tree, format = "--tree=%s")
    args.add(report, format = "--report=%s")
    args.add(unused, format = "--unused-inputs=%s")
    ctx.actions.run(
        mnemonic = "Rootfs",
        progress_message = "Composing %{label}",
        executable = ctx.toolchains[TOOLCHAIN_TYPE].rpm.rootfs,
        arguments = [args],
        inputs = depset(direct, transitive = transitive),
        outputs = [layer, tree, report, unused],
        unused_inputs_list = unused,
        toolchain = TOOLCHAIN_TYPE,
    )
    said = check or {}
    return RootfsInfo(
        allow = (base.allow if base else {}) | said.get("allow", {}),
        arch = arch,
        checked = check != None,
        compressed_layers = (base.compressed_layers if base else ()) + (_compress(ctx, layer),),
        foreign = base.foreign if base else None,
        layers = (base.layers if base else ()) + (layer,),
        packages = RpmClosureInfo(closures = [candidates] + ([base.packages] if base else []), rpms = provided),
        release = release,
        reports = (base.reports if base else ()) + (report,),
        selections = (base.selections if base else ()) + (selection,),
        shell = said.get("shell", False) or (base.shell if base else False),
        tree = tree,
    )

def _compress(ctx, layer):
    out = ctx.actions.declare_file(ctx.label.name + ".layer.tar.gz")
    args = ctx.actions.args()
    args.add(layer, format = "--layer=%s")
    args.add(out, format = "--out=%s")
    ctx.actions.run(
        mnemonic = "LayerGzip",
        progress_message = "Compressing %{input}",
        executable = ctx.toolchains[TOOLCHAIN_TYPE].rpm.layergzip,
        arguments = [args],
        inputs = [layer],
        outputs = [out],
        toolchain = TOOLCHAIN_TYPE,
    )
    return out

def _resolve(ctx, arch, release, requests, candidates, base, ld_so_cache):
    spec_file = ctx.actions.declare_file(ctx.label.name + ".elfresolve_spec.json")
    ctx.actions.write(spec_file, json.encode_indent({
        "arch": arch,
        "label": show_label(ctx.label),
        "no_ld_so_cache": not ld_so_cache,
        "release": release.name,
        "requests": requests,
        "schema": SELECTION_SCHEMA,
    }) + "\n")
    selection = ctx.actions.declare_file(ctx.label.name + ".selection.json")
    args = _params(ctx)
    args.add(spec_file, format = "--spec=%s")
    args.add(release.graph, format = "--graph=%s")
    args.add_all(candidates.indexes, format_each = "--index=%s")
    direct = [spec_file, release.graph]
    if base:
        args.add(base.tree, format = "--base-tree=%s")
        direct.append(base.tree)
    args.add(selection, format = "--out=%s")
    ctx.actions.run(
        mnemonic = "ElfResolve",
        progress_message = "Resolving %{label}",
        executable = ctx.toolchains[TOOLCHAIN_TYPE].rpm.elfresolve,
        arguments = [args],
        inputs = depset(direct, transitive = [candidates.indexes]),
        outputs = [selection],
        toolchain = TOOLCHAIN_TYPE,
    )
    return selection

def check_rootfs(ctx, *, rootfs, spec, base = None, label = None):
    """Declares the action that checks a finished tree.

    Args:
      ctx: context of the rule; it has TOOLCHAIN_TYPE.
      rootfs: RootfsInfo.
      spec: dict, the fields of check.Spec that the caller decides.
      base: RootfsInfo of the base, whose allowances count for what is as the base has it, or None.
      label: string, what messages call the target, or None: its label.

    Returns:
      tuple of lists of File: the findings, for output group _validation; and what the tool is told.
    """
    if base:
        spec = spec | {"base_allow": base.allow, "base_shell": base.shell}
    spec_file = ctx.actions.declare_file(ctx.label.name + ".rootcheck_spec.json")
    ctx.actions.write(spec_file, json.encode_indent(spec | {
        "arch": rootfs.arch,
        "label": label or show_label(ctx.label),
        "schema": CHECK_SCHEMA,
    }) + "\n")
    out = ctx.actions.declare_file(ctx.label.name + ".rootcheck.txt")
    args = ctx.actions.args()
    args.add(spec_file, format = "--spec=%s")
    args.add(rootfs.tree, format = "--tree=%s")
    args.add(out, format = "--out=%s")
    ctx.actions.run(
        mnemonic = "RootCheck",
        progress_message = "Checking %s" % (label or show_label(ctx.label)),
        executable = ctx.toolchains[TOOLCHAIN_TYPE].rpm.rootcheck,
        arguments = [args],
        inputs = [spec_file, rootfs.tree],
        outputs = [out],
        toolchain = TOOLCHAIN_TYPE,
    )
    return [out], [spec_file]

def list_rootfs(ctx, rootfs, name):
    """Declares the action that lists what a root filesystem holds.

    Args:
      ctx: context of the rule; it has TOOLCHAIN_TYPE.
      rootfs: RootfsInfo.
      name: string, start of the names of the files.

    Returns:
      struct: `cyclonedx` (File, bill of materials) and `packages` (File, table).
    """
    cyclonedx = ctx.actions.declare_file(name + ".cdx.json")
    packages = ctx.actions.declare_file(name + ".packages.tsv")
    args = ctx.actions.args()
    args.add(rootfs.tree, format = "--tree=%s")
    args.add(cyclonedx, format = "--cyclonedx=%s")
    args.add(packages, format = "--list=%s")
    ctx.actions.run(
        mnemonic = "RootfsSbom",
        progress_message = "Listing what is in %{label}",
        executable = ctx.toolchains[TOOLCHAIN_TYPE].rpm.sbom,
        arguments = [args],
        inputs = [rootfs.tree],
        outputs = [cyclonedx, packages],
        toolchain = TOOLCHAIN_TYPE,
    )
    return struct(cyclonedx = cyclonedx, packages = packages)

def _params(ctx):
    args = ctx.actions.args()
    args.use_param_file("@%s")
    args.set_param_file_format("multiline")
    return args

def _candidate_flags(rpm):
    return ["--index=" + rpm.index.path, "--payload=" + rpm.payload.path, "--header=" + rpm.header.path]

def _base_flags(rpm):
    return ["--base-index=" + rpm.index.path, "--base-header=" + rpm.header.path]
