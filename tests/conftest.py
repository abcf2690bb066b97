"""Shared by all tests.

numba decides from a file's own date whether its cached machine code is stale and misses edits in
the files it calls, so every version of the sources gets a cache of its own.
"""

import hashlib
import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def _source_digest() -> str:
    digest = hashlib.sha256()
    for file in sorted((_ROOT / "mcplugin").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


os.environ.setdefault("NUMBA_CACHE_DIR", str(_ROOT / ".numba" / _source_digest()))
