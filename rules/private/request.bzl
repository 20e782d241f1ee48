"""What rpm_binary and rpm_package have in common: a request, and the layer it makes by itself."""

load("//rules:toolchain.bzl", "TOOLCHAIN_TYPE")
load("//rules/providers:providers.bzl", "RpmClosureInfo", "RpmInfo", "RpmRequestInfo")
load(":actions.bzl", "build_rootfs", "show_label")
load(":architectures.bzl", "ARCHITECTURE_ATTRS", "target_architecture")

visibility("//rules/...")

def closures_of(labels, kind):
    """Finds the closure targets beside packages of hubs.

    Args:
      labels: list of Label, packages.
      kind: string, a kind of closure.

    Returns:
      list of Label. Labels that do not look like a package of a hub are left out; make_request says what to do about them.
    """
    return [label.same_package_label(kind) for label in labels if label.repo_name and label.package == label.name]

def make_request(ctx, *, kind, packages, deps, **fields):
    """Makes the providers of a request rule.

    Args:
      ctx: context of the rule; its attributes include REQUEST_ATTRS.
      kind: string, selection.Request.Kind.
      packages: list of Target with RpmInfo, what is asked for.
      deps: string, selection.Request.Deps.
      **fields: more fields of selection.Request.

    Returns:
      list of providers.
    """
    arch = target_architecture(ctx)
    wanted = packages + ctx.attr.extra
    release = wanted[0][RpmInfo].release
    for target in wanted + ctx.attr.exclude + ctx.attr.provided:
        check_same_release(ctx, release, target[RpmInfo].release, target.label)
    for target in wanted:
        if not target[RpmInfo].nevra:
            fail("%s: package %s is not locked for %s in %s\nhint: choose it by select() for the architectures that have it, or add it to the manifest and run: %s" % (
                show_label(ctx.label),
                target[RpmInfo].name,
                arch or "the target platform",
                release.lock,
                release.repair,
            ))
    if ctx.attr._closures or deps == "none":
        followed = {closure.label.package: None for closure in ctx.attr._closures}
        aliased = [target.label for target in wanted if target.label.package not in followed and deps != "none"]
    else:
        aliased = [target.label for target in wanted]
    if aliased:
        fail("%s: name package %s by its own label, not through an alias" % (show_label(ctx.label), aliased[0]))

    candidates = RpmClosureInfo(
        closures = [closure[RpmClosureInfo] for closure in ctx.attr._closures],
        rpms = [target[RpmInfo] for target in wanted],
    )
    request = struct(
        deps = deps,
        exclude = [target[RpmInfo].name for target in ctx.attr.exclude],
        extra = [target[RpmInfo].name for target in ctx.attr.extra],
        kind = kind,
        label = show_label(ctx.label),
        packages = [target[RpmInfo].name for target in packages],
        provided = [target[RpmInfo].name for target in ctx.attr.provided],
        **fields
    )
    rootfs = build_rootfs(
        ctx,
        arch = arch,
        base = None,
        candidates = candidates,
        inputs = [],
        release = release,
        requests = [request],
        spec = {"rpmdb": {"backend": release.rpmdb_backend, "path": release.rpmdb_path}},
    )
    return [
        DefaultInfo(files = depset(rootfs.layers)),
        RpmRequestInfo(candidates = candidates, release = release, request = request),
        OutputGroupInfo(
            report = depset([rootfs.reports[-1]]),
            selection = depset([rootfs.selections[-1]]),
            tree = depset([rootfs.tree]),
        ),
    ]

def check_same_release(ctx, release, other, label):
    """Fails unless two things belong to one release.

    Args:
      ctx: context of the rule.
      release: RpmReleaseInfo.
      other: RpmReleaseInfo.
      label: Label of what `other` belongs to.
    """
    if (release.name, release.lock) != (other.name, other.lock):
        fail("%s: %s belongs to release %s, other contents to %s; a root filesystem has packages of one release" % (
            show_label(ctx.label),
            show_label(label),
            other.name,
            release.name,
        ))

REQUEST_ATTRS = ARCHITECTURE_ATTRS | {
    "exclude": attr.label_list(
        doc = "Packages deliberately left out, with what only they need.",
        providers = [RpmInfo],
    ),
    "extra": attr.label_list(
        doc = "Packages added whole, with the libraries they need, which no ELF field shows: plugins, NSS modules, what is loaded by dlopen().",
        providers = [RpmInfo],
    ),
    "provided": attr.label_list(
        doc = "Packages assumed to be there: not shipped, and not searched further.",
        providers = [RpmInfo],
    ),
}

REQUEST_TOOLCHAINS = [TOOLCHAIN_TYPE]
