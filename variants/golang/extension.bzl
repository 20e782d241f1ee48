"""Declares module extension golang: the Go SDKs of sdks.json as repositories.

`@golang_sdks//:1.26` is the archive of that series for the target platform; `@golang_sdks//:sdks.bzl` has SDKS, the data. An archive is
fetched when something needs it, by the go command, from the proxies that it is configured with; or taken from the folder that
SLIMRPM_GO_SDKS names, as `tools/gosdk fetch` fills it. Either way image_content compares it with its hash before it is used."""

load(":go_sdk_archive.bzl", "go_sdk_archive")
load(":go_sdk_hub.bzl", "go_sdk_hub")

visibility("public")

_SDKS = Label("//variants/golang:sdks.json")

def _golang_impl(ctx):
    data = json.decode(ctx.read(_SDKS))
    archives = {}
    for sdk in data["sdks"]:
        for arch in sdk["digests"]:
            name = "golang_sdk_%s_%s" % (sdk["series"].replace(".", "_"), arch)
            archives[name] = (sdk["series"], arch)
            go_sdk_archive(
                name = name,
                arch = arch,
                go_module = data["module"],
                version = sdk["version"],
            )
    go_sdk_hub(
        name = "golang_sdks",
        archives = {name: "%s %s" % place for name, place in archives.items()},
        sdks = ctx.read(_SDKS),
    )
    return ctx.extension_metadata(reproducible = True)

golang = module_extension(
    implementation = _golang_impl,
    doc = "The Go SDKs of variants/golang/sdks.json.",
)
