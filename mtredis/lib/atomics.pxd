# cython: freethreading_compatible=True
"""C11-style atomics on plain C memory, and a byte lock for critical sections of some nanoseconds.

Idea: what one thread publishes with release, another sees with acquire; a `fence()` is a full barrier, needed
where a thread publishes and then looks at what the other side published (the wake-up handshake in `mailbox`).

Owner: none. The byte lock spins a little and then yields its time slice, because on few cores the holder may
have been preempted; hold it for a copy of some bytes, never around a system call or Python code.
"""
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #include <stdint.h>
    #include <sched.h>
    /* With -DMT_JITTER=N one of N stores, exchanges and unlocks is followed by a pause, so that the stress tests find
       what a thread still does with a thing that it has shown to others (make jitter). */
    #ifdef MT_JITTER
    #include <time.h>
    static inline void mt_jitter(void) {
        static __thread uint32_t dice;
        const struct timespec pause = {0, 30000};
        dice = dice * 1664525u + 1013904223u + (uint32_t) (uintptr_t) &dice;
        if ((dice >> 8) % MT_JITTER == 0) nanosleep(&pause, 0);
    }
    #else
    #define mt_jitter() ((void)0)
    #endif
    #define mt_then_jitter(x) ({ __typeof__(x) mt_result = (x); mt_jitter(); mt_result; })
    #define mt_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define mt_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
    #define mt_store(p, v) (__atomic_store_n((p), (v), __ATOMIC_RELEASE), mt_jitter())
    #define mt_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
    #define mt_exchange(p, v) mt_then_jitter(__atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL))
    #define mt_add(p, v) mt_then_jitter(__atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL))
    #define mt_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)
    #define mt_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
    #define mt_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
    #if defined(__x86_64__) || defined(__i386__)
    #define mt_pause() __builtin_ia32_pause()
    #else
    #define mt_pause() ((void)0)
    #endif
    static inline int mt_compare_exchange_pointer(void **p, void **expected, void *desired) {
        return mt_then_jitter(__atomic_compare_exchange_n(p, expected, desired, 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    }
    static inline void mt_raise(uint64_t *p, uint64_t v) {
        uint64_t old = mt_load(p);
        while (old < v && !__atomic_compare_exchange_n(p, &old, v, 1, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {}
    }
    static inline void mt_lock(uint8_t *lock) {
        int spins = 0;
        while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) {
            while (__atomic_load_n(lock, __ATOMIC_RELAXED)) {
                if (++spins < 64) mt_pause(); else sched_yield();
            }
        }
    }
    static inline void mt_unlock(uint8_t *lock) { mt_store(lock, 0); }
    """
    uint64_t load_u64 "mt_load"(uint64_t *p) noexcept nogil
    uint32_t load_u32 "mt_load"(uint32_t *p) noexcept nogil
    int32_t load_i32 "mt_load"(int32_t *p) noexcept nogil
    uint8_t load_u8 "mt_load"(uint8_t *p) noexcept nogil
    void *load_pointer "mt_load"(void **p) noexcept nogil
    uint64_t load_relaxed_u64 "mt_load_relaxed"(uint64_t *p) noexcept nogil
    void store_u64 "mt_store"(uint64_t *p, uint64_t v) noexcept nogil
    void store_u32 "mt_store"(uint32_t *p, uint32_t v) noexcept nogil
    void store_i32 "mt_store"(int32_t *p, int32_t v) noexcept nogil
    void store_u8 "mt_store"(uint8_t *p, uint8_t v) noexcept nogil
    void store_pointer "mt_store"(void **p, void *v) noexcept nogil
    void store_relaxed_u64 "mt_store_relaxed"(uint64_t *p, uint64_t v) noexcept nogil
    uint32_t exchange_u32 "mt_exchange"(uint32_t *p, uint32_t v) noexcept nogil
    void *exchange_pointer "mt_exchange"(void **p, void *v) noexcept nogil
    uint64_t add_u64 "mt_add"(uint64_t *p, uint64_t v) noexcept nogil
    int32_t add_i32 "mt_add"(int32_t *p, int32_t v) noexcept nogil
    bint compare_exchange_pointer "mt_compare_exchange_pointer"(void **p, void **expected, void *desired) noexcept nogil
    void raise_u64 "mt_raise"(uint64_t *p, uint64_t v) noexcept nogil      # to at least v
    void fence "mt_fence"() noexcept nogil
    void fence_acquire "mt_fence_acquire"() noexcept nogil
    void fence_release "mt_fence_release"() noexcept nogil
    void cpu_pause "mt_pause"() noexcept nogil
    void lock_byte "mt_lock"(uint8_t *lock) noexcept nogil
    void unlock_byte "mt_unlock"(uint8_t *lock) noexcept nogil
