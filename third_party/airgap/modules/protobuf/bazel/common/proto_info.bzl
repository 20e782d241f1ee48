"""Bazel 7 still has ProtoInfo built in."""

load("@rules_proto//proto:defs.bzl", _ProtoInfo = "ProtoInfo")

visibility("public")

ProtoInfo = _ProtoInfo
