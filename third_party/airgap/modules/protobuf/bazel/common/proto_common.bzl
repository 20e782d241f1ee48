"""Bazel 7 still has proto_common built in."""

visibility("public")

proto_common = proto_common_do_not_use
