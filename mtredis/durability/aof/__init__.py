"""The append only file: the log of all changes in several parts, kept as redis-server 7 and 8 keep it."""
