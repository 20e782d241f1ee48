"""Declares provider ContentInfo."""

visibility("public")

ContentInfo = provider(
    doc = "What an image holds that is no RPM package.",
    fields = {
        "index": "File: content.json, what it is and each of its files.",
        "payload": "File: tar of its files.",
    },
)
