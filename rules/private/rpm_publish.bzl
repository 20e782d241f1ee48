"""Declares rule rpm_publish: `bazel run` of pushing an image, or of moving the tags that consumers follow."""

visibility(["//rules/...", "//variants/..."])

PUBLISH_TARGET_SCHEMA = 1

def _rpm_publish_impl(ctx):
    target = ctx.actions.declare_file(ctx.label.name + ".target.json")
    ctx.actions.write(target, json.encode_indent({
        "digests": ctx.attr.digests,
        "label": "//%s:%s" % (ctx.label.package, ctx.label.name),
        "layout": ctx.file.image.short_path,
        "name": ctx.attr.image_name,
        "pusher": ctx.executable.pusher.short_path,
        "release": ctx.attr.release,
        "schema": PUBLISH_TARGET_SCHEMA,
        "tags": ctx.attr.moving_tags,
        "tests": ctx.attr.tests,
        "verb": ctx.attr.verb,
    }) + "\n")
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = executable, target_file = ctx.executable._publish, is_executable = True)
    return [
        DefaultInfo(
            executable = executable,
            runfiles = ctx.runfiles([target, ctx.file.image]).merge(ctx.attr.pusher[DefaultInfo].default_runfiles),
        ),
        RunEnvironmentInfo(environment = {"PUBLISH_TARGET": target.short_path}),
    ]

rpm_publish = rule(
    implementation = _rpm_publish_impl,
    doc = """Pushes an image with oci_push of rules_oci, or promotes what was pushed.

        oci_push(name = "nginx_oci_push", image = ":nginx", repository = "registry.invalid/nginx")

        [
            rpm_publish(
                name = "nginx_" + verb,
                digests = "images/digests.json",
                image = ":nginx",
                image_name = "nginx",
                moving_tags = ["latest"],
                pusher = ":nginx_oci_push",
                release = "al2023",
                tests = {"amd64": ["//images:nginx_amd64_test"], "arm64": ["//images:nginx_arm64_test"]},
                verb = verb,
            )
            for verb in ["promote", "push"]
        ]

    `bazel run :nginx_push -- --registry=HOST/FOLDER --date=2026-11-27` pushes under the immutable tag `2026-11-27-<digest12>`;
    `bazel run :nginx_promote -- --registry=HOST/FOLDER` moves `latest` there, and refuses to before the tests of all architectures, which
    are rpm_image_test targets, have passed for exactly this digest. Both write `digests`. The names end in `push` and `promote`.""",
    attrs = {
        "digests": attr.string(doc = "Path of digests.json in the workspace; its folder is there.", mandatory = True),
        "image": attr.label(doc = "rpm_image, or another index of one image per architecture.", allow_single_file = True, mandatory = True),
        "image_name": attr.string(doc = "Last part of the repository.", mandatory = True),
        "moving_tags": attr.string_list(doc = "Tags that promote moves.", mandatory = True),
        "pusher": attr.label(doc = "oci_push of the image.", cfg = "target", executable = True, mandatory = True),
        "release": attr.string(doc = "Name of the release that the image is made of.", mandatory = True),
        "tests": attr.string_list_dict(doc = "OCI architecture -> labels of the tests that must have passed.", mandatory = True),
        "verb": attr.string(doc = "What to do.", mandatory = True, values = ["promote", "push"]),
        "_publish": attr.label(cfg = "exec", default = "//tools/publish", executable = True),
    },
    executable = True,
)
