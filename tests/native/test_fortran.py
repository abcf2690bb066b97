"""The Fortran module ``mcplugin``, compiled and linked as a user does it, away from the sources.

Programs write what they got as raw bytes or as lines ``name | ierr | text``; what is right is
decided here.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

STRICT = ["-std=f2018", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
# The programs here compare numbers that have to be the same to the last bit.
EXACT = [*STRICT, "-Wno-compare-reals"]
Program = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Fortran:
    """A compiler, what it needs of the installed package, and a folder for what it makes."""

    compiler: str
    module: list[str]
    libs: list[str]
    folder: Path

    def compile(self, main: str, *options: str) -> Program:
        """Build module and program in one command; give a function that runs the program."""
        folder = self.folder / str(len(list(self.folder.iterdir())))
        folder.mkdir()
        (folder / "main.f90").write_text(main, encoding="utf-8")
        command = [self.compiler, *options, *self.module, "main.f90", "-o", "main", *self.libs]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

        def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [folder / "main", *arguments],
                cwd=self.folder,
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                check=False,
            )

        return run


def _compile_c(fortran: Fortran, installed, name: str, source: str) -> None:
    """Build a C program beside those in Fortran, with which it is compared."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed: Fortran cannot be compared with C")
    (fortran.folder / f"{name}.c").write_text(source, encoding="utf-8")
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", *shlex.split(installed.config("--cflags"))]
    build = [compiler, *flags, f"{name}.c", "-o", name, *fortran.libs]
    subprocess.run(build, cwd=fortran.folder, check=True)


@pytest.fixture(scope="module")
def fortran(installed, tmp_path_factory) -> Fortran:
    """gfortran with the installed package, away from the sources."""
    compiler = shutil.which("gfortran")
    if compiler is None:
        pytest.skip("gfortran is not installed: the Fortran module cannot be tested")
    module, libs = installed.config("--fortran", "--libs").splitlines()
    folder = tmp_path_factory.mktemp("fortran")
    return Fortran(compiler, shlex.split(module), shlex.split(libs), folder)


@pytest.mark.parametrize(
    "options",
    [
        STRICT,
        ["-std=f2008", *STRICT[1:]],
        [*STRICT, "-O3", "-fopenmp"],
        [*STRICT, "-g", "-fcheck=all"],
        [*STRICT[1:], "-fdefault-real-8", "-fdefault-integer-8"],
    ],
    ids=" ".join,
)
def test_no_warning(fortran, tmp_path, options):
    """Strict Fortran 2008 and 2018, with OpenMP, with run-time checks, with other default kinds."""
    command = [fortran.compiler, *options, "-c", *fortran.module]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# Draw in every way that there is, with streams of one seed, and write all of it as bytes.
FORTRAN_DRAWS = """
program draws
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mcplugin
    implicit none
    type(electron_sampler) :: electrons
    type(random_stream) :: stream
    character(len=16) :: spec
    real(real64) :: theta(1000), u(1000), u3(3, 1000), z(3, 1000), spaced(3, 2000)
    integer :: file, i

    call get_command_argument(1, spec)
    call electrons%create(spec)
    open (newunit=file, file='fortran.bin', access='stream', form='unformatted', status='replace')
    do i = 1, 1000
        theta(i) = 0.001_real64 * i
        z(:, i) = [0.5_real64, -0.002_real64 * i, 1.0_real64]
    end do

    call seed_stream(stream, seed=-7_int64, number=3_int64)
    call electrons%sample(stream, 0.2_real64, u)
    write (file) u
    call electrons%sample(stream, theta, u)
    write (file) u
    call electrons%sample(stream, 0.2_real64, u3)
    write (file) u3
    call electrons%sample(stream, theta, u3)
    write (file) u3

    ! Slices with gaps give what whole arrays give.
    spaced = -1
    call seed_stream(stream, seed=-7_int64, number=3_int64)
    call electrons%sample(stream, 0.2_real64, spaced(2, 1:1999:2))
    call electrons%sample(stream, theta, u)
    write (file) spaced(2, 1:1999:2)
    write (file) u
    if (any(spaced(:, 2:2000:2) /= -1) .or. any(spaced(1:3:2, :) /= -1)) error stop 'overwritten'
    call electrons%sample(stream, 0.2_real64, spaced(:, 1:1999:2))
    write (file) spaced(:, 1:1999:2)
    if (any(spaced(:, 2:2000:2) /= -1)) error stop 'overwritten'

    if (spec == 'gan') then
        call electrons%transform(0.2_real64, z, u3)
        write (file) u3
        call electrons%transform(theta, z, u3)
        write (file) u3
    end if
    close (file)
    call electrons%destroy()
end program draws
"""

C_DRAWS = """
#include <mcplugin.h>
#include <stdio.h>
#include <string.h>

#define REQUIRE(call) do { if ((call) != MCP_OK) { puts(mcp_error_text()); return 1; } } while (0)

int main(int argc, char **argv) {
    static double theta[1000], u[1000], u3[3000], z[3000];
    mcp_sampler *electrons;
    mcp_rng rng;
    const double one = 0.2;
    FILE *file = fopen("c.bin", "wb");
    if (argc != 2 || file == NULL)
        return 2;
    REQUIRE(mcp_sampler_create(argv[1], &electrons));
    for (int i = 0; i < 1000; i++) {
        theta[i] = 0.001 * (i + 1);
        z[3 * i] = 0.5;
        z[3 * i + 1] = -0.002 * (i + 1);
        z[3 * i + 2] = 1.0;
    }
    REQUIRE(mcp_rng_seed(&rng, (uint64_t)-7, 3));
    REQUIRE(mcp_sample_four_velocity(electrons, &rng, 1000, &one, 1, u));
    fwrite(u, sizeof u, 1, file);
    REQUIRE(mcp_sample_four_velocity(electrons, &rng, 1000, theta, 1000, u));
    fwrite(u, sizeof u, 1, file);
    REQUIRE(mcp_sample_four_velocity_vector(electrons, &rng, 1000, &one, 1, u3));
    fwrite(u3, sizeof u3, 1, file);
    REQUIRE(mcp_sample_four_velocity_vector(electrons, &rng, 1000, theta, 1000, u3));
    fwrite(u3, sizeof u3, 1, file);
    REQUIRE(mcp_rng_seed(&rng, (uint64_t)-7, 3));
    REQUIRE(mcp_sample_four_velocity(electrons, &rng, 1000, &one, 1, u));
    fwrite(u, sizeof u, 1, file);
    REQUIRE(mcp_sample_four_velocity(electrons, &rng, 1000, theta, 1000, u));
    fwrite(u, sizeof u, 1, file);
    REQUIRE(mcp_sample_four_velocity_vector(electrons, &rng, 1000, &one, 1, u3));
    fwrite(u3, sizeof u3, 1, file);
    if (strcmp(argv[1], "gan") == 0) {
        REQUIRE(mcp_transform(electrons, 1000, &one, 1, z, u3));
        fwrite(u3, sizeof u3, 1, file);
        REQUIRE(mcp_transform(electrons, 1000, theta, 1000, z, u3));
        fwrite(u3, sizeof u3, 1, file);
    }
    mcp_sampler_destroy(electrons);
    return fclose(file);
}
"""


def test_same_bits_as_c(fortran, installed):
    """Magnitudes, vectors, transforms; one temperature or many; whole arrays and slices."""
    folder = fortran.folder
    _compile_c(fortran, installed, "draws", C_DRAWS)
    run = fortran.compile(FORTRAN_DRAWS, *EXACT, "-fcheck=all")

    for sampler in ("gan", "gan-exact", "rejection"):
        done = run(sampler)
        assert done.returncode == 0, done.stderr
        subprocess.run(["./draws", sampler], cwd=folder, check=True)
        from_fortran, from_c = np.fromfile(folder / "fortran.bin"), np.fromfile(folder / "c.bin")
        assert from_fortran.size == (19_000 if sampler == "gan" else 13_000)
        np.testing.assert_array_equal(from_fortran, from_c)
        assert np.isfinite(from_fortran).all()
        # No two of the draws are alike: 1000 magnitudes of the first call, 1000 of the second.
        assert np.unique(from_fortran[:2000]).size == 2000


# Scatter in every way that there is; photons from soft ones to some above the generator's range.
FORTRAN_EVENTS = """
program events
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mcplugin
    implicit none
    type(electron_sampler) :: electrons
    type(random_stream) :: stream
    character(len=16) :: spec
    real(real64) :: x(1000)
    real(real64) :: theta(1000), x_out(1000), cosine(1000), spaced(3, 2000), lo, hi
    integer :: file, i

    call get_command_argument(1, spec)
    call electrons%create(spec)
    call electrons%photon_range(lo, hi)
    print '(2es24.16e3)', lo, hi
    open (newunit=file, file='fortran.bin', access='stream', form='unformatted', status='replace')
    do i = 1, 1000
        theta(i) = 0.002_real64 * i
        x(i) = 0.011_real64 * i
    end do

    call seed_stream(stream, seed=-7_int64, number=3_int64)
    call electrons%scatter(stream, x, 0.2_real64, x_out, cosine)
    write (file) x_out, cosine
    call electrons%scatter(stream, x, theta, x_out, cosine)
    write (file) x_out, cosine

    ! Slices with gaps give what whole arrays give.
    spaced = -2
    spaced(1, 1:1999:2) = x
    call seed_stream(stream, seed=-7_int64, number=3_int64)
    call electrons%scatter(stream, spaced(1, 1:1999:2), 0.2_real64, spaced(2, 1:1999:2), &
        spaced(3, 1:1999:2))
    write (file) spaced(2, 1:1999:2), spaced(3, 1:1999:2)
    if (any(spaced(:, 2:2000:2) /= -2) .or. any(spaced(1, 1:1999:2) /= x)) &
        error stop 'overwritten'

    ! Nobody to scatter is no failure.
    call electrons%scatter(stream, x(:0), 0.2_real64, x_out(:0), cosine(:0))
    close (file)
    call electrons%destroy()
end program events
"""

C_EVENTS = """
#include <mcplugin.h>
#include <stdio.h>

#define REQUIRE(call) do { if ((call) != MCP_OK) { puts(mcp_error_text()); return 1; } } while (0)

int main(int argc, char **argv) {
    static double x[1000], theta[1000], x_out[1000], cosine[1000];
    mcp_sampler *electrons;
    mcp_rng rng;
    const double one = 0.2;
    FILE *file = fopen("c.bin", "wb");
    if (argc != 2 || file == NULL)
        return 2;
    REQUIRE(mcp_sampler_create(argv[1], &electrons));
    for (int i = 0; i < 1000; i++) {
        theta[i] = 0.002 * (i + 1);
        x[i] = 0.011 * (i + 1);
    }
    REQUIRE(mcp_rng_seed(&rng, (uint64_t)-7, 3));
    REQUIRE(mcp_scatter(electrons, &rng, 1000, x, &one, 1, x_out, cosine));
    fwrite(x_out, sizeof x_out, 1, file);
    fwrite(cosine, sizeof cosine, 1, file);
    REQUIRE(mcp_scatter(electrons, &rng, 1000, x, theta, 1000, x_out, cosine));
    fwrite(x_out, sizeof x_out, 1, file);
    fwrite(cosine, sizeof cosine, 1, file);
    mcp_sampler_destroy(electrons);
    return fclose(file);
}
"""


def test_same_events_as_c(fortran, installed):
    """Energies and cosines; one temperature or many; whole arrays and slices; photon ranges."""
    folder = fortran.folder
    _compile_c(fortran, installed, "events", C_EVENTS)
    run = fortran.compile(FORTRAN_EVENTS, *EXACT, "-fcheck=all")

    tiny = np.finfo(float).tiny
    for sampler, highest in {"gan-event": 10.0, "exact-event": 1e4}.items():
        done = run(sampler)
        assert done.returncode == 0, done.stderr
        assert [float(word) for word in done.stdout.split()] == [tiny, highest]
        subprocess.run(["./events", sampler], cwd=folder, check=True)
        from_fortran = np.fromfile(folder / "fortran.bin").reshape(3, 2, 1000)
        np.testing.assert_array_equal(
            from_fortran[:2], np.fromfile(folder / "c.bin").reshape(2, 2, 1000)
        )
        np.testing.assert_array_equal(from_fortran[2], from_fortran[0])
        x_out, cosine = from_fortran.swapaxes(0, 1)
        assert (x_out > 0).all()
        assert (np.abs(cosine) <= 1).all()
        assert np.unique(x_out[:2]).size == 2000


def test_single_precision_does_not_compile(fortran):
    """Arrays of another kind than real64 are no match, rather than converted or misread."""
    single = FORTRAN_EVENTS.replace("real(real64) :: x(1000)", "real :: x(1000)")
    (fortran.folder / "single.f90").write_text(single, encoding="utf-8")
    command = [fortran.compiler, "-fsyntax-only", *fortran.module, "single.f90"]
    done = subprocess.run(
        command,
        cwd=fortran.folder,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode > 0
    assert "no matching specific binding" in done.stderr


# One failing call a line: name | ierr | text.
FAILURES = """
program failures
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use, intrinsic :: ieee_arithmetic, only: ieee_quiet_nan, ieee_value
    use mcplugin
    implicit none
    type(electron_sampler) :: electrons, rejection, nobody, copy, events, exact_events
    type(random_stream) :: stream, unseeded
    real(real64) :: u(100), u3(3, 100), z(3, 100), flat(2, 100), few(3, 7), lo, hi, share
    real(real64) :: spaced(2, 100), x(100), x_out(100), cosine(100)
    character(len=:), allocatable :: name
    integer :: ierr

    print '(a)', 'no failure | 0 | ' // mcplugin_error_text()
    call electrons%create('gan   ', ierr)
    call say('create')
    call rejection%create('rejection', ierr)
    call seed_stream(stream, 1_int64, 0_int64, ierr)
    call say('seed')

    u = -1
    u3 = -1
    z = 0.5_real64
    flat = -1
    few = -1
    call electrons%sample(stream, 500.0_real64, u, ierr)
    call say('theta')
    call electrons%sample(stream, spread(0.2_real64, 1, 7), u, ierr)
    call say('sizes')
    call electrons%sample(stream, spread(0.2_real64, 1, 7), u3, ierr)
    call say('vector sizes')
    z(2, 50) = ieee_value(1.0_real64, ieee_quiet_nan)
    call electrons%transform(0.2_real64, z, u3, ierr)
    call say('NaN')
    z(2, 50) = 0.5_real64
    call electrons%sample(stream, 0.2_real64, flat, ierr)
    call say('shape')
    call electrons%transform(0.2_real64, z, flat, ierr)
    call say('shape of u')
    call electrons%transform(0.2_real64, z, few, ierr)
    call say('shapes')
    call rejection%transform(0.2_real64, z, u3, ierr)
    call say('unsupported')
    call electrons%sample(unseeded, 0.2_real64, u, ierr)
    call say('unseeded')
    if (any(u /= -1) .or. any(u3 /= -1) .or. any(flat /= -1) .or. any(few /= -1)) &
        error stop 'a failure has written'
    spaced = -1
    spaced(1, :) = -2
    call electrons%sample(stream, 500.0_real64, spaced(1, :), ierr)
    call say('theta of a slice')
    if (any(spaced(1, :) /= -2) .or. any(spaced(2, :) /= -1)) error stop 'a failure has written'

    call nobody%create('gun', ierr)
    call say('spec')
    call nobody%create('gan:/nowhere/weights.bin', ierr)
    call say('file')
    call nobody%sample(stream, 0.2_real64, u, ierr)
    call say('nobody')
    call nobody%theta_range(lo, hi, ierr)
    call say('range of nobody')
    call nobody%acceptance(0.2_real64, share, ierr)
    call say('acceptance of nobody')
    call nobody%instruction_set(name, ierr)
    call say('instruction set of nobody')
    call electrons%create('rejection', ierr)
    call say('twice')
    call electrons%acceptance(500.0_real64, share, ierr)
    call say('acceptance')

    call events%create('gan-event', ierr)
    call exact_events%create('exact-event', ierr)
    x = 0.1_real64
    x_out = -2
    cosine = -2
    call events%scatter(stream, x, 0.2_real64, x_out(:7), cosine, ierr)
    call say('size of x_out')
    call events%scatter(stream, x, 0.2_real64, x_out, cosine(:99), ierr)
    call say('size of cosine')
    call events%scatter(stream, x, spread(0.2_real64, 1, 7), x_out, cosine, ierr)
    call say('size of theta')
    call events%scatter(stream, x, 50.0_real64, x_out, cosine, ierr)
    call say('theta of events')
    x(50) = 2e4_real64
    call events%scatter(stream, x, 0.2_real64, x_out, cosine, ierr)
    call say('photon')
    x(50) = ieee_value(1.0_real64, ieee_quiet_nan)
    call exact_events%scatter(stream, x, 0.2_real64, x_out, cosine, ierr)
    call say('NaN photon')
    x(50) = 0.1_real64
    call events%scatter(unseeded, x, 0.2_real64, x_out, cosine, ierr)
    call say('unseeded events')
    call nobody%scatter(stream, x, 0.2_real64, x_out, cosine, ierr)
    call say('scatter by nobody')
    call nobody%photon_range(lo, hi, ierr)
    call say('photon range of nobody')
    call electrons%scatter(stream, x, 0.2_real64, x_out, cosine, ierr)
    call say('scatter by electrons')
    call electrons%photon_range(lo, hi, ierr)
    call say('photon range of electrons')
    call events%sample(stream, 0.2_real64, x_out, ierr)
    call say('electrons of events')
    call exact_events%sample(stream, 0.2_real64, u3, ierr)
    call say('vectors of events')
    call events%transform(0.2_real64, z, u3, ierr)
    call say('transform of events')
    call exact_events%acceptance(0.2_real64, share, ierr)
    call say('acceptance of events')
    if (any(x_out /= -2) .or. any(cosine /= -2) .or. any(u3 /= -1)) &
        error stop 'a failure has written'
    call events%scatter(stream, x, 50.0_real64, spaced(1, :), spaced(2, :), ierr)
    call say('events of slices')
    if (any(spaced(1, :) /= -2) .or. any(spaced(2, :) /= -1)) error stop 'a failure has written'
    call exact_events%destroy()
    call events%destroy()

    ! What works leaves the last failure's text alone.
    copy = electrons
    call copy%sample(stream, 0.2_real64, u, ierr)
    call say('copy')
    call electrons%destroy()
    call electrons%sample(stream, 0.2_real64, u, ierr)
    call say('destroyed')
    call electrons%destroy()
    call electrons%create('rejection', ierr)
    call say('again')
    call rejection%destroy()
    call electrons%destroy()

contains

    subroutine say(what)
        character(len=*), intent(in) :: what

        print '(a, " | ", i0, " | ", a)', what, ierr, mcplugin_error_text()
        ierr = -999
    end subroutine say

end program failures
"""

OK, ARGUMENT, THETA, SPEC, FILE, HANDLE, RNG, UNSUPPORTED, PHOTON = 0, 1, 2, 3, 4, 7, 8, 9, 11


def test_failures(fortran):
    """Statuses, texts with value and range, outputs left alone, and the sampler's own life."""
    done = fortran.compile(FAILURES, *EXACT, "-g", "-fcheck=all")()
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split(" | ") for line in done.stdout.splitlines()]
    status = {name: int(ierr) for name, ierr, _ in lines}
    text = {name: text.strip() for name, _, text in lines}
    assert status == {
        "no failure": OK,
        "create": OK,
        "seed": OK,
        "theta": THETA,
        "sizes": ARGUMENT,
        "vector sizes": ARGUMENT,
        "NaN": ARGUMENT,
        "shape": ARGUMENT,
        "shape of u": ARGUMENT,
        "shapes": ARGUMENT,
        "unsupported": UNSUPPORTED,
        "unseeded": RNG,
        "theta of a slice": THETA,
        "spec": SPEC,
        "file": FILE,
        "nobody": HANDLE,
        "range of nobody": HANDLE,
        "acceptance of nobody": HANDLE,
        "instruction set of nobody": HANDLE,
        "twice": ARGUMENT,
        "acceptance": THETA,
        "size of x_out": ARGUMENT,
        "size of cosine": ARGUMENT,
        "size of theta": ARGUMENT,
        "theta of events": THETA,
        "photon": PHOTON,
        "NaN photon": PHOTON,
        "unseeded events": RNG,
        "scatter by nobody": HANDLE,
        "photon range of nobody": HANDLE,
        "scatter by electrons": UNSUPPORTED,
        "photon range of electrons": UNSUPPORTED,
        "electrons of events": UNSUPPORTED,
        "vectors of events": UNSUPPORTED,
        "transform of events": UNSUPPORTED,
        "acceptance of events": UNSUPPORTED,
        "events of slices": THETA,
        "copy": OK,
        "destroyed": HANDLE,
        "again": OK,
    }
    assert text["no failure"] == text["create"] == text["seed"] == ""
    assert "500" in text["theta"]
    assert "0.0001 to 100" in text["theta"]
    assert "7" in text["sizes"]
    assert "100" in text["sizes"]
    assert text["shape"] == "sample: u must have the shape (3, n), not (2, 100)"
    assert text["shapes"].endswith("not (3, 100) and (3, 7)")
    # A failure found by the library after one found by the module, and the other way round.
    assert "rejection" in text["unsupported"]
    assert "gun" in text["spec"]
    assert "/nowhere/weights.bin" in text["file"]
    assert "destroy first" in text["twice"]
    assert text["size of x_out"] == (
        "scatter: x, x_out and cosine must have the same size, not 100, 7 and 100"
    )
    assert text["size of cosine"].endswith("not 100, 100 and 99")
    assert "50 is outside 0.001 to 10" in text["theta of events"]
    assert "20000" in text["photon"]
    assert "gan-event" in text["scatter by electrons"]
    assert "mcp_scatter" in text["electrons of events"]
    assert text["copy"] == text["events of slices"]


# Each word names a call that fails; none of them asks for ierr.
ENDINGS = """
program endings
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mcplugin
    implicit none
    type(electron_sampler) :: electrons
    type(random_stream) :: stream
    real(real64) :: u(100), flat(2, 100), x_out(100), cosine(100)
    character(len=16) :: which

    call get_command_argument(1, which)
    if (which == 'spec') call electrons%create('gun')
    call electrons%create('gan')
    if (which == 'unseeded') call electrons%sample(stream, 0.2_real64, u)
    call seed_stream(stream, 1_int64, 0_int64)
    if (which == 'theta') call electrons%sample(stream, 500.0_real64, u)
    if (which == 'shape') call electrons%sample(stream, 0.2_real64, flat)
    if (which == 'size') call electrons%scatter(stream, u(:9), 0.2_real64, x_out, cosine)
    if (which == 'event') call electrons%scatter(stream, u, 0.2_real64, x_out, cosine)
    call electrons%destroy()
    if (which == 'destroyed') call electrons%sample(stream, 0.2_real64, u)
    print '(a)', 'reached the end'
end program endings
"""


def test_without_ierr_an_error_ends_the_program(fortran):
    """The text on standard error, a status above zero, and nothing after the failed call."""
    run = fortran.compile(ENDINGS, *EXACT)
    for which, text in {
        "spec": '"gun"',
        "unseeded": "seed",
        "theta": "500 is outside 0.0001 to 100",
        "shape": "not (2, 100)",
        "size": "not 9, 100 and 100",
        "event": 'create "gan-event"',
        "destroyed": "sampler",
    }.items():
        done = run(which)
        assert done.returncode > 0, which
        assert done.stderr.startswith("mcplugin: ")
        assert text in done.stderr.splitlines()[0]
        assert done.stdout == ""
    assert run("nothing").stdout == "reached the end\n"


FACTS = """
program facts
    use, intrinsic :: iso_fortran_env, only: real64
    use mcplugin
    implicit none
    type(electron_sampler) :: electrons
    real(real64) :: lo, hi, share
    character(len=:), allocatable :: name
    character(len=16) :: spec

    call get_command_argument(1, spec)
    call electrons%create(spec)
    call electrons%theta_range(lo, hi)
    call electrons%acceptance(0.2_real64, share)
    call electrons%instruction_set(name)
    call electrons%destroy()
    print '(3es24.16)', lo, hi, share
    print '(a)', name, mcplugin_version(), mcplugin_status_text(mcp_error_theta)
    print '(i0)', mcplugin_abi_version()
end program facts
"""


def test_facts(fortran):
    """Range, acceptance, instruction set, versions; with other default kinds as well."""
    from mcplugin.samplers.rejection import RejectionSampler

    exact_acceptance = RejectionSampler().quality(0.2)["acceptance"]
    for options in ([], ["-fdefault-real-8", "-fdefault-integer-8"]):
        run = fortran.compile(FACTS, *options)
        for sampler in ("gan", "gan-exact", "rejection"):
            numbers, instruction_set, version, theta, abi = run(sampler).stdout.splitlines()
            lo, hi, share = (float(word) for word in numbers.split())
            assert (lo, hi) == (1e-4, 100.0)
            if sampler == "gan":
                assert share == 1.0
            elif sampler == "rejection":
                assert share == pytest.approx(exact_acceptance, abs=1e-12)
            else:
                assert 0.9 < share < 1.0
            assert instruction_set in ("avx512", "avx2", "generic")
            assert version.count(".") == 2
            assert "temperature" in theta
            assert abi == "2"
        assert run("gan", MCPLUGIN_ISA="generic").stdout.splitlines()[1] == "generic"


THREADS = """
program threads
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mcplugin
    use omp_lib, only: omp_get_thread_num
    implicit none
    type(electron_sampler) :: electrons
    integer :: wrong(0:3)

    call electrons%create('gan')
    wrong = -1
    !$omp parallel num_threads(4)
    call work(omp_get_thread_num())
    !$omp end parallel
    call electrons%destroy()
    print '(4(i0, 1x))', wrong

contains

    subroutine work(thread)
        integer, intent(in) :: thread
        type(random_stream) :: stream, alone
        real(real64) :: flat(2, 10 + thread), u(1000), same(1000)
        character(len=8) :: width, theta
        integer :: ierr, i

        write (width, '(i0)') 10 + thread
        write (theta, '(i0)') 200 + thread
        call seed_stream(stream, 1_int64, int(thread, int64))
        alone = stream
        wrong(thread) = 0
        do i = 1, 5000
            flat = 0
            call electrons%sample(stream, 0.2_real64, flat, ierr)
            if (index(mcplugin_error_text(), '(2, ' // trim(width) // ')') == 0) &
                wrong(thread) = wrong(thread) + 1
            call electrons%sample(stream, 200.0_real64 + thread, u, ierr)
            if (index(mcplugin_error_text(), trim(theta)) == 0) wrong(thread) = wrong(thread) + 1
            call electrons%sample(stream, 0.2_real64, u)
            call electrons%sample(alone, 0.2_real64, same)
            if (any(u /= same)) wrong(thread) = wrong(thread) + 1
        end do
    end subroutine work

end program threads
"""


def test_threads(fortran):
    """Four threads share a sampler, fail in ways of their own, and read their own texts."""
    run = fortran.compile(THREADS, *EXACT, "-O2", "-fopenmp")
    done = run()
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0"] * 4


TRAPS = """
program traps
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mcplugin
    implicit none
    real(real64), parameter :: theta(5) = [1e-4_real64, 1e-2_real64, 1.0_real64, 30.0_real64, &
        100.0_real64]
    type(electron_sampler) :: electrons
    type(random_stream) :: stream
    real(real64) :: u(1003), u3(3, 1003)
    character(len=16) :: spec
    integer :: i, k

    call get_command_argument(1, spec)
    call electrons%create(spec)
    call seed_stream(stream, 1_int64, 0_int64)
    do k = 1, 20
        do i = 1, size(theta)
            call electrons%sample(stream, theta(i), u)
            call electrons%sample(stream, theta(i), u3)
        end do
        call electrons%sample(stream, [(theta(1 + modulo(i, 5)), i = 1, 1003)], u)
    end do
    call electrons%destroy()
    print '(a)', 'no exception'
end program traps
"""

# Photons from the softest allowed to some above the generator's range.
EVENT_TRAPS = """
program traps
    use, intrinsic :: iso_fortran_env, only: int64, real64
    use mcplugin
    implicit none
    type(electron_sampler) :: electrons
    type(random_stream) :: stream
    real(real64) :: x(1003), theta(5), x_out(1003), cosine(1003), lo, hi
    character(len=16) :: spec
    integer :: i, k

    call get_command_argument(1, spec)
    call electrons%create(spec)
    call electrons%theta_range(lo, hi)
    theta = lo**[1.0_real64, 0.75_real64, 0.5_real64, 0.25_real64, 0.0_real64] &
        * hi**[0.0_real64, 0.25_real64, 0.5_real64, 0.75_real64, 1.0_real64]
    x = [tiny(lo), (1e-12_real64 * 10**(0.014_real64 * i), i = 1, 1002)]
    call seed_stream(stream, 1_int64, 0_int64)
    do k = 1, 20
        do i = 1, size(theta)
            call electrons%scatter(stream, x, theta(i), x_out, cosine)
        end do
        call electrons%scatter(stream, x, [(theta(1 + modulo(i, 5)), i = 1, 1003)], x_out, cosine)
    end do
    call electrons%destroy()
    print '(a)', 'no exception'
end program traps
"""


def test_no_floating_point_exceptions(fortran):
    """Programs that trap invalid operations, divisions by zero and overflows run through."""
    trapping = [*EXACT, "-O2", "-ffpe-trap=invalid,zero,overflow"]
    for program, samplers in (
        (TRAPS, ("gan", "gan-exact", "rejection")),
        (EVENT_TRAPS, ("gan-event", "exact-event")),
    ):
        run = fortran.compile(program, *trapping)
        for instruction_set in ("avx512", "avx2", "generic"):
            for sampler in samplers:
                done = run(sampler, MCPLUGIN_ISA=instruction_set)
                assert (done.returncode, done.stdout) == (0, "no exception\n"), done.stderr
