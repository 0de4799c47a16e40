"""Places on the globe: sorted sets whose scores are geohashes.

Idea: `keyspace/geo.pyx` knows places, distances and which members a search meets; here are the two languages of the
search (GEORADIUS with positions, GEOSEARCH with words), which both become a `Query`, and what is done with the hits.

Owner: the executor thread.
Invariants: a refused command has changed nothing. As in Redis the key's type is looked at before the options, and a
missing member is an error where it is read, so the order of the options decides which error comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtredis.errors import CommandError, NotFloat, SyntaxFault
from mtredis.executor.arguments import integer
from mtredis.keyspace.geo import decode, distance, encode, format_distance, geohash, search
from mtredis.keyspace.types.sorted_set import SortedSet
from mtredis.lib.numbers import parse_float
from mtredis.lib.partial_sort import partial_sort
from mtredis.registry.command import DENYOOM, READONLY, WRITE, command
from mtredis.registry.keyspec import KeyFlag, KeyReference

if TYPE_CHECKING:
    from mtredis.executor.context import Context

type Hit = tuple[float, float, bytes, float, float]

LONGITUDE_MAX = 180.0
LATITUDE_MAX = 85.05112878
UNITS = {b"m": 1.0, b"km": 1000.0, b"ft": 0.3048, b"mi": 1609.34}
# ZADD's options, as SortedSet.update_many takes them.
NX = 1
XX = 2
CH = 0
CONDITIONS = {b"NX": NX, b"XX": XX, b"CH": CH}

UNIT = "(unit=M|KM|FT|MI)"
WITH = "[WITHCOORD] [WITHDIST] [WITHHASH]"
FROM_AND_BY = (
    "(from=FROMMEMBER member|(FROMLONLAT longitude latitude)) "
    f"(by=(circle=(BYRADIUS radius) {UNIT})|(box=(BYBOX width) height {UNIT})) "
    "[order=ASC|DESC] [count-block=(COUNT count) [ANY]]"
)
STORE = "[store=STORE storekey/key|STOREDIST storedistkey/key]"
COMPLEXITY = "O(N + log(M)) for N members around the place, in a grid of cells, and M members in all"


# --- arguments ------------------------------------------------------------------------------------------------------


def number(text: bytes, message: str) -> float:
    """A floating-point number; else an error with that message."""
    try:
        return parse_float(text)
    except NotFloat:
        raise CommandError("ERR " + message) from None


def place(longitude_text: bytes, latitude_text: bytes) -> tuple[float, float]:
    """A pair of coordinates that a geohash can hold."""
    longitude, latitude = parse_float(longitude_text), parse_float(latitude_text)
    if abs(longitude) > LONGITUDE_MAX or abs(latitude) > LATITUDE_MAX:
        raise CommandError(f"ERR invalid longitude,latitude pair {longitude:f},{latitude:f}")
    return longitude, latitude


def unit_of(text: bytes) -> float:
    """The metres of a unit."""
    name = text.partition(b"\0")[0].lower()
    if name not in UNITS:
        raise CommandError("ERR unsupported unit provided. please use M, KM, FT, MI")
    return UNITS[name]


def place_of_member(zset: SortedSet, member: bytes) -> tuple[float, float]:
    """Where a member is."""
    score = zset.score(member)
    if score is None:
        raise CommandError("ERR could not decode requested zset member")
    longitude, latitude = decode(score)
    return longitude, latitude


def radius_keys(argv: Sequence[bytes]) -> list[KeyReference]:
    """GEORADIUS and GEORADIUSBYMEMBER: the key, and what the last STORE or STOREDIST names."""
    found = [(1, KeyFlag(0))]
    at = 5
    while at + 1 < len(argv):
        if argv[at].lower() in (b"store", b"storedist"):
            found[1:] = [(at + 1, KeyFlag(0))]
            at += 1
        at += 1
    return found


# --- single places --------------------------------------------------------------------------------------------------


@command("GEOADD key [condition=NX|XX]@6.2.0 [change=CH]@6.2.0 {longitude latitude member}...", flags=WRITE | DENYOOM,
         since="3.2.0", complexity="O(log(N)) for each member, N being how many there are")  # fmt: skip
def geoadd(ctx: "Context", argv: list[bytes]) -> None:
    """Adds members with their places to a sorted set, or moves those that are there."""
    options, first, counts_changes = 0, 2, False
    while first < len(argv) and (word := argv[first].upper()) in CONDITIONS:
        options |= CONDITIONS[word]
        counts_changes = counts_changes or word == b"CH"
        first += 1
    if first == len(argv) or (len(argv) - first) % 3 or options == NX | XX:
        raise SyntaxFault()
    scores = [encode(*place(argv[at], argv[at + 1])) for at in range(first, len(argv), 3)]
    key = argv[1]
    zset = ctx.db.lookup_write(key, SortedSet)
    if zset is None:
        if options & XX:
            ctx.reply.integer(0)
            return
        zset = ctx.db.create(key, SortedSet)
    members = argv[first + 2 :: 3]
    added, updated = zset.update_many(members, scores, options)
    ctx.modified(key, b"zadd", added + updated)
    if added + updated:
        pairs = [word for score, member in zip(scores, members, strict=True) for word in (int(score), member)]
        ctx.propagate(b"zadd", *argv[1:first], *pairs)
    ctx.reply.integer(added + updated if counts_changes else added)


@command("GEOPOS key [member]...", flags=READONLY, since="3.2.0", complexity="O(1) for each member")
def geopos(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the longitude and the latitude of members."""
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    ctx.reply.array(len(argv) - 2)
    for member in argv[2:]:
        score = None if zset is None else zset.score(member)
        if score is None:
            ctx.reply.null_array()
        else:
            reply_place(ctx, *decode(score))


def reply_place(ctx: "Context", longitude: float, latitude: float) -> None:
    """Replies with a pair of coordinates."""
    ctx.reply.array(2)
    ctx.reply.double(longitude)
    ctx.reply.double(latitude)


@command("GEOHASH key [member]...", flags=READONLY, since="3.2.0", complexity="O(1) for each member")
def geohash_(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the standard geohashes of members."""
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    scores = [None if zset is None else zset.score(member) for member in argv[2:]]
    ctx.reply.bulks([None if score is None else geohash(score) for score in scores])


@command("GEODIST key member1 member2 [unit=M|KM|FT|MI]", flags=READONLY, since="3.2.0", complexity="O(1)")
def geodist(ctx: "Context", argv: list[bytes]) -> None:
    """Replies with the distance between two members."""
    unit = 1.0
    if len(argv) == 5:
        unit = unit_of(argv[4])
    elif len(argv) > 5:
        raise SyntaxFault()
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    one = None if zset is None else zset.score(argv[2])
    other = None if zset is None else zset.score(argv[3])
    if one is None or other is None:
        ctx.reply.null()
    else:
        ctx.reply.bulk(format_distance(distance(one, other) / unit))


# --- search ---------------------------------------------------------------------------------------------------------


@command(f"GEOSEARCH key {FROM_AND_BY} {WITH}", flags=READONLY, since="6.2.0", complexity=COMPLEXITY)
def geosearch(ctx: "Context", argv: list[bytes]) -> None:
    """Finds the members in a circle or a box around a place."""
    query = Query(store_event=b"geosearchstore")
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    parse(query, argv, 2, zset, is_search=True)
    answer(ctx, query, zset)


@command(f"GEOSEARCHSTORE destination source {FROM_AND_BY} [STOREDIST]", flags=WRITE | DENYOOM, since="6.2.0",
         complexity=COMPLEXITY)  # fmt: skip
def geosearchstore(ctx: "Context", argv: list[bytes]) -> None:
    """Stores the members in a circle or a box around a place."""
    query = Query(store_event=b"geosearchstore", store=argv[1])
    zset = ctx.db.lookup_read(argv[2], SortedSet)
    parse(query, argv, 3, zset, is_search=True)
    answer(ctx, query, zset)


@command(f"GEORADIUS key longitude latitude radius {UNIT} {WITH} [count-block=(COUNT count) [ANY]@6.2.0] "
         f"[order=ASC|DESC] {STORE}", flags=WRITE | DENYOOM, since="3.2.0", complexity=COMPLEXITY,
         deprecated_since="6.2.0", replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
         getkeys=radius_keys)  # fmt: skip
def georadius(ctx: "Context", argv: list[bytes]) -> None:
    """Finds, or stores, the members in a circle around a place."""
    around_place(ctx, argv, may_store=True)


@command(f"GEORADIUS_RO key longitude latitude radius {UNIT} {WITH} [count-block=(COUNT count) [ANY]@6.2.0] "
         "[order=ASC|DESC]", flags=READONLY, since="3.2.10", complexity=COMPLEXITY, deprecated_since="6.2.0",
         replaced_by="`GEOSEARCH` with the `BYRADIUS` argument")  # fmt: skip
def georadius_ro(ctx: "Context", argv: list[bytes]) -> None:
    """Finds the members in a circle around a place."""
    around_place(ctx, argv, may_store=False)


@command(f"GEORADIUSBYMEMBER key member radius {UNIT} {WITH} [count-block=(COUNT count) [ANY]] [order=ASC|DESC] "
         f"{STORE}", flags=WRITE | DENYOOM, since="3.2.0", complexity=COMPLEXITY, deprecated_since="6.2.0",
         replaced_by="`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
         getkeys=radius_keys)  # fmt: skip
def georadiusbymember(ctx: "Context", argv: list[bytes]) -> None:
    """Finds, or stores, the members in a circle around a member."""
    around_member(ctx, argv, may_store=True)


@command(f"GEORADIUSBYMEMBER_RO key member radius {UNIT} {WITH} [count-block=(COUNT count) [ANY]] [order=ASC|DESC]",
         flags=READONLY, since="3.2.10", complexity=COMPLEXITY, deprecated_since="6.2.0",
         replaced_by="`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")  # fmt: skip
def georadiusbymember_ro(ctx: "Context", argv: list[bytes]) -> None:
    """Finds the members in a circle around a member."""
    around_member(ctx, argv, may_store=False)


@dataclass(slots=True)
class Query:
    """A search, and what is to become of its hits."""

    store_event: bytes
    store: bytes | None = None
    longitude: float = 0.0
    latitude: float = 0.0
    unit: float = 1.0
    radius: float = -1.0  # negative: a box
    width: float = 0.0
    height: float = 0.0
    has_place: bool = False
    from_member: bool = False
    has_circle: bool = False
    has_box: bool = False
    order: bytes = b""
    count: int = 0
    is_any: bool = False
    with_distance: bool = False
    with_hash: bool = False
    with_place: bool = False
    stores_distance: bool = False

    def take_circle(self, radius: bytes, unit: bytes) -> None:
        """What is looked for lies within so many units."""
        self.radius = number(radius, "need numeric radius")
        if self.radius < 0:
            raise CommandError("ERR radius cannot be negative")
        self.unit = unit_of(unit)

    def take_box(self, width: bytes, height: bytes, unit: bytes) -> None:
        """What is looked for lies in a box of that size."""
        self.width = number(width, "need numeric width")
        self.height = number(height, "need numeric height")
        if self.height < 0 or self.width < 0:
            raise CommandError("ERR height or width cannot be negative")
        self.unit = unit_of(unit)


def around_place(ctx: "Context", argv: list[bytes], *, may_store: bool) -> None:
    """GEORADIUS and GEORADIUS_RO."""
    query = Query(store_event=b"georadiusstore")
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    query.longitude, query.latitude = place(argv[2], argv[3])
    query.take_circle(argv[4], argv[5])
    parse(query, argv, 6, zset, may_store=may_store)
    answer(ctx, query, zset)


def around_member(ctx: "Context", argv: list[bytes], *, may_store: bool) -> None:
    """GEORADIUSBYMEMBER and GEORADIUSBYMEMBER_RO."""
    query = Query(store_event=b"georadiusstore")
    zset = ctx.db.lookup_read(argv[1], SortedSet)
    if zset is not None:
        query.longitude, query.latitude = place_of_member(zset, argv[2])
        query.take_circle(argv[3], argv[4])
    parse(query, argv, 5, zset, may_store=may_store)
    answer(ctx, query, zset)


# --- options of a search --------------------------------------------------------------------------------------------

SWITCHES = {b"withdist": "with_distance", b"withhash": "with_hash", b"withcoord": "with_place", b"any": "is_any"}


def parse(
    query: Query, argv: list[bytes], at: int, zset: SortedSet | None, *, is_search: bool = False,
    may_store: bool = False,
) -> None:  # fmt: skip
    """Reads the words from `at` on into the query; `is_search`: GEOSEARCH's, `may_store`: with STORE and STOREDIST."""
    while at < len(argv):
        word, left = argv[at].lower(), len(argv) - at - 1
        if word in SWITCHES:
            setattr(query, SWITCHES[word], True)
        elif word in (b"asc", b"desc"):
            query.order = word
        elif word == b"count" and left:
            query.count = integer(argv[at + 1])
            if query.count <= 0:
                raise CommandError("ERR COUNT must be > 0")
            at += 1
        elif word in (b"store", b"storedist") and left and may_store:
            query.store, query.stores_distance = argv[at + 1], word == b"storedist"
            at += 1
        elif word == b"storedist" and is_search and query.store is not None:
            query.stores_distance = True
        elif is_search:
            at += take_shape(query, word, argv, at, zset)
        else:
            raise SyntaxFault()
        at += 1
    check(query, argv[0], is_search=is_search)


def take_shape(query: Query, word: bytes, argv: list[bytes], at: int, zset: SortedSet | None) -> int:
    """Reads where to search, or what for; how many words more it took."""
    left = len(argv) - at - 1
    if word == b"frommember" and left >= 1 and not query.has_place:
        query.from_member = True
        if zset is not None:  # else it is enough to know that the words are right
            query.longitude, query.latitude = place_of_member(zset, argv[at + 1])
        return 1
    if word == b"fromlonlat" and left >= 2 and not query.from_member:
        query.has_place = True
        query.longitude, query.latitude = place(argv[at + 1], argv[at + 2])
        return 2
    if word == b"byradius" and left >= 2 and not query.has_box:
        query.has_circle = True
        query.take_circle(argv[at + 1], argv[at + 2])
        return 2
    if word == b"bybox" and left >= 3 and not query.has_circle:
        query.has_box = True
        query.take_box(*argv[at + 1 : at + 4])
        return 3
    raise SyntaxFault()


def check(query: Query, name: bytes, *, is_search: bool) -> None:
    """Raises the error for options that do not go together, or of which one is missing."""
    if query.store is not None and (query.with_distance or query.with_hash or query.with_place):
        subject = "GEOSEARCHSTORE" if is_search else "STORE option in GEORADIUS"
        raise CommandError(f"ERR {subject} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
    shown = name.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    if is_search and not (query.from_member or query.has_place):
        raise CommandError(f"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {shown}")
    if is_search and not (query.has_circle or query.has_box):
        raise CommandError(f"ERR exactly one of BYRADIUS and BYBOX can be specified for {shown}")
    if query.is_any and not query.count:
        raise CommandError("ERR the ANY argument requires COUNT argument")


# --- hits -----------------------------------------------------------------------------------------------------------


def answer(ctx: "Context", query: Query, zset: SortedSet | None) -> None:
    """Searches, and replies with the hits or stores them."""
    hits = [] if zset is None else find(query, zset)
    if query.store is not None:
        store(ctx, query, query.store, hits)
    else:
        reply_hits(ctx, query, hits)


def find(query: Query, zset: SortedSet) -> list[Hit]:
    """The hits that are asked for, in order; distances are in units."""
    found: list[Hit] = search(zset, query.longitude, query.latitude, query.unit, query.radius, query.width,
                              query.height, query.count if query.is_any else 0)  # fmt: skip
    wanted = min(query.count or len(found), len(found))
    if query.order or (query.count and not query.is_any):
        order = partial_sort([hit[0] for hit in found], 0, wanted, reverse=query.order == b"desc")
        return [found[index] for index in order]
    return found[:wanted]


def reply_hits(ctx: "Context", query: Query, hits: list[Hit]) -> None:
    """Replies with the members, each with what is wanted about it."""
    reply = ctx.reply
    parts = query.with_distance + query.with_hash + query.with_place
    if not parts:
        reply.bulks([hit[2] for hit in hits])
        return
    reply.array(len(hits))
    for metres, score, member, longitude, latitude in hits:
        reply.array(1 + parts)
        reply.bulk(member)
        if query.with_distance:
            reply.bulk(format_distance(metres / query.unit))
        if query.with_hash:
            reply.integer(int(score))
        if query.with_place:
            reply_place(ctx, longitude, latitude)


def store(ctx: "Context", query: Query, key: bytes, hits: list[Hit]) -> None:
    """The key holds the hits with their geohashes or distances, or is gone if there are none; replies with how many."""
    if hits:
        result = ctx.keyspace.new(SortedSet)
        scores = [hit[0] / query.unit if query.stores_distance else hit[1] for hit in hits]
        result.update_many([hit[2] for hit in hits], scores)
        ctx.db.put(key, result)
        ctx.modified(key, query.store_event, len(hits))
    elif ctx.db.delete(key):
        ctx.modified(key, b"del")
    ctx.reply.integer(len(hits))
