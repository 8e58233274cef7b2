// Uniform and normal random numbers, and dropout, from Philox 4x32-10: the same bits on every device.
//
//   uniform  out[i] in [0, 1)          normal  out[i] of mean 0 and variance 1
//   dropout  out[i] = uniform[i] < probability ? 0 : x[i] · scale
//
// Work-group: 256 work-items in one dimension, one Philox block of four elements for each.

/// The four words of block number `block` counted from `counter`.
static inline void block_words(ulong counter, ulong block, ulong seed, uint *words) {
    const ulong at = counter + block;
    philox_block((uint)at, (uint)(at >> 32), (uint)seed, (uint)(seed >> 32), words);
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void random_uniform(
    __global float *out, const ulong out_offset, const ulong seed, const ulong counter, const COUNT count) {
    const COUNT first = (COUNT)get_global_id(0) * 4;
    if (first >= count) return;
    uint words[4];
    block_words(counter, get_global_id(0), seed, words);
    out += out_offset + first;
    for (COUNT i = 0; i < 4 && first + i < count; i++) out[i] = philox_uniform(words[i]);
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void random_normal(
    __global float *out, const ulong out_offset, const ulong seed, const ulong counter, const COUNT count) {
    const COUNT first = (COUNT)get_global_id(0) * 4;
    if (first >= count) return;
    uint words[4];
    float values[4];
    block_words(counter, get_global_id(0), seed, words);
    philox_normal(words[0], words[1], &values[0], &values[1]);
    philox_normal(words[2], words[3], &values[2], &values[3]);
    out += out_offset + first;
#pragma unroll
    for (COUNT i = 0; i < 4; i++)
        if (first + i < count) out[i] = values[i];
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void dropout(
    __global float *out, const ulong out_offset, __global const float *x, const ulong x_offset, const ulong seed,
    const ulong counter, const float probability, const float scale, const COUNT count) {
    const COUNT first = (COUNT)get_global_id(0) * 4;
    if (first >= count) return;
    uint words[4];
    block_words(counter, get_global_id(0), seed, words);
    out += out_offset + first;
    x += x_offset + first;
    for (COUNT i = 0; i < 4 && first + i < count; i++)
        out[i] = philox_uniform(words[i]) < probability ? 0.0f : x[i] * scale;
}
