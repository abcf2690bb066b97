"""What pyproject.toml cannot declare: trained weights are copied into the installed package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithWeights(build_py):
    """Put ``weights/`` beside the modules; an editable install reads it where it is."""

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "mcplugin", "weights")
        target.mkdir(parents=True, exist_ok=True)
        for file in Path("weights").iterdir():
            shutil.copy2(file, target)


setup(cmdclass={"build_py": BuildWithWeights})
