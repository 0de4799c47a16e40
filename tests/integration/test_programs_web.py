"""Web frameworks' caches and sessions on the server: Flask-Caching and Flask-Session, Django's cache and sessions.

Idea: the frameworks run in this process, the requests come from their own test clients, and what has to be on the
server is looked at with redis-py. Expiry is waited for where the framework has to notice it, else read as TTL.

Limits: Django is configured once in a process; each test points its cache to the server under test.
"""

from collections.abc import Iterator
from typing import Any

import django
import flask
import pytest
import redis
from django.conf import settings
from django.core.cache import cache, caches
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import path
from flask_caching import Cache
from flask_session import Session

from tests.support.programs.process import until
from tests.support.servers import Server


@pytest.fixture
def connection(subject: Server) -> Iterator[redis.Redis]:
    with redis.Redis(port=subject.port) as client:
        yield client


# -- Flask


@pytest.fixture
def flask_app(subject: Server, connection: redis.Redis) -> flask.Flask:
    """A Flask application that caches a page, memoizes a function and keeps its sessions on the server."""
    app = flask.Flask("tests")
    app.config.update(
        CACHE_TYPE="RedisCache",
        CACHE_REDIS_URL=f"redis://127.0.0.1:{subject.port}/1",
        CACHE_KEY_PREFIX="page:",
        CACHE_DEFAULT_TIMEOUT=300,
        SESSION_TYPE="redis",
        SESSION_REDIS=connection,
        SESSION_PERMANENT=True,
    )
    Session(app)
    page_cache = app.extensions["page_cache"] = Cache(app)
    calls = app.extensions["calls"] = {"page": 0, "square": 0}

    @app.get("/page")
    @page_cache.cached(timeout=60)
    def page() -> str:
        calls["page"] += 1
        return f"rendered {calls['page']} times"

    @page_cache.memoize(timeout=60)
    def square(number: int) -> int:
        calls["square"] += 1
        return number * number

    @app.get("/square/<int:number>")
    def squared(number: int) -> str:
        return str(square(number))

    @app.get("/count")
    def count() -> str:
        flask.session["visits"] = flask.session.get("visits", 0) + 1
        return str(flask.session["visits"])

    @app.get("/leave")
    def leave() -> str:
        flask.session.clear()
        return "left"

    app.extensions["square"] = square
    return app


def test_flask_caching(flask_app: flask.Flask, subject: Server) -> None:
    browser = flask_app.test_client()
    page_cache, calls = flask_app.extensions["page_cache"], flask_app.extensions["calls"]
    assert {browser.get("/page").text for _ in range(5)} == {"rendered 1 times"}
    with redis.Redis(port=subject.port, db=1) as client:
        (key,) = client.keys("page:*")
        assert 0 < client.ttl(key) <= 60
    assert [browser.get(f"/square/{number}").text for number in (2, 3, 2, 3)] == ["4", "9", "4", "9"]
    assert calls == {"page": 1, "square": 2}
    with flask_app.app_context():
        page_cache.delete_memoized(flask_app.extensions["square"], 2)
        assert page_cache.set_many({"a": 1, "b": [1, 2]})
        assert page_cache.get_many("a", "b", "c") == [1, [1, 2], None]
        assert page_cache.add("a", 2) is False
        assert page_cache.cache.inc("n", 3) == 3
        assert page_cache.cache.dec("n") == 2
        assert page_cache.get("n") == 2
        assert page_cache.delete_many("a", "b") == ["a", "b"]
        assert page_cache.has("a") is False
        page_cache.set("short", "lived", timeout=1)
        until(lambda: page_cache.get("short") is None, "the entry is gone")
    browser.get("/square/2")
    browser.get("/square/3")
    assert calls == {"page": 1, "square": 3}
    with flask_app.app_context():
        assert page_cache.clear()
    assert browser.get("/page").text == "rendered 2 times"


def test_flask_session(flask_app: flask.Flask, connection: redis.Redis) -> None:
    """Each browser has a session of its own, on the server with a time to live; a cleared one is gone there, too."""
    first, second = flask_app.test_client(), flask_app.test_client()
    assert [browser.get("/count").text for browser in (first, first, second, first)] == ["1", "2", "1", "3"]
    keys = list(connection.scan_iter("session:*"))
    assert len(keys) == 2
    assert all(connection.ttl(key) > 86_400 for key in keys)
    assert first.get("/leave").text == "left"
    assert first.get("/count").text == "1"
    assert second.get("/count").text == "2"
    connection.flushdb()
    assert second.get("/count").text == "1"


# -- Django


def visit(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


def log_in(request: HttpRequest) -> HttpResponse:
    request.session["user"] = "joe"
    request.session.set_expiry(120)
    request.session.cycle_key()
    return HttpResponse("in")


def log_out(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return HttpResponse("out")


urlpatterns = [path("visit", visit), path("in", log_in), path("out", log_out)]


@pytest.fixture(scope="session")
def _django() -> None:
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="only for these tests",
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
    )
    django.setup()


@pytest.fixture
def _django_cache(_django: None, subject: Server) -> Iterator[None]:
    """Django's default cache is on the server under test."""
    backend = "django.core.cache.backends.redis.RedisCache"
    location = f"redis://127.0.0.1:{subject.port}/2"
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": location, "KEY_PREFIX": "site"}}):
        yield
        caches["default"].close()


@pytest.mark.usefixtures("_django_cache")
def test_django_cache(subject: Server) -> None:
    value: dict[str, Any] = {"numbers": [1, 2.5, None], "text": "ä"}
    cache.set("k", value, timeout=100)
    assert cache.get("k") == value
    assert cache.get("missing", "default") == "default"
    with redis.Redis(port=subject.port, db=2) as client:
        assert 0 < client.ttl("site:1:k") <= 100
        assert cache.touch("k", 1000) is True
        assert 100 < client.ttl("site:1:k") <= 1000
        assert cache.touch("k", None) is True
        assert client.ttl("site:1:k") == -1
    assert cache.touch("missing") is False
    assert cache.add("k", "other") is False
    assert cache.add("new", "other") is True
    cache.set("n", 10)
    assert (cache.incr("n", 5), cache.decr("n"), cache.get("n")) == (15, 14, 14)
    with pytest.raises(ValueError, match="not found"):
        cache.incr("missing")
    assert cache.set_many({"a": 1, "b": "two"}, timeout=50) == []
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": "two"}
    assert cache.get_or_set("lazy", lambda: 7) == 7
    assert (cache.has_key("a"), "c" in cache) == (True, False)
    cache.delete_many(["a", "b", "c"])
    assert cache.get_many(["a", "b"]) == {}
    assert (cache.delete("new"), cache.delete("new")) == (True, False)
    assert (cache.incr_version("n"), cache.get("n"), cache.get("n", version=2)) == (2, None, 14)
    cache.set("gone", 1, timeout=0)
    assert cache.get("gone") is None
    cache.set("short", "lived", timeout=1)
    until(lambda: cache.get("short") is None, "the entry is gone")
    assert cache.clear() is True
    assert cache.get("k") is None


@pytest.mark.usefixtures("_django_cache")
def test_django_sessions(subject: Server) -> None:
    first, second = Client(), Client()
    assert [browser.get("/visit").json()["visits"] for browser in (first, first, second)] == [1, 2, 1]
    before = first.cookies["sessionid"].value
    assert first.get("/in").content == b"in"
    after = first.cookies["sessionid"].value
    assert before != after, "a login gives the session another key"
    assert first.session["user"] == "joe"
    with redis.Redis(port=subject.port, db=2) as client:
        names = sorted(client.scan_iter("site:1:django.contrib.sessions.cache*"))
        assert len(names) == 2
        (key,) = [name for name in names if name.endswith(after.encode())]
        assert 0 < client.ttl(key) <= 120
        assert first.get("/visit").json() == {"visits": 3}
        assert first.get("/out").content == b"out"
        assert not client.exists(key)
    assert first.get("/visit").json() == {"visits": 1}
    assert second.get("/visit").json() == {"visits": 2}
