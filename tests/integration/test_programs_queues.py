"""Job queues on the server, end to end: RQ and Celery with workers in processes of their own.

Idea: the worker is started as an operator starts it, the test plays the application that queues jobs and wants their
results. Nothing waits for a time: the end of a job, the worker that blocks and the empty queue are waited for.

Limits: what needs Lua is left out until scripts exist. For RQ that are unique and scheduled jobs and `Queue.empty`,
for Celery the release of a lock (tests/support/programs/celery_app.py does it without).
"""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import rq
from celery import Celery, chord, group

from tests.support.programs import celery_app, rq_jobs
from tests.support.programs.process import PATIENCE, Program
from tests.support.servers import Server

RQ_WORKER = [sys.executable, "-m", "rq.cli", "worker", "--url"]
CELERY_WORKER = [sys.executable, "-m", "celery", "-A", celery_app.__name__, "worker", "-P", "solo", "-l", "INFO"]


@pytest.fixture
def connection(subject: Server) -> Iterator[redis.Redis]:
    with redis.Redis(port=subject.port) as client:
        yield client


def url(server: Server) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


def blocked(connection: redis.Redis) -> int:
    return int(connection.info("clients")["blocked_clients"])


# -- RQ


def test_rq_burst_worker(subject: Server, connection: redis.Redis, tmp_path: Path) -> None:
    """All that is queued is done in the order of the queues, and the worker leaves when nothing is left."""
    high, low = rq.Queue("high", connection=connection), rq.Queue("low", connection=connection)
    late = low.enqueue(rq_jobs.add, 20, 3)
    many = high.enqueue_many([rq.Queue.prepare_data(rq_jobs.add, args=[number, 1]) for number in range(3)])
    failing = low.enqueue(rq_jobs.fail)
    retried = low.enqueue(rq_jobs.fail_until_third_try, retry=rq.Retry(max=2))
    dependent = low.enqueue(rq_jobs.sum_of_dependencies, depends_on=[late, many[0]], result_ttl=100)
    assert (high.count, low.count, dependent.get_status()) == (3, 3, rq.job.JobStatus.DEFERRED)
    with Program(tmp_path, [*RQ_WORKER, url(subject), "--burst", "high", "low"]) as worker:
        log = worker.finish()
    assert [job.return_value(refresh=True) for job in many] == [1, 2, 3]
    assert late.return_value(refresh=True) == 23
    assert dependent.return_value(refresh=True) == 24
    assert 0 < connection.ttl(dependent.key) <= 100
    assert retried.return_value(refresh=True) == 3, log
    assert failing.get_status(refresh=True) == rq.job.JobStatus.FAILED
    assert "this job fails" in str(failing.latest_result().exc_string)
    assert low.failed_job_registry.get_job_ids() == [failing.id]
    assert set(low.finished_job_registry.get_job_ids()) == {late.id, retried.id, dependent.id}
    for job in (many[2], late):
        job.refresh()
    assert many[2].ended_at <= late.started_at, "the queue that was named first comes first"
    assert rq.Worker.all(connection=connection) == []


def test_rq_worker_that_is_fed_while_it_waits(subject: Server, connection: redis.Redis, tmp_path: Path) -> None:
    """A worker that blocks on an empty queue does what comes, blocks again, and ends when it is asked to."""
    queue = rq.Queue("default", connection=connection)
    with Program(tmp_path, [*RQ_WORKER, url(subject), "first", "default"]) as worker:
        worker.until(lambda: blocked(connection) == 1, "the worker waits")
        (waiting,) = rq.Worker.all(connection=connection)
        assert waiting.get_state() == rq.worker.WorkerStatus.IDLE
        for number in range(2):
            job = queue.enqueue(rq_jobs.add, number, 40)
            worker.until(lambda job=job: job.get_status(refresh=True) == rq.job.JobStatus.FINISHED, "the job is done")
            assert job.return_value() == number + 40
            worker.until(lambda: blocked(connection) == 1, "the worker waits again")
        waiting.refresh()
        assert (waiting.successful_job_count, waiting.failed_job_count) == (2, 0)
        worker.stop()
    assert blocked(connection) == 0
    assert rq.Worker.all(connection=connection) == []


# -- Celery


@pytest.fixture
def application(subject: Server) -> Iterator[Celery]:
    """The application of this process, which is the one that `delay` and `get` use."""
    app = celery_app.application(url(subject))
    app.set_current()
    yield app
    gc.collect()  # a result that dies later would unsubscribe at a server that is gone
    app.close()


@pytest.fixture
def celery_worker(subject: Server, tmp_path: Path, application: Celery) -> Iterator[Program]:
    """A Celery worker with the solo pool, which is ready."""
    with Program(tmp_path, CELERY_WORKER, CELERY_TEST_URL=url(subject)) as worker:
        worker.until(lambda: " ready." in worker.log(), "the worker is ready")
        yield worker
        worker.stop()


def get(result: Any) -> Any:
    return result.get(timeout=PATIENCE)


def test_celery_tasks(celery_worker: Program, connection: redis.Redis) -> None:
    """Results, failures, retries, states, expiry of results, chains, groups and chords."""
    result = celery_app.add.delay(2, 3)
    assert get(result) == 5
    assert result.successful()
    assert 0 < connection.ttl(f"celery-task-meta-{result.id}") <= 600
    failed = celery_app.fail.delay()
    with pytest.raises(ValueError, match="this task fails"):
        get(failed)
    assert failed.state == "FAILURE"
    assert get(celery_app.third_try.delay()) == 3
    assert get(celery_app.progress.delay()) == "HALFWAY"
    add, total = celery_app.add, celery_app.total
    assert get((add.s(1, 1) | add.s(10) | add.s(100)).delay()) == 112
    assert get(group(add.s(number, number) for number in range(10)).delay()) == [2 * number for number in range(10)]
    assert get(chord([add.s(number, 1) for number in range(10)], total.s()).delay()) == 55
    result.forget()
    assert not connection.exists(f"celery-task-meta-{result.id}")
    celery_worker.until(lambda: connection.zcard("unacked_index") == 0, "every task is acknowledged")
    assert connection.llen("celery") == connection.hlen("unacked") == 0


def test_celery_remote_control_and_countdown(
    celery_worker: Program, application: Celery, connection: redis.Redis
) -> None:
    """Commands to the workers travel by pub/sub, their answers by queues; a task with a countdown is held unacked."""
    answers = application.control.ping(timeout=PATIENCE, limit=1)
    ((name, answer),) = answers[0].items()
    assert answer == {"ok": "pong"}
    inspect = application.control.inspect(destination=[name], timeout=PATIENCE, limit=1)
    assert celery_app.add.name in inspect.registered()[name]
    late = celery_app.add.apply_async((1, 2), countdown=3600)
    celery_worker.until(lambda: connection.hlen("unacked") == 1, "the worker holds the task")
    celery_worker.until(lambda: inspect.scheduled()[name], "the worker has scheduled the task")
    assert inspect.scheduled()[name][0]["request"]["id"] == late.id
    soon = celery_app.add.apply_async((3, 4), countdown=0.2)
    assert get(soon) == 7
    late.revoke()
    celery_worker.until(lambda: late.id in (inspect.revoked()[name] or []), "the task is revoked")
