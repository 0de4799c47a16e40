# cython: freethreading_compatible=True
"""The worker's data: see `worker.pyx`."""
from mtredis.client cimport Letter, Loop
from mtredis.lib.mailbox cimport Mail
from mtredis.network.reads cimport Reader

cdef struct WorkerLoop:
    Loop base                    # first, so that a Loop* is a WorkerLoop*
    Reader reader
    Letter yielded               # tells the executor that it drives the loop now
    int own_epoll_fd             # what the worker waits on
    int resume_fd                # blocks the worker while the executor drives
    bint stopping
    bint yielding
    Mail *outgoing_newest        # requests collected in this wake-up, linked from the newest to the oldest
    Mail *outgoing_oldest

cdef class Worker:
    cdef WorkerLoop loop
    cdef object thread
    cdef object keyspace
    cdef object settings
