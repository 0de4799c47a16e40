/* Preloaded into a server: logs what it does to the files below one folder, and makes such calls fail when told to.
 *
 * Idea: MTR_SHIM_ROOT names the folder. MTR_SHIM_TRACE names a file that gets one record per call, in the order in which
 * the calls took effect: an operation and its record are under one lock, a send is recorded before it is made, and an
 * fsync has a record when it begins and one when it is over. MTR_SHIM_CONTROL names a file that is mapped: `struct
 * control` below, which the test changes while the server runs. tests/support/shim.py is the other side of both.
 *
 * Streams (fopen, as redis-server saves) are flushed at every fwrite: the C library's own writes cannot be preloaded.
 * A forked child goes on in the same trace; its records carry its process id.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN = 1, CLOSE, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR, SEND };
enum { FILES = 65536, IN_FOLDER = 1, SOCKET = 2, SENT_KEPT = 65536 };

struct control {
    volatile int64_t space;         /* bytes that may still be written; below 0: no limit */
    volatile int32_t write_error, sync_error, rename_error, open_error, unlink_error;
    volatile int32_t largest;       /* a write takes at most so many bytes; 0: no limit */
    volatile int32_t hold_sync;     /* fsync and fdatasync wait while this is set */
    volatile int32_t holding;       /* how many do */
    volatile int64_t writes, syncs, refused;
    volatile char match[128];       /* only paths with this in them are disturbed */
};

struct record {
    uint32_t size;                  /* of all of it */
    int32_t pid, kind, fd, result, flags;
    int64_t offset;
    uint32_t path, other, data;     /* lengths of what follows */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char files[FILES];
static char names[FILES][256];      /* below the folder; for `match` */
static struct control *control;
static int trace = -1;
static char root[PATH_MAX];
static size_t root_length;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void lock_anew(void) { pthread_mutex_init(&lock, NULL); }

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("MTR_SHIM_ROOT"), *log = getenv("MTR_SHIM_TRACE"), *words = getenv("MTR_SHIM_CONTROL");
    int fd;
    if (!folder) return;
    root_length = (size_t)snprintf(root, sizeof root, "%s", folder);
    if (log) trace = fcntl((int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600), F_DUPFD_CLOEXEC, 900);
    if (words && (fd = (int)syscall(SYS_openat, AT_FDCWD, words, O_RDWR | O_CLOEXEC, 0)) >= 0) {
        void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED) control = mapped;
        syscall(SYS_close, fd);
    }
    pthread_atfork(NULL, NULL, lock_anew);
}

static void note(int kind, int fd, int result, int flags, int64_t offset, const char *path, const char *other,
                 const void *data, size_t length) {
    struct record head;
    struct iovec parts[4];
    if (trace < 0) return;
    head = (struct record){0, (int32_t)getpid(), kind, fd, result, flags, offset, path ? strlen(path) : 0,
                           other ? strlen(other) : 0, (uint32_t)length};
    head.size = (uint32_t)(sizeof head + head.path + head.other + head.data);
    parts[0] = (struct iovec){&head, sizeof head};
    parts[1] = (struct iovec){(void *)path, head.path};
    parts[2] = (struct iovec){(void *)other, head.other};
    parts[3] = (struct iovec){(void *)data, length};
    if (syscall(SYS_writev, trace, parts, 4) != (long)head.size) abort();
}

static int in_folder(int directory, const char *path, char *whole) {
    char start[PATH_MAX] = "";
    if (!root_length || !path) return 0;
    if (path[0] != '/') {
        if (directory == AT_FDCWD) {
            if (!getcwd(start, sizeof start)) return 0;
        } else {
            char link[64];
            ssize_t length;
            snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
            if ((length = readlink(link, start, sizeof start - 1)) < 0) return 0;
            start[length] = 0;
        }
        if (snprintf(whole, PATH_MAX, "%s/%s", start, path) >= PATH_MAX) return 0;
    } else if (snprintf(whole, PATH_MAX, "%s", path) >= PATH_MAX) return 0;
    return strncmp(whole, root, root_length) == 0 && (whole[root_length] == '/' || !whole[root_length]);
}

static int is_meant(const char *path) {
    return control && (!control->match[0] || strstr(path, (const char *)control->match));
}

/* Whether the call is to fail: errno is set. */
static int refused(volatile int32_t *error, const char *path) {
    if (!is_meant(path) || !*error) return 0;
    __sync_fetch_and_add(&control->refused, 1);
    errno = *error;
    return 1;
}

/* How many of the bytes may be written now; -1: none, errno is set. */
static ssize_t allowance(int fd, size_t length) {
    if (!control) return (ssize_t)length;
    __sync_fetch_and_add(&control->writes, 1);
    if (!is_meant(names[fd])) return (ssize_t)length;
    if (refused(&control->write_error, names[fd])) return -1;
    if (control->largest && length > (size_t)control->largest) length = (size_t)control->largest;
    if (control->space >= 0) {
        if (control->space == 0 && length) {
            __sync_fetch_and_add(&control->refused, 1);
            errno = ENOSPC;
            return -1;
        }
        if (length > (size_t)control->space) length = (size_t)control->space;
        control->space -= (int64_t)length;
    }
    return (ssize_t)length;
}

static int is_file(int fd) { return fd >= 0 && fd < FILES && files[fd] == IN_FOLDER; }
static int is_socket(int fd) { return fd >= 0 && fd < FILES && files[fd] == SOCKET; }

/* -- files */

static void opened(int fd, const char *whole, int flags, int existed) {
    if (fd < 0 || fd >= FILES) return;
    files[fd] = IN_FOLDER;
    snprintf(names[fd], sizeof names[fd], "%s", whole + root_length);
    note(OPEN, fd, existed, flags, 0, whole, NULL, NULL, 0);
}

static int open_at(int directory, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int fd, existed, writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    if (!in_folder(directory, path, whole)) {
        fd = (int)syscall(SYS_openat, directory, path, flags, mode);
        if (fd >= 0 && fd < FILES) files[fd] = 0;
        return fd;
    }
    if (writes && refused(&control->open_error, whole)) return -1;
    pthread_mutex_lock(&lock);
    existed = access(whole, F_OK) == 0;
    fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    opened(fd, whole, flags, existed);
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(last) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list list; \
        va_start(list, last); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int directory, const char *path, int flags, ...) { MODE(flags) return open_at(directory, path, flags, mode); }
int openat64(int directory, const char *path, int flags, ...) { MODE(flags) return open_at(directory, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
    REAL(close);
    int result;
    if (fd < 0 || fd >= FILES || !files[fd]) return real(fd);
    pthread_mutex_lock(&lock);
    if (files[fd] == IN_FOLDER) note(CLOSE, fd, 0, 0, 0, NULL, NULL, NULL, 0);
    files[fd] = 0;
    result = real(fd);
    pthread_mutex_unlock(&lock);
    return result;
}

ssize_t write(int fd, const void *data, size_t length) {
    REAL(write);
    ssize_t written, allowed;
    if (is_socket(fd)) note(SEND, fd, 0, 0, 0, NULL, NULL, data, length < SENT_KEPT ? length : SENT_KEPT);
    if (!is_file(fd)) return real(fd, data, length);
    if ((allowed = allowance(fd, length)) < 0) return -1;
    pthread_mutex_lock(&lock);
    written = real(fd, data, (size_t)allowed);
    if (written > 0) note(WRITE, fd, 0, 0, lseek(fd, 0, SEEK_CUR) - written, NULL, NULL, data, (size_t)written);
    pthread_mutex_unlock(&lock);
    return written;
}

static ssize_t write_at(int fd, const void *data, size_t length, off_t offset) {
    ssize_t written, allowed = is_file(fd) ? allowance(fd, length) : (ssize_t)length;
    if (allowed < 0) return -1;
    pthread_mutex_lock(&lock);
    written = syscall(SYS_pwrite64, fd, data, (size_t)allowed, offset);
    if (written > 0 && is_file(fd)) note(WRITE, fd, 0, 0, offset, NULL, NULL, data, (size_t)written);
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return write_at(fd, data, length, offset); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    ssize_t total = 0;
    if (is_socket(fd))
        for (int i = 0; i < count; i++)
            note(SEND, fd, 0, 0, 0, NULL, NULL, parts[i].iov_base, parts[i].iov_len < SENT_KEPT ? parts[i].iov_len : SENT_KEPT);
    if (!is_file(fd)) return real(fd, parts, count);
    for (int i = 0; i < count; i++) {   /* a short write is allowed */
        ssize_t written = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (written < 0) return total ? total : -1;
        total += written;
        if ((size_t)written < parts[i].iov_len) break;
    }
    return total;
}

static int truncate_file(int fd, off_t length) {
    int result;
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_ftruncate, fd, length);
    if (result == 0 && is_file(fd)) note(TRUNCATE, fd, 0, 0, length, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return truncate_file(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_file(fd, length); }

static int truncate_path(const char *path, off_t length) {
    int result, fd = open_at(AT_FDCWD, path, O_WRONLY, 0);
    if (fd < 0) return -1;
    result = truncate_file(fd, length);
    close(fd);
    return result;
}

int truncate(const char *path, off_t length) { return truncate_path(path, length); }
int truncate64(const char *path, off64_t length) { return truncate_path(path, length); }

static int sync_file(long call, int fd) {
    int result, error;
    if (!is_file(fd)) return (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    note(SYNC_BEGIN, fd, 0, 0, 0, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    if (control) {
        __sync_fetch_and_add(&control->syncs, 1);
        __sync_fetch_and_add(&control->holding, 1);
        while (is_meant(names[fd]) && control->hold_sync) usleep(1000);
        __sync_fetch_and_sub(&control->holding, 1);
    }
    if (control && refused(&control->sync_error, names[fd])) result = -1;
    else result = (int)syscall(call, fd);
    error = errno;
    pthread_mutex_lock(&lock);
    note(SYNC_END, fd, result, 0, 0, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int fsync(int fd) { return sync_file(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_file(SYS_fdatasync, fd); }

static int rename_at(int from, const char *path, int to, const char *other) {
    char whole[PATH_MAX], target[PATH_MAX];
    int result, meant = in_folder(from, path, whole) | in_folder(to, other, target);
    if (meant && (refused(&control->rename_error, whole) || refused(&control->rename_error, target))) return -1;
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_renameat, from, path, to, other);
    if (meant && result == 0) note(RENAME, -1, 0, 0, 0, whole, target, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *path, const char *other) { return rename_at(AT_FDCWD, path, AT_FDCWD, other); }
int renameat(int from, const char *path, int to, const char *other) { return rename_at(from, path, to, other); }

static int unlink_at(int directory, const char *path, int flags) {
    char whole[PATH_MAX];
    int result, meant = in_folder(directory, path, whole);
    if (meant && refused(&control->unlink_error, whole)) return -1;
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_unlinkat, directory, path, flags);
    if (meant && result == 0) note(UNLINK, -1, 0, flags, 0, whole, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char *path, int flags) { return unlink_at(directory, path, flags); }
int rmdir(const char *path) { return unlink_at(AT_FDCWD, path, AT_REMOVEDIR); }

static int mkdir_at(int directory, const char *path, mode_t mode) {
    char whole[PATH_MAX];
    int result, meant = in_folder(directory, path, whole);
    if (meant && refused(&control->open_error, whole)) return -1;
    pthread_mutex_lock(&lock);
    result = (int)syscall(SYS_mkdirat, directory, path, mode);
    if (meant && result == 0) note(MKDIR, -1, 0, 0, 0, whole, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int mkdir(const char *path, mode_t mode) { return mkdir_at(AT_FDCWD, path, mode); }
int mkdirat(int directory, const char *path, mode_t mode) { return mkdir_at(directory, path, mode); }

/* -- streams */

static FILE *stream_opened(FILE *stream, const char *mode, int existed, const char *whole) {
    int flags = mode[0] == 'r' ? O_RDONLY : mode[0] == 'a' ? O_WRONLY | O_CREAT | O_APPEND : O_WRONLY | O_CREAT | O_TRUNC;
    if (stream) opened(fileno(stream), whole, flags, existed);
    return stream;
}

#define STREAM_OPEN(name) \
    FILE *name(const char *path, const char *mode) { \
        REAL(name); \
        char whole[PATH_MAX]; \
        FILE *stream; \
        if (!in_folder(AT_FDCWD, path, whole)) return real(path, mode); \
        if (mode[0] != 'r' && refused(&control->open_error, whole)) return NULL; \
        pthread_mutex_lock(&lock); \
        int existed = access(whole, F_OK) == 0; \
        stream = stream_opened(real(path, mode), mode, existed, whole); \
        pthread_mutex_unlock(&lock); \
        return stream; \
    }

STREAM_OPEN(fopen)
STREAM_OPEN(fopen64)

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
    REAL(fwrite);
    size_t length = size * count, done = 0;
    int fd = fileno(stream);
    if (!is_file(fd)) return real(data, size, count, stream);
    while (done < length) {      /* the C library goes on after a short write */
        ssize_t allowed = allowance(fd, length - done);
        if (allowed < 0) return size ? done / size : 0;
        pthread_mutex_lock(&lock);
        if (real((const char *)data + done, 1, (size_t)allowed, stream) != (size_t)allowed || fflush(stream)) {
            pthread_mutex_unlock(&lock);
            return size ? done / size : 0;
        }
        note(WRITE, fd, 0, 0, lseek(fd, 0, SEEK_CUR) - allowed, NULL, NULL, (const char *)data + done, (size_t)allowed);
        pthread_mutex_unlock(&lock);
        done += (size_t)allowed;
    }
    return count;
}

int fclose(FILE *stream) {
    REAL(fclose);
    int fd = fileno(stream);
    if (is_file(fd)) {
        note(CLOSE, fd, 0, 0, 0, NULL, NULL, NULL, 0);
        files[fd] = 0;
    }
    return real(stream);
}

/* -- sockets */

static int accepted(int fd) {
    if (fd >= 0 && fd < FILES) files[fd] = SOCKET;
    return fd;
}

int accept(int fd, struct sockaddr *address, socklen_t *length) {
    REAL(accept);
    return accepted(real(fd, address, length));
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
    REAL(accept4);
    return accepted(real(fd, address, length, flags));
}

static void sending(int fd, const void *data, size_t length) {
    pthread_mutex_lock(&lock);
    note(SEND, fd, 0, 0, 0, NULL, NULL, data, length < SENT_KEPT ? length : SENT_KEPT);
    pthread_mutex_unlock(&lock);
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    REAL(send);
    if (is_socket(fd)) sending(fd, data, length);
    return real(fd, data, length, flags);
}

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *address, socklen_t size) {
    REAL(sendto);
    if (is_socket(fd)) sending(fd, data, length);
    return real(fd, data, length, flags, address, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    if (is_socket(fd))
        for (size_t i = 0; i < message->msg_iovlen; i++) sending(fd, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    return real(fd, message, flags);
}
