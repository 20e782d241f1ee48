"""Public rules, macros and providers of rules_slimrpm."""

load("//rules/private:image_content.bzl", _image_content = "image_content")
load("//rules/private:rpm_base_image.bzl", _rpm_base_image = "rpm_base_image")
load("//rules/private:rpm_binary.bzl", _rpm_binary = "rpm_binary")
load("//rules/private:rpm_image.bzl", _rpm_image = "rpm_image")
load("//rules/private:rpm_inventory.bzl", _rpm_inventory = "rpm_inventory")
load("//rules/private:rpm_package.bzl", _rpm_package = "rpm_package")
load("//rules/private:rpm_rootfs.bzl", _rpm_rootfs = "rpm_rootfs")
load("//rules/private:rpm_update.bzl", _rpm_update = "rpm_update")
load(
    "//rules/providers:providers.bzl",
    _ContentInfo = "ContentInfo",
    _RootfsInfo = "RootfsInfo",
    _RpmClosureInfo = "RpmClosureInfo",
    _RpmInfo = "RpmInfo",
    _RpmReleaseInfo = "RpmReleaseInfo",
    _RpmRequestInfo = "RpmRequestInfo",
)

visibility("public")

# Rules
rpm_base_image = _rpm_base_image
rpm_binary = _rpm_binary
rpm_inventory = _rpm_inventory
rpm_package = _rpm_package
rpm_rootfs = _rpm_rootfs
rpm_update = _rpm_update

# Macros
image_content = _image_content
rpm_image = _rpm_image

# Providers
ContentInfo = _ContentInfo
RootfsInfo = _RootfsInfo
RpmClosureInfo = _RpmClosureInfo
RpmInfo = _RpmInfo
RpmReleaseInfo = _RpmReleaseInfo
RpmRequestInfo = _RpmRequestInfo
