"""Time per electron from Python: every sampler and baseline, along three lines.

Temperatures, sizes of batches, and threads, each isothermal and with one temperature per draw: the
points of ``electron_speed.py``, which lets all of them take turns where ratios are wanted.
"""

import pytest
from contenders import contenders, prepared, refusal
from electron_speed import points

PRESENT, ABSENT = contenders()


@pytest.mark.parametrize("contender", PRESENT, ids=lambda contender: contender.label)
@pytest.mark.parametrize("point", points(), ids=lambda point: str(point).replace("Θ", "theta"))
def test_draw(benchmark, contender, point):
    """One batch."""
    reason = refusal(contender, point)
    if reason is not None:
        pytest.skip(f"{contender.label} at {point}: {reason}")
    benchmark.group = str(point)
    with prepared(contender, point) as draw:
        benchmark(draw)
    benchmark.extra_info |= {
        "sampler": contender.label,
        "theta": point.theta,
        "per_draw": point.theta is None,
        "batch": point.batch,
        "threads": point.threads,
        "ns_per_draw": benchmark.stats["median"] * 1e9 / point.batch,
    }


@pytest.mark.parametrize("name", ABSENT)
def test_absent(benchmark, name):
    """Samplers that cannot take part at all."""
    pytest.skip(f"{name}: {ABSENT[name]}")
