"""Declares rule package_metadata, which keeps nothing."""

visibility("public")

def _package_metadata_impl(_ctx):
    return []

_package_metadata = rule(
    implementation = _package_metadata_impl,
    doc = "A target without content.",
)

# The arguments of the real rule are many and change; the stand-in has a use for the name alone.
def package_metadata(*, name, **_kwargs):
    """Declares an empty target in place of the real one.

    Args:
      name: name of the target.
      **_kwargs: arguments of the real rule, dropped.
    """
    _package_metadata(
        name = name,
        # A package's default metadata includes this very target: it would depend on itself.
        applicable_licenses = [],
        visibility = ["//visibility:public"],
    )
