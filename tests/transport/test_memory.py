"""A run remembers sums alone: its memory does not depend on the number of photons."""

import subprocess
import sys

import pytest

# The first run brings the chunks of photons to their full size, as any long run does.
CODE = """
import resource
import mcplugin

config = {
    "plasma": {"geometry": "sphere", "theta": 0.2, "tau": 1e-3},
    "seed": {"spectrum": "monochromatic", "energy_kev": 1.0},
}
for photons in (2e6, 2e7):
    run = mcplugin.simulate(config, photons=photons, threads=1)
    assert run.summary["escaped"] == photons
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="NOT COVERED: the unit of the peak memory is known on Linux alone",
)
def test_peak_memory_does_not_grow_with_photons():
    """Ten times the photons take less than 16 MB more, of which a list of them would take 500.

    In a process of its own, since the peak is that of all that a process has done.
    """
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    few, many = (int(line) * 1024 for line in done.stdout.split())
    assert many - few < 16e6
