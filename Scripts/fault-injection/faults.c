// Lets calls of the C library fail, to see what a program makes of it.
//
//     clang -O2 -shared -fPIC -o faults.so faults.c
//     LD_PRELOAD=./faults.so GIMBAL_FAULT=fsync:13:EIO GIMBAL_FAULT_REPORT=FILE gimbal train …
//
// The environment is that of fault.h. CALL is write (writev too), pwrite, read, pread, fsync (fdatasync too), rename
// (renameat, renameat2 too), open, openat, mkdir, mmap, malloc (calloc, realloc too), aligned_alloc (posix_memalign,
// memalign too), ftruncate, flock or close. Of allocations only those of GIMBAL_FAULT_BYTES or more are counted where
// that is set: Swift's runtime ends the program where an array or an object gets no memory, while tensors have theirs
// from aligned_alloc and say what they lack.
//
// Standard error is left alone, so that what is said can be read. What the C library does for itself (stdio, its memory
// from the system, opendir) is not seen, nor what other libraries do as they are loaded. What is closed with an error is
// closed, as by Linux.
#include "fault.h"
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

typedef enum {
    call_write, call_pwrite, call_read, call_pread, call_fsync, call_rename, call_open, call_openat, call_mkdir,
    call_mmap, call_malloc, call_aligned_alloc, call_ftruncate, call_flock, call_close, call_count,
} call;

// With the errors that Linux gives, the usual one first. Not ENOENT: that a file is not there is an answer.
static const struct { const char *name, *errors; } calls[call_count] = {
    [call_write] = {"write", "ENOSPC EIO EDQUOT EINTR"}, [call_pwrite] = {"pwrite", "ENOSPC EIO EINTR"},
    [call_read] = {"read", "EIO EINTR"}, [call_pread] = {"pread", "EIO EINTR"},
    [call_fsync] = {"fsync", "EIO ENOSPC EINTR"}, [call_rename] = {"rename", "EACCES EIO ENOSPC"},
    [call_open] = {"open", "EMFILE EACCES EIO EINTR"}, [call_openat] = {"openat", "EMFILE EACCES EIO EINTR"},
    [call_mkdir] = {"mkdir", "ENOSPC EACCES"}, [call_mmap] = {"mmap", "ENOMEM"}, [call_malloc] = {"malloc", "ENOMEM"},
    [call_aligned_alloc] = {"aligned_alloc", "ENOMEM"}, [call_ftruncate] = {"ftruncate", "EIO EINTR"},
    [call_flock] = {"flock", "ENOLCK EINTR"}, [call_close] = {"close", "EIO EINTR"},
};

static const named errors[] = {
    {"EACCES", EACCES}, {"EAGAIN", EAGAIN}, {"EBADF", EBADF}, {"EDQUOT", EDQUOT}, {"EEXIST", EEXIST},
    {"EFBIG", EFBIG}, {"EINTR", EINTR}, {"EINVAL", EINVAL}, {"EIO", EIO}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
    {"ENOENT", ENOENT}, {"ENOLCK", ENOLCK}, {"ENOMEM", ENOMEM}, {"ENOSPC", ENOSPC}, {"ENOTSUP", ENOTSUP},
    {"EPERM", EPERM}, {"EROFS", EROFS}, {"ESTALE", ESTALE}, {"ETXTBSY", ETXTBSY}, {"EXDEV", EXDEV},
};
enum { error_count = sizeof errors / sizeof *errors };

// The allocations below cannot look the real functions up, as that allocates. The GNU library has them by these names.
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_ullong counts[call_count];
static atomic_bool has_begun, was_said;
static unsigned long long least_bytes;
static int failing = -1, code;

__attribute__((constructor)) static void begin(void) {
    const char *bytes = getenv("GIMBAL_FAULT_BYTES");
    if (bytes) least_bytes = strtoull(bytes, NULL, 10);
    read_fault();
    atomic_store(&has_begun, true);
    if (!fault.first) return;
    for (int kind = 0; kind < call_count; kind++)
        if (!strcmp(fault.call, calls[kind].name)) failing = kind;
    if (failing < 0 || fault.parameter[0]) refuse_fault();
    if (!fault.error[0]) sscanf(calls[failing].errors, "%63s", fault.error);
    code = (int)value_of(fault.error, errors, error_count, 0);
    if (code <= 0) refuse_fault();
}

__attribute__((destructor)) static void end(void) {
    for (int kind = 0; kind < call_count; kind++)
        say("calls %s %llu %s\n", calls[kind].name, atomic_load(&counts[kind]), calls[kind].errors);
}

// Whether this call is to fail, with errno set. `what` and `number` tell which one it is.
static bool fails(call kind, const char *what, long long number) {
    if (!atomic_load(&has_begun)) return false;
    unsigned long long n = atomic_fetch_add(&counts[kind], 1) + 1;
    if ((int)kind != failing || !is_due(n)) return false;
    if (!atomic_exchange(&was_said, true))
        say("failed %s %llu: %s, %.300s %lld\n", calls[kind].name, n, fault.error, what ? what : "", number);
    errno = code;
    return true;
}

ssize_t write(int file, const void *bytes, size_t count) {
    REAL(write)
    return file != 2 && fails(call_write, "descriptor", file) ? -1 : real(file, bytes, count);
}

ssize_t writev(int file, const struct iovec *pieces, int count) {
    REAL(writev)
    return file != 2 && fails(call_write, "descriptor", file) ? -1 : real(file, pieces, count);
}

ssize_t read(int file, void *bytes, size_t count) {
    REAL(read)
    return fails(call_read, "descriptor", file) ? -1 : real(file, bytes, count);
}

#define POSITIONED(function, kind, type, offset_type)                                                          \
    ssize_t function(int file, type bytes, size_t count, offset_type offset) {                                 \
        REAL(function)                                                                                         \
        return fails(kind, "descriptor", file) ? -1 : real(file, bytes, count, offset);                        \
    }
POSITIONED(pwrite, call_pwrite, const void *, off_t)
POSITIONED(pwrite64, call_pwrite, const void *, off64_t)
POSITIONED(pread, call_pread, void *, off_t)
POSITIONED(pread64, call_pread, void *, off64_t)

int fsync(int file) {
    REAL(fsync)
    return fails(call_fsync, "descriptor", file) ? -1 : real(file);
}

int fdatasync(int file) {
    REAL(fdatasync)
    return fails(call_fsync, "descriptor", file) ? -1 : real(file);
}

int rename(const char *old, const char *new) {
    REAL(rename)
    return fails(call_rename, new, 0) ? -1 : real(old, new);
}

int renameat(int from, const char *old, int to, const char *new) {
    REAL(renameat)
    return fails(call_rename, new, 0) ? -1 : real(from, old, to, new);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    REAL(renameat2)
    return fails(call_rename, new, 0) ? -1 : real(from, old, to, new, flags);
}

#define OPEN(function)                                                        \
    int function(const char *path, int flags, ...) {                          \
        MODE(flags)                                                           \
        REAL(function)                                                        \
        return fails(call_open, path, flags) ? -1 : real(path, flags, mode);  \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(function)                                                                  \
    int function(int folder, const char *path, int flags, ...) {                          \
        MODE(flags)                                                                       \
        REAL(function)                                                                    \
        return fails(call_openat, path, flags) ? -1 : real(folder, path, flags, mode);    \
    }
OPENAT(openat)
OPENAT(openat64)

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir)
    return fails(call_mkdir, path, 0) ? -1 : real(path, mode);
}

#define MMAP(function, offset_type)                                                                             \
    void *function(void *place, size_t count, int protection, int flags, int file, offset_type offset) {        \
        REAL(function)                                                                                          \
        return fails(call_mmap, "bytes", count) ? MAP_FAILED : real(place, count, protection, flags, file, offset); \
    }
MMAP(mmap, off_t)
MMAP(mmap64, off64_t)

#define FTRUNCATE(function, offset_type)                                            \
    int function(int file, offset_type size) {                                      \
        REAL(function)                                                              \
        return fails(call_ftruncate, "descriptor", file) ? -1 : real(file, size);   \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

int flock(int file, int operation) {
    REAL(flock)
    return fails(call_flock, "descriptor", file) ? -1 : real(file, operation);
}

int close(int file) {
    REAL(close)
    bool refused = file != 2 && fails(call_close, "descriptor", file);
    int result = real(file);
    if (!refused) return result;
    errno = code;
    return -1;
}

static bool refuses(call kind, size_t bytes) { return bytes >= least_bytes && fails(kind, "bytes", bytes); }

void *malloc(size_t bytes) { return refuses(call_malloc, bytes) ? NULL : __libc_malloc(bytes); }

void *calloc(size_t count, size_t bytes) {
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all)) all = SIZE_MAX;
    return refuses(call_malloc, all) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes) { return refuses(call_malloc, bytes) ? NULL : __libc_realloc(old, bytes); }

void *aligned_alloc(size_t alignment, size_t bytes) {
    return refuses(call_aligned_alloc, bytes) ? NULL : __libc_memalign(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    return refuses(call_aligned_alloc, bytes) ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **result, size_t alignment, size_t bytes) {
    int before = errno;
    *result = refuses(call_aligned_alloc, bytes) ? NULL : __libc_memalign(alignment, bytes);
    errno = before;
    return *result ? 0 : ENOMEM;
}
