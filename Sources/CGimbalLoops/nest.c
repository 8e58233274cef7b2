// The loop nest around an elementwise inner loop.

#include "CGimbalLoops.h"

/// Runs the nest over `count` elements of the last axis.
static void run(gimbal_inner inner, int rank, const ptrdiff_t *sizes, size_t count, int operand_count, char *const *operands,
                const ptrdiff_t *strides, const ptrdiff_t *element_sizes, float a, float b) {
    char *at[gimbal_maximum_operands];
    ptrdiff_t inner_strides[gimbal_maximum_operands];
    for (int o = 0; o < operand_count; o++) {
        at[o] = operands[o];
        inner_strides[o] = strides[o * rank + rank - 1];
    }
    ptrdiff_t index[gimbal_maximum_rank] = {0};
    for (;;) {
        inner(at, inner_strides, count, a, b);
        int axis = rank - 2;
        for (; axis >= 0; axis--) {
            bool wraps = ++index[axis] == sizes[axis];
            ptrdiff_t steps = wraps ? 1 - sizes[axis] : 1;
            for (int o = 0; o < operand_count; o++) at[o] += steps * strides[o * rank + axis] * element_sizes[o];
            if (!wraps) break;
            index[axis] = 0;
        }
        if (axis < 0) return;
    }
}

void gimbal_nest(gimbal_inner inner, int rank, const ptrdiff_t *sizes, int operand_count, char *const *operands,
                 const ptrdiff_t *strides, const ptrdiff_t *element_sizes, float a, float b) {
    size_t count = (size_t)sizes[rank - 1], tile = count;
    // Where an operand is transposed against the others, short inner loops let the next turn of the loop around them
    // find the same cache lines again.
    for (int o = 0; o < operand_count && rank > 1; o++) {
        ptrdiff_t stride = strides[o * rank + rank - 1];
        if (stride != 1 && stride != 0 && strides[o * rank + rank - 2] == 1) tile = 64;
    }
    char *at[gimbal_maximum_operands];
    for (size_t start = 0; start < count; start += tile) {
        for (int o = 0; o < operand_count; o++)
            at[o] = operands[o] + (ptrdiff_t)start * strides[o * rank + rank - 1] * element_sizes[o];
        run(inner, rank, sizes, count - start < tile ? count - start : tile, operand_count, at, strides, element_sizes,
            a, b);
    }
}
