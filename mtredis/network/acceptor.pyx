# cython: freethreading_compatible=True, language_level=3, boundscheck=False, wraparound=False
"""The acceptor: takes connections from the listening sockets and deals them to the workers in turn.

Idea: one thread in C waits on all listeners, so a storm of new connections costs the workers nothing but their share.
Each accepted socket becomes a `Connection` in C memory and is handed to a worker, which announces it to the executor:
from that post on it is no longer this thread's to touch.
Who may not come in (maxclients, protected mode) is told so and closed here.

Owner: the acceptor thread, of the listeners and of a Connection until it is posted. Limit: when the process runs out of
file descriptors it waits a moment instead of spinning on a listener that stays readable.
"""
import threading

from libc.errno cimport ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset, strlen
from mtredis.client cimport (
    GATE_UNAUTHENTICATED, LETTER_ARRIVAL, LETTER_REGISTER, Connection, Loop, Settings, SharedSettings,
)
from mtredis.lib.atomics cimport add_i32, add_u64, load_i32
from mtredis.lib.epoll cimport EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLLIN, epoll_create1, epoll_ctl, epoll_event, epoll_wait
from mtredis.lib.mailbox cimport EFD_CLOEXEC, eventfd, mailbox_post, posix_close, posix_write

cdef extern from "<unistd.h>" nogil:
    int usleep(unsigned int microseconds)

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <arpa/inet.h>
    #include <errno.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <time.h>

    int accept4(int, struct sockaddr *, socklen_t *, int);

    static int mt_accept(int listener, struct sockaddr_storage *peer) {
        socklen_t length = sizeof(*peer);
        return accept4(listener, (struct sockaddr *) peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }

    /* family, port and address bytes of one end; a Unix socket has neither port nor bytes. */
    static void mt_address(const struct sockaddr_storage *from, uint8_t *family, uint16_t *port, uint8_t *bytes) {
        *family = (uint8_t) from->ss_family;
        *port = 0;
        memset(bytes, 0, 16);
        if (from->ss_family == AF_INET) {
            const struct sockaddr_in *v4 = (const struct sockaddr_in *) from;
            *port = ntohs(v4->sin_port);
            memcpy(bytes, &v4->sin_addr, 4);
        } else if (from->ss_family == AF_INET6) {
            const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) from;
            *port = ntohs(v6->sin6_port);
            memcpy(bytes, &v6->sin6_addr, 16);
        }
    }

    static void mt_local(int fd, struct sockaddr_storage *local) {
        socklen_t length = sizeof(*local);
        memset(local, 0, sizeof(*local));
        getsockname(fd, (struct sockaddr *) local, &length);
    }

    static int mt_is_loopback(uint8_t family, const uint8_t *bytes) {
        static const uint8_t v6[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        if (family == AF_INET) return bytes[0] == 127;
        if (family == AF_INET6) return memcmp(bytes, v6, 16) == 0;
        return 1;
    }

    static void mt_tune(int fd, int keepalive) {
        int on = 1, interval = keepalive / 3 > 0 ? keepalive / 3 : 1, count = 3;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (keepalive > 0) {
            setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
            setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive, sizeof(keepalive));
            setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
            setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
        }
    }

    static int64_t mt_unix_ms(void) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
    }
    """
    cdef struct sockaddr_storage:
        pass
    int mt_accept(int listener, sockaddr_storage *peer) noexcept nogil
    void mt_address(const sockaddr_storage *address, uint8_t *family, uint16_t *port, uint8_t *data) noexcept nogil
    void mt_local(int fd, sockaddr_storage *local) noexcept nogil
    bint mt_is_loopback(uint8_t family, const uint8_t *data) noexcept nogil
    void mt_tune(int fd, int keepalive) noexcept nogil
    int64_t mt_unix_ms() noexcept nogil

cdef enum:
    EVENTS = 64
    ACCEPTS_PER_EVENT = 1000
    SCARCITY_PAUSE = 10000   # µs

cdef const char *TOO_MANY = b"-ERR max number of clients reached\r\n"
cdef const char *DENIED = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    b"from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    b"sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    b"same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    b"Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    b"editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    b"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above "
    b"things in order for the server to start accepting connections from the outside.\r\n"
)


cdef class Acceptor:
    """The acceptor thread. Created with the addresses of the workers' loops."""

    cdef Settings *settings
    cdef Loop *loops[128]
    cdef int loops_length
    cdef int turn
    cdef int epoll_fd
    cdef int stop_fd
    cdef object thread
    cdef object holder

    def __cinit__(self, SharedSettings settings, list loops):
        cdef epoll_event event
        self.epoll_fd = self.stop_fd = -1
        self.holder = settings
        self.settings = &settings.values
        if not 0 < len(loops) <= 128:
            raise ValueError("1 to 128 loops")
        for address in loops:
            self.loops[self.loops_length] = <Loop *> <size_t> address
            self.loops_length += 1
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        self.stop_fd = eventfd(0, EFD_CLOEXEC)
        if self.epoll_fd < 0 or self.stop_fd < 0:
            raise OSError(errno, "cannot make the acceptor's event loop")
        event.events = EPOLLIN
        event.data.fd = self.stop_fd
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.stop_fd, &event) < 0:
            raise OSError(errno, "cannot watch the acceptor's stop signal")

    def __dealloc__(self):
        if self.epoll_fd >= 0:
            posix_close(self.epoll_fd)
        if self.stop_fd >= 0:
            posix_close(self.stop_fd)

    def listen(self, int fd) -> None:
        """Accepts from this listening, non-blocking socket, too; the caller keeps it open. Any thread."""
        cdef epoll_event event
        event.events = EPOLLIN
        event.data.fd = fd
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0:
            raise OSError(errno, "cannot watch a listening socket")

    def start(self) -> None:
        """Starts the thread."""
        self.thread = threading.Thread(target=self.run, name="acceptor", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it; the listeners stay open."""
        cdef uint64_t one = 1
        if self.thread is not None:
            posix_write(self.stop_fd, &one, sizeof(one))
            self.thread.join()
            self.thread = None

    def run(self) -> None:
        """The thread's main."""
        cdef epoll_event events[EVENTS]
        cdef int i, count
        with nogil:
            while True:
                count = epoll_wait(self.epoll_fd, events, EVENTS, -1)
                for i in range(count):
                    if events[i].data.fd == self.stop_fd:
                        with gil:
                            return
                    self.accept_all(events[i].data.fd)

    cdef void accept_all(self, int listener) noexcept nogil:
        """Takes what is waiting at one listener, up to a bound that keeps the others served."""
        cdef sockaddr_storage peer
        cdef int fd, i
        for i in range(ACCEPTS_PER_EVENT):
            memset(&peer, 0, sizeof(peer))
            fd = mt_accept(listener, &peer)
            if fd >= 0:
                self.admit(fd, &peer)
            elif errno == EINTR or errno == ECONNABORTED:
                continue
            else:
                if errno == EMFILE or errno == ENFILE or errno == ENOBUFS or errno == ENOMEM:
                    usleep(SCARCITY_PAUSE)
                return

    cdef void refuse(self, int fd, const char *text) noexcept nogil:
        add_u64(&self.settings.rejected, 1)   # first: who has read the text finds itself counted
        posix_write(fd, text, strlen(text))
        posix_close(fd)

    cdef void admit(self, int fd, sockaddr_storage *peer) noexcept nogil:
        """Makes the socket a connection and hands it on, or refuses it."""
        cdef sockaddr_storage local
        cdef Connection *connection
        if load_i32(&self.settings.connected) >= self.settings.max_clients:
            self.refuse(fd, TOO_MANY)
            return
        connection = <Connection *> calloc(1, sizeof(Connection))
        if connection == NULL:
            posix_close(fd)
            return
        mt_address(peer, &connection.peer.family, &connection.peer.port, connection.peer.bytes)
        if self.settings.protected and not mt_is_loopback(connection.peer.family, connection.peer.bytes):
            free(connection)
            self.refuse(fd, DENIED)
            return
        mt_local(fd, &local)
        mt_address(&local, &connection.local.family, &connection.local.port, connection.local.bytes)
        mt_tune(fd, self.settings.keepalive)
        connection.fd = fd
        connection.id = add_u64(&self.settings.next_id, 1) + 1
        connection.resp = 2
        connection.last_command = -1
        connection.gates = GATE_UNAUTHENTICATED if self.settings.password_set else 0
        connection.created = connection.last_interaction = mt_unix_ms()
        connection.loop = self.loops[self.turn]
        self.turn = (self.turn + 1) % self.loops_length
        connection.registration.kind = LETTER_REGISTER
        connection.arrival.kind = LETTER_ARRIVAL
        connection.registration.connection = connection.arrival.connection = connection
        connection.request.connection = connection.done.connection = connection
        add_i32(&self.settings.connected, 1)
        add_u64(&self.settings.accepted, 1)
        mailbox_post(&connection.loop.mailbox, &connection.arrival.mail)
