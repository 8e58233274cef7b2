// Kills its own process at a call that changes a file or folder: moments that chance does not find.
//
//     clang -O2 -shared -fPIC -o kill.so kill.c
//     LD_PRELOAD=./kill.so GIMBAL_KILL=137:before GIMBAL_FAULT_REPORT=FILE gimbal train …
//
// GIMBAL_KILL is N:WHEN: the N-th call of the process, counted from 1 over all threads and kinds, is where SIGKILL
// comes: `before` it, `after` it, or `within`, which of a write writes the first half alone, and else is as `before`.
// Without GIMBAL_KILL calls are only counted. Calls are open where it makes or empties a file, write, pwrite, rename,
// link, unlink, rmdir, mkdir, ftruncate, fsync and flock. What goes to descriptors 0 to 2 is no file.
//
// To the file GIMBAL_FAULT_REPORT are appended `killed N: CALL, what` before the kill, and at the end `changes N`.
#include "fault.h"
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>

typedef enum { moment_none, moment_before, moment_within, moment_after } moment;

static atomic_ullong count;
static unsigned long long last;
static moment wanted;

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("GIMBAL_KILL");
    char when[16] = "";
    if (text && sscanf(text, "%llu:%15s", &last, when) == 2)
        wanted = !strcmp(when, "before") ? moment_before : !strcmp(when, "within") ? moment_within
            : !strcmp(when, "after") ? moment_after : moment_none;
    if (text && (!wanted || !last)) refuse_fault();
    read_fault();
}

__attribute__((destructor)) static void end(void) { say("changes %llu\n", atomic_load(&count)); }

static void die(const char *call, const char *what) {
    say("killed %llu: %s, %.300s\n", last, call, what);
    kill(getpid(), SIGKILL);
}

// Counts a call, and dies before it where that is wanted. Gives when to die otherwise.
static moment reach(const char *call, const char *what) {
    if (atomic_fetch_add(&count, 1) + 1 != last) return moment_none;
    if (wanted == moment_before) die(call, what);
    return wanted;
}

// A call as it is, with a death before or after it.
#define CHANGE(result, what, ...)                            \
    moment when = reach(__func__, what);                     \
    if (when == moment_within) die(__func__, what);          \
    result done = real(__VA_ARGS__);                         \
    if (when == moment_after) die(__func__, what);           \
    return done

ssize_t write(int file, const void *bytes, size_t size) {
    REAL(write)
    if (file <= 2) return real(file, bytes, size);
    moment when = reach(__func__, "");
    if (when == moment_within) real(file, bytes, size / 2);
    ssize_t done = when == moment_within ? 0 : real(file, bytes, size);
    if (when) die(__func__, when == moment_within ? "half of it" : "");
    return done;
}

ssize_t writev(int file, const struct iovec *pieces, int pieces_count) {
    REAL(writev)
    if (file <= 2) return real(file, pieces, pieces_count);
    CHANGE(ssize_t, "", file, pieces, pieces_count);
}

#define PWRITE(function, offset_type)                                                          \
    ssize_t function(int file, const void *bytes, size_t size, offset_type offset) {           \
        REAL(function)                                                                         \
        CHANGE(ssize_t, "", file, bytes, size, offset);                                        \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

// What neither makes nor empties a file changes nothing.
#define OPENED(...)                                                                \
    MODE(flags)                                                                    \
    if (!(flags & (O_CREAT | O_TRUNC | __O_TMPFILE))) return real(__VA_ARGS__);    \
    CHANGE(int, path, __VA_ARGS__)
#define OPEN(function)                                 \
    int function(const char *path, int flags, ...) {   \
        REAL(function)                                 \
        OPENED(path, flags, mode);                     \
    }
OPEN(open)
OPEN(open64)
#define OPENAT(function)                                           \
    int function(int folder, const char *path, int flags, ...) {   \
        REAL(function)                                             \
        OPENED(folder, path, flags, mode);                         \
    }
OPENAT(openat)
OPENAT(openat64)

#define ONE(function, what, parameters, ...)     \
    int function parameters {                    \
        REAL(function)                           \
        CHANGE(int, what, __VA_ARGS__);          \
    }
ONE(rename, new, (const char *old, const char *new), old, new)
ONE(renameat, new, (int from, const char *old, int to, const char *new), from, old, to, new)
ONE(renameat2, new, (int from, const char *old, int to, const char *new, unsigned flags), from, old, to, new, flags)
ONE(link, new, (const char *old, const char *new), old, new)
ONE(linkat, new, (int from, const char *old, int to, const char *new, int flags), from, old, to, new, flags)
ONE(unlink, path, (const char *path), path)
ONE(unlinkat, path, (int folder, const char *path, int flags), folder, path, flags)
ONE(rmdir, path, (const char *path), path)
ONE(remove, path, (const char *path), path)
ONE(mkdir, path, (const char *path, mode_t mode), path, mode)
ONE(mkdirat, path, (int folder, const char *path, mode_t mode), folder, path, mode)
ONE(ftruncate, "", (int file, off_t size), file, size)
ONE(ftruncate64, "", (int file, off64_t size), file, size)
ONE(fsync, "", (int file), file)
ONE(fdatasync, "", (int file), file)
ONE(flock, "", (int file, int operation), file, operation)
