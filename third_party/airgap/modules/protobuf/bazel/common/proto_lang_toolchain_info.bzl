"""Bazel 7 still has ProtoLangToolchainInfo built in."""

visibility("public")

ProtoLangToolchainInfo = proto_common_do_not_use.ProtoLangToolchainInfo
