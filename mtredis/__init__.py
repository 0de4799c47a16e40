"""mtredis: a Redis-compatible server on all cores, in Python without the GIL."""

__version__ = "0.1.0"
