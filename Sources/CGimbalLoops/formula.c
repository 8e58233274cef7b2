// Runs the instructions of a formula block by block: what one leaves for the next stays in the first cache.

#include "CGimbalLoops.h"

/// The innermost axis, from `bases` on.
static void run_axis(const struct gimbal_formula *formula, size_t count, char *const *bases) {
    for (size_t start = 0; start < count; start += formula->block) {
        size_t n = count - start < formula->block ? count - start : formula->block;
        for (int i = 0; i < formula->instruction_count; i++) {
            const struct gimbal_instruction *instruction = &formula->instructions[i];
            char *at[gimbal_maximum_operands];
            for (int o = 0; o < instruction->operand_count; o++)
                at[o] = bases[instruction->bases[o]] + (ptrdiff_t)start * instruction->steps[o];
            instruction->loop(at, instruction->strides, instruction->is_single ? 1 : n, instruction->a,
                              instruction->b);
        }
    }
}

void gimbal_run_formula(const struct gimbal_formula *formula, int rank, const ptrdiff_t *sizes,
                        const ptrdiff_t *byte_strides, char **bases) {
    ptrdiff_t index[gimbal_maximum_rank] = {0};
    for (;;) {
        run_axis(formula, (size_t)sizes[rank - 1], bases);
        int axis = rank - 2;
        for (; axis >= 0; axis--) {
            bool wraps = ++index[axis] == sizes[axis];
            ptrdiff_t steps = wraps ? 1 - sizes[axis] : 1;
            for (int v = 0; v < formula->view_count; v++) bases[v] += steps * byte_strides[v * rank + axis];
            if (!wraps) break;
            index[axis] = 0;
        }
        if (axis < 0) return;
    }
}
