"""The data: databases of keys in C memory, their expiry, and the names of what happens to them.

Bottom up: `entry` (a key with its value in one allocation), `segment` (a small hash table), `core` (what tables share:
clock, version, memory to be freed), `directory` (which segment holds a hash; splitting and merging), `table` (one
database), `expire` (active expiry), `database` (the Python API), `reader` (other threads), `bits`, `notify`, `memory`.
It knows no RESP and no client.
"""
