"""The bench: mtredis and redis-server side by side, driven by redis-benchmark (`make bench`, `python -m bench --help`).

    workloads    what is measured: the rows and the profiles made of them
    cases        the commands on collections, and the data that they need
    contenders   the servers: started on free loopback ports, stopped by pid
    drivers      what loads a server: redis-benchmark, and a probe for the latency of one client
    rounds       the order of it: interleaved rounds, medians, ratios
    footprint    memory per key and per connection
    packed       memory per collection, of every type and many sizes
    curves       cost per operation over the size of the collection
    eviction     hit ratios under maxmemory, by itself: python -m bench.eviction
    memory_truth used_memory beside RSS, by itself: python -m bench.memory_truth
    defragmentation  what activedefrag gives back, by itself: python -m bench.defragmentation
    targets      what must be reached
    report, picture, machine    the table, the PNG, and the facts without which numbers mean nothing
    profiler     `--perf`: where the server's time goes during one row

Main figure: the CPU that the server spends per request, since it does not depend on who else loads the machine as
much as requests per second do.
"""
