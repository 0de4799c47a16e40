"""The classes of keyspace events: which class an event's name belongs to, and `notify-keyspace-events` both ways.

Idea: a handler names the event ("set", "expire", ...) and nothing else; the class that decides whether anybody is
told is looked up here. The parameter's letters are bits: K and E say where an event is published, the others which
ones are.

Owner: none; tables and pure functions. Limit: an event that is not in the table counts as generic.
"""

KEYSPACE = 1 << 0
KEYEVENT = 1 << 1
GENERIC = 1 << 2
STRING = 1 << 3
LIST = 1 << 4
SET = 1 << 5
HASH = 1 << 6
SORTED_SET = 1 << 7
EXPIRED = 1 << 8
EVICTED = 1 << 9
STREAM = 1 << 10
KEY_MISS = 1 << 11
MODULE = 1 << 13
NEW = 1 << 14
# Misses and news have to be asked for by name.
ALL = GENERIC | STRING | LIST | SET | HASH | SORTED_SET | EXPIRED | EVICTED | STREAM | MODULE

LETTERS = {
    "A": ALL, "g": GENERIC, "$": STRING, "l": LIST, "s": SET, "h": HASH, "z": SORTED_SET, "x": EXPIRED, "e": EVICTED,
    "t": STREAM, "d": MODULE, "n": NEW, "K": KEYSPACE, "E": KEYEVENT, "m": KEY_MISS,
}

# Redis spells the classes in this order; with "A" the ones it stands for are left out.
_CLASSES = "g$lshzxetdn"
_DESTINATIONS = "KEm"

_EVENTS: dict[int, str] = {
    GENERIC: "del rename_from rename_to move_from move_to copy_to restore expire persist",
    STRING: "set setrange incrby incrbyfloat append setbit pfadd",
    LIST: "lpush rpush lpop rpop linsert lset lrem ltrim sortstore",
    SET: "sadd srem spop sinterstore sunionstore sdiffstore",
    HASH: "hset hincrby hincrbyfloat hdel hexpire hexpired hpersist",
    SORTED_SET: "zadd zincr zrem zpopmin zpopmax zremrangebyscore zremrangebyrank zremrangebylex zunionstore "
    "zinterstore zdiffstore zrangestore geosearchstore georadiusstore",
    STREAM: "xadd xdel xtrim xsetid xgroup-create xgroup-createconsumer xgroup-delconsumer xgroup-destroy xgroup-setid "
    "xclaim xautoclaim xreadgroup",
    EXPIRED: "expired",
    EVICTED: "evicted",
    KEY_MISS: "keymiss",
    NEW: "new",
}

CLASS_OF: dict[bytes, int] = {name.encode(): kind for kind, names in _EVENTS.items() for name in names.split()}


def class_of(event: bytes) -> int:
    """The class that an event's name belongs to."""
    return CLASS_OF.get(event, GENERIC)


def parse_flags(text: str) -> int:
    """The flags that the letters stand for; raises ValueError with an unknown letter."""
    flags = 0
    for letter in text:
        if letter not in LETTERS:
            raise ValueError(f"unknown class of keyspace events: {letter!r}")
        flags |= LETTERS[letter]
    return flags


def format_flags(flags: int) -> str:
    """The letters for the flags, as CONFIG GET shows them."""
    if flags & ALL == ALL:
        classes = "A"
    else:
        classes = "".join(letter for letter in _CLASSES if flags & LETTERS[letter])
    return classes + "".join(letter for letter in _DESTINATIONS if flags & LETTERS[letter])
