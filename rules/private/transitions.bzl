"""All configuration transitions of this module."""

visibility("//rules/...")

def _any_platform_impl(_settings, _attr):
    return {"//command_line_option:platforms": str(Label("//rules/platforms:any"))}

# The bytes that rpmextract writes do not depend on the platform. Without this, a multi-arch index would unpack every noarch RPM
# once per architecture, and every RPM once more for the host when a root filesystem is built by itself.
any_platform = transition(
    implementation = _any_platform_impl,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

def _named_platform_impl(_settings, attr):
    return {"//command_line_option:platforms": str(attr.platform)}

# A test of an image looks at one image of a multi-arch index, whatever the platform of the machine is.
named_platform = transition(
    implementation = _named_platform_impl,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

def _each_platform_impl(settings, attr):
    option = "//command_line_option:platforms"
    if not attr.platforms:
        return {"0": {option: settings[option]}}
    return {str(1000 + i): {option: platform} for i, platform in enumerate(attr.platforms)}

# What explains a multi-arch image explains every platform of it.
each_platform = transition(
    implementation = _each_platform_impl,
    inputs = ["//command_line_option:platforms"],
    outputs = ["//command_line_option:platforms"],
)
