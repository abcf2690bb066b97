"""Where a configuration error says that the mistake is: file, line and key."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcplugin import Configuration
from mcplugin.configuration_file import line_of, read_toml
from mcplugin.errors import ConfigurationError
from mcplugin.learning.training import TrainingConfiguration

TEXT = """\
# tau = 1 in a comment
name = "x"

[plasma]  # what is hot
  geometry = "sphere"
tau=1
"quoted key" = 2
note = '''
tau = 3
[seed]
'''

[[stage]]
steps = 1
[[stage]]
batch = 2
steps = 3
[stage.more]
depth = 4
[run]
sampler_options.method = "canfield"
inline = {a = 1, b = {c = 2}}
[ tool . "x.y" ]
z = 1
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("name",), 2),
        (("plasma",), 4),
        (("plasma", "geometry"), 5),
        (("plasma", "tau"), 6),
        (("plasma", "quoted key"), 7),
        (("plasma", "missing"), 4),
        (("stage", 0), 13),
        (("stage", 0, "steps"), 14),
        (("stage", 0, "batch"), 13),
        (("stage", 1), 15),
        (("stage", 1, "steps"), 17),
        (("stage", 1, "more", "depth"), 19),
        (("stage", 2), None),
        (("run", "sampler_options", "method"), 21),
        (("run", "inline", "b", "c"), 22),
        (("tool", "x.y", "z"), 24),
        (("seed",), None),
        ((), None),
    ],
)
def test_the_line_of_a_key(key, line):
    """Its own line; that of what encloses it, if it is missing or inline; none if nothing does."""
    assert line_of(TEXT, key) == line
    assert line_of(TEXT.replace("\n", "\r\n"), key) == line


RUN = """\
[plasma]
geometry = "sphere"
theta = 0.2
tau = 1.0
[seed]
spectrum = "blackbody"
kt_kev = 0.1
[tally]
bins = 50
[run]
photons = 1000
sampler_options = {}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tau = 1.0", "tau = -1.0", ":4: plasma.tau = -1.0 is outside 1e-09 <= tau <= 1000"),
        ("tau = 1.0", "tau = nan", ":4: plasma.tau = nan: input should be a finite number"),
        ("tau = 1.0", "taau = 1.0", ":4: unknown key 'plasma.taau': did you mean 'tau'? "),
        ("tau = 1.0\n", "", ":1: plasma.tau is missing"),
        ("theta = 0.2", "theta = 0.2\nkt_kev = 9.0", ":1: plasma: give the electron temperature"),
        ('"sphere"', '"sphre"', ":2: plasma.geometry = 'sphre': did you mean 'sphere'? "),
        ('"blackbody"', '"blckbody"', ":6: seed.spectrum = 'blckbody': did you mean 'blackbody'?"),
        ('spectrum = "blackbody"\n', "", ":5: seed.spectrum is missing: allowed are mono"),
        ("kt_kev = 0.1", "kt_kev = 0.0", ":7: seed.kt_kev = 0.0 is outside 5.10999e-08 <= kt_kev"),
        ("kt_kev = 0.1", "kt_in_kev = 0.1", ":7: unknown key 'seed.kt_in_kev': did you mean "),
        ("[seed]", "[seed]\nposition = 'base'", ":6: seed.position = 'base' does not exist in a"),
        ("[tally]", "[tally]\nenergy_min_kev = 9e3", ":9: tally: energy_min_kev = 9000 must be b"),
        (
            "bins = 50",
            "bins = 1",
            ":9: tally: bins = 1 makes a bin wider than a factor 1000: use a",
        ),
        ("bins = 50", "bins = 0.5", ":9: tally.bins = 0.5: input should be a valid integer"),
        ("photons = 1000", "photons = 0", ":11: run.photons = 0 is outside 1 <= photons <= 1000"),
        (
            "[run]",
            "[runs]",
            ":10: unknown key 'runs': did you mean 'run'? allowed are plasma, seed",
        ),
        ("sampler_options = {}", "sampler_options = 3", ":12: run.sampler_options = 3: input sho"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path, old, new, said):
    """As editors and compilers write it, so that many a terminal opens the file at the place."""
    file = tmp_path / "corona.toml"
    file.write_text(RUN.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Configuration.load(file)
    assert str(caught.value).startswith(f"{file}{said}")


TRAINING = """\
name = "small"
[target]
kind = "analytic"
[generator]
units = 4
[[stage]]
objective = "energy"
steps = 5
[[stage]]
objective = "optimal-1d"
steps = 1e3
learning_rate = 0.1
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("steps = 1e3", "steps = -1", ":11: stage[1].steps = -1 is outside 0 <= steps <= 10000000"),
        ("steps = 5", "step = 5", ":8: unknown key 'stage[0].step': did you mean 'steps'? "),
        ("steps = 5\n", "", ":6: stage[0].steps is missing"),
        ('"energy"', '"enrgy"', ":7: stage[0].objective = 'enrgy': did you mean 'energy'? "),
        ("= 0.1", "= 0.0", ":12: stage[1].learning_rate = 0.0 is outside 0 < learning_rate <= 1"),
        ("= 0.1", "= 0.1\nstop_at = -1.0", ":13: stage[1].stop_at = -1.0 is outside 0 <= stop_at"),
        ("units = 4", "units = 4.5", ":5: generator.units = 4.5: input should be a valid integer"),
        ("units = 4", "form = 'free'", ":5: generator.form = 'free' is for target.kind = 'sampl"),
        ('"analytic"', '"samples"', ":3: target: kind = 'samples' needs a file"),
        ("[generator]", "theta_min = 100\n[generator]", ":4: target: theta_min = 100 must be belo"),
        ('"small"', '"../small"', ":1: name = '../small': string should match pattern"),
        (TRAINING[TRAINING.index("[[stage]]") :], "", ": stage is missing"),
        ("[target]", "[targets]", ":2: unknown key 'targets': did you mean 'target'? "),
    ],
)
def test_an_error_in_a_training_is_told_as_well(tmp_path, old, new, said):
    """One way to say no for both kinds of files."""
    file = tmp_path / "training.toml"
    file.write_text(TRAINING.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        TrainingConfiguration.load(file)
    assert str(caught.value).startswith(f"{file}{said}")
    assert len(str(caught.value).splitlines()) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.sampled_from("[]{}\"'.=\n#ab \\"), max_size=40), st.lists(st.text("ab", max_size=2))
)
def test_any_text_has_lines(text, key):
    """Whatever the file looks like, the line is one of its lines, or none."""
    line = line_of(text, tuple(key))
    assert line is None or 1 <= line <= text.count("\n") + 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[plasma]\ntau =\n", " is not valid TOML: Invalid value (at line 2, column 6)"),
        (
            b"[plasma]\ntau = 1\ntau = 2\n",
            " is not valid TOML: Cannot overwrite a value (at line 3",
        ),
        (b"[plasma]\n# sph\xe8re\n", ":2 is not valid TOML, which is UTF-8: "),
        (b"a = " + b"[" * 10_000, " is nested too deeply"),
    ],
)
def test_what_is_no_toml(tmp_path, content, said):
    """The line is told here, too."""
    file = tmp_path / "corona.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read_toml(file)
    assert str(caught.value).startswith(f"{file}{said}")
