"""The jobs that the RQ worker of the tests does."""

import rq


def add(first: int, second: int) -> int:
    return first + second


def fail() -> None:
    raise ValueError("this job fails")


def fail_until_third_try() -> int:
    """Fails twice; the number of the try is kept in the job's own meta data, on the server."""
    job = rq.get_current_job()
    assert job is not None
    job.meta["tries"] = job.meta.get("tries", 0) + 1
    job.save_meta()
    if job.meta["tries"] < 3:
        raise ValueError(f"try {job.meta['tries']} fails")
    return int(job.meta["tries"])


def sum_of_dependencies() -> int:
    """The sum of the results of the jobs that this one waited for."""
    job = rq.get_current_job()
    assert job is not None
    return sum(each.return_value() for each in job.fetch_dependencies())
