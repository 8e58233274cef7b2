// A clock that jumps: the time of day goes forwards and backwards, and the time since the start forwards.
//
//     clang -O2 -shared -fPIC -o clock.so clock.c
//     LD_PRELOAD=./clock.so GIMBAL_CLOCK=7 gimbal train …
//
// About every eighth question finds the time of day up to ten years off, in either direction, and the time since the
// start, which must not go back, up to an hour later. GIMBAL_CLOCK is a number that the jumps follow from.
#include "fault.h"
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

static atomic_ullong state;
// Seconds that are added now.
static atomic_llong day, start;

// A library's constructor: before anybody asks.
__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("GIMBAL_CLOCK");
    atomic_store(&state, text ? strtoull(text, NULL, 10) : 1);
}

// The next of a row of random numbers (Steele, Lea and Flood 2014).
static uint64_t draw(void) {
    uint64_t mixed = atomic_fetch_add(&state, 0x9E3779B97F4A7C15u) + 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    return mixed ^ mixed >> 31;
}

static void jump(void) {
    uint64_t chance = draw();
    if (chance % 8) return;
    const long long years = 10ll * 365 * 86400;
    atomic_store(&day, (long long)(draw() % (uint64_t)(2 * years)) - years);
    atomic_fetch_add(&start, (long long)(draw() % 3600));
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime)
    int result = real(clock, now);
    if (result) return result;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        jump();
        now->tv_sec += atomic_load(&day);
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        jump();
        now->tv_sec += atomic_load(&start);
        break;
    default: break;
    }
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday)
    int result = real(now, zone);
    jump();
    if (!result) now->tv_sec += atomic_load(&day);
    return result;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
