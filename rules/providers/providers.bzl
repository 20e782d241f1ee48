"""All providers of this module."""

load(":content_info.bzl", _ContentInfo = "ContentInfo")
load(":rootfs_info.bzl", _RootfsInfo = "RootfsInfo")
load(":rpm_closure_info.bzl", _RpmClosureInfo = "RpmClosureInfo")
load(":rpm_info.bzl", _RpmInfo = "RpmInfo")
load(":rpm_release_info.bzl", _RpmReleaseInfo = "RpmReleaseInfo")
load(":rpm_request_info.bzl", _RpmRequestInfo = "RpmRequestInfo")

visibility("public")

ContentInfo = _ContentInfo
RootfsInfo = _RootfsInfo
RpmClosureInfo = _RpmClosureInfo
RpmInfo = _RpmInfo
RpmReleaseInfo = _RpmReleaseInfo
RpmRequestInfo = _RpmRequestInfo
