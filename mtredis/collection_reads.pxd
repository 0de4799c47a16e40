# cython: freethreading_compatible=True
"""Reads of one collection in C, for the table in `reads.pyx`: see `collection_reads.pyx`."""
from libc.stdint cimport int64_t
from mtredis.keyspace.entry cimport Entry
from mtredis.keyspace.value cimport Word
from mtredis.reading cimport Reading

cdef struct ScoreBound:          # a place between members: before (`beyond`: behind) all that have the score
    double score
    bint beyond

cdef bint read_bound(const char *word, size_t length, bint is_low, ScoreBound *bound) noexcept nogil
cdef void find_between(Word word, ScoreBound *low, ScoreBound *high, int64_t *rank, int64_t *count) noexcept nogil

cdef bint write_list_length(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_list_element(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_list_range(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_hash_field(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_hash_fields(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_hash_items(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_hash_keys(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_hash_values(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_value_length(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_hash_length(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_has_field(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_set_length(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_has_member(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_has_members(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_set_members(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_random_member(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_sorted_length(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_scores(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_score(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_rank(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_reverse_rank(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_sorted_range(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_reverse_range(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_range_by_score(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_reverse_range_by_score(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_score_count(Reading *reading, Entry *entry) noexcept nogil
cdef bint write_stream_length(Reading *reading, Entry *entry) noexcept nogil
