"""The command line: one file a command."""

import click

from mcplugin.cli.compare import compare
from mcplugin.cli.config import config
from mcplugin.cli.export import export
from mcplugin.cli.run import resume, run
from mcplugin.cli.samplers import samplers
from mcplugin.cli.train import train
from mcplugin.cli.validate import validate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mcplugin")
def main() -> None:
    """Monte-Carlo Comptonisation with pluggable samplers of thermal electrons."""


main.add_command(run)
main.add_command(resume)
main.add_command(compare)
main.add_command(samplers)
main.add_command(train)
main.add_command(export)
main.add_command(validate)
main.add_command(config)
