"""The geo family in-process: replies, errors, events, dirty counts."""

import pytest
from mtredis.keyspace.types.sorted_set import SortedSet

from mtredis.commands import geo
from tests.support.keyspace_context import KeyspaceContext

WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
assert geo.UNITS


@pytest.fixture
def ctx() -> KeyspaceContext:
    context = KeyspaceContext()
    context.keyspace = context.server.keyspace
    context.run("GEOADD", "g", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania")
    return context


def test_places(ctx: KeyspaceContext) -> None:
    assert ctx.run("GEOPOS", "g", "Palermo", "none") == [[13.361389338970184, 38.1155563954963], None]
    assert ctx.run("GEOHASH", "g", "Palermo", "none", "Catania") == [b"sqc8b49rny0", None, b"sqdtr74hyu0"]
    assert ctx.run("GEOPOS", "missing", "a") == [None]
    assert ctx.run("GEOHASH", "missing") == []


@pytest.mark.parametrize(
    ("unit", "text"),
    [((), b"166274.1516"), (("km",), b"166.2742"), (("MI",), b"103.3182"), (("ft",), b"545518.8700")],
)
def test_distance(ctx: KeyspaceContext, unit: tuple[str, ...], text: bytes) -> None:
    assert ctx.run("GEODIST", "g", "Palermo", "Catania", *unit) == text


def test_distance_of_what_is_missing(ctx: KeyspaceContext) -> None:
    assert ctx.run("GEODIST", "g", "Palermo", "none") is None
    assert ctx.run("GEODIST", "missing", "a", "b") is None
    assert ctx.error("GEODIST", "g", "a", "b", "x") == "ERR unsupported unit provided. please use M, KM, FT, MI"
    assert ctx.error("GEODIST", "g", "a", "b", "m", "m") == "ERR syntax error"


def test_add_counts(ctx: KeyspaceContext) -> None:
    assert ctx.run("GEOADD", "g", "1", "1", "Palermo", "2", "2", "new") == 1
    assert ctx.run("GEOADD", "g", "CH", "3", "3", "Palermo", "2", "2", "new") == 1
    assert ctx.run("GEOADD", "g", "NX", "5", "5", "Palermo") == 0
    assert ctx.run("GEOADD", "missing", "XX", "5", "5", "Palermo") == 0
    assert ctx.run("EXISTS", "missing") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("1", "1", "a", "2"), "ERR syntax error"),
        (("NX", "XX", "1", "1", "a"), "ERR syntax error"),
        (("NX", "CH", "CH"), "ERR syntax error"),
        (("x", "1", "a"), "ERR value is not a valid float"),
        (("1", "1", "a", "200", "-90.5", "b"), "ERR invalid longitude,latitude pair 200.000000,-90.500000"),
    ],
)
def test_add_refuses(ctx: KeyspaceContext, words: tuple[str, ...], message: str) -> None:
    assert ctx.error("GEOADD", "new", *words) == message
    assert ctx.run("EXISTS", "new") == 0


def test_search(ctx: KeyspaceContext) -> None:
    assert ctx.run("GEOSEARCH", "g", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "ASC") == [b"Catania", b"Palermo"]
    assert ctx.run("GEOSEARCH", "g", "FROMMEMBER", "Palermo", "BYBOX", 10, 10, "km") == [b"Palermo"]
    assert ctx.run("GEOSEARCH", "g", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "COUNT", 1, "WITHDIST") == [
        [b"Catania", b"56.4413"]
    ]
    found = ctx.run("GEORADIUS", "g", 15, 37, 200, "km", "WITHCOORD", "WITHHASH", "DESC")
    assert found[0] == [b"Palermo", 3479099956230698, [13.361389338970184, 38.1155563954963]]
    assert ctx.run("GEORADIUSBYMEMBER_RO", "g", "Palermo", 100, "km") == [b"Palermo"]
    assert ctx.run("GEORADIUS_RO", "missing", 1, 1, 100, "km") == []


def test_effects(ctx: KeyspaceContext) -> None:
    assert ctx.effects("GEOADD", "g", "1", "1", "a", "2", "2", "b") == (2, ["zadd g"])
    assert ctx.effects("GEOADD", "g", "1", "1", "a") == (0, [])
    circle = ["BYRADIUS", 200, "km"]
    assert ctx.effects("GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 15, 37, *circle) == (2, ["geosearchstore d"])
    assert ctx.effects("GEORADIUS", "g", 15, 37, 200, "km", "STORE", "d") == (2, ["georadiusstore d"])
    assert ctx.effects("GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 90, 37, *circle) == (1, ["del d"])
    assert ctx.effects("GEOSEARCHSTORE", "d", "g", "FROMLONLAT", 90, 37, *circle) == (0, [])
    assert ctx.effects("GEOSEARCH", "g", "FROMLONLAT", 15, 37, *circle) == (0, [])


def test_store_keeps_geohashes_or_distances(ctx: KeyspaceContext) -> None:
    ctx.run("GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "Palermo", "BYRADIUS", 200, "km")
    assert ctx.run("GEOHASH", "d", "Palermo") == [b"sqc8b49rny0"]
    ctx.run("GEOSEARCHSTORE", "d", "g", "FROMMEMBER", "Palermo", "BYRADIUS", 200, "km", "STOREDIST")
    stored = ctx.db.peek(b"d", SortedSet)
    assert stored.score(b"Palermo") == 0
    assert stored.score(b"Catania") == pytest.approx(166.2742, abs=1e-4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("FROMLONLAT 1 1 BYRADIUS -1 m", "ERR radius cannot be negative"),
        ("FROMLONLAT 1 1 BYRADIUS x m", "ERR need numeric radius"),
        ("FROMLONLAT 1 1 BYBOX 1 x m", "ERR need numeric height"),
        ("FROMLONLAT 1 1 BYBOX -1 1 m", "ERR height or width cannot be negative"),
        ("FROMMEMBER none BYBOX 1 1 m", "ERR could not decode requested zset member"),
        ("BYBOX 1 1 m ASC ASC", "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH"),
        ("FROMLONLAT 1 1 ASC ASC", "ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH"),
        ("FROMLONLAT 1 1 BYRADIUS 1 m ANY", "ERR the ANY argument requires COUNT argument"),
        ("FROMLONLAT 1 1 BYRADIUS 1 m COUNT 0", "ERR COUNT must be > 0"),
        ("FROMLONLAT 1 1 BYRADIUS 1 m STORE d", "ERR syntax error"),
    ],
)
def test_search_refuses(ctx: KeyspaceContext, words: str, message: str) -> None:
    assert ctx.error("GEOSEARCH", "g", *words.split()) == message


def test_wrong_type_comes_before_the_options(ctx: KeyspaceContext) -> None:
    ctx.run("SET", "s", "v")
    for request in (
        ["GEOADD", "s", 1, 1, "a"], ["GEOPOS", "s", "a"], ["GEOHASH", "s"], ["GEODIST", "s", "a", "b"],
        ["GEOSEARCH", "s", "a", "b", "c", "d", "e"], ["GEORADIUS", "s", "x", "y", "z", "q"],
    ):  # fmt: skip
        assert ctx.error(*request) == WRONG_TYPE
