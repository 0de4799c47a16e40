"""Every configuration parameter of the server, each declared once, by theme.

Idea: what stands here is all there is: CONFIG GET, CONFIG SET, the file, the command line, --help and
configs/mtredis.conf come from it. A parameter of Redis that means nothing to this server yet is not declared, so it
is refused as unknown instead of accepted and ignored; one that clients read is declared with the only value that is
true today.

Owner: none; read-only after import. Names, ranges and defaults are those of redis-server 8.0 where both have the
parameter.
"""

import os
from typing import Any

from mtredis.ops.kinds import (
    Addresses,
    Directory,
    EventClasses,
    OomScores,
    OutputLimit,
    OutputLimits,
    Percentiles,
    SavePoints,
    refuse_bad_name,
    refuse_locale,
    refuse_path,
)
from mtredis.registry.parameter import (
    INT_MAX,
    INT_MIN,
    LONG_MAX,
    UINT_MAX,
    ULONG_MAX,
    Boolean,
    Catalogue,
    Choice,
    Flags,
    Integer,
    Kind,
    Memory,
    Octal,
    Parameter,
    Text,
)

MEBIBYTE = 1024 * 1024
CATALOGUE = Catalogue()


def default_io_threads() -> int:
    """As many workers as this process has cores, between 2 and 128."""
    return min(max(2, os.process_cpu_count() or 2), 128)


def _theme(theme: str) -> Any:
    """A function that declares parameters of one theme."""

    def declare(name: str, kind: Kind, default: Any, summary: str, **traits: Any) -> None:
        CATALOGUE.declare(Parameter(name, kind, default, summary, theme, **traits))

    return declare


network = _theme("Network")
network(
    "bind",
    Addresses(),
    ("*", "-::*"),
    "Addresses to listen on: IPv4, IPv6, or * for all of a family. With a leading '-' one may be missing.",
)
network("port", Integer(0, 65535), 6379, "TCP port; 0 listens on no TCP port at all.")
network(
    "tcp-backlog",
    Integer(0, INT_MAX),
    511,
    "Length of the queue of connections not yet accepted (the kernel's somaxconn caps it).",
    mutable=False,
)
network(
    "unixsocket",
    Text(unset=True, placeholder="<path>"),
    "",
    "Path of a Unix socket to listen on, besides or instead of TCP.",
    mutable=False,
)
network(
    "unixsocketperm",
    Octal(0, 0o777),
    0,
    "Permissions of the Unix socket; 0 leaves what the umask gives.",
    mutable=False,
)
network(
    "protected-mode",
    Boolean(),
    True,
    "While no password is set, refuse clients from other machines.",
)
network("timeout", Integer(0, INT_MAX), 0, "Close a client that was idle for this many seconds; 0 never does.")
network(
    "tcp-keepalive",
    Integer(0, INT_MAX),
    300,
    "Seconds of silence after which the kernel probes a peer; 0 turns it off.",
)

threads = _theme("Threads")
threads(
    "io-threads",
    Integer(1, 128),
    default_io_threads,
    "Worker threads that read, parse, answer single-key reads and write. One more thread executes all other commands.",
    mutable=False,
    default_note="as many as cores, at least 2",
)
threads(
    "io-threads-mode",
    Choice("auto", "threads", "executor"),
    "auto",
    "Who drives the connections: worker threads, the executor itself (cheaper at low load), or what fits the load.",
)

clients = _theme("Clients")
clients(
    "maxclients",
    Integer(1, UINT_MAX, unsigned=True),
    10000,
    "Most clients at once; the limit of open files is raised to fit.",
)
clients(
    "maxmemory-clients",
    Memory(-100, LONG_MAX, percent=True),
    0,
    "Most memory for the buffers of all clients together, in bytes or as a share of maxmemory; above it the largest "
    "clients are closed. 0 sets no bound.",
)
clients(
    "client-query-buffer-limit",
    Memory(MEBIBYTE, LONG_MAX, unsigned=True),
    1024 * MEBIBYTE,
    "Most bytes of unexecuted requests that one client may have pending.",
)
clients(
    "client-output-buffer-limit",
    OutputLimits(),
    {
        "normal": OutputLimit(0, 0, 0),
        "replica": OutputLimit(256 * MEBIBYTE, 64 * MEBIBYTE, 60),
        "pubsub": OutputLimit(32 * MEBIBYTE, 8 * MEBIBYTE, 60),
    },
    "Per class of client (normal, replica, pubsub): close it above a hard limit, or above a soft one for some seconds.",
)
clients("proto-max-bulk-len", Memory(MEBIBYTE, LONG_MAX), 512 * MEBIBYTE, "Longest single argument of a request.")

security = _theme("Security")
security(
    "requirepass",
    Text(unset=True),
    "",
    "Password of the default user; clients give it with AUTH or HELLO.",
    sensitive=True,
)
security(
    "enable-protected-configs",
    Choice("no", "yes", "local"),
    "no",
    "Whether CONFIG SET may change dir and dbfilename: never, always, or for local clients.",
    mutable=False,
)
security(
    "enable-debug-command",
    Choice("no", "yes", "local"),
    "no",
    "Whether DEBUG may be used: never, always, or by local clients.",
    mutable=False,
)
security(
    "enable-module-command",
    Choice("no", "yes", "local"),
    "no",
    "Whether MODULE may be used: never, always, or by local clients.",
    mutable=False,
)

memory = _theme("Memory and eviction")
memory(
    "maxmemory",
    Memory(0, ULONG_MAX, unsigned=True),
    0,
    "Most memory for the dataset and the clients' buffers; above it keys go as maxmemory-policy says, or writes are "
    "refused. 0 sets no bound.",
)
memory(
    "maxmemory-policy",
    Choice(
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "noeviction",
    ),
    "noeviction",
    "Which keys go at maxmemory: of all keys or of those with a time to live, the least recently or least frequently "
    "used, some at random, or those that expire first; with noeviction writes get an error.",
)
memory("maxmemory-samples", Integer(1, 64), 5, "Keys that are looked at to find one worth evicting.")
memory("maxmemory-eviction-tenacity", Integer(0, 100), 10, "How long one command may evict: 0 hardly, 100 until done.")
memory(
    "lfu-log-factor",
    Integer(0, INT_MAX),
    10,
    "How many hits saturate the access counter of a key; more for larger factors.",
)
memory(
    "lfu-decay-time", Integer(0, INT_MAX), 1, "Minutes after which the access counter of an unused key drops by one."
)
memory("activedefrag", Boolean(), False, "Move keys and values together when memory is fragmented, and give it back.")
memory(
    "active-defrag-ignore-bytes",
    Memory(1, LONG_MAX),
    100 << 20,
    "Fragmentation up to which nothing is moved.",
)
memory(
    "active-defrag-threshold-lower",
    Integer(0, 1000),
    10,
    "Fragmentation in percent of the memory used up to which nothing is moved.",
)
memory(
    "active-defrag-threshold-upper",
    Integer(0, 1000),
    100,
    "Fragmentation in percent from which active-defrag-cycle-max is spent.",
)
memory("active-defrag-cycle-min", Integer(1, 99), 1, "Percent of the CPU for moving, at the lower threshold.")
memory("active-defrag-cycle-max", Integer(1, 99), 25, "Percent of the CPU for moving, at the upper threshold.")
memory(
    "active-defrag-max-scan-fields",
    Integer(1, LONG_MAX),
    1000,
    "About how many fields of a value are moved in one step.",
)
memory("lazyfree-lazy-eviction", Boolean(), False, "Free evicted values on a background thread.")
memory("lazyfree-lazy-expire", Boolean(), False, "Free expired values on a background thread.")
memory(
    "lazyfree-lazy-server-del",
    Boolean(),
    False,
    "Free values that a command overwrites, as RENAME does, on a background thread.",
)
memory("lazyfree-lazy-user-del", Boolean(), False, "Let DEL free values as UNLINK does.")
memory("lazyfree-lazy-user-flush", Boolean(), False, "Let FLUSHDB and FLUSHALL without a mode work as with ASYNC.")

keyspace = _theme("Keyspace")
keyspace("databases", Integer(1, INT_MAX), 16, "Number of databases; a client selects one by its index.", mutable=False)
keyspace(
    "active-expire-effort", Integer(1, 10), 1, "How hard expired keys are looked for in the background, from 1 to 10."
)
keyspace("hz", Integer(0, INT_MAX, clamp=(1, 500)), 10, "How often a second background work runs, between 1 and 500.")
keyspace("dynamic-hz", Boolean(), True, "Run background work more often while many clients are connected.")
keyspace(
    "notify-keyspace-events",
    EventClasses(),
    "",
    "Classes of keyspace events to publish: K and/or E with any of g $ l s h z x e t d n m, or A for all but m and n.",
)

data_types = _theme("Data types")
data_types(
    "hash-max-listpack-entries",
    Integer(0, LONG_MAX),
    512,
    "Most fields of a hash that is kept packed in one buffer.",
    aliases=("hash-max-ziplist-entries",),
)
data_types(
    "hash-max-listpack-value",
    Memory(0, LONG_MAX),
    64,
    "Longest field or value in a packed hash.",
    aliases=("hash-max-ziplist-value",),
)
data_types(
    "list-max-listpack-size",
    Integer(INT_MIN, INT_MAX),
    -2,
    "Size of a packed list and of a node of a longer one: elements if positive; -1 to -5 for 4, 8, 16, 32, 64 KB.",
    aliases=("list-max-ziplist-size",),
)
data_types(
    "list-compress-depth",
    Integer(0, INT_MAX),
    0,
    "Kept for Redis's sake: nodes of a list are never compressed in memory.",
)
data_types("set-max-intset-entries", Integer(0, LONG_MAX), 512, "Most members of a packed set of integers.")
data_types("set-max-listpack-entries", Integer(0, LONG_MAX), 128, "Most members of any other set that is kept packed.")
data_types("set-max-listpack-value", Integer(0, LONG_MAX), 64, "Longest member of a packed set.")
data_types(
    "zset-max-listpack-entries",
    Integer(0, LONG_MAX),
    128,
    "Most members of a sorted set that is kept packed.",
    aliases=("zset-max-ziplist-entries",),
)
data_types(
    "zset-max-listpack-value",
    Memory(0, LONG_MAX),
    64,
    "Longest member of a packed sorted set.",
    aliases=("zset-max-ziplist-value",),
)
data_types(
    "stream-node-max-bytes",
    Memory(0, LONG_MAX),
    4096,
    "Most bytes of a node of a stream; 0 sets no bound.",
)
data_types(
    "stream-node-max-entries",
    Integer(0, LONG_MAX),
    100,
    "Most entries of a node of a stream; 0 sets no bound.",
)
data_types(
    "hll-sparse-max-bytes",
    Memory(0, LONG_MAX),
    3000,
    "Longest HyperLogLog in the sparse form; a longer one becomes dense.",
)
data_types(
    "locale-collate",
    Text(check=refuse_locale),
    "",
    "Locale by which SORT ALPHA compares, as in LC_COLLATE; empty takes it from the environment.",
)
# Parameters that the keyspace itself follows (keyspace/value.pxd: Limits).
PACKING_PARAMETERS = tuple(
    parameter.name for parameter in CATALOGUE.parameters
    if parameter.theme == "Data types" and parameter.name not in ("hll-sparse-max-bytes", "locale-collate")
)

observation = _theme("Slow log, latency")
observation(
    "slowlog-log-slower-than",
    Integer(-1, LONG_MAX),
    10000,
    "Log commands that took longer, in microseconds; 0 logs all, -1 none.",
)
observation("slowlog-max-len", Integer(0, LONG_MAX), 128, "Entries that the slow log keeps.")
observation(
    "latency-monitor-threshold",
    Integer(0, LONG_MAX),
    0,
    "Sample events that took at least this many milliseconds; 0 samples none.",
)
observation(
    "latency-tracking",
    Boolean(),
    True,
    "Keep a latency histogram per command, for INFO latencystats and LATENCY HISTOGRAM.",
)
observation(
    "latency-tracking-info-percentiles",
    Percentiles(),
    (50.0, 99.0, 99.9),
    "Percentiles of each command's latency that INFO latencystats shows.",
)

logs = _theme("Logs")
logs("loglevel", Choice("debug", "verbose", "notice", "warning", "nothing"), "notice", "Least severe messages to log.")
logs(
    "logfile",
    Text(placeholder="<path>"),
    "",
    "File to append the log to; empty logs to standard output.",
    mutable=False,
)
logs("syslog-enabled", Boolean(), False, "Log to syslog as well.", mutable=False)
logs("syslog-ident", Text(), "mtredis", "Name under which syslog shows the messages.", mutable=False)
logs(
    "syslog-facility",
    Choice("user", *(f"local{number}" for number in range(8))),
    "local0",
    "Facility of the messages in syslog.",
    mutable=False,
)
logs("hide-user-data-from-log", Boolean(), False, "Keep keys, values and addresses of users out of the log.")

service = _theme("Service")
service("daemonize", Boolean(), False, "Run in the background, detached from the terminal.", mutable=False)
service(
    "supervised",
    Choice("upstart", "systemd", "auto", "no"),
    "no",
    "Which supervisor to tell about readiness; auto looks at NOTIFY_SOCKET and UPSTART_JOB.",
    mutable=False,
)
service(
    "pidfile",
    Text(unset=True, placeholder="<path>"),
    "",
    "File to write the process id to; a daemon without one uses /var/run/mtredis.pid.",
    mutable=False,
)
service(
    "oom-score-adj",
    Choice("no", "yes", "relative", "absolute", same={"relative": "yes"}),
    "no",
    "Whether to set the kernel's oom_score_adj: relative to what it was, or to an absolute figure.",
)
service(
    "disable-thp",
    Boolean(),
    True,
    "Do without transparent huge pages where the kernel gives them to every process.",
    mutable=False,
)
service(
    "oom-score-adj-values", OomScores(), (0, 200, 800), "The figures for a primary, a replica and a background child."
)
service(
    "shutdown-on-sigint",
    Flags(
        "save",
        "nosave",
        "now",
        "force",
        exclusive=(frozenset(("save", "nosave")), "shutdown options SAVE and NOSAVE can't be used simultaneously"),
    ),
    (),
    "How SIGINT shuts the server down.",
)
service(
    "shutdown-on-sigterm",
    Flags(
        "save",
        "nosave",
        "now",
        "force",
        exclusive=(frozenset(("save", "nosave")), "shutdown options SAVE and NOSAVE can't be used simultaneously"),
    ),
    (),
    "How SIGTERM shuts the server down.",
)

persistence = _theme("Persistence and cluster")
persistence(
    "dir",
    Directory(),
    os.getcwd,
    "Working folder: relative paths start here.",
    protected=True,
    default_note="where the server was started",
)
persistence(
    "dbfilename",
    Text(check=refuse_path("dbfilename")),
    "dump.rdb",
    "Name of the snapshot file in dir.",
    protected=True,
)
persistence(
    "save",
    SavePoints(),
    ((3600, 1), (300, 100), (60, 10000)),
    "When to write a snapshot by itself: after so many seconds, if there were so many changes. Several lines add up; "
    'save "" means never. At the end of the server the data is saved if there is a save point.',
)
persistence(
    "stop-writes-on-bgsave-error",
    Boolean(),
    True,
    "Refuse writes while there are save points and the last snapshot in the background has failed.",
)
persistence("rdbcompression", Boolean(), True, "Compress long strings in snapshots and in what DUMP replies with.")
persistence(
    "rdbchecksum",
    Boolean(),
    True,
    "Put a checksum at the end of snapshots, and check it when one is loaded.",
    mutable=False,
)
persistence(
    "rdb-save-incremental-fsync",
    Boolean(),
    True,
    "Have the disk take a snapshot in steps of 4 MB while it is written, not all of it at the end.",
)
persistence(
    "rdb-del-sync-files",
    Boolean(),
    False,
    "Delete the snapshot files that replication has made, if nothing else wants them. There is no replication yet.",
)
persistence(
    "sanitize-dump-payload",
    Choice("no", "yes", "clients"),
    "no",
    "Kept for Redis's sake: what RESTORE and snapshot files hold is always checked in full.",
)
for _name, _what in (("rdb-key-save-delay", "saved"), ("key-load-delay", "loaded")):
    persistence(_name, Integer(INT_MIN, INT_MAX), 0, f"Microseconds to wait after each {_what} key.", hidden=True)
persistence(
    "appendonly", Boolean(), False, "Whether every change goes to a log on disk (AOF), which is loaded at the start."
)
persistence(
    "appendfilename",
    Text(check=refuse_bad_name("appendfilename", "filename")),
    "appendonly.aof",
    "What the names of the files of the log begin with.",
    mutable=False,
)
persistence(
    "appenddirname",
    Text(check=refuse_bad_name("appenddirname", "dirname")),
    "appendonlydir",
    "Name of the folder in dir that holds the files of the log.",
    mutable=False,
)
persistence(
    "appendfsync",
    Choice("everysec", "always", "no"),
    "everysec",
    "When the log is brought to disk: every second, before any reply (always), or when the kernel likes (no).",
)
persistence(
    "no-appendfsync-on-rewrite",
    Boolean(),
    False,
    "While a snapshot or a new base is written, do not bring the log to disk: faster, and less safe.",
)
persistence(
    "auto-aof-rewrite-percentage",
    Integer(0, INT_MAX),
    100,
    "Rewrite the log when it has grown by so many percent since the last time; 0 never does.",
)
persistence(
    "auto-aof-rewrite-min-size",
    Memory(0, LONG_MAX),
    64 * MEBIBYTE,
    "The log is not rewritten by itself while it is smaller than this.",
)
persistence(
    "aof-load-truncated",
    Boolean(),
    True,
    "If the log ends in the middle of something (after a crash), cut it back and start; else refuse to start.",
)
persistence(
    "aof-use-rdb-preamble", Boolean(), True, "Write the base of the log as a snapshot, not as commands."
)
persistence("aof-timestamp-enabled", Boolean(), False, "Note the time in the log, so that it can be cut back to one.")
persistence(
    "aof-rewrite-incremental-fsync",
    Boolean(),
    True,
    "Have the disk take a new base in steps of 4 MB while it is written, not all of it at the end.",
)
persistence(
    "aof-disable-auto-gc", Boolean(), False, "Keep the files that a rewrite has made superfluous.", hidden=True
)
persistence(
    "cluster-enabled",
    Boolean(only=False),
    False,
    "Whether this server is a node of a cluster. Not supported yet.",
    mutable=False,
)
