"""Seed spectra from table files: formats, units, and what is no spectrum."""

import warnings

import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn, QTable, Table

from mcplugin import Configuration, random_streams, simulate
from mcplugin.errors import ConfigurationError, InputError
from mcplugin.transport.sources import Tabulated, source_of
from mcplugin.units import ELECTRON_REST_ENERGY_KEV

ENERGY = np.array([0.05, 0.1, 0.4, 1.0, 3.0])
PHOTONS = np.array([0.0, 3.0, 5.0, 2.0, 0.5])
FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".csv": "ascii.csv"}


def write(folder, suffix, table):
    """Write a table in the format of its suffix."""
    file = folder / f"seeds{suffix}"
    table.write(file, format=FORMATS[suffix])
    return file


def refusal(file):
    """The one line with which a table is refused; a run of it is refused alike."""
    content = {
        "plasma": {"geometry": "sphere", "kt_kev": 100.0, "tau": 1.0},
        "seed": {"spectrum": "table", "file": str(file)},
    }
    with pytest.raises(ConfigurationError) as caught:
        simulate(content, photons=10)
    message = str(caught.value)
    assert len(message.splitlines()) == 1, message
    assert str(file) in message
    return message


def assert_same_source(source, rtol=1e-14):
    """The source has the energies and densities of the table above."""
    np.testing.assert_allclose(source.x * ELECTRON_REST_ENERGY_KEV, ENERGY, rtol=rtol)
    np.testing.assert_array_equal(source.density, PHOTONS)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_source(tmp_path, suffix):
    """Plain columns are keV and photons per keV, whatever the file's format and names."""
    file = write(tmp_path, suffix, Table({"a": ENERGY, "b": PHOTONS}))
    assert_same_source(Tabulated.read(file))


@pytest.mark.parametrize("suffix", [".ecsv", ".fits"])
@pytest.mark.parametrize(
    "unit", [units.keV, units.eV, units.erg, units.Hz, units.THz, units.AA, units.m]
)
def test_the_energy_column_is_taken_in_its_own_unit(tmp_path, suffix, unit):
    """Energies, frequencies and wavelengths are converted to the photon's energy."""
    energy = (ENERGY * units.keV).to(unit, units.spectral())
    table = QTable({"energy": energy, "photons": PHOTONS / units.keV})
    assert_same_source(Tabulated.read(write(tmp_path, suffix, table)), rtol=1e-13)


@pytest.mark.parametrize("suffix", FORMATS)
def test_whole_numbers_in_a_table_are_numbers(tmp_path, suffix):
    """A table of integers is a spectrum; further columns are not looked at."""
    table = Table({"energy": [1, 2, 3], "photons": [4, 5, 0], "remark": ["a", "b", "c"]})
    source = Tabulated.read(write(tmp_path, suffix, table))
    np.testing.assert_allclose(source.x * ELECTRON_REST_ENERGY_KEV, [1, 2, 3], rtol=1e-14)
    np.testing.assert_array_equal(source.density, [4, 5, 0])


@pytest.mark.parametrize("suffix", FORMATS)
def test_photons_of_a_table_lie_within_it(tmp_path, suffix):
    """Energies are drawn inside the table, and none where it has no photons."""
    table = Table({"energy": [0.1, 1.0, 2.0, 5.0], "photons": [1.0, 0.0, 0.0, 2.0]})
    source = Tabulated.read(write(tmp_path, suffix, table))
    x = np.empty(4000)
    source.fill(random_streams(3, x.size), x)
    energy = x * ELECTRON_REST_ENERGY_KEV
    assert energy.min() >= 0.1 * (1 - 1e-14)
    assert energy.max() <= 5.0 * (1 + 1e-14)
    assert not ((energy > 1.0 + 1e-12) & (energy < 2.0 - 1e-12)).any()


@pytest.mark.parametrize("exponent", [-1000, -600, -300, 300, 600, 1000])
def test_only_the_shape_of_the_density_matters(exponent):
    """Scaling all densities by a power of two, which is exact, changes no photon."""
    plain, scaled = np.empty((2, 500))
    x = ENERGY / ELECTRON_REST_ENERGY_KEV
    Tabulated(x=x, density=PHOTONS).fill(random_streams(1, 500), plain)
    Tabulated(x=x, density=np.ldexp(PHOTONS, exponent)).fill(random_streams(1, 500), scaled)
    np.testing.assert_allclose(scaled, plain, rtol=1e-14)


BAD_TABLES = {
    "no rows": ({"e": ENERGY[:0], "n": PHOTONS[:0]}, "two points"),
    "one row": ({"e": ENERGY[1:2], "n": PHOTONS[1:2]}, "two points"),
    "one column": ({"e": ENERGY}, "two columns"),
    "unsorted": ({"e": [0.1, 2.0, 1.0], "n": [1.0, 1.0, 1.0]}, "increasing"),
    "descending": ({"e": [3.0, 2.0, 1.0], "n": [1.0, 1.0, 1.0]}, "increasing"),
    "energy twice": ({"e": [0.1, 1.0, 1.0], "n": [1.0, 1.0, 1.0]}, "increasing"),
    "energy zero": ({"e": [0.0, 1.0, 2.0], "n": [1.0, 1.0, 1.0]}, "energy = 0 is outside"),
    "energy negative": ({"e": [-1.0, 1.0, 2.0], "n": [1.0, 1.0, 1.0]}, "energy = -1 is outside"),
    "energy too high": ({"e": [1.0, 2.0, 1e9], "n": [1.0, 1.0, 1.0]}, "energy = 1e+09 is out"),
    "energy NaN": ({"e": [0.1, np.nan, 1.0], "n": [1.0, 1.0, 1.0]}, "finite|empty"),
    "energy infinite": ({"e": [0.1, 1.0, np.inf], "n": [1.0, 1.0, 1.0]}, "finite"),
    "energy text": ({"e": ["low", "mid", "high"], "n": [1.0, 1.0, 1.0]}, "real numbers"),
    "density negative": ({"e": [0.1, 1.0, 2.0], "n": [1.0, -1.0, 1.0]}, "negative"),
    "density all zero": ({"e": [0.1, 1.0, 2.0], "n": [0.0, 0.0, 0.0]}, "all zero"),
    "density NaN": ({"e": [0.1, 1.0, 2.0], "n": [1.0, np.nan, 1.0]}, "finite|empty"),
    "density infinite": ({"e": [0.1, 1.0, 2.0], "n": [1.0, np.inf, 1.0]}, "finite"),
    "density text": ({"e": [0.1, 1.0, 2.0], "n": ["few", "some", "many"]}, "real numbers"),
    "empty cell": (
        {"e": [0.1, 1.0, 2.0], "n": MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False])},
        "empty",
    ),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("columns", "reason"), [pytest.param(*case, id=name) for name, case in BAD_TABLES.items()]
)
def test_a_table_that_is_no_spectrum_is_refused(tmp_path, suffix, columns, reason):
    """The refusal names the file and what is wrong with the spectrum."""
    message = refusal(write(tmp_path, suffix, Table(columns)))
    assert any(part in message for part in reason.split("|")), message


@pytest.mark.parametrize("suffix", [".ecsv", ".fits"])
@pytest.mark.parametrize("unit", [units.s, units.keV / units.s, units.cm**2])
def test_an_energy_column_in_another_unit_is_refused(tmp_path, suffix, unit):
    """A column that is no energy is not taken for one."""
    table = QTable({"energy": ENERGY * unit, "photons": PHOTONS})
    assert "keV" in refusal(write(tmp_path, suffix, table))


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_empty_file_is_refused(tmp_path, suffix):
    """A file of no bytes is no table in any format."""
    file = tmp_path / f"seeds{suffix}"
    file.touch()
    refusal(file)


@pytest.mark.parametrize(
    "content",
    [
        "energy,photons\n0.1,1\n1,2,3\n",
        "energy,photons\n0.1,1\nabc,2\n",
        "energy,photons\n0.1,1\n1,\n2,3\n",
        "0.1,3\n1,2\n10,1\n",
        b"\xe9nergie,photons\n1,2\n3,4\n",
        bytes(range(256)),
    ],
    ids=["ragged", "text among numbers", "gap", "no header", "latin-1", "binary"],
)
def test_a_damaged_csv_is_refused(tmp_path, content):
    """No row of a text table is skipped or guessed, the first one included."""
    file = tmp_path / "seeds.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refusal(file)


@pytest.mark.parametrize("name", ["seeds.txt", "seeds", "seeds.fits.gz", "seeds.csv.bak"])
def test_an_unknown_kind_of_file_is_refused_with_the_known_ones(tmp_path, name):
    """The format follows from the suffix; the message lists the suffixes there are."""
    file = tmp_path / name
    file.write_text("energy,photons\n1,2\n3,4\n", encoding="utf-8")
    assert ".ecsv, .fits or .csv" in refusal(file)


@pytest.mark.parametrize("name", ["seeds.ecsv", "no/such/folder/seeds.fits", "x" * 300 + ".csv"])
def test_a_missing_file_is_refused(tmp_path, name):
    """A file that is not there is named."""
    refusal(tmp_path / name)


def test_a_folder_is_no_table(tmp_path):
    """A folder is refused even if its name looks like a table's."""
    folder = tmp_path / "seeds.ecsv"
    folder.mkdir()
    refusal(folder)


@pytest.mark.parametrize("strict", [True, False], ids=["warnings raised", "warnings ignored"])
@pytest.mark.parametrize("kept", [100, 2880, 4000, 5760, 6000, 20000])
def test_a_truncated_fits_file_is_refused(tmp_path, kept, strict):
    """A file cut short is never taken for a shorter spectrum, whatever becomes of warnings."""
    table = Table({"energy": np.linspace(1.0, 2.0, 3000), "photons": np.ones(3000)})
    file = write(tmp_path, ".fits", table)
    content = file.read_bytes()
    assert kept < len(content) // 2
    file.write_bytes(content[:kept])
    with warnings.catch_warnings():
        warnings.simplefilter("error" if strict else "ignore")
        refusal(file)


@pytest.mark.parametrize("content", [b"hello\n" * 1000, b"SIMPLE  =" + b" " * 2871])
def test_what_is_no_fits_file_is_refused(tmp_path, content):
    """Other content under the suffix .fits is refused."""
    file = tmp_path / "seeds.fits"
    file.write_bytes(content)
    refusal(file)


@pytest.mark.parametrize(
    ("x", "density"),
    [
        ([1.0], [1.0]),
        ([1.0, 2.0], [1.0]),
        ([2.0, 1.0], [1.0, 1.0]),
        ([0.0, 1.0], [1.0, 1.0]),
        ([1.0, 2.0], [0.0, 0.0]),
        ([1.0, 2.0], [-1.0, 1.0]),
    ],
)
def test_a_source_made_in_python_is_checked_too(x, density):
    """The source itself refuses what is no spectrum."""
    with pytest.raises(InputError):
        Tabulated(x=np.array(x), density=np.array(density))


def test_a_relative_path_is_taken_from_the_folder_of_the_toml(tmp_path, monkeypatch):
    """A configuration and its table may be moved together and run from anywhere."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "tables").mkdir(parents=True)
    elsewhere.mkdir()
    write(home / "tables", ".ecsv", Table({"energy": ENERGY, "photons": PHOTONS}))
    text = (
        '[plasma]\ngeometry = "sphere"\nkt_kev = 100.0\ntau = 0.5\n'
        '[seed]\nspectrum = "table"\nfile = "tables/seeds.ecsv"\n'
    )
    (home / "run.toml").write_text(text, encoding="utf-8")

    monkeypatch.chdir(elsewhere)
    for path in (home / "run.toml", "../home/run.toml"):
        assert_same_source(source_of(Configuration.load(path)))
    summary = simulate(home / "run.toml", photons=300).summary
    assert summary["escaped"] == 300
    assert 300 * ENERGY[0] < summary["energy_kev"]["seed"] < 300 * ENERGY[-1]

    absolute = text.replace("tables/", str(home / "tables") + "/")
    (elsewhere / "run.toml").write_text(absolute, encoding="utf-8")
    assert_same_source(source_of(Configuration.load("run.toml")))


def test_a_relative_path_in_a_mapping_is_taken_from_the_working_folder(tmp_path, monkeypatch):
    """Without a file there is no folder but the current one."""
    write(tmp_path, ".csv", Table({"energy": ENERGY, "photons": PHOTONS}))
    monkeypatch.chdir(tmp_path)
    configuration = Configuration.load(
        {
            "plasma": {"geometry": "sphere", "kt_kev": 100.0, "tau": 0.5},
            "seed": {"spectrum": "table", "file": "seeds.csv"},
        }
    )
    assert_same_source(source_of(configuration))
