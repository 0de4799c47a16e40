"""The slow log's bounds and the cuts of what it keeps."""

from mtredis.ops.slowlog import SlowLog, cut_arguments


def test_long_arguments_are_cut() -> None:
    assert cut_arguments([b"a", b"x" * 128, b"y" * 130]) == [b"a", b"x" * 128, b"y" * 128 + b"... (2 more bytes)"]


def test_many_arguments_are_cut() -> None:
    assert len(cut_arguments([b"a"] * 32)) == 32
    cut = cut_arguments([b"%d" % number for number in range(40)])
    assert (len(cut), cut[30], cut[31]) == (32, b"30", b"... (9 more arguments)")


def test_newest_first_within_the_bound() -> None:
    log = SlowLog(2)
    for number in range(4):
        log.record([b"%d" % number], number, "1.2.3.4:5", b"me")
    assert [(entry.id, entry.argv, entry.microseconds) for entry in log.entries()] == [(3, [b"3"], 3), (2, [b"2"], 2)]
    assert [entry.id for entry in log.entries(1)] == [3]
    log.set_max_len(1)
    assert len(log) == 1
    log.reset()
    assert (len(log), log.entries()) == (0, [])
    log.record([b"x"], 1, "", b"")
    assert log.entries()[0].id == 4


def test_a_length_of_zero_keeps_nothing() -> None:
    log = SlowLog(0)
    log.record([b"x"], 1, "", b"")
    assert len(log) == 0
