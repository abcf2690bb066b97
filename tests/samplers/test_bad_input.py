"""What no sampler accepts, and that a refusal touches neither streams nor output."""

import re

import numpy as np
import pytest
from astropy import units

from mcplugin import get_sampler, random_streams, sample_four_velocity, sampler_names
from mcplugin.errors import InputError, ThetaRangeError, UnknownSamplerError
from mcplugin.samplers.rejection import RejectionSampler
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

COUNT = 6
VARIANTS = [(name, options) for name in sampler_names() for options in get_sampler(name).variants]
MARK = -7.0


@pytest.fixture(
    params=VARIANTS, ids=lambda variant: " ".join([variant[0], *map(str, variant[1].values())])
)
def sampler(request):
    """Every registered sampler in each of its variants."""
    name, options = request.param
    return get_sampler(name, **options)


@pytest.fixture(params=["sample", "sample_vector"])
def draw(request, sampler):
    """The two ways to draw, with the shape of their output."""
    shape = (COUNT,) if request.param == "sample" else (COUNT, 3)
    return getattr(sampler, request.param), shape


def with_one(bad):
    """Six temperatures of which the fourth is bad."""
    theta = np.full(COUNT, 1.0)
    theta[3] = bad
    return theta


BAD_THETAS = {
    "NaN": (float("nan"), InputError, "theta = nan"),
    "inf": (float("inf"), InputError, "theta = inf"),
    "-inf": (-float("inf"), InputError, "theta = -inf"),
    "negative": (-1.0, ThetaRangeError, "theta = -1 is outside"),
    "zero": (0.0, ThetaRangeError, "theta = 0 is outside"),
    "far too small": (1e-5, ThetaRangeError, "theta = 1e-05 is outside"),
    "far too large": (1e3, ThetaRangeError, "theta = 1000 is outside"),
    "keV for theta": (511.0, ThetaRangeError, "theta = 511 is outside"),
    "string": ("1.0", InputError, "real numbers"),
    "None": (None, InputError, "real numbers"),
    "complex": (1.0 + 0.0j, InputError, "real numbers"),
    "boolean": (True, InputError, "real numbers"),
    "booleans": (np.ones(COUNT, dtype=bool), InputError, "real numbers"),
    "objects": (np.array([1.0] * COUNT, dtype=object), InputError, "real numbers"),
    "strings": (["1.0"] * COUNT, InputError, "real numbers"),
    "2-D": (np.ones((COUNT, 1)), InputError, "shape"),
    "2-D of one": (np.ones((1, 1)), InputError, "shape"),
    "one for all": (np.ones(1), InputError, "shape"),
    "too short": (np.ones(COUNT - 1), InputError, "shape"),
    "too long": (np.ones(COUNT + 1), InputError, "shape"),
    "empty": (np.ones(0), InputError, "shape"),
    "one NaN": (with_one(np.nan), InputError, "theta = nan"),
    "one negative": (with_one(-2.0), ThetaRangeError, "theta = -2 is outside"),
    "one too large": (with_one(100.1), ThetaRangeError, "theta = 100.1 is outside"),
}


@pytest.mark.parametrize(
    ("theta", "error", "part"),
    [pytest.param(*case, id=name) for name, case in BAD_THETAS.items()],
)
def test_a_bad_temperature_is_refused_before_anything_is_drawn(draw, theta, error, part):
    """The message names the value; streams and output are as before."""
    method, shape = draw
    streams, out = random_streams(1, COUNT), np.full(shape, MARK)
    with pytest.raises(error, match=re.escape(part)):
        method(theta, streams, out)
    np.testing.assert_array_equal(streams, random_streams(1, COUNT))
    assert (out == MARK).all()


def test_temperatures_just_outside_the_range_are_refused_and_the_ends_accepted(draw, sampler):
    """The range of each sampler is closed, and its own; the message tells it and a remedy."""
    method, _ = draw
    low, high = sampler.theta_range
    for theta in (np.nextafter(low, 0.0), np.nextafter(high, np.inf)):
        with pytest.raises(ThetaRangeError) as caught:
            method(theta, random_streams(1, COUNT))
        message = str(caught.value)
        assert f"{low:g} <= theta <= {high:g}" in message
        assert message.endswith(sampler.theta_remedy)
        assert len(message.splitlines()) == 1
    for theta in (low, high, [low, high] * (COUNT // 2)):
        assert np.isfinite(method(theta, random_streams(1, COUNT))).all()


def test_one_temperature_may_be_any_kind_of_number(sampler):
    """A number, a numpy scalar and a 0-d array mean the same."""
    expected = sampler.sample(2.0, random_streams(1, COUNT))
    for theta in (2, np.float64(2.0), np.float32(2.0), np.array(2.0), np.uint8(2)):
        np.testing.assert_array_equal(sampler.sample(theta, random_streams(1, COUNT)), expected)


def test_a_quantity_is_never_stripped_of_its_unit(sampler):
    """5 keV is not theta = 5: samplers take plain numbers, sample_four_velocity takes units."""
    streams = random_streams(1, COUNT)
    with pytest.raises(InputError):
        sampler.sample(5.0 * units.keV, streams)
    np.testing.assert_array_equal(streams, random_streams(1, COUNT))


def read_only():
    """Good streams that may not be advanced."""
    streams = random_streams(1, COUNT)
    streams.flags.writeable = False
    return streams


BAD_STREAMS = {
    "list": lambda: random_streams(1, COUNT).tolist(),
    "None": lambda: None,
    "seed": lambda: 1,
    "generator": lambda: np.random.default_rng(1),
    "float64": lambda: random_streams(1, COUNT).astype(np.float64),
    "int64": lambda: random_streams(1, COUNT).view(np.int64),
    "uint32": lambda: random_streams(1, COUNT).astype(np.uint32),
    "other byte order": lambda: random_streams(1, COUNT).astype(np.dtype(np.uint64).newbyteorder()),
    "1-D": lambda: random_streams(1, COUNT).ravel(),
    "3-D": lambda: random_streams(1, COUNT)[None],
    "three columns": lambda: np.ones((COUNT, 3), dtype=np.uint64),
    "transposed": lambda: np.ascontiguousarray(random_streams(1, COUNT).T),
    "every other": lambda: random_streams(1, 2 * COUNT)[::2],
    "column order": lambda: np.asfortranarray(random_streams(1, COUNT)),
    "read-only": read_only,
}


@pytest.mark.parametrize("make", BAD_STREAMS.values(), ids=BAD_STREAMS)
def test_bad_streams_are_refused_and_left_alone(draw, make):
    """The message says how streams are made; what was given is as before."""
    method, shape = draw
    streams, out = make(), np.full(shape, MARK)
    before = streams.copy() if isinstance(streams, np.ndarray) else streams
    with pytest.raises(InputError, match=re.escape("mcplugin.random_streams(seed, count)")):
        method(1.0, streams, out)
    np.testing.assert_equal(streams, before)
    assert (out == MARK).all()


def marked(shape, **options):
    """An output array that shows whether it was written."""
    return np.full(shape, MARK, **options)


def locked(shape):
    """An output array that may not be written."""
    out = marked(shape)
    out.flags.writeable = False
    return out


BAD_OUTPUTS = {
    "list": lambda shape: marked(shape).tolist(),
    "float32": lambda shape: marked(shape, dtype=np.float32),
    "int64": lambda shape: marked(shape, dtype=np.int64),
    "other byte order": lambda shape: marked(shape, dtype=np.dtype(float).newbyteorder()),
    "too short": lambda shape: marked((shape[0] - 1, *shape[1:])),
    "too long": lambda shape: marked((shape[0] + 1, *shape[1:])),
    "one more axis": lambda shape: marked((*shape, 1)),
    "0-D": lambda _: marked(()),
    "every other": lambda shape: marked((2 * shape[0], *shape[1:]))[::2],
    "backwards": lambda shape: marked(shape)[::-1],
    "read-only": locked,
}


@pytest.mark.parametrize("make", BAD_OUTPUTS.values(), ids=BAD_OUTPUTS)
def test_bad_output_is_refused_before_anything_is_drawn(draw, make):
    """Streams are not advanced for an output that cannot take the draws."""
    method, shape = draw
    out, streams = make(shape), random_streams(1, COUNT)
    with pytest.raises(InputError, match="out must be"):
        method(1.0, streams, out)
    np.testing.assert_array_equal(streams, random_streams(1, COUNT))
    assert (np.asarray(out) == MARK).all()


def test_good_output_is_filled_and_given_back(draw):
    """``out`` is the result, equal to that without it, and the streams have moved on."""
    method, shape = draw
    out, streams = marked(shape), random_streams(1, COUNT)
    assert method(1.0, streams, out) is out
    np.testing.assert_array_equal(out, method(1.0, random_streams(1, COUNT)))
    assert (streams != random_streams(1, COUNT)).any(axis=1).all()


def test_no_streams_give_no_electrons(draw):
    """Zero draws are no mistake."""
    method, shape = draw
    assert method(1.0, random_streams(1, 0)).shape == (0, *shape[1:])
    assert method(np.ones(0), random_streams(1, 0)).shape == (0, *shape[1:])


@pytest.mark.parametrize(
    ("tag", "part"),
    [
        ("rejecton", "did you mean 'rejection'"),
        ("Table", "did you mean 'table'"),
        ("", "registered are"),
        ("zzzzzz", "registered are"),
        (None, "registered are"),
        (3, "registered are"),
        (["rejection"], "registered are"),
        (RejectionSampler, "registered are"),
    ],
)
def test_an_unknown_tag_is_refused_with_the_nearest_one(tag, part):
    """The message names what was asked for, the nearest tag, and all there are."""
    with pytest.raises(UnknownSamplerError, match=re.escape(part)) as caught:
        get_sampler(tag)
    assert all(name in str(caught.value) for name in sampler_names())
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("method", ["sobl", "", "Sobol", None, 3, ["sobol"]])
def test_an_unknown_method_is_refused_with_the_known_ones(method):
    """The rejection sampler lists its methods."""
    with pytest.raises(InputError, match="zenitani-nakano, canfield, sobol"):
        get_sampler("rejection", method=method)


@pytest.mark.parametrize("name", sampler_names())
def test_an_unknown_option_is_refused(name):
    """An option that a sampler does not have is named, together with the sampler."""
    with pytest.raises(InputError, match=f"{name}.*speed"):
        get_sampler(name, speed="high")


def test_options_for_a_constructed_sampler_are_refused():
    """A sampler object cannot be given options any more."""
    sampler = RejectionSampler("canfield")
    assert get_sampler(sampler) is sampler
    with pytest.raises(InputError, match="method"):
        get_sampler(sampler, method="sobol")


@pytest.mark.parametrize("theta", [0.0991, 0.05, 1e-4])
def test_the_sobol_method_is_refused_where_it_hardly_accepts(theta):
    """The message gives the acceptance and the method to use instead."""
    streams = random_streams(1, COUNT)
    with pytest.raises(ThetaRangeError) as caught:
        get_sampler("rejection", method="sobol").sample(theta, streams)
    message = str(caught.value)
    assert f"theta = {theta:g}" in message
    assert "accept" in message
    assert "0.001" in message
    assert "method='zenitani-nakano'" in message
    np.testing.assert_array_equal(streams, random_streams(1, COUNT))
    assert np.isfinite(get_sampler("rejection").sample(theta, streams)).all()


@pytest.mark.parametrize("name", sampler_names())
def test_a_temperature_may_carry_its_unit(name):
    """100 keV, the same in eV, in kelvin, or as a pure number, draws the same electrons."""
    kev = 100.0 * units.keV
    expected = sample_four_velocity(100.0 / ELECTRON_REST_ENERGY_KEV, 200, name)
    for quantity in (
        kev,
        kev.to(units.eV),
        kev.to(units.K, units.temperature_energy()),
        100.0 / ELECTRON_REST_ENERGY_KEV * units.one,
        np.full(200, 100.0) * units.keV,
    ):
        drawn = sample_four_velocity(quantity, 200, name)
        # The table for one temperature and that for many agree to their interpolation errors.
        np.testing.assert_allclose(drawn, expected, rtol=1e-3 if quantity.ndim else 1e-9)


def test_electrons_depend_on_their_seed_and_index_alone():
    """A longer array begins with the shorter one; another seed gives another array."""
    few, many = (sample_four_velocity(0.5, size) for size in (10, 1000))
    np.testing.assert_array_equal(many[:10], few)
    assert not np.isin(sample_four_velocity(0.5, 10, seed=2), many).any()
    assert sample_four_velocity(0.5, 0).shape == (0,)
