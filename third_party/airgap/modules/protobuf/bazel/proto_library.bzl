"""Bazel 7 still has proto_library built in."""

visibility("public")

proto_library = native.proto_library
