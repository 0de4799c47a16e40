"""Every case's request finds the dataset that is laid for it, and a dataset is what its replies say."""

import pytest

from bench.cases import CASES, SMALL_MEMBERS, Exchange, curve_exchanges, encode, exchanges, member
from bench.workloads import CURVE_SIZES, PROFILES, Row


def requests(laid: tuple[Exchange, ...]) -> list[list[bytes]]:
    """The argument vectors of the requests."""
    vectors = []
    for request, _ in laid:
        lines = request.split(b"\r\n")
        vectors.append(lines[2::2])
        assert encode(*lines[2::2]) == request
    return vectors


@pytest.mark.parametrize("command", CASES)
def test_a_request_names_a_key_of_its_dataset(command: str) -> None:
    case = CASES[command]
    words = case.words(32, 1000)
    assert not any("{" in word for word in words)
    laid = {vector[1] for vector in requests(exchanges(case.dataset, 20))}
    keys = {word.replace("__rand_int__", f"{7:012}").encode() for word in words[1:3]}
    assert bool(laid & keys) == (case.dataset != "nothing")


def test_a_case_that_uses_its_data_up_has_as_much_as_the_run_has_requests() -> None:
    for command, case in CASES.items():
        if case.changes_data and case.dataset != "nothing":
            assert case.amount == 0, command
        elif case.dataset != "nothing":
            assert case.amount > 0, command


@pytest.mark.parametrize("amount", [1, 499, 500, 501, 1200])
@pytest.mark.parametrize("dataset", ["list", "set", "hash", "scores"])
def test_a_dataset_has_so_many_members(dataset: str, amount: int) -> None:
    replies = [int(reply[1:]) for _, reply in exchanges(dataset, amount)]
    assert (replies[-1] if dataset == "list" else sum(replies)) == amount


def test_small_collections_have_keys_of_redis_benchmark() -> None:
    first, second = requests(exchanges("small sets", 2))
    assert first == [b"SADD", b"set:000000000000", *map(member, range(SMALL_MEMBERS))]
    assert second[1] == b"set:000000000001"


def test_a_curve_has_all_types_and_a_small_set() -> None:
    sizes: dict[bytes, int] = {}
    for vector in requests(tuple(curve_exchanges(1200))):
        members = len(vector[2:]) // (2 if vector[0] in (b"HSET", b"ZADD") else 1)
        sizes[vector[1]] = sizes.get(vector[1], 0) + members
    assert sizes == {b"list": 1200, b"set": 1200, b"hash": 1200, b"scores": 1200, b"few": SMALL_MEMBERS}


def test_the_middle_of_a_curve() -> None:
    assert CASES["ZRANGE-MIDDLE"].words(32, 1000) == ["ZRANGE", "scores", "500", "509"]
    assert CASES["LPUSH"].words(4, 0) == ["LPUSH", "list", "xxxx"]


def test_only_rows_that_change_their_data_lay_them_each_time() -> None:
    assert Row("RPOP").is_laid_each_time
    assert not Row("HGET").is_laid_each_time
    assert not Row("GET").is_laid_each_time
    assert not Row("ZADD", members=1000).is_laid_each_time


def test_names_and_keys_of_rows() -> None:
    assert Row("ZRANK", pipeline=16, members=1000).name == "ZRANK c50 P16 of 1000"
    assert (Row("ZRANK", members=1000).keys, Row("SADD").keys, Row("SMEMBERS").keys) == (1000, 100_000, 10_000)


def test_every_command_has_both_depths_and_every_curve_all_sizes() -> None:
    types, curves = PROFILES["types"].rows, PROFILES["curves"].rows
    assert {row.pipeline for row in types} == {1, 16}
    assert len(types) == 2 * len({row.command for row in types})
    assert {(row.command, row.members) for row in curves} == {
        (command, size) for command in {row.command for row in curves} for size in CURVE_SIZES
    }
    assert {row.command for row in types + curves} == set(CASES)
