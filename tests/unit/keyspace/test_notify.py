"""Keyspace events: the parameter's letters and the classes of events."""

import pytest

from mtredis.keyspace import notify


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", ""), ("KEA", "AKE"), ("Elg", "glE"), ("g$lshzxetd", "A"), ("Km", "Km"), ("nK", "nK"), ("AmnKE", "AKEm"),
     ("$", "$"), ("xeK", "xeK"), ("tdszhl", "lshztd")],
)
def test_letters_are_shown_in_redis_order(text, shown):
    assert notify.format_flags(notify.parse_flags(text)) == shown
    assert notify.parse_flags(shown) & ~notify.NEW == notify.parse_flags(text) & ~notify.NEW


def test_misses_and_news_are_not_in_all():
    assert not notify.parse_flags("A") & (notify.KEY_MISS | notify.NEW | notify.KEYSPACE | notify.KEYEVENT)


def test_unknown_letters_are_refused():
    with pytest.raises(ValueError, match="q"):
        notify.parse_flags("KEq")


@pytest.mark.parametrize(
    ("event", "kind"),
    [(b"set", notify.STRING), (b"expire", notify.GENERIC), (b"expired", notify.EXPIRED), (b"del", notify.GENERIC),
     (b"zadd", notify.SORTED_SET), (b"keymiss", notify.KEY_MISS), (b"new", notify.NEW), (b"sortstore", notify.LIST)],
)
def test_class_of_an_event(event, kind):
    assert notify.class_of(event) == kind
