"""The architectures that images can have: RPM's name, its constraint, and OCI's name."""

visibility(["//rules/...", "//variants/..."])

# RPM architecture -> (constraint, OCI architecture). One more line is one more architecture.
ARCHITECTURES = {
    "aarch64": (Label("@platforms//cpu:aarch64"), "arm64"),
    "x86_64": (Label("@platforms//cpu:x86_64"), "amd64"),
}

ARCHITECTURE_ATTRS = {
    "_constraints": attr.label_keyed_string_dict(
        default = {constraint: arch for arch, (constraint, _) in ARCHITECTURES.items()},
        doc = "Constraint of each RPM architecture.",
        providers = [platform_common.ConstraintValueInfo],
    ),
}

def target_architecture(ctx):
    """Finds the RPM architecture of the target platform; the rule has ARCHITECTURE_ATTRS.

    Args:
      ctx: context of the rule.

    Returns:
      string, such as "x86_64", or None when the platform has none of ARCHITECTURES.
    """
    for target, arch in ctx.attr._constraints.items():
        if ctx.target_platform_has_constraint(target[platform_common.ConstraintValueInfo]):
            return arch
    return None

def oci_architecture_select():
    """Gives the OCI architecture of the target platform.

    Returns:
      select() for a string attribute.
    """
    return select(
        {str(constraint): oci for constraint, oci in ARCHITECTURES.values()},
        no_match_error = "images can be built for %s only; pass --platforms=@rules_slimrpm//rules/platforms:linux_amd64 or another one" % " and ".join(sorted(ARCHITECTURES)),
    )
