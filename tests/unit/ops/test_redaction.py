"""What is hidden of requests with passwords."""

import pytest

from mtredis.ops.redaction import shown_arguments


@pytest.mark.parametrize(
    ("name", "request_", "shown"),
    [
        (b"auth", b"AUTH pw", b"AUTH *"),
        (b"auth", b"auth user pw", b"auth * *"),
        (b"auth", b"AUTH a b c", b"AUTH a b c"),
        (b"hello", b"HELLO", b"HELLO"),
        (b"hello", b"HELLO 3 AUTH u pw SETNAME n", b"HELLO 3 AUTH * * SETNAME n"),
        (b"hello", b"HELLO 3 setname AUTH auth u pw", b"HELLO 3 setname AUTH auth * *"),
        (b"hello", b"HELLO 3 BOGUS AUTH u pw", b"HELLO 3 BOGUS AUTH u pw"),
        (b"hello", b"HELLO 9 AUTH u pw", b"HELLO 9 AUTH u pw"),
        (b"hello", b"HELLO 3 AUTH u", b"HELLO 3 AUTH u"),
        (b"config|set", b"CONFIG SET timeout 1 requirepass pw", b"CONFIG SET timeout 1 requirepass *"),
        (b"set", b"SET requirepass pw", b"SET requirepass pw"),
    ],
)
def test_secrets_are_hidden(name: bytes, request_: bytes, shown: bytes) -> None:
    argv = request_.split()
    assert list(shown_arguments(name, argv)) == shown.replace(b"*", b"(redacted)").split()
    assert argv == request_.split()
