"""The Celery application of the tests: the worker finds its broker and result backend by CELERY_TEST_URL.

Limits: kombu guards its sweep for lost messages with redis-py's lock, which gives the lock back by a Lua script. As
long as mtredis runs no scripts, `Channel` here hands kombu a client whose lock does the same with WATCH and MULTI;
everything else is Celery, kombu and redis-py as they come.
"""

import os

import redis
from celery import Celery, Task, shared_task
from kombu.transport import redis as transport
from redis.client import Pipeline
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock


class WatchedLock(Lock):
    """redis-py's lock, given back without a script."""

    def do_release(self, expected_token: bytes) -> None:
        """The key is gone; raises LockNotOwnedError when it holds somebody else's token."""

        def release(pipe: Pipeline) -> None:
            if pipe.get(self.name) != expected_token:
                raise LockNotOwnedError("the lock is not held any more")
            pipe.multi()
            pipe.delete(self.name)

        self.redis.transaction(release, self.name)


class Client(redis.Redis):
    """redis-py's client with that lock."""

    def lock(self, name: str, timeout: float | None = None) -> Lock:  # type: ignore[override]
        return WatchedLock(self, name, timeout=timeout)


class Channel(transport.Channel):
    """kombu's channel with that client."""

    def _get_client(self) -> type[redis.Redis]:
        super()._get_client()  # it refuses a redis-py that is too old
        return Client


class Transport(transport.Transport):
    """kombu's Redis transport with that channel."""

    Channel = Channel


def application(url: str) -> Celery:
    """An application with the tasks of this module; its broker and result backend are at `url`."""
    made = Celery("tests", broker=url, backend=url, set_as_current=False)
    made.conf.update(
        broker_transport=f"{__name__}:Transport",
        result_expires=600,
        task_acks_late=True,
        task_track_started=True,
    )
    return made


app = application(os.environ.get("CELERY_TEST_URL", "redis://127.0.0.1:6379/0"))
"""The worker's."""


@shared_task
def add(first: int, second: int) -> int:
    return first + second


@shared_task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@shared_task
def fail() -> None:
    raise ValueError("this task fails")


@shared_task(bind=True, max_retries=3)
def third_try(self: Task) -> int:
    """Comes back to the queue twice."""
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return int(self.request.retries) + 1


@shared_task(bind=True)
def progress(self: Task) -> str:
    """Stores a state of its own on the way."""
    self.update_state(state="HALFWAY", meta={"done": 50})
    return str(self.AsyncResult(self.request.id).state)
