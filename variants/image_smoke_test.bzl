"""Declares image_smoke_test: a Go test of ours that runs an image."""

load("@rules_go//go:def.bzl", "go_binary", "go_test")

visibility("//variants/...")

def image_smoke_test(*, name, srcs, image, arch, release, images = {}, programs = {}, program_deps = [], cgo_programs = {}, data = [], deps = [], size = "medium", tags = []):
    """A Go test, written with //tools/imagetest/smoke, that runs an image of one architecture.

        image_smoke_test(
            name = "debrpm_amd64_smoke_test",
            srcs = ["smoke_test.go"],
            arch = "amd64",
            image = ":debrpm",
            programs = {"probe": ["probe/main.go"]},
            release = "debrpm",
        )

    The test needs root and umoci, runc, and qemu-user for another architecture than that of the machine; without them it says what it did
    not run, and passes.

    Args:
      name: name of the test.
      srcs: Go files of the test.
      image: rpm_image, or another target that makes an OCI layout: `smoke.Open`.
      arch: OCI architecture of the image to run: amd64 or arm64.
      release: name of the release that the image is made of.
      images: dict of name to further images: `smoke.OpenNamed`.
      programs: dict of folder to Go files of a main package in it, compiled without cgo for arch: `smoke.Program`.
      program_deps: Go packages of programs.
      cgo_programs: the same with cgo, for the architecture of the machine alone, because there is no other C compiler: `smoke.CgoProgram`.
      data: files that the test reads, relative to its folder.
      deps: Go packages of the test, besides imagerun and smoke.
      size: size of the test.
      tags: tags of the test; `no-sandbox` is added, because the sandbox maps owners away.
    """
    env = {
        "SMOKE_ARCH": arch,
        "SMOKE_IMAGE": "$(rootpath %s)" % image,
        "SMOKE_RELEASE": release,
    }
    more = [image]
    for key, label in images.items():
        env["SMOKE_IMAGE_" + _variable(key)] = "$(rootpath %s)" % label
        more.append(label)
    for key, files in programs.items():
        program = "%s_%s" % (name, key)
        go_binary(
            name = program,
            testonly = True,
            srcs = files,
            goarch = arch,
            goos = "linux",
            pure = "on",
            tags = ["manual"],
            deps = program_deps,
        )
        env["SMOKE_PROGRAM_" + _variable(key)] = "$(rootpath :%s)" % program
        more.append(":" + program)
    for key, files in cgo_programs.items():
        program = "%s_%s" % (name, key)
        go_binary(
            name = program,
            testonly = True,
            srcs = files,
            cgo = True,
            pure = "off",
            static = "off",
            tags = ["manual"],
        )
        env["SMOKE_CGO_PROGRAM_" + _variable(key)] = "$(rootpath :%s)" % program
        more.append(":" + program)
    go_test(
        name = name,
        size = size,
        srcs = srcs,
        args = ["-test.v"],  # says what was skipped, and why
        data = data + more,
        env = env,
        tags = tags + ["image", "no-sandbox"],
        deps = [
            "//tools/imagetest/imagerun",
            "//tools/imagetest/smoke",
        ] + deps,
    )

def _variable(name):
    return name.upper().replace("-", "_")
