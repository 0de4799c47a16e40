"""The hash of keys: SipHash-1-3, against another implementation and published vectors."""

import json
import os
import subprocess
import sys

import pytest
from mtredis.keyspace.database import Keyspace

INPUTS = [bytes((7 * i + n) & 0xFF for i in range(n)) for n in (*range(1, 66), 255, 1000, 4096)]


def test_agrees_with_cpython_under_the_zero_key():
    if sys.hash_info.algorithm != "siphash13":
        pytest.skip("this CPython hashes bytes in another way")
    code = "import sys, json; print(json.dumps([hash(bytes.fromhex(x)) for x in json.loads(sys.stdin.read())]))"
    answer = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps([each.hex() for each in INPUTS]), text=True, check=True,
        capture_output=True, env=os.environ | {"PYTHONHASHSEED": "0"},
    )
    keyspace = Keyspace(1, bytes(16))
    assert [keyspace.key_hash(each) for each in INPUTS] == [each % 2**64 for each in json.loads(answer.stdout)]


def test_published_vectors():
    keyspace = Keyspace(1, bytes(range(16)))
    assert keyspace.key_hash(b"").to_bytes(8, "little") == bytes.fromhex("dcc40f055801acab")


def test_every_bit_of_the_hash_key_matters():
    values = {Keyspace(1, (1 << bit).to_bytes(16, "little")).key_hash(b"key") for bit in range(128)}
    assert len(values) == 128


def test_keyspaces_have_keys_of_their_own():
    assert Keyspace(1).key_hash(b"a") != Keyspace(1).key_hash(b"a")
