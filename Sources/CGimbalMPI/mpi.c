#include "CGimbalMPI.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

// Handles are pointers in Open MPI and whole numbers in MPICH. Both go through the registers of a 64-bit machine alike, and
// what a handle is written to has room for either.
typedef uintptr_t handle;

// An exchange by which a rank gets as many bytes from each.
typedef int (*for_each)(const void *, int, handle, void *, int, handle, handle, handle *);

struct gimbal_mpi {
    int rank, size;
    char version[256];
    handle world, types[4], sum;
    void *in_place;
    int any_source;
    // MPI_Status has 20 (MPICH) or 24 bytes (Open MPI); the source stands in the beginning of one and in the middle of the other.
    size_t source_offset;
    int (*all_reduce)(const void *, void *, int, handle, handle, handle, handle *);
    int (*broadcast)(void *, int, handle, int, handle, handle *);
    for_each all_gather, all_to_all;
    int (*barrier)(handle, handle *);
    int (*test)(handle *, int *, void *);
    int (*send)(const void *, int, handle, int, int, handle, handle *);
    int (*release)(handle *);
    int (*probe)(int, int, handle, int *, void *);
    int (*receive)(void *, int, handle, int, int, handle, void *);
    int (*explain)(int, char *, int *);
    int (*end)(void);
    int (*abort)(handle, int);
};

typedef struct { char bytes[64]; } status;

static bool check(gimbal_mpi *mpi, int code, const char *what, char *reason) {
    if (code == 0) return true;
    // Longer than any implementation's longest.
    char text[8192] = "";
    int length = 0;
    if (mpi->explain(code, text, &length) != 0) snprintf(text, sizeof text, "error %d", code);
    snprintf(reason, gimbal_mpi_reason_size, "%s: %.*s", what, gimbal_mpi_reason_size - 64, text);
    return false;
}

// MARK: Loading

static void *symbol(void *library, const char *name, char *reason) {
    void *found = dlsym(library, name);
    if (!found && !reason[0]) snprintf(reason, gimbal_mpi_reason_size, "the MPI library has no %s", name);
    return found;
}

static void take_open_mpi_handles(gimbal_mpi *mpi, void *library, char *reason) {
    mpi->world = (handle)symbol(library, "ompi_mpi_comm_world", reason);
    const char *types[] = {"ompi_mpi_float", "ompi_mpi_double", "ompi_mpi_int64_t", "ompi_mpi_byte"};
    for (int i = 0; i < 4; i++) mpi->types[i] = (handle)symbol(library, types[i], reason);
    mpi->sum = (handle)symbol(library, "ompi_mpi_op_sum", reason);
    mpi->in_place = (void *)1;
    mpi->any_source = -1;
    mpi->source_offset = 0;
}

// The numbers of the common binary interface of MPICH and what follows it (www.mpich.org/abi).
static void take_mpich_handles(gimbal_mpi *mpi) {
    mpi->world = 0x44000000;
    memcpy(mpi->types, (handle[]){0x4c00040a, 0x4c00080b, 0x4c00083a, 0x4c00010d}, sizeof mpi->types);
    mpi->sum = 0x58000003;
    mpi->in_place = (void *)-1;
    mpi->any_source = -2;
    mpi->source_offset = 2 * sizeof(int);
}

static void *open_library(const char *name, char *reason) {
    // Open MPI loads parts of its own, which look for its symbols among all.
    const int mode = RTLD_NOW | RTLD_GLOBAL;
    if (name) {
        void *library = dlopen(name, mode);
        if (!library) snprintf(reason, gimbal_mpi_reason_size, "GIMBAL_MPI_LIBRARY: %s", dlerror());
        else if (!dlsym(library, "MPI_Init_thread")) {
            snprintf(reason, gimbal_mpi_reason_size, "GIMBAL_MPI_LIBRARY: %s is no MPI library", name);
            return NULL;
        }
        return library;
    }
    // What mpirun started this process tells whose library it is.
    const bool is_open = getenv("OMPI_COMM_WORLD_SIZE") || !getenv("PMI_SIZE");
    const char *open[] = {"libmpi.so.40", "libmpi.so.80", "libmpi.so"};
    const char *mpich[] = {"libmpich.so.12", "libmpi.so.12", "libmpich.so"};
    for (int turn = 0; turn < 2; turn++) {
        const char **names = (turn == 0) == is_open ? open : mpich;
        for (int i = 0; i < 3; i++) {
            void *library = dlopen(names[i], mode);
            if (library) return library;
        }
    }
    snprintf(
        reason, gimbal_mpi_reason_size,
        "no MPI library is found: looked for libmpi and libmpich; install one (openmpi-bin, mpich), or name its file in "
        "GIMBAL_MPI_LIBRARY");
    return NULL;
}

gimbal_mpi *gimbal_mpi_begin(const char *name, char reason[gimbal_mpi_reason_size]) {
    reason[0] = 0;
    void *library = open_library(name, reason);
    if (!library) return NULL;
    gimbal_mpi *mpi = calloc(1, sizeof *mpi);
    if (!mpi) abort();
    if (dlsym(library, "ompi_mpi_comm_world")) take_open_mpi_handles(mpi, library, reason);
    else take_mpich_handles(mpi);
    int (*begin)(int *, char ***, int, int *) = symbol(library, "MPI_Init_thread", reason);
    int (*rank)(handle, int *) = symbol(library, "MPI_Comm_rank", reason);
    int (*size)(handle, int *) = symbol(library, "MPI_Comm_size", reason);
    int (*handle_errors)(handle, handle) = symbol(library, "MPI_Comm_set_errhandler", reason);
    int (*version)(char *, int *) = symbol(library, "MPI_Get_library_version", reason);
    mpi->all_reduce = symbol(library, "MPI_Iallreduce", reason);
    mpi->broadcast = symbol(library, "MPI_Ibcast", reason);
    mpi->all_gather = symbol(library, "MPI_Iallgather", reason);
    mpi->all_to_all = symbol(library, "MPI_Ialltoall", reason);
    mpi->barrier = symbol(library, "MPI_Ibarrier", reason);
    mpi->test = symbol(library, "MPI_Test", reason);
    mpi->send = symbol(library, "MPI_Isend", reason);
    mpi->release = symbol(library, "MPI_Request_free", reason);
    mpi->probe = symbol(library, "MPI_Iprobe", reason);
    mpi->receive = symbol(library, "MPI_Recv", reason);
    mpi->explain = symbol(library, "MPI_Error_string", reason);
    mpi->end = symbol(library, "MPI_Finalize", reason);
    mpi->abort = symbol(library, "MPI_Abort", reason);
    handle return_errors =
        mpi->source_offset == 0 ? (handle)symbol(library, "ompi_mpi_errors_return", reason) : 0x54000001;
    // Calls may come from any thread, one at a time.
    enum { serialized = 2 };
    int given = 0;
    if (reason[0] || !check(mpi, begin(NULL, NULL, serialized, &given), "MPI_Init_thread", reason)) {
        free(mpi);
        return NULL;
    }
    handle_errors(mpi->world, return_errors);
    rank(mpi->world, &mpi->rank);
    size(mpi->world, &mpi->size);
    // MPICH's longest has 8,192 characters.
    static char text[8192];
    int length = 0;
    version(text, &length);
    snprintf(mpi->version, sizeof mpi->version, "%.*s", (int)strcspn(text, "\n"), text);
    // MPICH's has a tab in it.
    for (char *tab = mpi->version; (tab = strchr(tab, '\t'));) *tab = ' ';
    if (given < serialized) {
        snprintf(reason, gimbal_mpi_reason_size, "%s does not let threads take turns in calling it", mpi->version);
        mpi->end();
        free(mpi);
        return NULL;
    }
    return mpi;
}

int gimbal_mpi_rank(const gimbal_mpi *mpi) { return mpi->rank; }
int gimbal_mpi_size(const gimbal_mpi *mpi) { return mpi->size; }
const char *gimbal_mpi_version(const gimbal_mpi *mpi) { return mpi->version; }

// MARK: Exchanges

bool gimbal_mpi_start_sum(
    gimbal_mpi *mpi, void *elements, size_t count, gimbal_mpi_type type, gimbal_mpi_request *request,
    char reason[gimbal_mpi_reason_size]) {
    request->handle = 0;
    int code = mpi->all_reduce(
        mpi->in_place, elements, (int)count, mpi->types[type], mpi->sum, mpi->world, (handle *)&request->handle);
    return check(mpi, code, "MPI_Iallreduce", reason);
}

bool gimbal_mpi_start_broadcast(
    gimbal_mpi *mpi, void *bytes, size_t count, int root, gimbal_mpi_request *request,
    char reason[gimbal_mpi_reason_size]) {
    request->handle = 0;
    int code = mpi->broadcast(
        bytes, (int)count, mpi->types[gimbal_mpi_byte], root, mpi->world, (handle *)&request->handle);
    return check(mpi, code, "MPI_Ibcast", reason);
}

static bool start_for_each(
    gimbal_mpi *mpi, for_each start, const char *what, const void *bytes, void *result, size_t count,
    gimbal_mpi_request *request, char *reason) {
    request->handle = 0;
    handle type = mpi->types[gimbal_mpi_byte];
    int code = start(bytes, (int)count, type, result, (int)count, type, mpi->world, (handle *)&request->handle);
    return check(mpi, code, what, reason);
}

bool gimbal_mpi_start_all_gather(
    gimbal_mpi *mpi, const void *bytes, void *all, size_t count, gimbal_mpi_request *request,
    char reason[gimbal_mpi_reason_size]) {
    return start_for_each(mpi, mpi->all_gather, "MPI_Iallgather", bytes, all, count, request, reason);
}

bool gimbal_mpi_start_all_to_all(
    gimbal_mpi *mpi, const void *bytes, void *result, size_t count, gimbal_mpi_request *request,
    char reason[gimbal_mpi_reason_size]) {
    return start_for_each(mpi, mpi->all_to_all, "MPI_Ialltoall", bytes, result, count, request, reason);
}

bool gimbal_mpi_start_barrier(gimbal_mpi *mpi, gimbal_mpi_request *request, char reason[gimbal_mpi_reason_size]) {
    request->handle = 0;
    return check(mpi, mpi->barrier(mpi->world, (handle *)&request->handle), "MPI_Ibarrier", reason);
}

bool gimbal_mpi_test(
    gimbal_mpi *mpi, gimbal_mpi_request *request, bool *is_done, char reason[gimbal_mpi_reason_size]) {
    int done = 0;
    status ignored;
    int code = mpi->test((handle *)&request->handle, &done, &ignored);
    *is_done = done != 0;
    return check(mpi, code, "MPI_Test", reason);
}

void gimbal_mpi_nap(int microseconds) {
    static _Thread_local bool is_exact;
    if (!is_exact) is_exact = prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0) == 0;
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

// MARK: Messages

bool gimbal_mpi_send(gimbal_mpi *mpi, int rank, int tag, int64_t value, char reason[gimbal_mpi_reason_size]) {
    // So short that it leaves at once; where it must not, as the other does not listen, it stays where it is.
    int64_t *kept = malloc(sizeof *kept);
    if (!kept) abort();
    *kept = value;
    handle request = 0;
    int code = mpi->send(kept, 1, mpi->types[gimbal_mpi_int64], rank, tag, mpi->world, &request);
    if (!check(mpi, code, "MPI_Isend", reason)) return false;
    int done = 0;
    status ignored;
    if (!check(mpi, mpi->test(&request, &done, &ignored), "MPI_Test", reason)) return false;
    if (done) free(kept);
    else mpi->release(&request);
    return true;
}

bool gimbal_mpi_receive(
    gimbal_mpi *mpi, int tag, int *rank, int64_t *value, char reason[gimbal_mpi_reason_size]) {
    *rank = -1;
    int is_there = 0;
    status found;
    if (!check(mpi, mpi->probe(mpi->any_source, tag, mpi->world, &is_there, &found), "MPI_Iprobe", reason)) return false;
    if (!is_there) return true;
    int source;
    memcpy(&source, found.bytes + mpi->source_offset, sizeof source);
    status ignored;
    int code = mpi->receive(value, 1, mpi->types[gimbal_mpi_int64], source, tag, mpi->world, &ignored);
    if (!check(mpi, code, "MPI_Recv", reason)) return false;
    *rank = source;
    return true;
}

// MARK: The end

void gimbal_mpi_end(gimbal_mpi *mpi) {
    mpi->end();
    free(mpi);
}

_Noreturn void gimbal_mpi_abort(gimbal_mpi *mpi, int status) {
    mpi->abort(mpi->world, status);
    _Exit(status);
}
