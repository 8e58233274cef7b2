// Cross-entropy of each row of logits [rows, classes] with an integer target, the mean over rows, and the gradients.
//
//   normalizers[i] = (m, s) with m = max logits[i] and s = log Σⱼ exp(logits[i, j] - m)
//   losses[i] = s - (logits[i, targets[i]] - m)
//   out[i, j] = (exp((logits[i, j] - m) - s) - [j = targets[i]]) loss_gradient[i]
//
// Rows whose target is `ignored` count for nothing: their loss and their gradient are 0.
//
// Of the mean, each group leaves the sum of its rows and the number that count as a share, and the last group adds those; then
// loss_gradient is one number, which the gradient divides by the number of rows.
//
// Work-group: LANES * SLOTS work-items, SLOTS rows, in registers where they fit (rows.h); for the gradient 256 work-items,
// VALUES packs of WIDTH elements each.
//
//   IS_MEAN  1 for the mean over rows and its gradient. Default 0.

#ifndef IS_MEAN
#define IS_MEAN 0
#endif

/// The largest of some logits, and the sum of exp(logit - largest).
typedef struct {
    float largest, sum;
} Extent;

static inline Extent joined(Extent p, Extent q) {
    const float largest = LARGER(p.largest, q.largest);
    // Nothing but -infinity yet: then both sums are 0, and stay so.
    const float origin = largest == -INFINITY ? 0.0f : largest;
    const Extent both = {largest, p.sum * exp(p.largest - origin) + q.sum * exp(q.largest - origin)};
    return both;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void cross_entropy(
    __global const float *logits, const ulong logits_offset, __global const int *targets, const ulong targets_offset,
#if IS_MEAN
    __global float *mean, const ulong mean_offset, __global float *kept_rows, const ulong kept_rows_offset,
#else
    __global float *losses, const ulong losses_offset,
#endif
    __global float *normalizers, const ulong normalizers_offset, const long target_stride, const int has_ignored,
    const int ignored,
#if IS_MEAN
    __global float *shares, __global uint *counters,
#endif
    const COUNT rows, const COUNT classes) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? classes : 0;
    logits += logits_offset + row * classes;
#if LANES > 1
    __local float parts[GROUP_SIZE];
#endif

    float largest = -INFINITY, sum = 0.0f;
#if VALUES
    PACK values[VALUES];
#pragma unroll
    FOR_PACKS(k, end) {
        values[k] = PACK_AT(logits, k);
        const float here = LARGEST_OF(values[k]);
        largest = LARGER(largest, here);
    }
    FOLD_FOR_ALL(largest, parts, LARGER)
#pragma unroll
    FOR_PACKS(k, end) {
        const PACK power = exp(values[k] - largest);
        sum += SUM_OF(power);
    }
    FOLD_FOR_ALL(sum, parts, ADD)
#elif LANES > 1
    // Rows are long: read once, each lane keeping the largest and the sum up to here, four at a time.
    Extent here = {-INFINITY, 0.0f};
    for (COUNT j = LANE; j < end; j += 4 * LANES) {
        float next[4];
#pragma unroll
        for (int k = 0; k < 4; k++) next[k] = j + k * LANES < end ? logits[j + k * LANES] : -INFINITY;
        Extent four = {LARGER(next[0], next[1]), 0.0f};
        four.largest = LARGER(four.largest, next[2]);
        four.largest = LARGER(four.largest, next[3]);
        const float origin = four.largest == -INFINITY ? 0.0f : four.largest;
        four.sum = (exp(next[0] - origin) + exp(next[1] - origin)) + (exp(next[2] - origin) + exp(next[3] - origin));
        here = joined(here, four);
    }
    __local Extent extents[GROUP_SIZE];
    extents[get_local_id(0)] = here;
    FOLD_LANES(extents, joined)
    largest = extents[SLOT * SLOT_STEP].largest;
    sum = extents[SLOT * SLOT_STEP].sum;
#else
    for (COUNT j = 0; j < end; j++) largest = LARGER(largest, logits[j]);
    ADD_COLUMNS(float, sum, j, end, exp(logits[j] - largest))
#endif

#if IS_MEAN
    float2 total = (float2)(0.0f);
#endif
    if (LANE == 0 && row < rows) {
        const int target = targets[targets_offset + row * target_stride];
        const float log_sum = log(sum);
        normalizers[normalizers_offset + 2 * row] = largest;
        normalizers[normalizers_offset + 2 * row + 1] = log_sum;
        const int exists = target >= 0 && (COUNT)target < classes;
        const float loss = exists ? log_sum - (logits[target] - largest) : NAN;
        const int is_ignored = has_ignored && target == ignored;
#if IS_MEAN
        if (!is_ignored) total = (float2)(loss, 1.0f);
#else
        losses[losses_offset + row] = is_ignored ? 0.0f : loss;
#endif
    }

#if IS_MEAN
    __local float2 totals[GROUP_SIZE];
    __local int flag;
    for (int stage = 0; stage < 2; stage++) {
        totals[get_local_id(0)] = total;
        for (int half_group = GROUP_SIZE / 2; half_group > 0; half_group /= 2) {
            barrier(CLK_LOCAL_MEM_FENCE);
            if ((int)get_local_id(0) < half_group)
                totals[get_local_id(0)] += totals[(int)get_local_id(0) + half_group];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        total = totals[0];
        if (stage == 1 || get_num_groups(0) == 1) break;
        if (get_local_id(0) == 0) {
            STORE_SHARE(total.x, shares + 2 * get_group_id(0));
            STORE_SHARE(total.y, shares + 2 * get_group_id(0) + 1);
        }
        if (!is_last_group(counters, get_num_groups(0), &flag)) return;
        total = (float2)(0.0f);
        for (uint other = get_local_id(0); other < get_num_groups(0); other += GROUP_SIZE) {
            total.x += LOAD_SHARE(shares + 2 * other);
            total.y += LOAD_SHARE(shares + 2 * other + 1);
        }
    }
    if (get_local_id(0) == 0) {
        mean[mean_offset] = total.x / total.y;
        kept_rows[kept_rows_offset] = total.y;
    }
#endif
}

#define ELEMENT_PACKS (VALUES > 0 ? VALUES : 1)

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void cross_entropy_gradient(
    __global const float *logits, const ulong logits_offset, __global const int *targets, const ulong targets_offset,
    __global const float *normalizers, const ulong normalizers_offset, __global const float *loss_gradient,
    const ulong loss_gradient_offset,
#if IS_MEAN
    __global const float *kept_rows, const ulong kept_rows_offset,
#endif
    const int has_ignored, const int ignored,
    __global float *out, const ulong out_offset, const long target_stride, const long loss_gradient_stride,
    const COUNT count, const COUNT classes) {
    const COUNT first = (COUNT)get_group_id(0) * (256 * ELEMENT_PACKS) + get_local_id(0);
    PACK values[ELEMENT_PACKS];
#pragma unroll
    for (int k = 0; k < ELEMENT_PACKS; k++)
        if (first + k * 256 < count) values[k] = ((__global const PACK *)(logits + logits_offset))[first + k * 256];
#pragma unroll
    for (int k = 0; k < ELEMENT_PACKS; k++) {
        const COUNT i = first + k * 256;
        if (i < count) {
            // Rows have `classes` packs.
            const COUNT row = i / classes;
            const int target = targets[targets_offset + row * target_stride];
            const ulong at = normalizers_offset + 2 * (ulong)row;
            PACK value = exp((values[k] - normalizers[at]) - normalizers[at + 1]);
            const long place = (long)target - (long)(i - row * classes) * WIDTH;
#if WIDTH == 4
            value -= (float4)(place == 0, place == 1, place == 2, place == 3);
#else
            value -= place == 0 ? 1.0f : 0.0f;
#endif
#if IS_MEAN
            value *= loss_gradient[loss_gradient_offset] / kept_rows[kept_rows_offset];
#else
            value *= loss_gradient[loss_gradient_offset + row * loss_gradient_stride];
#endif
            if (has_ignored && target == ignored) value = (PACK)(0.0f);
            ((__global PACK *)(out + out_offset))[i] = value;
        }
    }
}
