"""Electron distributions: each in a module of its own, functions of u = γβ and theta."""

from mcplugin.electrons import maxwell_juttner

__all__ = ["maxwell_juttner"]
