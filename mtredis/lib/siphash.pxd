# cython: freethreading_compatible=True
"""SipHash-1-3: a keyed hash, so that nobody who does not know the key can choose keys that share a bucket.

Idea: four 64-bit words of state, one round for each 8 bytes of input and three at the end (Aumasson and Bernstein's
SipHash with c=1, d=3, which CPython uses for `bytes`). Written from the specification; checked against known vectors.

Owner: none; a pure function of key and data. Little-endian machines only (x86-64, arm64).
"""
from libc.stdint cimport uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "mtredis needs a little-endian machine"
    #endif
    #define MT_ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
    #define MT_SIP_ROUND(a, b, c, d) do { \\
        a += b; c += d; b = MT_ROTATE(b, 13); d = MT_ROTATE(d, 16); b ^= a; d ^= c; a = MT_ROTATE(a, 32); \\
        c += b; a += d; b = MT_ROTATE(b, 17); d = MT_ROTATE(d, 21); b ^= c; d ^= a; c = MT_ROTATE(c, 32); \\
    } while (0)
    static inline uint64_t mt_siphash13(const uint64_t *key, const char *data, size_t length) {
        uint64_t a = key[0] ^ UINT64_C(0x736f6d6570736575);
        uint64_t b = key[1] ^ UINT64_C(0x646f72616e646f6d);
        uint64_t c = key[0] ^ UINT64_C(0x6c7967656e657261);
        uint64_t d = key[1] ^ UINT64_C(0x7465646279746573);
        uint64_t word, last = (uint64_t)length << 56;
        size_t rest = length & 7;
        const char *end = data + (length - rest);
        for (; data != end; data += 8) {
            memcpy(&word, data, 8);
            d ^= word;
            MT_SIP_ROUND(a, b, c, d);
            a ^= word;
        }
        switch (rest) {
            case 7: last |= (uint64_t)(uint8_t)end[6] << 48; /* fall through */
            case 6: last |= (uint64_t)(uint8_t)end[5] << 40; /* fall through */
            case 5: last |= (uint64_t)(uint8_t)end[4] << 32; /* fall through */
            case 4: last |= (uint64_t)(uint8_t)end[3] << 24; /* fall through */
            case 3: last |= (uint64_t)(uint8_t)end[2] << 16; /* fall through */
            case 2: last |= (uint64_t)(uint8_t)end[1] << 8; /* fall through */
            case 1: last |= (uint64_t)(uint8_t)end[0]; /* fall through */
            default: break;
        }
        d ^= last;
        MT_SIP_ROUND(a, b, c, d);
        a ^= last;
        c ^= 0xff;
        MT_SIP_ROUND(a, b, c, d);
        MT_SIP_ROUND(a, b, c, d);
        MT_SIP_ROUND(a, b, c, d);
        return a ^ b ^ c ^ d;
    }
    """
    uint64_t siphash13 "mt_siphash13"(const uint64_t *key, const char *data, size_t length) noexcept nogil
