// What the libraries of this folder share: which call is to fail and how, and where they report.
//
// GIMBAL_FAULT is CALL[/PARAMETER]:N[:ERROR[:for-good]]: the N-th CALL of the process, counted from 1 over all threads,
// fails with ERROR, a name or a number (each call has a usual one); with `for-good` all that come after it too. With
// `every` in its place, each N-th does. A PARAMETER lets only calls with it count. Without GIMBAL_FAULT calls are only
// counted.
//
// To the file GIMBAL_FAULT_REPORT lines are appended: `failed CALL N: ERROR, what` when the first call is made to fail,
// which is there even where the process then crashes, and at the end `calls CALL count errors…` for each kind of call,
// with the names of the errors that such a call may give.
#pragma once
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    const char *name;
    long value;
} named;

static struct {
    char call[64], parameter[64], error[64];
    unsigned long long first;
    enum { fault_once, fault_for_good, fault_every } mode;
} fault;

static char fault_report[4096];

// Appends a line to the report by a system call, so that it is neither counted nor fails, and takes no memory.
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...) {
    char line[1024];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (!fault_report[0] || length <= 0) return;
    if (length >= (int)sizeof line) {
        length = sizeof line - 1;
        line[length - 1] = '\n';
    }
    long file = syscall(SYS_openat, AT_FDCWD, fault_report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0) return;
    syscall(SYS_write, file, line, (size_t)length);
    syscall(SYS_close, file);
}

// Ends the process: a fault that cannot be made must not look like one that did no harm.
static inline void refuse_fault(void) {
    static const char message[] = "GIMBAL_FAULT must be CALL[/PARAMETER]:N[:ERROR[:for-good]] of calls and errors that "
        "the library knows, GIMBAL_KILL N:before, N:within or N:after\n";
    syscall(SYS_write, 2, message, sizeof message - 1);
    _exit(2);
}

// Reads the environment. What starts from here on is not under the library: compilers that a driver calls are not what
// is tried.
static inline void read_fault(void) {
    const char *path = getenv("GIMBAL_FAULT_REPORT"), *text = getenv("GIMBAL_FAULT");
    if (path) snprintf(fault_report, sizeof fault_report, "%s", path);
    unsetenv("LD_PRELOAD");
    if (!text || !*text) return;
    char copy[256], *rest = copy;
    snprintf(copy, sizeof copy, "%s", text);
    char *call = strsep(&rest, ":"), *number = strsep(&rest, ":"), *error = strsep(&rest, ":");
    char *name = strsep(&call, "/");
    snprintf(fault.call, sizeof fault.call, "%s", name);
    if (call) snprintf(fault.parameter, sizeof fault.parameter, "%s", call);
    if (error) snprintf(fault.error, sizeof fault.error, "%s", error);
    fault.first = number ? strtoull(number, NULL, 10) : 0;
    if (rest && !strcmp(rest, "for-good")) fault.mode = fault_for_good;
    else if (rest && !strcmp(rest, "every")) fault.mode = fault_every;
    else if (rest) refuse_fault();
    if (!fault.first) refuse_fault();
}

// The value of a name, or of a number's text; `otherwise` where the text is neither.
static inline long value_of(const char *text, const named *names, size_t count, long otherwise) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(text, names[i].name)) return names[i].value;
    char *end;
    long value = strtol(text, &end, 0);
    return end != text && !*end ? value : otherwise;
}

static inline bool is_due(unsigned long long n) {
    switch (fault.mode) {
    case fault_for_good: return n >= fault.first;
    case fault_every: return n % fault.first == 0;
    default: return n == fault.first;
    }
}

// The next function of this name: that of the library that is wrapped.
#define REAL(function)                                             \
    static _Atomic(__typeof__(&function)) cached;                  \
    __typeof__(&function) real = atomic_load(&cached);             \
    if (!real) {                                                   \
        real = (__typeof__(&function))dlsym(RTLD_NEXT, #function); \
        atomic_store(&cached, real);                               \
    }

// The mode that `open` is given is only there where a file may be made.
#define MODE(flags)                              \
    mode_t mode = 0;                             \
    if (flags & (O_CREAT | __O_TMPFILE)) {       \
        va_list rest;                            \
        va_start(rest, flags);                   \
        mode = va_arg(rest, mode_t);             \
        va_end(rest);                            \
    }
