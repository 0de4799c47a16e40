"""Sorted sets: members with scores (`members`), taking from the ends (`ends`), ranges (`ranges`), and what several
sorted sets give together (`algebra`). The values are in keyspace/types/sorted_set.pyx."""
