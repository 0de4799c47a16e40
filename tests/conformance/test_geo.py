"""The geo commands against redis-server: the same digits, the same hits in the same order, the same errors."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.conformance.test_state_machines import FUTURE, Machine, drive  # noqa: F401
from tests.support.differential import PLAIN_MODES, Pair, Script, parametrize_scripts

NAMES = (
    "GEOADD GEODIST GEOHASH GEOPOS GEOSEARCH GEOSEARCHSTORE GEORADIUS GEORADIUS_RO GEORADIUSBYMEMBER "
    "GEORADIUSBYMEMBER_RO"
).split()

CITIES = """
    GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.7584 38.7889 edge1 17.2415 38.7889 edge2
    GEOADD g 2.3522 48.8566 Paris -0.1278 51.5074 London -74.006 40.7128 "New York" 139.6917 35.6895 Tokyo
    GEOADD g 151.2093 -33.8688 Sydney -43.1729 -22.9068 Rio 18.4241 -33.9249 Kapstadt 0 0 Null 180 0 east -180 0 west
    GEOADD g 24.9384 60.1699 Helsinki 25.4651 65.0121 Oulu 15.6356 78.2232 Longyearbyen 0 85.05112878 top
    GEOADD g 0 -85.05112878 bottom 180 85.05112878 corner -180 -85.05112878 corner2
"""

SHAPES = [
    "BYRADIUS 0 m", "BYRADIUS 0.1 m", "BYRADIUS 100 km", "BYRADIUS 200 km", "BYRADIUS 200.5 mi", "BYRADIUS 600000 ft",
    "BYRADIUS 2000 km", "BYRADIUS 10000 km", "BYRADIUS 20000 km", "BYRADIUS 40000 km", "BYRADIUS 1e300 m",
    "BYRADIUS inf m", "BYBOX 400 400 km", "BYBOX 0 0 m", "BYBOX 1000 20 km", "BYBOX 20 1000 mi", "BYBOX 40000 40000 km",
    "BYBOX 5000 100 KM", "BYBOX inf inf ft", "byradius -0 M",
]  # fmt: skip
PLACES = [
    "FROMLONLAT 15 37", "FROMMEMBER Palermo", "FROMMEMBER Sydney", "FROMLONLAT 0 0", "FROMLONLAT 179.9 0.1",
    "FROMLONLAT -180 85", "FROMLONLAT 20 70", "fromlonlat 20 81", "FROMMEMBER corner", "FROMMEMBER bottom",
]  # fmt: skip
ENDINGS = [
    "", "ASC", "DESC WITHCOORD WITHDIST WITHHASH", "WITHDIST", "WITHHASH ASC", "WITHCOORD COUNT 3", "COUNT 2 DESC",
    "COUNT 3 ANY", "COUNT 100", "ANY COUNT 1 DESC WITHDIST", "COUNT 5 ANY ASC",
]  # fmt: skip

ERRORS = [
    "", "FROMMEMBER", "FROMMEMBER Palermo", "FROMMEMBER nosuch", "FROMMEMBER nosuch BYRADIUS 1 m", "BYRADIUS 1 m",
    "FROMLONLAT 1 BYRADIUS 1 m", "FROMLONLAT x 1 BYRADIUS 1 m", "FROMLONLAT 1 x BYRADIUS 1 m",
    "FROMLONLAT 181 0 BYRADIUS 1 m", "FROMLONLAT 0 86 BYRADIUS 1 m", "FROMLONLAT nan 0 BYRADIUS 1 m",
    "FROMLONLAT 1e300 -inf BYRADIUS 1 m", "FROMLONLAT 0 0 BYRADIUS x m", "FROMLONLAT 0 0 BYRADIUS -1 m",
    "FROMLONLAT 0 0 BYRADIUS 1 xx", "FROMLONLAT 0 0 BYRADIUS nan m", "FROMLONLAT 0 0 BYRADIUS 1",
    "FROMLONLAT 0 0 BYBOX 1 1", "FROMLONLAT 0 0 BYBOX x 1 m", "FROMLONLAT 0 0 BYBOX 1 x m",
    "FROMLONLAT 0 0 BYBOX -1 1 m",
    "FROMLONLAT 0 0 BYBOX 1 -1 m", "FROMLONLAT 0 0 BYBOX 1 1 parsec", "FROMLONLAT 0 0 BYBOX 1 1 m BYRADIUS 1 m",
    "FROMLONLAT 0 0 BYRADIUS 1 m BYBOX 1 1 m", "FROMLONLAT 0 0 FROMMEMBER Palermo BYRADIUS 1 m",
    "FROMMEMBER Palermo FROMLONLAT 0 0 BYRADIUS 1 m", "FROMMEMBER Palermo FROMMEMBER Catania BYRADIUS 1 m",
    "FROMLONLAT 0 0 FROMLONLAT 15 37 BYRADIUS 100 km", "FROMLONLAT 0 0 BYRADIUS 1 m BYRADIUS 2 km",
    "FROMLONLAT 0 0 BYRADIUS 1 m COUNT", "FROMLONLAT 0 0 BYRADIUS 1 m COUNT 0", "FROMLONLAT 0 0 BYRADIUS 1 m COUNT -1",
    "FROMLONLAT 0 0 BYRADIUS 1 m COUNT x", "FROMLONLAT 0 0 BYRADIUS 1 m ANY", "FROMLONLAT 0 0 BYRADIUS 1 m bogus",
    "FROMLONLAT 0 0 BYRADIUS 1 m STORE x", "FROMLONLAT 0 0 BYRADIUS 1 m STOREDIST x",
    "FROMLONLAT 0 0 BYRADIUS 1 m STOREDIST",
    "FROMLONLAT 0 0 BYRADIUS 1 m WITHDIST", "ASC FROMLONLAT 0 0 WITHHASH BYRADIUS 1 m", "WITHCOORD", "COUNT 1 ANY",
    "FROMLONLAT 0 0 ANY COUNT 9223372036854775807 BYRADIUS 1 km",
]  # fmt: skip

RADIUS = [
    "15 37 200 km", "15 37 200 km ASC", "15 37 200 km WITHDIST WITHCOORD WITHHASH DESC", "15 37 200 km COUNT 1",
    "15 37 200 km COUNT 1 ANY", "15 37 200 km ANY", "15 37 200 km COUNT 0", "15 37 x km", "15 37 -1 km", "15 37 1 x",
    "x 37 1 km", "190 37 1 km", "15 37 200 km bogus", "15 37 200 km STORE d", "15 37 200 km STOREDIST d",
    "15 37 200 km STORE d STOREDIST d2", "15 37 200 km STOREDIST d STORE d2 COUNT 1", "15 37 200 km STORE",
    "15 37 200 km STORE d WITHDIST", "15 37 200 km WITHHASH STOREDIST d", "15 37 200 km BYRADIUS 1 m",
    "15 37 200 km FROMMEMBER Palermo", "15 37 1 m STORE d", "0 0 20000 km DESC COUNT 4 STORE d", "15 37",
]  # fmt: skip
AFTER = "\nZRANGE d 0 -1 WITHSCORES\nZRANGE d2 0 -1 WITHSCORES\nOBJECT ENCODING d\nTTL d"

SCRIPTS: dict[str, Script] = {
    "arity": "\n".join(line for name in NAMES for line in (name, f"{name} a b", f"{name} a b c d e f g")),
    "wrong-type": "SET k v\n"
    + "\n".join(f"{name} k 1 2 3 m x" for name in NAMES)
    + "\nGEODIST k a b\nGEODIST k a b parsec\nGEOADD k 1 2\nGEOADD k x y z\nGEOADD k 500 1 a\nGEOSEARCHSTORE d k x\n"
    + "GEOSEARCH k\nGEORADIUS k x y z q\nGEOSEARCHSTORE k missing FROMLONLAT 0 0 BYRADIUS 1 m\nEXISTS k",
    "add": """
        GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
        GEOADD g 13.361389 38.115556 Palermo
        GEOADD g CH 13.361389 38.2 Palermo 1 1 new
        GEOADD g NX 13 38 Palermo 2 2 new2
        GEOADD g XX 13 38 Palermo 3 3 new3
        GEOADD g XX CH 13.5 38 Palermo 3 3 new3
        GEOADD g NX CH 13.5 38 Palermo 4 4 new4
        GEOADD g ch nx 1 1 a 2 2 a 3 3 a
        GEOADD g NX XX 1 1 a
        GEOADD g NX XX CH
        GEOADD g CH CH CH
        GEOADD g NX 1 1
        GEOADD g 1 1 a 2
        GEOADD g GT 1 1 a
        GEOADD g 181 1 a
        GEOADD g 1 1 ok 1 86 a
        GEOADD g -180.0001 85.06 a
        GEOADD g x 1 a
        GEOADD g 1 x a
        GEOADD g 1 "" a
        GEOADD g nan 1 a
        GEOADD g inf 1 a
        GEOADD g 1 1e308 a
        GEOADD g 1 1 a b
        GEOADD new XX 1 1 a
        EXISTS new
        GEOADD new XX 1 1
        GEOADD new CH 1 1 a 1 1 b 1 1 a
        ZRANGE g 0 -1 WITHSCORES
        ZRANGE new 0 -1 WITHSCORES
        GEOADD e -180 -85.05112878 a 180 85.05112878 b 0 0 c 1e-10 -1e-10 d
        ZRANGE e 0 -1 WITHSCORES
        TYPE g
        OBJECT ENCODING g
    """,
    "places": CITIES + """
        GEOPOS g
        GEOPOS g Palermo
        GEOPOS g Palermo nosuch Catania top bottom corner corner2 east west Null
        GEOPOS missing
        GEOPOS missing a b
        GEOHASH g
        GEOHASH g Palermo nosuch Catania top bottom corner corner2 east west Null "New York" Sydney
        GEOHASH missing
        GEOHASH missing a
        GEODIST g Palermo Catania
        GEODIST g Palermo Catania m
        GEODIST g Palermo Catania KM
        GEODIST g Palermo Catania ft
        GEODIST g Palermo Catania Mi
        GEODIST g Palermo Catania parsec
        GEODIST g Palermo Catania "m\\x00x"
        GEODIST g Palermo Catania m m
        GEODIST g Palermo Palermo
        GEODIST g Palermo nosuch
        GEODIST g nosuch Palermo
        GEODIST g corner corner2
        GEODIST g east west
        GEODIST g top bottom
        GEODIST g top corner mi
        GEODIST missing a b
        GEODIST missing a b parsec
    """,
    "any-scores": "ZADD g -1 minus 0 zero 0.5 half 4503599627370495 max 4503599627370496 more 9007199254740993 big "
    "1e17 huge 9223372036854775807 i64 9223372036854777856 above 18446744073709551615 u64 "
    "1e30 far inf inf -inf neg -1e30 low "
    "-9223372036854775808 min 4294967295 m32 1.8e19 x64\n"
    "GEOPOS g minus zero half max more big huge i64 above u64 far inf neg low min m32 x64\n"
    "GEOHASH g minus zero half max more big huge i64 above u64 far inf neg low min m32 x64\n"
    + "\n".join(f"GEODIST g zero {name} km" for name in "minus half max more big huge i64 u64 far inf neg low".split())
    + "\nGEOSEARCH g FROMLONLAT 0 0 BYRADIUS 40000 km WITHHASH WITHDIST\nGEOSEARCH g FROMMEMBER far BYRADIUS 9 km"
    "\nGEOSEARCH g FROMMEMBER inf BYBOX 10000 10000 km ASC\nGEOSEARCH g FROMMEMBER neg BYRADIUS 1 m WITHHASH",
    "search": CITIES
    + "\n".join(f"GEOSEARCH g {place} {shape} WITHDIST ASC" for place in PLACES for shape in SHAPES),
    "endings": CITIES
    + "\n".join(f"GEOSEARCH g {place} {shape} {ending}" for place in PLACES[:3] for shape in SHAPES[4:16:2]
                for ending in ENDINGS),
    "errors": CITIES + "\n".join(
        f"{name} {key} {words}"
        for words in ERRORS
        for name in ("GEOSEARCH", "GeoSearchStore d")
        for key in ("g", "missing")
    ),
    "store": CITIES + "SET d string EX 1000\n" + "\n".join(
        f"GEOSEARCHSTORE d g {place} {shape} {ending}{AFTER}"
        for place in PLACES[:2]
        for shape in SHAPES[1:20:4]
        for ending in ("", "STOREDIST", "COUNT 2", "DESC COUNT 2 STOREDIST", "COUNT 1 ANY")
    ) + "\nGEOSEARCHSTORE g g FROMLONLAT 15 37 BYRADIUS 200 km\nZRANGE g 0 -1\n"
    "GEOSEARCHSTORE g missing FROMMEMBER x BYRADIUS 200 km\nEXISTS g",
    "radius": CITIES
    + "\n".join(f"{name} {key} {words}{AFTER}" for words in RADIUS for name in ("GEORADIUS", "GEORADIUS_RO")
                for key in ("g", "missing")),
    "radius-by-member": CITIES
    + "\n".join(f"{name} {key} {words.replace('15 37 ', 'Palermo ')}{AFTER}" for words in RADIUS
                for name in ("GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO") for key in ("g", "missing"))
    + "\nGEORADIUSBYMEMBER g nosuch 1 m\nGEORADIUSBYMEMBER g nosuch x y\nGEORADIUSBYMEMBER missing nosuch x y",
    "what-redis-misses": """
        GEOADD g 0 85.05112878 a 10 40 b
        GEOSEARCH g FROMLONLAT 10 40 BYRADIUS 5020 km
        GEOSEARCH g FROMLONLAT 10 40 BYRADIUS 5030 km
        GEOSEARCH g FROMLONLAT 10 40 BYRADIUS 9030 km
    """,
    "keys": """
        COMMAND GETKEYS GEORADIUS g 1 2 3 m
        COMMAND GETKEYS GEORADIUS g 1 2 3 m STORE d
        COMMAND GETKEYS GEORADIUS g 1 2 3 m STORE d STOREDIST e
        COMMAND GETKEYS GEORADIUS g 1 2 3 m STORE store STORE
        COMMAND GETKEYS GEORADIUSBYMEMBER g m 3 m STOREDIST d
        COMMAND GETKEYS GEOSEARCHSTORE d s FROMLONLAT 1 2 BYRADIUS 1 m
        COMMAND GETKEYSANDFLAGS GEOSEARCHSTORE d s FROMLONLAT 1 2 BYRADIUS 1 m
        COMMAND GETKEYS GEORADIUS_RO g 1 2 3 m STORE d
    """,
}  # fmt: skip

EVENTS: dict[str, Script] = {
    "events": """
        CONFIG SET notify-keyspace-events KEAmn
        PSUBSCRIBE __key*
        @2 GEOADD g 1 1 a 2 2 b
        @2 GEOADD g 1 1 a
        @2 GEOADD g 1 2 a
        @2 GEOADD none XX 1 2 a
        @2 GEOSEARCH g FROMMEMBER a BYRADIUS 1000 km
        @2 GEOSEARCH none FROMMEMBER a BYRADIUS 1000 km
        @2 GEOSEARCHSTORE d g FROMMEMBER a BYRADIUS 1000 km
        @2 GEOSEARCHSTORE d g FROMLONLAT 90 0 BYRADIUS 1 km
        @2 GEOSEARCHSTORE d g FROMLONLAT 90 0 BYRADIUS 1 km
        @2 GEORADIUS g 1 1 1000 km STORE d
        @2 GEORADIUSBYMEMBER g a 1000 km STOREDIST d
        @2 GEORADIUS none 1 1 1000 km STORE d
        @2 GEOPOS none a
        @2 GEODIST none a b
    """
}


@parametrize_scripts(SCRIPTS)
def test_geo(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@parametrize_scripts(EVENTS, PLAIN_MODES)
def test_events(pair: Pair, script: Script, mode: str) -> None:
    pair.compare(script, mode)


@pytest.mark.parametrize("seed", range(4))
def test_many_places(pair: Pair, seed: int) -> None:
    """Thousands of places, some of them several times, in every kind of search."""
    chance = random.Random(seed)
    spots = [(chance.uniform(-180, 180), chance.uniform(-85, 85)) for _ in range(600)]
    middle = (chance.uniform(-180, 180), chance.uniform(-85, 85))
    spots += [(clip(middle[0] + chance.gauss(0, 2), 180), clip(middle[1] + chance.gauss(0, 2), 85)) for _ in range(600)]
    spots += chance.choices(spots, k=300)
    lines: list[tuple[Any, ...]] = [
        ("GEOADD", "g", *(word for i, spot in enumerate(spots) for word in (*map(repr, spot), f"m{i}")))
    ]
    for _ in range(120):
        place = chance.choice([
            ("FROMMEMBER", f"m{chance.randrange(len(spots))}"), ("FROMLONLAT", *map(repr, middle)),
            ("FROMLONLAT", repr(chance.uniform(-180, 180)), repr(chance.uniform(-85, 85))),
        ])  # fmt: skip
        size = repr(10 ** chance.uniform(0, 4.3))
        shape: tuple[str, ...] = ("BYRADIUS", size, "km")
        if chance.random() < 0.5:
            shape = ("BYBOX", size, repr(10 ** chance.uniform(0, 4.3)), "mi")
        ending = chance.choice([
            (), ("ASC",), ("DESC",), ("COUNT", 5), ("COUNT", 40, "DESC"), ("COUNT", 20, "ANY"),
            ("COUNT", 7, "ANY", "ASC"),
        ])  # fmt: skip
        lines.append(("GEOSEARCH", "g", *place, *shape, "WITHDIST", *ending))
        lines.append(("GEOSEARCHSTORE", "d", "g", *place, *shape, *ending))
        lines.append(("ZRANGE", "d", 0, -1, "WITHSCORES"))
        lines.append(("OBJECT", "ENCODING", "d"))
    pair.compare(lines)


def clip(value: float, bound: float) -> float:
    return max(-bound, min(bound, value))


class Places(Machine):
    """Places that move, leave and are searched for."""

    keys = st.sampled_from([b"a", b"b", b"d"])
    members = st.sampled_from([b"1", b"2", b"x", b"y", b"", b"long" * 20])
    longitudes = st.one_of(
        st.floats(-180, 180).map(repr), st.sampled_from(["0", "180", "-180", "13.361389", "181", "x"])
    )  # fmt: skip
    latitudes = st.one_of(st.floats(-85, 85).map(repr), st.sampled_from(["0", "85.05112878", "38.115556", "-86", ""]))
    units = st.sampled_from(["m", "km", "mi", "FT", "km", "km"])
    lengths = st.one_of(st.floats(0, 20000).map(repr), st.sampled_from(["0", "1e7", "-1", "inf", "z"]))

    @rule(
        key=keys,
        words=st.lists(st.sampled_from(["NX", "XX", "CH"]), max_size=2),
        added=st.lists(st.tuples(longitudes, latitudes, members), min_size=1, max_size=4),
    )
    def add(self, key: bytes, words: list[str], added: list[tuple[Any, ...]]) -> None:
        self.both("GEOADD", key, *words, *[word for each in added for word in each])

    @rule(key=keys, one=members, other=members, unit=units)
    def distance(self, key: bytes, one: bytes, other: bytes, unit: str) -> None:
        self.both("GEODIST", key, one, other, unit)

    @rule(
        name=st.sampled_from(["GEOPOS", "GEOHASH", "ZREM"]),
        key=keys,
        chosen=st.lists(members, min_size=1, max_size=4),
    )
    def look(self, name: str, key: bytes, chosen: list[bytes]) -> None:
        self.both(name, key, *chosen)

    @rule(
        key=keys,
        place=st.one_of(
            st.tuples(st.just("FROMMEMBER"), members), st.tuples(st.just("FROMLONLAT"), longitudes, latitudes)
        ),
        shape=st.one_of(
            st.tuples(st.just("BYRADIUS"), lengths, units), st.tuples(st.just("BYBOX"), lengths, lengths, units)
        ),
        order=st.sampled_from([(), ("ASC",), ("DESC",)]),
        count=st.sampled_from([(), ("COUNT", 2), ("COUNT", 1, "ANY"), ("COUNT", 0)]),
        shown=st.lists(st.sampled_from(["WITHDIST", "WITHCOORD", "WITHHASH"]), max_size=2),
        store=st.sampled_from([None, None, b"d", b"a"]),
    )
    def search(
        self, key: bytes, place: tuple[Any, ...], shape: tuple[Any, ...], order: tuple[Any, ...],
        count: tuple[Any, ...], shown: list[str], store: bytes | None,
    ) -> None:  # fmt: skip
        words = (*place, *shape, *order, *count)
        if store is None:
            self.both("GEOSEARCH", key, *words, *shown)
        else:
            self.both("GEOSEARCHSTORE", store, key, *words, *(["STOREDIST"] if shown else []))

    @rule(
        key=keys,
        member=members,
        size=lengths,
        unit=units,
        ending=st.sampled_from([(), ("STORE", "d"), ("WITHDIST",)]),
    )
    def around(self, key: bytes, member: bytes, size: str, unit: str, ending: tuple[str, ...]) -> None:
        self.both("GEORADIUSBYMEMBER", key, member, size, unit, *ending)

    @rule(key=keys)
    def all(self, key: bytes) -> None:
        self.both("ZRANGE", key, 0, -1, "WITHSCORES")
        self.both("OBJECT", "ENCODING", key)
        self.both("PEXPIREAT", key, FUTURE)
        self.both("PEXPIRETIME", key)


@pytest.mark.parametrize("mode", ["resp2", "resp3", "multi2"])
def test_sequences(drive: Callable[..., None], mode: str) -> None:  # noqa: F811
    drive(Places, mode, 50)
