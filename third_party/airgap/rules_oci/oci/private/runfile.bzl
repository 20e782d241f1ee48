"""Paths of runfiles, for programs that look for them."""

visibility("//oci/...")

def runfile_path(ctx, file):
    """The path of file below the runfiles folder, or "" without a file.

    Args:
      ctx: context of the rule.
      file: a File, or None.

    Returns:
      what a runfiles library takes.
    """
    if not file:
        return ""
    if file.short_path.startswith("../"):
        return file.short_path[len("../"):]
    return ctx.workspace_name + "/" + file.short_path

def target_program(ctx, program, content, files):
    """Declares the program of a target and <program>.json beside it, which it reads.

    Args:
      ctx: context of the rule.
      program: the executable File to run.
      content: a struct for the JSON file.
      files: Files that the program looks for among its runfiles.

    Returns:
      a struct of the executable File and its runfiles.
    """
    executable = ctx.actions.declare_file(ctx.label.name + ".program")
    ctx.actions.symlink(output = executable, target_file = program, is_executable = True)
    spec = ctx.actions.declare_file(ctx.label.name + ".program.json")
    ctx.actions.write(spec, json.encode(content))
    return struct(executable = executable, runfiles = ctx.runfiles([file for file in files if file] + [spec]))
