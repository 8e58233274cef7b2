// The system's MPI, found when it is wanted: Open MPI, or one with MPICH's binary interface (MPICH, Intel MPI, MVAPICH, Cray).
// Nothing of it is needed to build, and a program that does not train on several processes runs without it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gimbal_mpi gimbal_mpi;

// What elements are.
typedef enum { gimbal_mpi_float32, gimbal_mpi_float64, gimbal_mpi_int64, gimbal_mpi_byte } gimbal_mpi_type;

enum { gimbal_mpi_reason_size = 512 };

// An exchange that is under way.
typedef struct { uint64_t handle; } gimbal_mpi_request;

// Loads MPI and begins it; NULL where there is none or it fails, with the reason. May be called once.
// `library` names a file; NULL looks for the usual ones.
gimbal_mpi *gimbal_mpi_begin(const char *library, char reason[gimbal_mpi_reason_size]);

int gimbal_mpi_rank(const gimbal_mpi *mpi);
int gimbal_mpi_size(const gimbal_mpi *mpi);
// What MPI says that it is, on one line.
const char *gimbal_mpi_version(const gimbal_mpi *mpi);

// Each of these is called by all processes, in the same order; false with the reason where it fails.
// At most INT32_MAX elements.
bool gimbal_mpi_start_sum(
    gimbal_mpi *mpi, void *elements, size_t count, gimbal_mpi_type type, gimbal_mpi_request *request,
    char reason[gimbal_mpi_reason_size]);
bool gimbal_mpi_start_broadcast(
    gimbal_mpi *mpi, void *bytes, size_t count, int root, gimbal_mpi_request *request,
    char reason[gimbal_mpi_reason_size]);
// `all` has room for `count` bytes of each process, in the order of ranks.
bool gimbal_mpi_start_all_gather(
    gimbal_mpi *mpi, const void *bytes, void *all, size_t count, gimbal_mpi_request *request,
    char reason[gimbal_mpi_reason_size]);
// Part k of `bytes`, of `count` bytes each, goes to process k; what process k sent stands as part k of `result`.
bool gimbal_mpi_start_all_to_all(
    gimbal_mpi *mpi, const void *bytes, void *result, size_t count, gimbal_mpi_request *request,
    char reason[gimbal_mpi_reason_size]);
// Is done when all processes have called it.
bool gimbal_mpi_start_barrier(gimbal_mpi *mpi, gimbal_mpi_request *request, char reason[gimbal_mpi_reason_size]);

// Whether an exchange is done, without waiting.
bool gimbal_mpi_test(
    gimbal_mpi *mpi, gimbal_mpi_request *request, bool *is_done, char reason[gimbal_mpi_reason_size]);

// Sleeps for so many microseconds, and not for the 50 more that Linux takes the liberty of.
void gimbal_mpi_nap(int microseconds);

// Messages from one process to another, which need not be waited for: 8 bytes under a tag.
bool gimbal_mpi_send(gimbal_mpi *mpi, int rank, int tag, int64_t value, char reason[gimbal_mpi_reason_size]);
// Takes a message that has come, from any process; `rank` is -1 where there is none.
bool gimbal_mpi_receive(
    gimbal_mpi *mpi, int tag, int *rank, int64_t *value, char reason[gimbal_mpi_reason_size]);

// Waits for all processes and ends MPI.
void gimbal_mpi_end(gimbal_mpi *mpi);
// Ends all processes at once, this one with `status`.
_Noreturn void gimbal_mpi_abort(gimbal_mpi *mpi, int status);
