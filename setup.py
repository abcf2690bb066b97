"""Everything static is declared in pyproject.toml; compiled parts are added here."""

from setuptools import setup

setup()
