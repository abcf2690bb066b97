"""What stands behind the pytest fixture `spectrum_regression`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mcplugin.errors import InputError
from mcplugin.testing.agreement import Agreement, compare_with_baseline
from mcplugin.testing.baseline import RESTORE, read_baseline, store_baseline
from mcplugin.testing.histogram import Histogram, spectrum_of
from mcplugin.transport.simulation import Result
from mcplugin.transport.spectrum import Spectrum
from mcplugin_pytest import NOTE, REPORT

_stored_paths = pytest.StashKey[set[Path]]()


class SpectrumRegression:
    """Keeps the spectra of one test equal to stored ones, within the errors of both.

    Parameters
    ----------
    request : pytest.FixtureRequest
        Of the test.
    folder : Path
        Where the test's baselines are.
    """

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self._request = request
        self._folder = Path(folder)
        self._stored = request.config.stash.setdefault(_stored_paths, set())

    def path(self, name: str) -> Path:
        """The file of a baseline.

        Raises
        ------
        InputError
            If the name cannot be that of a file.
        """
        if not name or name.startswith(".") or any(sign in name for sign in '/\\:*?"<>|\0'):
            raise InputError(f"name = {name!r} is no name for a file: take letters and digits")
        return self._folder / f"{name}.fits"

    def stores(self, name: str) -> bool:
        """Whether :meth:`check` will store the spectrum and not compare it.

        A baseline is worth more photons than a test can spend, and needs a seed of its own::

            storing = spectrum_regression.stores("corona")
            run = my_code(photons=10**6 if storing else 10**5, seed=1 if storing else 2)
            spectrum_regression.check(run, "corona")
        """
        path = self.path(name)
        # What this session has stored itself is compared: two tests may share a baseline.
        anew = self._mode == "store" and path not in self._stored
        return anew or not path.exists()

    def check(
        self,
        spectrum: Spectrum | Result | Histogram | Mapping[str, Any],
        name: str,
        *,
        false_alarm: float = 1e-4,
        most_bands: int = 24,
        least_counts: int = 100,
    ) -> Agreement:
        """Fail the test if a spectrum differs from its baseline by more than chance explains.

        Where there is no baseline it is stored, and the test fails, unless pytest was told
        ``--spectrum-baselines=store-missing``. With ``--spectrum-baselines=store`` it is stored
        anew.

        Parameters
        ----------
        spectrum : Spectrum, Result, Histogram or mapping
            A run of mcplugin, or the arrays of any code: a mapping with the entries of
            :class:`~mcplugin.testing.histogram.Histogram`, ``edges``, ``counts`` and ``photons``
            at least.
        name : str
            Of the baseline, in the folder that the fixture `spectrum_baseline_folder` gives.
        false_alarm : float
            Probability at most that a run without any change fails, over all tests made.
        most_bands : int
            Bands over the whole energy grid: fewer find a smaller change that is spread over many
            bins, more find a narrow one.
        least_counts : int
            Photons that both runs must expect in a band; bins with fewer are joined.

        Returns
        -------
        Agreement
            What was compared, and the smallest change that would have been seen. Of a spectrum
            that was stored: what another run like it will see.

        Raises
        ------
        InputError
            If the spectrum is none, or the baseline is damaged, of a newer format, or on another
            grid.
        """
        path = self.path(name)
        new = spectrum_of(spectrum)
        settings: dict[str, Any] = {
            "false_alarm": false_alarm,
            "most_bands": most_bands,
            "least_counts": least_counts,
        }
        if self.stores(name):
            return self._store(new, path, settings)
        baseline = read_baseline(path)
        try:
            agreement = compare_with_baseline(baseline, new, **settings)
        except InputError as error:
            raise InputError(
                f"no comparison with the baseline {_shown(path)}: {error}; or {RESTORE}"
            ) from error
        photons = [run.provenance["photons"] for run in (new, baseline)]
        text = (
            f"{name}: {agreement}\nbaseline: {_shown(path)}, {photons[1]} photons; this run: "
            f"{photons[0]} photons"
        )
        self._property(REPORT, text)
        for warning in agreement.warnings:
            self._property(NOTE, f"{name}: {warning}")
        if agreement.moved:
            picture = self._picture(baseline, new, agreement, name)
            pytest.fail(
                f"{text}\npicture: {picture}\nif this change is meant, store the spectrum with "
                "--spectrum-baselines=store and commit it",
                pytrace=False,
            )
        return agreement

    @property
    def _mode(self) -> str:
        return str(self._request.config.getoption("--spectrum-baselines"))

    def _store(self, new: Spectrum, path: Path, settings: dict[str, Any]) -> Agreement:
        # A spectrum that cannot be compared with itself is no baseline.
        agreement = compare_with_baseline(new, new, **settings)
        existed = path.exists()
        store_baseline(new, path)
        self._stored.add(path)
        text = (
            f"{path.stem}: baseline {'stored anew' if existed else 'stored'} as {_shown(path)}, "
            f"{new.provenance['photons']} photons; commit it\n"
            f"another such run: {agreement.sensitivity}"
        )
        self._property(NOTE, text)
        if self._mode == "compare":
            pytest.fail(
                f"there was no baseline to compare with\n{text}\n"
                "the next run compares; --spectrum-baselines=store-missing passes on the first",
                pytrace=False,
            )
        return agreement

    def _picture(self, baseline: Spectrum, new: Spectrum, agreement: Agreement, name: str) -> Path:
        from mcplugin.testing.picture import draw_agreement, write_picture

        folder = self._request.config.getoption("--spectrum-pictures")
        if folder is None:
            folder = self._request.getfixturevalue("tmp_path_factory").mktemp("spectra")
        test = self._request.node.name
        figure = draw_agreement(baseline, new, agreement, f"{name} in {test}")
        # Tests of several modules may use one name for different spectra.
        module = self._request.path.stem
        return write_picture(figure, Path(folder).absolute(), f"{module}-{name}")

    def _property(self, key: str, text: str) -> None:
        self._request.node.user_properties.append((key, text))


def _shown(path: Path) -> str:
    """The path as the user would type it."""
    inside = path.is_relative_to(Path.cwd())
    return os.path.relpath(path) if inside else str(path)
