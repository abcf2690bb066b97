"""What a configuration may say, what it means, and how clearly a bad one is refused."""

import copy
import re
from decimal import Decimal

import numpy as np
import pytest
from astropy import units
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcplugin import Configuration, simulate
from mcplugin.errors import ConfigurationError
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

BLACKBODY = {"spectrum": "blackbody", "kt_kev": 0.1}
BASE = {"plasma": {"geometry": "sphere", "kt_kev": 100.0, "tau": 1.0}, "seed": BLACKBODY}
MONOCHROMATIC = {"spectrum": "monochromatic", "energy_kev": 1.0}
DISK = {"spectrum": "disk-blackbody", "kt_in_kev": 0.2}
POWERLAW = {
    "spectrum": "powerlaw",
    "index": 1.8,
    "energy_min_kev": 0.1,
    "energy_max_kev": 10.0,
}
MISSING = object()


def changed(**changes):
    """The base configuration with keys replaced, added or, where MISSING, taken away."""
    content = copy.deepcopy(BASE)
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if not key:
            target = content
            key = section
        else:
            target = content.setdefault(section, {})
        if value is MISSING:
            del target[key]
        else:
            target[key] = value
    return content


def refusal(source):
    """The message with which a configuration is refused: always one line."""
    with pytest.raises(ConfigurationError) as caught:
        Configuration.load(source)
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    return message


def test_what_is_not_said_has_the_documented_defaults():
    """A plasma and a seed spectrum are enough; everything else has a default."""
    configuration = Configuration.load(BASE)
    assert configuration.tally.model_dump() == {
        "energy_min_kev": 0.01,
        "energy_max_kev": 2000.0,
        "bins": 200,
        "angle_bins": 5,
        "orders": 10,
        "photon_list": False,
    }
    assert configuration.run.model_dump() == {
        "photons": 1_000_000,
        "sampler": "rejection",
        "sampler_options": {},
        "seed": 1,
        "max_scatterings": None,
    }
    assert configuration.plasma.disk is None
    assert configuration.seed.position is None


@pytest.mark.parametrize(("geometry", "position"), [("sphere", "centre"), ("slab", "base")])
def test_seeds_are_born_where_the_geometry_has_its_source(geometry, position):
    """The default place of birth is the centre of a sphere and the base of a slab."""
    assert Configuration.load(changed(plasma__geometry=geometry)).seed_position == position


@pytest.mark.parametrize(
    ("geometry", "position"),
    [
        ("sphere", "centre"),
        ("sphere", "uniform"),
        ("sphere", "surface"),
        ("slab", "base"),
        ("slab", "uniform"),
    ],
)
def test_every_place_of_birth_of_a_geometry_is_accepted(geometry, position):
    """Each position that a geometry has is taken as given."""
    content = changed(plasma__geometry=geometry, seed__position=position)
    assert Configuration.load(content).seed_position == position


@pytest.mark.parametrize("disk", ["absorbing", "none"])
def test_a_slab_may_say_what_lies_below_it(disk):
    """A slab lies on an absorbing disc or on nothing."""
    content = changed(plasma__geometry="slab", plasma__disk=disk)
    assert Configuration.load(content).plasma.disk == disk


@pytest.mark.parametrize(
    "seed",
    [BLACKBODY, MONOCHROMATIC, DISK, POWERLAW, {"spectrum": "table", "file": "seeds.ecsv"}],
    ids=lambda seed: seed["spectrum"],
)
def test_every_seed_spectrum_is_read_from_toml(tmp_path, seed):
    """A TOML file and a mapping of the same content are the same configuration."""
    lines = [f"{key} = {value!r}" for key, value in seed.items()]
    file = tmp_path / "run.toml"
    file.write_text(
        '[plasma]\ngeometry = "sphere"\nkt_kev = 100.0\ntau = 1.0\n[seed]\n' + "\n".join(lines),
        encoding="utf-8",
    )
    expected = dict(seed)
    if "file" in expected:
        expected["file"] = str(tmp_path / expected["file"])
    assert Configuration.load(file) == Configuration.load(changed(seed=expected))
    assert Configuration.load(str(file)) == Configuration.load(file)


def test_a_loaded_configuration_is_given_back_and_cannot_be_changed():
    """A configuration is immutable, so the same one may be used for many runs."""
    configuration = Configuration.load(BASE)
    assert Configuration.load(configuration) is configuration
    with pytest.raises(ValueError, match="frozen"):
        configuration.run.photons = 5


@pytest.mark.parametrize("theta", [1e-4, 0.01, 0.3, 1.0, 100.0])
def test_kt_and_theta_name_the_same_temperature(theta):
    """kT in keV over the electron's rest energy is theta."""
    by_kt = Configuration.load(changed(plasma__kt_kev=theta * ELECTRON_REST_ENERGY_KEV))
    by_theta = Configuration.load(changed(plasma__kt_kev=MISSING, plasma__theta=theta))
    assert by_theta.plasma.temperature == theta
    assert by_kt.plasma.temperature == pytest.approx(theta, rel=1e-15)


@pytest.mark.parametrize(
    "number",
    [
        np.float64(100.0),
        np.float32(100.0),
        np.int64(100),
        np.array(100.0),
        100,
    ],
    ids=lambda number: type(number).__name__,
)
def test_numpy_scalars_are_numbers(number):
    """What numpy computed may be put into a configuration as it is."""
    configuration = Configuration.load(
        changed(plasma__kt_kev=number, seed__kt_kev=number, plasma__tau=number)
    )
    assert configuration.plasma.kt_kev == 100.0
    assert configuration.seed.kt_kev == 100.0
    assert configuration.plasma.tau == 100.0


@pytest.mark.parametrize("number", [np.int64(500), np.uint16(500), np.float64(500.0), 5e2, 500])
def test_whole_numbers_may_be_written_as_floats(number):
    """1e6 photons are a whole number of photons."""
    configuration = Configuration.load(
        changed(run__photons=number, run__seed=number, tally__bins=number)
    )
    assert (configuration.run.photons, configuration.run.seed) == (500, 500)
    assert configuration.tally.bins == 500


@pytest.mark.parametrize(
    "unit", [units.keV, units.eV, units.MeV, units.erg, units.J, units.K, units.Hz, units.AA]
)
def test_quantities_mean_what_their_unit_says(unit):
    """An energy as a quantity is the same as its value in keV."""
    equivalencies = units.temperature_energy() + units.spectral()
    quantity = (2.5 * units.keV).to(unit, equivalencies)
    seed = {"spectrum": "monochromatic", "energy_kev": quantity}
    assert Configuration.load(changed(seed=seed)).seed.energy_kev == pytest.approx(2.5, rel=1e-14)


def test_the_plasma_temperature_may_be_in_kelvin():
    """100 keV is 1.16 GK."""
    kelvin = (100.0 * units.keV).to(units.K, units.temperature_energy())
    configuration = Configuration.load(changed(plasma__kt_kev=kelvin))
    assert configuration.plasma.kt_kev == pytest.approx(100.0, rel=1e-14)
    assert configuration.plasma.temperature == pytest.approx(
        100.0 / ELECTRON_REST_ENERGY_KEV, rel=1e-14
    )


def test_the_largest_seed_and_number_of_photons_are_accepted():
    """The ends of the ranges are inside them."""
    configuration = Configuration.load(changed(run__seed=2**64 - 1, run__photons=10**15))
    assert configuration.run.seed == 2**64 - 1
    assert configuration.run.photons == 10**15


@pytest.mark.parametrize("key", ["kt_kev", "theta"])
def test_a_temperature_of_none_is_one_not_given(key):
    """The unused one of kt_kev and theta may be passed as None from Python."""
    other = {"kt_kev": "theta", "theta": "kt_kev"}[key]
    plasma = {"geometry": "sphere", "tau": 1.0, key: None, other: 1.0}
    configuration = Configuration.load({"plasma": plasma, "seed": BLACKBODY})
    assert getattr(configuration.plasma, key) is None
    assert "once" in refusal({"plasma": {**plasma, other: None}, "seed": BLACKBODY})


NAN, INF = float("nan"), float("inf")

# (what is wrong, the configuration, patterns that the message must contain)
BAD_VALUES = [
    # The plasma.
    ("kT negative", changed(plasma__kt_kev=-1), [r"plasma\.kt_kev = -1", r"0\.0511|0\.051099"]),
    ("kT zero", changed(plasma__kt_kev=0), [r"plasma\.kt_kev = 0", r"0\.0511|0\.051099"]),
    ("kT NaN", changed(plasma__kt_kev=NAN), [r"plasma\.kt_kev = nan", "finite"]),
    ("kT inf", changed(plasma__kt_kev=INF), [r"plasma\.kt_kev = inf", "finite"]),
    ("kT too low", changed(plasma__kt_kev=0.05), [r"plasma\.kt_kev = 0\.05", r"0\.0511|0\.05109"]),
    ("kT too high", changed(plasma__kt_kev=51200), [r"plasma\.kt_kev = 51200", r"51099\.|51100"]),
    ("kT text", changed(plasma__kt_kev="hot"), [r"plasma\.kt_kev = 'hot'", "number"]),
    ("kT boolean", changed(plasma__kt_kev=True), [r"plasma\.kt_kev = True", "number"]),
    ("kT list", changed(plasma__kt_kev=[100.0]), [r"plasma\.kt_kev = \[100\.0\]", "number"]),
    ("kT complex", changed(plasma__kt_kev=1 + 2j), [r"plasma\.kt_kev = \(1\+2j\)", "number"]),
    ("kT array", changed(plasma__kt_kev=np.ones(2)), [r"plasma\.kt_kev", "number"]),
    ("kT in seconds", changed(plasma__kt_kev=3 * units.s), [r"plasma\.kt_kev", "keV"]),
    ("kT array of keV", changed(plasma__kt_kev=[1, 2] * units.keV), [r"plasma\.kt_kev", "number"]),
    (
        "kT too low in kelvin",
        changed(plasma__kt_kev=300 * units.K),
        [r"plasma\.kt_kev", "300", r"0\.0511|0\.05109"],
    ),
    ("no temperature", changed(plasma__kt_kev=MISSING), ["kt_kev", "theta", "once"]),
    ("two temperatures", changed(plasma__theta=0.2), ["kt_kev", "theta", "once"]),
    *(
        (
            f"theta {value}",
            changed(plasma__kt_kev=MISSING, plasma__theta=value),
            [rf"plasma\.theta = {re.escape(repr(value))}", limit],
        )
        for value, limit in [
            (-0.2, r"0\.0001"),
            (0, r"0\.0001"),
            (0.99e-4, r"0\.0001"),
            (100.5, "100"),
            (NAN, "finite"),
            (INF, "finite"),
            ("warm", "number"),
            (True, "number"),
        ]
    ),
    *(
        (
            f"tau {value}",
            changed(plasma__tau=value),
            [rf"plasma\.tau = {re.escape(repr(value))}", limit],
        )
        for value, limit in [
            (-1.0, r"0\.000000001|1e-09"),
            (0.0, r"0\.000000001|1e-09"),
            (1e-10, r"0\.000000001|1e-09"),
            (1001.0, "1000"),
            (NAN, "finite"),
            (-INF, "finite"),
            ("thick", "number"),
            (True, "number"),
            (None, "number"),
        ]
    ),
    ("tau matrix", changed(plasma__tau=np.eye(2)), [r"plasma\.tau", "number"]),
    ("tau missing", changed(plasma__tau=MISSING), [r"plasma\.tau is missing"]),
    ("tau in keV", changed(plasma__tau=1 * units.keV), [r"plasma\.tau", "number"]),
    ("geometry misspelt", changed(plasma__geometry="sphree"), ["'sphree'", "'sphere'"]),
    ("geometry in capitals", changed(plasma__geometry="SLAB"), ["'SLAB'", "sphere, slab"]),
    ("geometry unknown", changed(plasma__geometry="cube"), ["'cube'", "sphere, slab"]),
    ("geometry a number", changed(plasma__geometry=3), [r"plasma\.geometry = 3", "sphere, slab"]),
    ("geometry missing", changed(plasma__geometry=MISSING), [r"plasma\.geometry is missing"]),
    ("disk on a sphere", changed(plasma__disk="absorbing"), ["disk", "slab", "sphere"]),
    (
        "disk misspelt",
        changed(plasma__geometry="slab", plasma__disk="absorbed"),
        [r"plasma\.disk = 'absorbed'", "'absorbing'"],
    ),
    (
        "disk boolean",
        changed(plasma__geometry="slab", plasma__disk=False),
        [r"plasma\.disk = False", "absorbing, none"],
    ),
    # The seeds.
    ("spectrum misspelt", changed(seed__spectrum="blakbody"), ["'blakbody'", "'blackbody'"]),
    ("spectrum unknown", changed(seed__spectrum="xyz"), ["'xyz'", "monochromatic", "table"]),
    ("spectrum a number", changed(seed__spectrum=4), [r"seed\.spectrum = 4", "blackbody"]),
    ("spectrum a list", changed(seed__spectrum=["table"]), [r"seed\.spectrum", "blackbody"]),
    ("spectrum missing", changed(seed={"kt_kev": 1}), [r"seed\.spectrum is missing", "powerlaw"]),
    ("seed kT missing", changed(seed__kt_kev=MISSING), [r"seed\.kt_kev is missing"]),
    ("position misspelt", changed(seed__position="center"), ["'center'", "'centre'"]),
    ("position a number", changed(seed__position=0), [r"seed\.position = 0", "centre"]),
    (
        "base of a sphere",
        changed(seed__position="base"),
        [r"seed\.position = 'base'", "sphere", "centre, uniform, surface"],
    ),
    *(
        (
            f"{position} of a slab",
            changed(plasma__geometry="slab", seed__position=position),
            [rf"seed\.position = '{position}'", "slab", "base, uniform"],
        )
        for position in ("centre", "surface")
    ),
    *(
        (
            f"{seed['spectrum']} {key} {value}",
            changed(seed={**seed, key: value}),
            [rf"seed\.{key} = {re.escape(repr(value))}", limit],
        )
        for seed, key in [
            (BLACKBODY, "kt_kev"),
            (MONOCHROMATIC, "energy_kev"),
            (DISK, "kt_in_kev"),
            (POWERLAW, "energy_min_kev"),
            (POWERLAW, "energy_max_kev"),
        ]
        for value, limit in [
            (-1.0, r"5\.1(1|0999)e-08"),
            (0.0, r"5\.1(1|0999)e-08"),
            (1e-9, r"5\.1(1|0999)e-08"),
            (1e6, r"51099[89]|511000"),
            (NAN, "finite"),
            (INF, "finite"),
            ("blue", "number"),
            (True, "number"),
            (None, "number"),
        ]
    ),
    (
        "monochromatic of infinite energy",
        changed(seed={**MONOCHROMATIC, "energy_kev": 0.0 * units.AA}),
        [r"seed\.energy_kev", "finite"],
    ),
    (
        "power law upside down",
        changed(seed={**POWERLAW, "energy_min_kev": 10.0, "energy_max_kev": 0.1}),
        ["seed", "energy_min_kev = 10 must be below energy_max_kev = 0.1"],
    ),
    (
        "power law of no width",
        changed(seed={**POWERLAW, "energy_min_kev": 10.0}),
        ["seed", "energy_min_kev = 10 must be below energy_max_kev = 10"],
    ),
    ("index too steep", changed(seed={**POWERLAW, "index": 11}), [r"seed\.index = 11", "10"]),
    ("index NaN", changed(seed={**POWERLAW, "index": NAN}), [r"seed\.index = nan", "finite"]),
    (
        "table without a file",
        changed(seed={"spectrum": "table"}),
        [r"seed\.file is missing"],
    ),
    (
        "table file a number",
        changed(seed={"spectrum": "table", "file": 3}),
        [r"seed\.file = 3", "string"],
    ),
    # The tally.
    *(
        (
            f"{key} {value}",
            changed(**{f"tally__{key}": value}),
            [rf"tally\.{key} = {re.escape(repr(value))}", limit],
        )
        for key, high in [("bins", "100000"), ("angle_bins", "1000"), ("orders", "10000")]
        for value, limit in [
            (0, "1"),
            (-1, "1"),
            (100_001, high),
            (1.5, "integer|whole"),
            ("few", "integer|whole"),
            (True, "integer|whole"),
            (None, "integer|whole"),
        ]
    ),
    (
        "grid upside down",
        changed(tally__energy_min_kev=5000.0),
        ["tally", "energy_min_kev = 5000 must be below energy_max_kev = 2000"],
    ),
    (
        "bins too wide to count energy in",
        changed(tally__bins=1),
        ["tally", "bins = 1 ", "wider than a factor 1000", "at least 2"],
    ),
    (
        "more cells than memory should hold",
        changed(tally__bins=100_000, tally__orders=10_000),
        ["tally", "1,000,500,000", "4,000,000"],
    ),
    (
        "grid starts at zero",
        changed(tally__energy_min_kev=0.0),
        [r"tally\.energy_min_kev = 0\.0", r"5\.1(1|0999)e-08"],
    ),
    (
        "grid ends too high",
        changed(tally__energy_max_kev=1e7),
        [r"tally\.energy_max_kev = 10000000\.0", r"51099[89]|511000"],
    ),
    ("grid NaN", changed(tally__energy_max_kev=NAN), [r"tally\.energy_max_kev = nan", "finite"]),
    (
        "bins narrower than a float resolves",
        changed(tally__energy_min_kev=1.0, tally__energy_max_kev=float(np.nextafter(1.0, 2.0))),
        ["tally", "bins|energy_m"],
    ),
    (
        "photon list not yes or no",
        changed(tally__photon_list="yes"),
        [r"tally\.photon_list = 'yes'", "boolean|true"],
    ),
    # The run.
    *(
        (
            f"photons {value}",
            changed(run__photons=value),
            [rf"run\.photons = {re.escape(repr(value))}", limit],
        )
        for value, limit in [
            (0, "1"),
            (-1, "1"),
            (1.5, "integer|whole"),
            (2**60, "1000000000000000|1e15|1e\\+15"),
            ("many", "integer|whole"),
            (True, "integer|whole"),
            (NAN, "integer|whole"),
            (INF, "integer|whole"),
            (None, "integer|whole"),
            ([5], "integer|whole"),
        ]
    ),
    ("photons numpy boolean", changed(run__photons=np.True_), [r"run\.photons", "integer|whole"]),
    ("photons decimal", changed(run__photons=Decimal(5)), [r"run\.photons", "integer|whole"]),
    *(
        (
            f"seed {value}",
            changed(run__seed=value),
            [rf"run\.seed = {re.escape(repr(value))}", limit],
        )
        for value, limit in [
            (-1, "0"),
            (2**64, "18446744073709551615"),
            (1.5, "integer|whole"),
            ("lucky", "integer|whole"),
            (True, "integer|whole"),
            (None, "integer|whole"),
        ]
    ),
    *(
        (
            f"max_scatterings {value}",
            changed(run__max_scatterings=value),
            [rf"run\.max_scatterings = {re.escape(repr(value))}", limit],
        )
        for value, limit in [
            (-1, "0"),
            (2**31, "2147483646"),
            (0.5, "integer|whole"),
            ("all", "integer|whole"),
            (False, "integer|whole"),
        ]
    ),
    ("sampler a number", changed(run__sampler=1), [r"run\.sampler = 1", "string"]),
    (
        "sampler options a list",
        changed(run__sampler_options=["canfield"]),
        [r"run\.sampler_options", "dictionary|table"],
    ),
    # Sections and keys.
    ("no plasma", changed(plasma=MISSING), ["plasma is missing"]),
    ("no seed", changed(seed=MISSING), ["seed is missing"]),
    ("nothing", {}, ["plasma is missing"]),
    ("plasma a number", changed(plasma=3), ["plasma = 3"]),
    ("plasma None", changed(plasma=None), ["plasma = None"]),
    ("seed text", changed(seed="blackbody"), ["seed = 'blackbody'"]),
    ("tally a list", changed(tally=[1]), [r"tally = \[1\]"]),
    ("run text", changed(run="fast"), ["run = 'fast'"]),
    ("section misspelt", changed(plasmas={}), ["'plasmas'", "'plasma'"]),
    ("section unknown", changed(xyz={}), ["'xyz'", "plasma, seed, tally, run"]),
    ("key of plasma misspelt", changed(plasma__kt_kv=1), [r"'plasma\.kt_kv'", "'kt_kev'"]),
    (
        "required key misspelt",
        {"plasma": {"geometry": "sphere", "kt_kev": 100.0, "taau": 1.0}, "seed": BLACKBODY},
        [r"'plasma\.taau'", "'tau'"],
    ),
    ("key of seed misspelt", changed(seed__positon="centre"), ["positon'", "'position'"]),
    ("key of another spectrum", changed(seed__energy_kev=1), ["energy_kev'", "kt_kev"]),
    ("key of tally misspelt", changed(tally__anglebins=5), ["anglebins'", "'angle_bins'"]),
    ("key of run misspelt", changed(run__photon=5), [r"'run\.photon'", "'photons'"]),
    ("key unlike any", changed(run__zzz=5), [r"'run\.zzz'", "allowed are photons, sampler"]),
]


@pytest.mark.parametrize(
    ("content", "patterns"),
    [pytest.param(content, patterns, id=name) for name, content, patterns in BAD_VALUES],
)
def test_a_bad_configuration_is_refused_in_one_clear_line(content, patterns):
    """The message names the key, what was given, and what is allowed or the nearest name."""
    message = refusal(content)
    for pattern in patterns:
        assert re.search(pattern, message), message


def test_the_table_of_refusals_is_long_and_has_no_duplicates():
    """Every kind of mistake is listed once."""
    names = [name for name, _, _ in BAD_VALUES]
    assert len(names) == len(set(names)) >= 50


BAD_FILES = [
    ("no such file", None, ["No such file"]),
    ("invalid TOML", b"[plasma\n", ["not valid TOML", "line 1"]),
    ("key without a value", b"[plasma]\ntau =\n", ["not valid TOML", "line 2"]),
    ("key given twice", b"[plasma]\ntau = 1\ntau = 2\n", ["not valid TOML", "line 3"]),
    ("not UTF-8", b'[plasma]\ngeometry = "sph\xe8re"\n', ["not valid TOML", "utf-8"]),
    ("binary", bytes(range(256)), ["not valid TOML"]),
    ("empty", b"", ["plasma is missing"]),
    ("seed is a number", b"seed = 3\n", ["seed = 3|plasma is missing"]),
]


@pytest.mark.parametrize(
    ("content", "patterns"), [pytest.param(c, p, id=name) for name, c, p in BAD_FILES]
)
def test_a_bad_file_is_refused_by_name(tmp_path, content, patterns):
    """The message begins with the file and says what is wrong with it."""
    file = tmp_path / "corona.toml"
    if content is not None:
        file.write_bytes(content)
    message = refusal(file)
    for pattern in [re.escape(str(file)), *patterns]:
        assert re.search(pattern, message), message


def test_a_folder_is_no_configuration(tmp_path):
    """A folder in place of the file is refused by name."""
    message = refusal(tmp_path)
    assert str(tmp_path) in message
    assert "directory" in message


@pytest.mark.parametrize("path", ["corona\0.toml", "x" * 300 + ".toml"], ids=["null", "long"])
def test_a_path_that_cannot_exist_is_refused(path):
    """A path that the operating system does not know is a bad configuration too."""
    refusal(path)


def test_only_the_named_values_are_overridden():
    """Overrides enter the configuration of the result; all else is as it was."""
    result = simulate(BASE, "table", 40, 7, threads=1)
    expected = Configuration.load(
        changed(run__photons=40, run__seed=7, run__sampler="table", plasma__tau=1.0)
    )
    assert result.configuration == expected


KEYS = [
    (section, key)
    for section, keys in {
        "plasma": ("geometry", "kt_kev", "theta", "tau", "disk", "unheard_of"),
        "seed": ("spectrum", "kt_kev", "position", "unheard_of"),
        "tally": ("energy_min_kev", "energy_max_kev", "bins", "orders", "photon_list"),
        "run": ("photons", "sampler", "sampler_options", "seed", "max_scatterings"),
    }.items()
    for key in keys
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates()
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(place=st.sampled_from(KEYS), value=ANYTHING)
@example(place=("plasma", "kt_kev"), value=None)
def test_anything_at_any_key_is_either_taken_or_refused_in_one_line(place, value):
    """No value that TOML or Python can hold makes the configuration fail in another way."""
    content = copy.deepcopy(BASE)
    content.setdefault(place[0], {})[place[1]] = value
    try:
        loaded = Configuration.load(content)
    except ConfigurationError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
        assert place[0] in str(error)  # noqa: PT017
    else:
        assert Configuration.load(loaded.model_dump()) == loaded


@settings(max_examples=100, deadline=None, derandomize=True)
@given(content=st.text(st.sampled_from('[]"=\n#plasmseed.1 '), max_size=40))
def test_any_text_is_either_toml_or_refused_in_one_line(tmp_path_factory, content):
    """No text in a file gives anything but a one-line refusal that names the file."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(content, encoding="utf-8")
    assert str(file) in refusal(file)
