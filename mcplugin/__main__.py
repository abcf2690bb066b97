"""``python -m mcplugin`` is the command ``mcplugin``."""

from mcplugin.cli import main

if __name__ == "__main__":
    main(prog_name="mcplugin")
