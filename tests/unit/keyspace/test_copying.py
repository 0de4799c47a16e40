"""Copies of large collections when memory is out: whichever piece cannot be had, nothing is left of the copy.

Idea: in a process of its own malloc and its kin are replaced by such as fail once, at the n-th call from now on, and
count what is out. A copy is tried for n = 0, 1, 2, ... until one succeeds; each failure must leave as many pieces as
there were before, the figures of memory, and a source that can still be copied.
Limits: needs a C compiler and glibc, whose functions the substitutes call.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtredis.lib import allocator
from tests.support import preload

SUBSTITUTES = r"""
#include <stddef.h>

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

static long calls_left = -1, pieces;   /* -1: none fails */

static int fails(void) { return calls_left >= 0 && calls_left-- == 0; }

static void *counted(void *piece) { pieces += piece != NULL; return piece; }

void *malloc(size_t size) { return fails() ? NULL : counted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : counted(__libc_calloc(count, size)); }
void *aligned_alloc(size_t step, size_t size) { return fails() ? NULL : counted(__libc_memalign(step, size)); }
void free(void *piece) { pieces -= piece != NULL; __libc_free(piece); }

void *realloc(void *piece, size_t size) {
    if (fails()) return NULL;
    return piece ? __libc_realloc(piece, size) : counted(__libc_realloc(NULL, size));
}

void fail_after(long calls) { calls_left = calls; }
long has_failed(void) { return calls_left < 0; }
long pieces_out(void) { return pieces; }
"""

PROGRAM = """
import ctypes
from mtredis.keyspace.database import Keyspace
from mtredis.keyspace.types.hash import Hash
from mtredis.keyspace.types.set import Set
from mtredis.keyspace.types.sorted_set import SortedSet

malloc = ctypes.PyDLL(None)

def add_members(db, count):
    db.create(b"k", Set).add_many([b"m%d" % i for i in range(count)])

def add_fields(db, count):
    db.create(b"k", Hash).set_pairs([b"%d" % (i // 2) for i in range(count * 2)], 0)

def add_timed_fields(db, count):
    add_fields(db, count)
    for i in range(0, count, 2):
        db.write(b"k", Hash).set_time(b"%d" % i, 10**13 + i % 50)

def add_ranked(db, count):
    db.create(b"k", SortedSet).update_many([b"m%d" % i for i in range(count)], [float(i % 40) for i in range(count)])

def tries(fill, count):
    keyspace = Keyspace(1)
    keyspace.now = 1
    keyspace.set_limits({name + "_max_listpack_entries": 0 for name in ("set", "hash", "zset")})
    db = keyspace[0]
    fill(db, count)
    kind = {add_members: Set, add_ranked: SortedSet}.get(fill, Hash)
    held, used, failures, is_done = db.peek(b"k", kind).memory, keyspace.used_memory, 0, False
    while not is_done:
        before = malloc.pieces_out()
        malloc.fail_after(failures)
        try:
            db.copy(b"k", db, b"c")
            is_done = True
        except MemoryError:
            assert malloc.has_failed()
            failures += 1
            left = malloc.pieces_out() - before
            assert left == 0, (fill, count, failures, left)
            assert (keyspace.used_memory, db.peek(b"k", kind).memory, len(db)) == (used, held, 1)
    malloc.fail_after(-1)
    assert len(db) == 2 and db.peek(b"c", kind).length() == count
    return failures

for fill in (add_members, add_fields, add_timed_fields, add_ranked):
    for count in (1, 100, 1500):
        assert tries(fill, count) > count, (fill, count)
"""


@pytest.mark.skipif("MTREDIS_ASAN" in os.environ, reason="the sanitizer has a malloc of its own")
@pytest.mark.skipif(allocator.NAME != "glibc", reason="the substitutes call glibc's functions")
def test_out_of_memory_at_any_point(tmp_path: Path) -> None:
    source = tmp_path / "failing.c"
    source.write_text(SUBSTITUTES)
    library = preload.build(source, tmp_path, "-O1", "-fno-builtin")
    environment = os.environ | {"LD_PRELOAD": str(library)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
