# cython: freethreading_compatible=True
"""The constants of the RDB format, version 12 (Redis 8.0) and before. Its shape:

    file      "REDIS" version(4 digits)  record*  EOF  checksum(8 bytes from version 5 on; 0: none was computed)
    record    opcode and what belongs to it, or [EXPIRETIME..] [IDLE | FREQ] type key value
    length    00 + 6 bits | 01 + 14 bits | 0x80 + 32 bits | 0x81 + 64 bits, big-endian
    string    length, bytes | 0xC0 + int8 | 0xC1 + int16 | 0xC2 + int32 (little-endian) | 0xC3 + LZF: two lengths, data
    payload   type value  version(2 bytes)  checksum(8 bytes)                      what DUMP replies with

Numbers other than lengths are little-endian; ids of stream entries are 16 big-endian bytes.
"""

cdef enum:
    RDB_VERSION = 12
    RDB_HEADER = 9                   # bytes
    RDB_CHECKSUM = 8
    RDB_FOOTER = 10                  # of a payload
    RDB_VERSION_CHECKSUMS = 5        # the first with one at the end

cdef enum:                           # the first byte of a length
    LENGTH_14 = 0x40
    LENGTH_32 = 0x80
    LENGTH_64 = 0x81
    LENGTH_SPECIAL = 0xC0            # not a length: the low bits say what follows
    SPECIAL_INT8 = 0
    SPECIAL_INT16 = 1
    SPECIAL_INT32 = 2
    SPECIAL_LZF = 3

cdef enum:                           # types of values
    RDB_STRING = 0
    RDB_LIST = 1                     # of strings
    RDB_SET = 2
    RDB_ZSET = 3                     # scores as text
    RDB_HASH = 4
    RDB_ZSET_2 = 5                   # scores as 8 bytes
    RDB_MODULE_PRE_GA = 6
    RDB_MODULE_2 = 7
    RDB_HASH_ZIPMAP = 9
    RDB_LIST_ZIPLIST = 10
    RDB_SET_INTSET = 11
    RDB_ZSET_ZIPLIST = 12
    RDB_HASH_ZIPLIST = 13
    RDB_LIST_QUICKLIST = 14          # of ziplists
    RDB_STREAM_LISTPACKS = 15
    RDB_HASH_LISTPACK = 16
    RDB_ZSET_LISTPACK = 17
    RDB_LIST_QUICKLIST_2 = 18        # of listpacks and of big elements
    RDB_STREAM_LISTPACKS_2 = 19      # with first and deleted ids and counters
    RDB_SET_LISTPACK = 20
    RDB_STREAM_LISTPACKS_3 = 21      # with the consumers' active times
    RDB_HASH_METADATA_PRE_GA = 22    # with times of fields, absolute
    RDB_HASH_LISTPACK_EX_PRE_GA = 23
    RDB_HASH_METADATA = 24           # the first time, then each relative to it
    RDB_HASH_LISTPACK_EX = 25
    RDB_TYPES = 26

cdef enum:                           # opcodes
    OP_SLOT_INFO = 244
    OP_FUNCTION2 = 245
    OP_FUNCTION_PRE_GA = 246
    OP_MODULE_AUX = 247
    OP_IDLE = 248
    OP_FREQ = 249
    OP_AUX = 250
    OP_RESIZEDB = 251
    OP_EXPIRETIME_MS = 252
    OP_EXPIRETIME = 253
    OP_SELECTDB = 254
    OP_EOF = 255

cdef enum:                           # what a module's data consists of
    MODULE_EOF = 0
    MODULE_SINT = 1
    MODULE_UINT = 2
    MODULE_FLOAT = 3
    MODULE_DOUBLE = 4
    MODULE_STRING = 5

cdef enum:                           # how a node of a quicklist is kept
    NODE_PLAIN = 1
    NODE_PACKED = 2

cdef enum:                           # a score as text: lengths that are none
    SCORE_NAN = 253
    SCORE_INFINITE = 254
    SCORE_MINUS_INFINITE = 255
