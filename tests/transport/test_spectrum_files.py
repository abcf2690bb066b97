"""Spectra as files, tables and pictures."""

import json
import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import QTable, Table

from mcplugin import Spectrum, simulate
from mcplugin.errors import InputError, OutputError

CONFIG = {
    "plasma": {"geometry": "slab", "kt_kev": 120.0, "tau": 0.8, "disk": "none"},
    "seed": {"spectrum": "blackbody", "kt_kev": 0.3, "position": "uniform"},
    "tally": {"energy_min_kev": 0.05, "energy_max_kev": 1000.0, "bins": 40, "angle_bins": 4},
    "run": {"photons": 20_000, "seed": 11, "sampler_options": {"method": "canfield"}},
}
COLUMNS = ["ENERG_LO", "ENERG_HI", "COUNTS", "EFE", "EFE_ERR", "SEED_EFE"]


@pytest.fixture(scope="module")
def result():
    """One run for all tests of this file."""
    return simulate(CONFIG)


@pytest.fixture(scope="module")
def spectrum(result):
    """Its spectrum."""
    return result.spectrum


@pytest.fixture
def file(spectrum, tmp_path):
    """The spectrum on disc."""
    path = tmp_path / "spectrum.fits"
    spectrum.write(path)
    return path


def assert_equal(one, other):
    """Two spectra agree in every field, dtype and bit."""
    for field in fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("by_angle", "by_order"):
            assert_equal(first, second)
        elif field.name == "provenance":
            assert first == second
        else:
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_what_is_written_is_read_back(spectrum, tmp_path, kind):
    """Every field survives the file, to the bit and with its provenance."""
    path = kind(tmp_path / "a.fits")
    spectrum.write(path)
    assert_equal(Spectrum.read(path), spectrum)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.fits"]


@pytest.mark.parametrize(("bins", "angle_bins", "orders"), [(1, 1, 1), (2, 1, 3), (1, 3, 1)])
def test_the_smallest_grids_are_read_back_too(tmp_path, bins, angle_bins, orders):
    """One bin, one angle or one order is still a table of rows."""
    tally = {"bins": bins, "angle_bins": angle_bins, "orders": orders, "energy_min_kev": 3.0}
    written = simulate({**CONFIG, "tally": tally}, photons=200).spectrum
    written.write(tmp_path / "small.fits")
    assert_equal(Spectrum.read(tmp_path / "small.fits"), written)
    assert written.by_angle.efe.shape == (angle_bins, bins)
    assert written.by_order.efe.shape == (orders + 1, bins)


def test_the_table_has_units(result):
    """Columns are quantities: keV, counts, and pure numbers; the meta is the summary."""
    table = result.spectrum.to_table()
    assert isinstance(table, QTable)
    assert table.colnames == COLUMNS
    assert table["ENERG_LO"].unit == table["ENERG_HI"].unit == units.keV
    assert table["COUNTS"].unit == units.ct
    for name in COLUMNS[3:]:
        assert table[name].unit == units.dimensionless_unscaled
    assert table["ENERG_LO"][0].to_value(units.eV) == pytest.approx(50.0, rel=1e-12)
    np.testing.assert_array_equal(table["EFE"].value, result.spectrum.efe)
    assert table.meta == result.summary


def test_the_file_has_units(file, spectrum):
    """Any FITS reader finds keV and counts in the headers of the columns."""
    with fits.open(file) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["SPECTRUM", "BY_ANGLE", "BY_ORDER"]
        columns = hdus["SPECTRUM"].columns
        assert columns.names == COLUMNS
        assert hdus["SPECTRUM"].header["TUNIT1"] == hdus["SPECTRUM"].header["TUNIT2"] == "keV"
        assert hdus["SPECTRUM"].header["TUNIT3"] == "ct"
        for extension in ("BY_ANGLE", "BY_ORDER"):
            assert hdus[extension].columns["COUNTS"].unit == "ct"
        np.testing.assert_array_equal(hdus["BY_ORDER"].data["ORDER_LO"], np.arange(11))
        np.testing.assert_array_equal(hdus["BY_ORDER"].data["ORDER_HI"][:-1], np.arange(10))
        np.testing.assert_array_equal(hdus["BY_ANGLE"].data["COS_LO"], spectrum.cosine_edges[:-1])
        np.testing.assert_array_equal(hdus["BY_ANGLE"].data["COS_HI"], spectrum.cosine_edges[1:])
    table = QTable.read(file, hdu="SPECTRUM")
    assert table["ENERG_LO"].unit == units.keV
    np.testing.assert_array_equal(table["ENERG_LO"].value, spectrum.energy_lo)


def test_the_header_tells_where_the_spectrum_comes_from(file, result):
    """Seed, versions, counts and the whole configuration are in the primary header."""
    header = fits.getheader(file)
    summary = result.summary
    assert header["CREATOR"] == f"mcplugin {summary['version']}"
    assert header["SAMPLER"] == "rejection"
    assert header["RUNSEED"] == 11
    assert header["PHOTONS"] == 20_000
    assert header["ESCAPED"] == summary["escaped"]
    assert header["PARTIAL"] is False
    assert header["AMPLIF"] == summary["amplification"]
    for package in ("python", "numpy", "scipy", "numba"):
        assert header[f"version {package}"] == summary["packages"][package]
    assert header["plasma.kt_kev"] == 120.0
    assert header["seed.position"] == "uniform"
    assert json.loads(header["run.sampler_options"]) == {"method": "canfield"}
    assert json.loads(header["RUN"]) == summary
    again = simulate(json.loads(header["RUN"])["configuration"])
    np.testing.assert_array_equal(again.spectrum.efe, result.spectrum.efe)


def test_the_checksums_of_the_file_are_right(file):
    """Every extension carries a checksum that verifies."""
    with fits.open(file, checksum=True) as hdus:
        assert [hdu.verify_checksum() for hdu in hdus] == [1, 1, 1, 1]
        assert [hdu.verify_datasum() for hdu in hdus] == [1, 1, 1, 1]


def test_the_largest_seed_is_written(tmp_path):
    """A seed of 64 bits is more than a FITS integer usually holds."""
    written = simulate(CONFIG, photons=100, seed=2**64 - 1).spectrum
    written.write(tmp_path / "a.fits")
    assert fits.getheader(tmp_path / "a.fits")["RUNSEED"] == 2**64 - 1
    assert_equal(Spectrum.read(tmp_path / "a.fits"), written)


@pytest.mark.parametrize("name", ["long" * 40 + ".csv", "Röntgen.csv", "it's 5 \\ or 6.csv"])
def test_the_path_of_a_seed_table_is_kept_whatever_its_letters(tmp_path, name):
    """Paths that are long or not in ASCII do not keep a spectrum from being written."""
    Table({"energy": [0.1, 1.0], "photons": [2.0, 1.0]}).write(tmp_path / name, format="ascii.csv")
    seed = {"spectrum": "table", "file": str(tmp_path / name)}
    simulate({**CONFIG, "seed": seed}, photons=100).write(tmp_path / "out")
    provenance = Spectrum.read(tmp_path / "out/spectrum.fits").provenance
    assert provenance["configuration"]["seed"] == seed


def test_an_existing_file_is_replaced_on_request_only(spectrum, file):
    """The refusal names the file, which stays as it was."""
    before = file.read_bytes()
    other = replace(spectrum, provenance={**spectrum.provenance, "seed": 12})
    with pytest.raises(OutputError, match="exists") as caught:
        other.write(file)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == before
    other.write(file, overwrite=True)
    assert_equal(Spectrum.read(file), other)
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "path",
    ["/dev/null/spectrum.fits", "no/such/folder/spectrum.fits", "x" * 300 + ".fits"],
    ids=["below a device", "no folder", "name too long"],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_cannot_be_written_is_refused(spectrum, tmp_path, monkeypatch, path, overwrite):
    """The error names the file, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="cannot write") as caught:
        spectrum.write(path, overwrite=overwrite)
    assert path in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_never_replaced_by_a_file(spectrum, tmp_path):
    """A folder in place of the file is refused even with overwrite."""
    (tmp_path / "spectrum.fits").mkdir()
    for overwrite in (False, True):
        with pytest.raises(OutputError):
            spectrum.write(tmp_path / "spectrum.fits", overwrite=overwrite)
    assert [entry.name for entry in tmp_path.iterdir()] == ["spectrum.fits"]


def test_results_that_cannot_be_written_are_refused(result):
    """Result.write refuses a folder below a device."""
    with pytest.raises(OutputError, match="/dev/null/out"):
        result.write("/dev/null/out")


def assert_unreadable(path):
    """Reading is refused in one line that names the file, whatever becomes of warnings."""
    for action in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            with pytest.raises(InputError) as caught:
                Spectrum.read(path)
        message = str(caught.value)
        assert str(path) in message
        assert len(message.splitlines()) == 1, message


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(file, share):
    """A file cut short anywhere is never read as a spectrum."""
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    assert_unreadable(file)


@pytest.mark.parametrize("extension", ["SPECTRUM", "BY_ANGLE", "BY_ORDER"])
def test_a_damaged_file_is_refused(file, extension):
    """One flipped bit in the data is noticed by the checksum."""
    with fits.open(file) as hdus:
        offset = hdus[extension].fileinfo()["datLoc"] + 5
    content = bytearray(file.read_bytes())
    content[offset] ^= 1
    file.write_bytes(content)
    assert_unreadable(file)


TABLE = fits.BinTableHDU(Table({"ENERG_LO": [1.0], "EFE": [2.0]})).data
FOREIGN = {
    "no extension": [],
    "image": [fits.ImageHDU(np.ones((3, 3)), name="SPECTRUM")],
    "three images": [
        fits.ImageHDU(np.ones((3, 3)), name=n) for n in ("SPECTRUM", "BY_ANGLE", "BY_ORDER")
    ],
    "three empty images": [fits.ImageHDU(name=n) for n in ("SPECTRUM", "BY_ANGLE", "BY_ORDER")],
    "an OGIP spectrum": [fits.BinTableHDU(TABLE, name="SPECTRUM")],
    "other columns": [
        fits.BinTableHDU(TABLE, name=n) for n in ("SPECTRUM", "BY_ANGLE", "BY_ORDER")
    ],
}


@pytest.mark.parametrize("extensions", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_fits_file_is_refused(tmp_path, extensions):
    """A FITS file of another program is no spectrum of mcplugin."""
    path = tmp_path / "foreign.fits"
    fits.HDUList([fits.PrimaryHDU(), *extensions]).writeto(path)
    assert_unreadable(path)


@pytest.mark.parametrize("content", [b"", b"hello\n" * 1000, bytes(range(256)) * 50])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    """Text or noise is no spectrum."""
    path = tmp_path / "spectrum.fits"
    path.write_bytes(content)
    assert_unreadable(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    """There is nothing to read in either."""
    assert_unreadable(tmp_path / "missing.fits")
    assert_unreadable(tmp_path)


@pytest.mark.parametrize("part", ["by_angle", "by_order"])
def test_parts_sum_to_the_whole(spectrum, part):
    """Every escaped photon is in one angle bin and one order."""
    rows = getattr(spectrum, part)
    np.testing.assert_array_equal(rows.counts.sum(axis=0), spectrum.counts)
    np.testing.assert_allclose(rows.efe.sum(axis=0), spectrum.efe, rtol=1e-12)
    assert (rows.counts.sum(axis=1) > 0).all()
    for array in (rows.efe, rows.efe_err):
        assert np.isfinite(array).all()
        assert (array[rows.counts == 0] == 0.0).all()
        assert (array[rows.counts > 0] > 0.0).all()


def test_the_bins_join_and_are_logarithmically_even(spectrum):
    """Bins leave no gap, and their centres are geometric."""
    np.testing.assert_array_equal(spectrum.energy_lo[1:], spectrum.energy_hi[:-1])
    assert spectrum.energy_lo[0] == pytest.approx(0.05, rel=1e-14)
    assert spectrum.energy_hi[-1] == pytest.approx(1000.0, rel=1e-14)
    np.testing.assert_allclose(
        spectrum.energy_hi / spectrum.energy_lo, 20000.0 ** (1 / 40), rtol=1e-12
    )
    np.testing.assert_allclose(spectrum.energy**2, spectrum.energy_lo * spectrum.energy_hi)
    np.testing.assert_allclose(spectrum.cosine_edges, [0.0, 0.25, 0.5, 0.75, 1.0], rtol=1e-15)


def test_the_integral_of_the_spectrum_is_the_amplification(result):
    """On a grid that holds all photons, E F_E integrates to escaping over seed energy."""
    wide = {**CONFIG["tally"], "energy_min_kev": 1e-6, "energy_max_kev": 2e5, "bins": 300}
    wide_result = simulate({**CONFIG, "tally": wide})
    spectrum = wide_result.spectrum
    width = np.log(spectrum.energy_hi / spectrum.energy_lo)
    assert spectrum.counts.sum() == wide_result.summary["escaped"]
    # Energies within bins are counted in quanta of 2**-28 of the bin's upper edge.
    amplification = wide_result.summary["amplification"]
    assert (spectrum.efe * width).sum() == pytest.approx(amplification, rel=1e-7)
    assert (spectrum.seed_efe * width).sum() == pytest.approx(1.0, rel=1e-7)
    assert amplification == result.summary["amplification"]


def test_the_picture_has_labelled_axes_with_units(spectrum, file):
    """Energy in keV across, energy per ln E upwards, both logarithmic, every line named."""
    figure = spectrum.plot()
    (axes,) = figure.axes
    assert "(keV)" in axes.get_xlabel()
    assert "F_E" in axes.get_ylabel()
    assert "seed" in axes.get_ylabel()
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == (spectrum.energy_lo[0], spectrum.energy_hi[-1])
    labels = {text.get_text() for text in axes.get_legend().get_texts()}
    assert {"seed photons", "escaping photons", "0 scatterings", "1 scattering"} <= labels
    for part in ("slab", "120", "0.8", "20,000", "rejection"):
        assert part in axes.get_title()
    figure.savefig(file.with_suffix(".png"))
    assert file.with_suffix(".png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert Spectrum.read(file).plot().axes[0].get_title() == axes.get_title()


@pytest.mark.parametrize(
    "tally",
    [
        {"energy_min_kev": 1e5, "energy_max_kev": 2e5},
        {"energy_min_kev": 1e-6, "energy_max_kev": 1e-5, "bins": 1},
        {"bins": 1, "orders": 1, "energy_min_kev": 3.0},
    ],
    ids=["nothing above", "nothing below", "one bin"],
)
def test_a_spectrum_with_little_in_it_can_be_drawn_and_written(tmp_path, tally):
    """A grid that misses the photons gives an empty picture, not an error or a warning."""
    result = simulate({**CONFIG, "tally": tally}, photons=50)
    result.write(tmp_path)
    assert_equal(Spectrum.read(tmp_path / "spectrum.fits"), result.spectrum)
    assert np.isfinite(result.spectrum.efe).all()
    assert "(keV)" in result.spectrum.plot().axes[0].get_xlabel()


def test_a_spectrum_without_provenance_can_be_drawn_and_written(spectrum, tmp_path):
    """The provenance is for readers; files and pictures do without."""
    bare = replace(spectrum, provenance={})
    bare.write(tmp_path / "bare.fits")
    assert_equal(Spectrum.read(tmp_path / "bare.fits"), bare)
    assert bare.plot().axes[0].get_title() == ""
