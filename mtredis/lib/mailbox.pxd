# cython: freethreading_compatible=True
"""Hand-offs between threads: a mailbox that any thread posts to and one thread empties.

Idea: a lock-free stack of intrusive links. Posting is one compare-and-swap; the owner takes the whole stack with
one exchange and reverses it, which restores the order of arrival (for each sender: the order of posting).
A wake-up costs a system call and often a context switch, so it is suppressed while the owner is awake: the owner
raises `sleeping` before it blocks, and then looks once more; a sender publishes and then looks at `sleeping`. A full
fence stands between the two steps on both sides: without it both may look too early, and the last letter waits on.

Owner: the thread that empties it. Memory: links are embedded in what is sent, so posting never allocates or fails.
"""
from libc.stdint cimport uint32_t, uint64_t
from mtredis.lib.atomics cimport (
    compare_exchange_pointer, exchange_pointer, exchange_u32, fence, load_pointer, load_u32, store_u32,
)

cdef extern from "<sys/eventfd.h>" nogil:
    int eventfd(unsigned int initial, int flags)
    int EFD_NONBLOCK
    int EFD_CLOEXEC

cdef extern from "<unistd.h>" nogil:
    ssize_t posix_read "read"(int fd, void *data, size_t length)
    ssize_t posix_write "write"(int fd, const void *data, size_t length)
    int posix_close "close"(int fd)

cdef struct Mail:
    Mail *next

cdef struct Mailbox:
    void *newest         # top of the stack of posted mail
    uint32_t sleeping    # the owner is blocked, or about to be, and wants the eventfd written
    int event_fd         # readable when the owner has been woken

cdef inline int mailbox_open(Mailbox *box) noexcept nogil:
    """Makes an empty mailbox; -1 with errno when no eventfd can be had."""
    box.newest = NULL
    box.sleeping = 0
    box.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)
    return -1 if box.event_fd < 0 else 0

cdef inline void mailbox_close(Mailbox *box) noexcept nogil:
    """Gives the eventfd back; mail still inside is its sender's to free."""
    if box.event_fd >= 0:
        posix_close(box.event_fd)
        box.event_fd = -1

cdef inline void mailbox_wake(Mailbox *box) noexcept nogil:
    """Makes the owner return from its wait, if it sleeps."""
    cdef uint64_t one = 1
    if load_u32(&box.sleeping) and exchange_u32(&box.sleeping, 0):
        posix_write(box.event_fd, &one, sizeof(one))

cdef inline void mailbox_post_chain(Mailbox *box, Mail *newest, Mail *oldest) noexcept nogil:
    """Posts mail that is already linked from the newest to the oldest."""
    cdef void *expected = load_pointer(&box.newest)
    while True:
        oldest.next = <Mail *> expected
        if compare_exchange_pointer(&box.newest, &expected, newest):
            break
    fence()
    mailbox_wake(box)

cdef inline void mailbox_post(Mailbox *box, Mail *mail) noexcept nogil:
    """Posts one piece of mail; any thread, never blocks."""
    mailbox_post_chain(box, mail, mail)

cdef inline Mail *mailbox_take(Mailbox *box) noexcept nogil:
    """All mail, oldest first, linked by `next`; NULL when there is none. Owner only."""
    cdef Mail *mail
    cdef Mail *following
    cdef Mail *oldest = NULL
    if load_pointer(&box.newest) == NULL:
        return NULL
    mail = <Mail *> exchange_pointer(&box.newest, NULL)
    while mail != NULL:
        following = mail.next
        mail.next = oldest
        oldest = mail
        mail = following
    return oldest

cdef inline bint mailbox_may_sleep(Mailbox *box) noexcept nogil:
    """Announces sleep; False (and awake again) when mail has come meanwhile. Owner only."""
    store_u32(&box.sleeping, 1)
    fence()
    if load_pointer(&box.newest) != NULL:
        store_u32(&box.sleeping, 0)
        return False
    return True

cdef inline void mailbox_awake(Mailbox *box) noexcept nogil:
    """Ends what `mailbox_may_sleep` began: senders stop writing the eventfd. Owner only."""
    store_u32(&box.sleeping, 0)

cdef inline void mailbox_drain(Mailbox *box) noexcept nogil:
    """Resets the eventfd after it has woken the owner. Owner only."""
    cdef uint64_t count
    posix_read(box.event_fd, &count, sizeof(count))
