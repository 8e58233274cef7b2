// The loss scale of float16 (Micikevicius et al. 2018, section 3.2), which stays on the device.
//
//   unscale            x ← x / scale; condition ← 0 where any x is NaN or infinite, for which it must hold 1 before
//   update_loss_scale  state is (scale, good steps in a row, steps left out). After a step whose condition is 0, the scale
//                      is multiplied by backoff, else after every `interval` good steps by growth
//
// Work-group: unscale 256 work-items of four elements each, which lie side by side for neighbours; update_loss_scale one.

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void unscale(
    __global float *x, const ulong x_offset, __global const float *scale, const ulong scale_offset,
    __global float *condition, const ulong condition_offset, const COUNT count) {
    const float inverse = 1.0f / scale[scale_offset];
    int is_finite = 1;
    x += x_offset;
    for (int part = 0; part < 4; part++) {
        const COUNT i = (COUNT)get_group_id(0) * 1024 + part * 256 + get_local_id(0);
        if (i >= count) break;
        const float value = x[i];
        is_finite &= isfinite(value) != 0;
        x[i] = value * inverse;
    }
    // All that write it write the same.
    if (!is_finite) condition[condition_offset] = 0.0f;
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void update_loss_scale(
    __global float *state, const ulong state_offset, __global const float *condition, const ulong condition_offset,
    const float growth, const float backoff, const float interval) {
    state += state_offset;
    if (condition[condition_offset] == 0.0f) {
        state[0] *= backoff;
        state[1] = 0.0f;
        state[2] += 1.0f;
        return;
    }
    const float streak = state[1] + 1.0f;
    const float grown = state[0] * growth;
    if (streak == interval && isfinite(grown)) state[0] = grown;
    state[1] = streak == interval ? 0.0f : streak;
}
