#include "CGimbalMutants.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int active = -1;
static unsigned char *marks;
static size_t count;

// Before all code of Swift.
__attribute__((constructor(101))) static void begin(void) {
    const char *number = getenv("GIMBAL_MUTANT"), *path = getenv("GIMBAL_MUTANT_MARKS");
    if (number) active = atoi(number);
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    struct stat status;
    if (file < 0) return;
    // Shared by all processes that a test starts.
    if (fstat(file, &status) == 0 && status.st_size > 0) {
        void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (memory != MAP_FAILED) {
            marks = memory;
            count = (size_t)status.st_size;
        }
    }
    close(file);
}

int gimbal_mutant(int number) {
    if (marks && (size_t)number < count && !marks[number]) marks[number] = 1;
    return number == active;
}

static void keep(const char *folder, const char *text, const char *options) {
    uint64_t hash = 14695981039346656037u;
    for (const char *c = options; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    for (const char *c = text; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    char path[4096];
    snprintf(path, sizeof path, "%s/%016llx.cl", folder, (unsigned long long)hash);
    FILE *file = access(path, F_OK) ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%s\n%s", options, text);
    fclose(file);
}

char *gimbal_mutant_text(const char *text, const char *options) {
    static const char mark[] = "GIMBAL_MUTANT(";
    const char *folder = getenv("GIMBAL_MUTANT_TEXTS");
    if (folder && strstr(text, mark)) keep(folder, text, options);
    char *result = malloc(strlen(text) + 1), *to = result;
    if (!result) abort();
    for (const char *found; (found = strstr(text, mark));) {
        memcpy(to, text, (size_t)(found - text));
        to += found - text;
        char *end;
        *to++ = strtol(found + sizeof mark - 1, &end, 10) == active ? '1' : '0';
        text = end + 1;
    }
    strcpy(to, text);
    return result;
}
