// Times sums over all processes of MPI, for `measure`.
//
//     allreduce REPEATS BYTES...
//
// The first process prints for every size the bytes, and in milliseconds the median and the least of the repeats of
// MPI_Allreduce, and those of MPI_Iallreduce. A repeat counts from a barrier to the end of the slowest process.
#include <mpi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Median and least of the repeats, in milliseconds.
static void measure(bool is_blocking, float *values, int length, int repeats, double result[2]) {
    double *times = malloc(repeats * sizeof *times);
    // The first two are not counted: they open connections and TCP's windows.
    for (int k = -2; k < repeats; k++) {
        MPI_Request request;
        MPI_Barrier(MPI_COMM_WORLD);
        double start = MPI_Wtime();
        if (is_blocking) {
            MPI_Allreduce(MPI_IN_PLACE, values, length, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        } else {
            MPI_Iallreduce(MPI_IN_PLACE, values, length, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
            MPI_Wait(&request, MPI_STATUS_IGNORE);
        }
        double own = MPI_Wtime() - start, slowest;
        MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
        if (k >= 0) times[k] = slowest * 1e3;
    }
    qsort(times, repeats, sizeof *times, ascending);
    result[0] = times[repeats / 2];
    result[1] = times[0];
    free(times);
}

int main(int argc, char **argv) {
    MPI_Init(&argc, &argv);
    int rank, repeats = argc > 1 ? atoi(argv[1]) : 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (repeats < 1) {
        if (rank == 0) fprintf(stderr, "usage: allreduce REPEATS BYTES...\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    for (int i = 2; i < argc; i++) {
        int length = atol(argv[i]) / sizeof(float);
        float *values = calloc(length, sizeof *values);
        double blocking[2], other[2];
        measure(true, values, length, repeats, blocking);
        measure(false, values, length, repeats, other);
        if (rank == 0)
            printf("%zu %.3f %.3f %.3f %.3f\n", length * sizeof *values, blocking[0], blocking[1], other[0], other[1]);
        free(values);
    }
    MPI_Finalize();
}
