"""All operations in any order against a dict, with segments splitting and merging underneath."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from mtredis.keyspace.database import Keyspace

from mtredis.errors import CommandError, NoSuchKey, NotInteger

DATABASES = 3
KEYS = st.sampled_from([b"", b"a", b"b", b"counter", b"k" * 16, b"l" * 300, b"m" * 255])
VALUES = st.one_of(
    st.binary(max_size=70), st.integers(-(2**64), 2**64).map(lambda n: b"%d" % n),
    st.binary(min_size=1000, max_size=1100),
    st.sampled_from([b"", b"0", b"-0", b"007", b"x" * 44, b"x" * 45]),
)
INDEXES = st.integers(0, DATABASES - 1)
TTLS = st.one_of(st.none(), st.integers(0, 300))


class Model(RuleBasedStateMachine):
    """`self.model[index]` maps keys to (value, unix ms of the end or -1)."""

    def __init__(self):
        super().__init__()
        self.now = 1_000_000
        self.keyspace = Keyspace(DATABASES)
        self.keyspace.now = self.now
        self.model = [{} for _ in range(DATABASES)]
        self.bulk = 0

    def live(self, index, key):
        entry = self.model[index].get(key)
        if entry is not None and -1 != entry[1] < self.now:
            del self.model[index][key]
            return None
        return entry

    def value(self, index, key):
        entry = self.live(index, key)
        return None if entry is None else entry[0]

    def end(self, index, key):
        entry = self.live(index, key)
        return -1 if entry is None else entry[1]

    @rule(index=INDEXES, key=KEYS, value=VALUES, ttl=TTLS)
    def set_string(self, index, key, value, ttl):
        end = -1 if ttl is None else self.now + ttl
        assert self.keyspace[index].set_string(key, value, end) == (self.live(index, key) is None)
        self.model[index][key] = (value, end)

    @rule(index=INDEXES, key=KEYS, value=VALUES, plain=st.booleans())
    def set_keep_ttl(self, index, key, value, plain):
        db = self.keyspace[index]
        (db.set_plain_keep_ttl if plain else db.set_string_keep_ttl)(key, value)
        self.model[index][key] = (value, self.end(index, key))

    @rule(index=INDEXES, key=KEYS, suffix=VALUES)
    def append(self, index, key, suffix):
        value = (self.value(index, key) or b"") + suffix
        assert self.keyspace[index].append(key, suffix) == len(value)
        self.model[index][key] = (value, self.end(index, key))

    @rule(index=INDEXES, key=KEYS, offset=st.integers(0, 3000), patch=VALUES)
    def set_range(self, index, key, offset, patch):
        old = self.value(index, key)
        value = old or b""
        if patch:
            value = value.ljust(offset, b"\0")
            value = value[:offset] + patch + value[offset + len(patch):]
        assert self.keyspace[index].set_range(key, offset, patch) == len(value)
        if patch or old is not None:
            self.model[index][key] = (value, self.end(index, key))

    @rule(index=INDEXES, key=KEYS, offset=st.integers(0, 5000), bit=st.integers(0, 1))
    def set_bit(self, index, key, offset, bit):
        value = bytearray((self.value(index, key) or b"").ljust((offset >> 3) + 1, b"\0"))
        mask = 1 << (7 - offset % 8)
        assert self.keyspace[index].get_bit(key, offset) == bool(value[offset >> 3] & mask)
        assert self.keyspace[index].set_bit(key, offset, bit) == bool(value[offset >> 3] & mask)
        value[offset >> 3] = value[offset >> 3] & ~mask | bit * mask
        self.model[index][key] = (bytes(value), self.end(index, key))

    @rule(index=INDEXES, key=KEYS, delta=st.integers(-(2**63), 2**63 - 1))
    def increment(self, index, key, delta):
        text = self.value(index, key)
        text = b"0" if text is None else text
        try:
            number = int(text)
            if b"%d" % number != text or not -(2**63) <= number < 2**63:
                raise ValueError
        except ValueError:
            number = None
        try:
            result = self.keyspace[index].increment(key, delta)
        except NotInteger:
            assert number is None
        except CommandError:
            assert number is not None
            assert not -(2**63) <= number + delta < 2**63
        else:
            assert result == number + delta
            self.model[index][key] = (b"%d" % result, self.end(index, key))

    @rule(index=INDEXES, key=KEYS)
    def delete(self, index, key):
        assert self.keyspace[index].delete(key) == (self.live(index, key) is not None)
        self.model[index].pop(key, None)

    @rule(index=INDEXES, key=KEYS, ttl=st.integers(-10, 300))
    def set_expire(self, index, key, ttl):
        value = self.value(index, key)
        assert self.keyspace[index].set_expire(key, self.now + ttl) == (value is not None)
        if value is not None:
            self.model[index][key] = (value, self.now + ttl)

    @rule(index=INDEXES, key=KEYS)
    def persist(self, index, key):
        value, end = self.value(index, key), self.end(index, key)
        assert self.keyspace[index].persist(key) == (end != -1)
        if value is not None:
            self.model[index][key] = (value, -1)

    @rule(index=INDEXES, source=KEYS, new=KEYS)
    def rename(self, index, source, new):
        entry = self.live(index, source)
        try:
            self.keyspace[index].rename(source, new)
        except NoSuchKey:
            assert entry is None
        else:
            del self.model[index][source]
            self.model[index][new] = entry

    @rule(index=INDEXES, other=INDEXES, key=KEYS)
    def move(self, index, other, key):
        entry = self.live(index, key)
        is_free = index != other and self.live(other, key) is None
        assert self.keyspace[index].move(key, self.keyspace[other]) == (is_free and entry is not None)
        if is_free and entry is not None:
            self.model[other][key] = self.model[index].pop(key)

    @rule(index=INDEXES, other=INDEXES, key=KEYS, new=KEYS)
    def copy(self, index, other, key, new):
        entry = self.live(index, key)
        assert self.keyspace[index].copy(key, self.keyspace[other], new) == (entry is not None)
        if entry is not None:
            self.model[other][new] = entry

    @rule(first=INDEXES, second=INDEXES)
    def swap(self, first, second):
        self.keyspace.swap(first, second)
        self.model[first], self.model[second] = self.model[second], self.model[first]

    @rule(index=INDEXES)
    def flush(self, index):
        self.keyspace.flush([index]).free()
        self.model[index] = {}

    @rule(step=st.integers(0, 200))
    def time_passes(self, step):
        self.now += step
        self.keyspace.now = self.now

    @rule()
    def active_expiry(self):
        self.keyspace.active_expire_cycle(1_000_000, 10)

    @rule(index=INDEXES, count=st.integers(100, 1500), ttl=TTLS)
    def fill(self, index, count, ttl):
        end = -1 if ttl is None else self.now + ttl
        for i in range(self.bulk, self.bulk + count):
            self.keyspace[index].set_string(b"bulk:%d" % i, b"%d" % i, end)
            self.model[index][b"bulk:%d" % i] = (b"%d" % i, end)
        self.bulk += count

    @precondition(lambda self: any(self.model))
    @rule(index=INDEXES, data=st.data())
    def drain(self, index, data):
        keys = sorted(self.model[index])
        share = data.draw(st.sampled_from([0.5, 0.9, 1.0]))
        for key in keys[: int(len(keys) * share)]:
            assert self.keyspace[index].delete(key) == (self.live(index, key) is not None)
            self.model[index].pop(key, None)

    @rule(index=INDEXES, key=KEYS)
    def look(self, index, key):
        db, value = self.keyspace[index], self.value(index, key)
        assert db.string(key) == value
        assert db.string_length(key) == len(value or b"")
        assert bytes(db.string_view(key)) == (value or b"")
        assert db.exists(key) == (value is not None)
        assert db.expire_at(key) == (-2 if value is None else self.end(index, key))

    @rule(index=INDEXES, count=st.integers(1, 500))
    def scan(self, index, count):
        cursor, keys = self.keyspace[index].scan(0, count)
        while cursor:
            assert cursor < 2**48
            cursor, more = self.keyspace[index].scan(cursor, count)
            keys += more
        assert len(keys) == len(set(keys))
        assert set(keys) == {key for key in list(self.model[index]) if self.live(index, key)}

    @rule(index=INDEXES)
    def random_key(self, index):
        key = self.keyspace[index].random_key()
        if key is None:
            assert not any(self.live(index, each) for each in list(self.model[index]))
        else:
            assert self.live(index, key) is not None

    @invariant()
    def counts_agree(self):
        for index in range(DATABASES):
            for key in list(self.model[index]):
                self.live(index, key)
            assert set(self.keyspace[index].keys()) == set(self.model[index])
            assert len(self.keyspace[index]) >= len(self.model[index])
            assert self.keyspace[index].volatile >= sum(end != -1 for _, end in self.model[index].values())

    def teardown(self):
        for index in range(DATABASES):
            db = self.keyspace[index]
            for key in [*self.model[index], b"", b"a"]:
                value = self.value(index, key)
                assert db.string(key) == value
            while db.random_key() is not None:
                db.delete(db.random_key())
            assert (len(db), db.volatile) == (0, 0)
            assert db.segments <= 1


class LockedModel(Model):
    """With readers' locks and retired memory."""

    def __init__(self):
        super().__init__()
        self.keyspace.readers_active = True


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestModelWithLocks = LockedModel.TestCase
TestModelWithLocks.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
