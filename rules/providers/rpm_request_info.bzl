"""Declares provider RpmRequestInfo."""

visibility("public")

RpmRequestInfo = provider(
    doc = "What one rpm_binary or rpm_package asks for.",
    fields = {
        "candidates": "RpmClosureInfo: the packages that may satisfy the request.",
        "release": "RpmReleaseInfo: the release that the packages belong to.",
        "request": "struct: selection.Request of the tools, encoded as JSON into the spec of elfresolve.",
    },
)
