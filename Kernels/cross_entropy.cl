// Cross-entropy of each row of logits [rows, classes] with an integer target, and its gradient.
//
//   normalizers[i] = (m, s) with m = max logits[i] and s = log Σⱼ exp(logits[i, j] - m)
//   losses[i] = s - (logits[i, targets[i]] - m)
//   out[i, j] = (exp((logits[i, j] - m) - s) - [j = targets[i]]) loss_gradient[i]
//
// Work-group: LANES * SLOTS work-items, SLOTS rows; for the gradient 256 work-items, one element each.

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void cross_entropy(
    __global const float *logits, const ulong logits_offset, __global const int *targets, const ulong targets_offset,
    __global float *losses, const ulong losses_offset, __global float *normalizers,
    const ulong normalizers_offset, const long target_stride, const COUNT rows, const COUNT classes) {
    const COUNT row = (COUNT)get_group_id(0) * SLOTS + SLOT;
    const COUNT end = row < rows ? classes : 0;
    logits += logits_offset + row * classes;

    float largest = -INFINITY;
    for (COUNT j = LANE; j < end; j += LANES) largest = LARGER(largest, logits[j]);
#if LANES > 1
    __local float shares[GROUP_SIZE];
    shares[get_local_id(0)] = largest;
    FOLD_LANES(shares, LARGER)
    largest = shares[SLOT * SLOT_STEP];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif

    float sum = 0.0f;
    for (COUNT j = LANE; j < end; j += LANES) sum += exp(logits[j] - largest);
#if LANES > 1
    shares[get_local_id(0)] = sum;
    FOLD_LANES(shares, ADD)
    sum = shares[SLOT * SLOT_STEP];
#endif

    if (LANE == 0 && row < rows) {
        const int target = targets[targets_offset + row * target_stride];
        const float log_sum = log(sum);
        normalizers[normalizers_offset + 2 * row] = largest;
        normalizers[normalizers_offset + 2 * row + 1] = log_sum;
        const int exists = target >= 0 && (COUNT)target < classes;
        losses[losses_offset + row] = exists ? log_sum - (logits[target] - largest) : NAN;
    }
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void cross_entropy_gradient(
    __global const float *logits, const ulong logits_offset, __global const int *targets, const ulong targets_offset,
    __global const float *normalizers, const ulong normalizers_offset, __global const float *loss_gradient,
    const ulong loss_gradient_offset, __global float *out, const ulong out_offset, const long target_stride,
    const long loss_gradient_stride, const COUNT count, const COUNT classes) {
    const COUNT i = get_global_id(0);
    if (i >= count) return;
    const COUNT row = i / classes;
    const int is_target = targets[targets_offset + row * target_stride] == (long)(i - row * classes);
    normalizers += normalizers_offset + 2 * row;
    const float probability = exp((logits[logits_offset + i] - normalizers[0]) - normalizers[1]);
    out[out_offset + i] =
        (probability - (is_target ? 1.0f : 0.0f)) * loss_gradient[loss_gradient_offset + row * loss_gradient_stride];
}
