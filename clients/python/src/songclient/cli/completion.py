"""The command that prints what a shell needs to complete songctl's words."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    Evaluate it where the shell starts: eval "$(songctl completion bash)".
    """
    complete = get_completion_class(shell)
    assert complete is not None
    script = complete(ctx.find_root().command, {}, "songctl", "_SONGCTL_COMPLETE")
    click.echo(script.source())
