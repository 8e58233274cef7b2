// The threads of the CPU backend. A worker that has nothing to do spins for some microseconds, as the next operation of
// a training step usually follows at once, and then sleeps.

#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "CGimbalLoops.h"

struct gimbal_pool {
    int threads;
    pthread_t *workers;

    /// Held by the caller whose parts are being run.
    atomic_flag is_busy;
    void (*part)(void *, int);
    void *context;
    int parts;
    /// Counts the runs; a change calls the workers.
    atomic_uint generation;
    atomic_int next_part;
    /// Workers within the present run, and `closed` once nobody may enter it any more.
    atomic_uint gate;
    atomic_bool is_ending;

    pthread_mutex_t mutex;
    pthread_cond_t called;
    atomic_int sleeping;
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// A worker that wakes up late must not hold up a run that is done without it: it finds the gate closed.
static const unsigned closed = 1u << 31;

enum { spin_nanoseconds = 50000, pauses_between_looks_at_the_clock = 32 };

static void run_parts(gimbal_pool *pool) {
    for (;;) {
        int index = atomic_fetch_add_explicit(&pool->next_part, 1, memory_order_relaxed);
        if (index >= pool->parts) return;
        pool->part(pool->context, index);
    }
}

/// Waits until `generation` is no longer `seen`.
static void await_call(gimbal_pool *pool, unsigned seen) {
    int64_t start = nanoseconds();
    do {
        for (int i = 0; i < pauses_between_looks_at_the_clock; i++) {
            if (atomic_load_explicit(&pool->generation, memory_order_acquire) != seen) return;
            relax();
        }
    } while (nanoseconds() - start < spin_nanoseconds);
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->sleeping, 1);
    while (atomic_load(&pool->generation) == seen) pthread_cond_wait(&pool->called, &pool->mutex);
    atomic_fetch_sub(&pool->sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static bool enter(gimbal_pool *pool) {
    unsigned gate = atomic_load_explicit(&pool->gate, memory_order_relaxed);
    do {
        if (gate & closed) return false;
    } while (!atomic_compare_exchange_weak_explicit(&pool->gate, &gate, gate + 1, memory_order_acquire,
                                                    memory_order_relaxed));
    return true;
}

static void *work(void *argument) {
    gimbal_pool *pool = argument;
    unsigned seen = 0;
    for (;;) {
        await_call(pool, seen);
        seen = atomic_load(&pool->generation);
        if (atomic_load(&pool->is_ending)) return NULL;
        if (!enter(pool)) continue;
        run_parts(pool);
        atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_release);
    }
}

static void call_workers(gimbal_pool *pool) {
    // Sequentially consistent, as is the worker's pair of accesses: either it sees the new generation, or we see it sleep.
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleeping) == 0) return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->called);
    pthread_mutex_unlock(&pool->mutex);
}

gimbal_pool *gimbal_pool_create(int threads) {
    gimbal_pool *pool = calloc(1, sizeof *pool);
    if (!pool) abort();
    int workers = threads > 1 ? threads - 1 : 0;
    pool->workers = calloc((size_t)workers + 1, sizeof *pool->workers);
    if (!pool->workers) abort();
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->called, NULL);
    atomic_store(&pool->gate, closed);
    pool->threads = 1;
    while (pool->threads <= workers) {
        if (pthread_create(&pool->workers[pool->threads - 1], NULL, work, pool) != 0) break;
        pool->threads++;
    }
    return pool;
}

void gimbal_pool_destroy(gimbal_pool *pool) {
    atomic_store(&pool->is_ending, true);
    call_workers(pool);
    for (int i = 0; i < pool->threads - 1; i++) pthread_join(pool->workers[i], NULL);
    pthread_cond_destroy(&pool->called);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool);
}

int gimbal_pool_threads(const gimbal_pool *pool) { return pool->threads; }

void gimbal_pool_run(gimbal_pool *pool, int parts, void (*part)(void *, int), void *context) {
    bool runs_alone = parts <= 1 || pool->threads == 1;
    if (runs_alone || atomic_flag_test_and_set_explicit(&pool->is_busy, memory_order_acquire)) {
        for (int i = 0; i < parts; i++) part(context, i);
        return;
    }
    pool->part = part;
    pool->context = context;
    pool->parts = parts;
    atomic_store_explicit(&pool->next_part, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->gate, 0, memory_order_release);
    call_workers(pool);
    run_parts(pool);
    // Every worker must have left this run before the next may begin. One that lost its core to another process can take
    // long; after a while we let it have ours.
    atomic_fetch_or(&pool->gate, closed);
    for (int spins = 0; atomic_load_explicit(&pool->gate, memory_order_acquire) != closed; spins++) {
        if (spins < 10000) relax();
        else sched_yield();
    }
    atomic_flag_clear_explicit(&pool->is_busy, memory_order_release);
}

int gimbal_available_cores(void) {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (int)cores : 1;
}
