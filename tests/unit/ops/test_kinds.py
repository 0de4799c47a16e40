"""The kinds with a language of their own."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtredis.errors import ConfigError
from mtredis.ops.kinds import (
    Addresses,
    Directory,
    EventClasses,
    OomScores,
    OutputLimit,
    OutputLimits,
    Percentiles,
    SavePoints,
    refuse_path,
)
from mtredis.registry.parameter import Kind

DEFAULTS = {"normal": OutputLimit(0, 0, 0), "replica": OutputLimit(8, 4, 60), "pubsub": OutputLimit(2, 1, 6)}


def refusal(kind: Kind, *words: str, current: object = None) -> str:
    with pytest.raises(ConfigError) as caught:
        kind.parse(words, current)
    return str(caught.value)


def test_output_limits_of_the_named_class_change() -> None:
    limits = OutputLimits().parse(["replica", "1mb", "2kb", "5", "PUBSUB", "7", "0", "0"], DEFAULTS)
    assert limits == {
        "normal": OutputLimit(0, 0, 0),
        "replica": OutputLimit(1024**2, 2048, 5),
        "pubsub": OutputLimit(7, 0, 0),
    }
    assert OutputLimits().show(limits) == "normal 0 0 0 slave 1048576 2048 5 pubsub 7 0 0"
    assert DEFAULTS["replica"] == OutputLimit(8, 4, 60)


def test_output_limits_write_only_what_differs() -> None:
    limits = DEFAULTS | {"replica": OutputLimit(1024, 0, 0)}
    assert OutputLimits().lines("limit", limits, DEFAULTS) == [
        ("limit normal 0 0 0", False),
        ("limit replica 1kb 0 0", True),
        ("limit pubsub 2 1 6", False),
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("normal 0 0", "Wrong number of arguments in buffer limit configuration."),
        ("master 0 0 0", "Invalid client class specified in buffer limit configuration."),
        ("normal x 0 0", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ("normal 0 -1 0", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ("normal 0 0 -1", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ("normal 0 0 1s", "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
    ],
)
def test_bad_output_limits(words: str, reason: str) -> None:
    assert refusal(OutputLimits(), *words.split(), current=DEFAULTS) == reason


def test_save_points() -> None:
    kind = SavePoints()
    assert kind.parse([""], ()) == kind.parse([], ()) == ()
    assert kind.parse(["900", "1", "+60", "0"], ()) == ((900, 1), (60, 0))
    assert kind.show(((900, 1), (60, 0))) == "900 1 60 0"
    assert kind.lines("save", ((900, 1), (60, 0)), ()) == [("save 900 1", True), ("save 60 0", True)]
    assert kind.lines("save", (), ()) == [('save ""', True)]
    for bad in ("900", "0 1", "900 -1", "a 1"):
        assert refusal(SavePoints(), *bad.split()) == "Invalid save parameters"


def test_addresses() -> None:
    kind = Addresses()
    assert kind.parse(["127.0.0.1", "-::1"], ()) == ("127.0.0.1", "-::1")
    assert kind.parse([""], ()) == ()
    assert kind.write(()) == '""'
    assert kind.lines("bind", ("*",), ("*",)) == []
    assert refusal(kind, "::1", "") == refusal(kind, "a b") == "Failed to bind to specified addresses."
    assert refusal(kind, *["::1"] * 17) == "Too many bind addresses specified."


@pytest.mark.parametrize(
    ("letters", "shown"),
    [("", ""), ("KEA", "AKE"), ("g$lshzxetdK", "AK"), ("EKx", "xKE"), ("AnE", "AnE"), ("mAK", "AKm"), ("xx", "x")],
)
def test_event_classes(letters: str, shown: str) -> None:
    assert EventClasses().parse([letters], "") == shown


@given(st.text("Ag$lshzxeKEtmdn"))
def test_event_classes_are_read_back(letters: str) -> None:
    shown = EventClasses().parse([letters], "")
    assert EventClasses().parse([shown], "") == shown


def test_new_key_events_beside_all_are_kept_though_not_shown() -> None:
    assert EventClasses().show("AnE") == "AE"
    assert EventClasses().show("nE") == "nE"
    assert EventClasses().write("AnE") == '"AnE"'


def test_bad_event_class() -> None:
    assert refusal(EventClasses(), "Q") == "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."


def test_oom_scores() -> None:
    assert OomScores().parse(["1", "-2", "2000"], ()) == (1, -2, 2000)
    assert OomScores().show((1, -2, 2000)) == "1 -2 2000"
    assert refusal(OomScores(), "1") == "wrong number of arguments"
    bad = "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
    assert refusal(OomScores(), "1", "2", "2001") == refusal(OomScores(), "1", "2", "x") == bad


def test_percentiles() -> None:
    assert Percentiles().parse(["50", "99.9", "1e1"], ()) == (50.0, 99.9, 10.0)
    assert Percentiles().show((50.0, 99.9, 100.0, 0.0)) == "50 99.9 100 0"
    assert Percentiles().parse([""], ()) == ()
    assert refusal(Percentiles(), "x") == "Invalid latency-tracking-info-percentiles parameters"
    between = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
    assert refusal(Percentiles(), "100.1") == refusal(Percentiles(), "-1") == between


def test_directory(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "file").touch()
    here = str(tmp_path.resolve())
    assert Directory().parse(["below"], here) == f"{here}/below"
    assert Directory().parse([".."], f"{here}/below") == here
    assert refusal(Directory(), "absent", current=here) == "No such file or directory"
    assert refusal(Directory(), "", current=here) == "No such file or directory"
    assert refusal(Directory(), "file", current=here) == "Not a directory"
    assert Directory().lines("dir", here, here) == [(f'dir "{here}"', True)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter any folder")
def test_directory_without_the_right_to_enter(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o600)
    assert refusal(Directory(), "closed", current=str(tmp_path)) == "Permission denied"


def test_file_names_stay_in_their_folder() -> None:
    check = refuse_path("dbfilename")
    check("dump.rdb")
    for bad in ("a/b", "a\\b"):
        with pytest.raises(ConfigError, match="^dbfilename can't be a path, just a filename$"):
            check(bad)
