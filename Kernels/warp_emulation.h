// The operations of warp_ptx.h in plain OpenCL C, for tests on devices that lack them: slow, and harsher than the chip.
//
// They spell out which lane holds what. Lanes exchange values through local memory, so that all work-items of a group must
// come to each operation together. Copies happen only when they are waited for, and leave NaN behind until then; local memory
// begins as NaN: a kernel that forgets to wait, or overwrites what is still read, gives wrong numbers here every time. Sums are
// rounded towards zero, as tensor cores do.

#ifndef __NVPTX__

#pragma OPENCL EXTENSION cl_khr_fp64 : enable

typedef __local uchar *LocalAddress;
// PoCL gives each of its threads local memory of its own, but misses uses of an array's address that its optimiser folds
// into constant expressions: those of all threads would share one place. What is volatile is not folded.
static LocalAddress warp_address(__local uchar *volatile pointer) { return pointer; }
#define LOCAL_ADDRESS(pointer) warp_address((__local uchar *)(pointer))
#define LOCAL_BYTES(pointer) LOCAL_ADDRESS(pointer)
#define UNROLL

/// Copies under way: those from `done` to `begun` lie in the queue, a place's number taken modulo its length; `ends` holds
/// where each group ends, likewise.
#define COPY_QUEUE 64
#define COPY_GROUPS 8
typedef struct {
    LocalAddress to[COPY_QUEUE];
    __global const uchar *from[COPY_QUEUE];
    uchar inside[COPY_QUEUE];
    uint begun, done, groups;
    uint ends[COPY_GROUPS];
} WarpCopies;

#define WARP_STATE(items)                  \
    __local uint2 warp_array[3 * (items)] __attribute__((aligned(16))); \
    __local uint *warp_words = (__local uint *)LOCAL_ADDRESS(warp_array); \
    WarpCopies warp_copies;                \
    warp_copies.begun = warp_copies.done = warp_copies.groups = 0;

#define POISON(pointer, bytes)                                                                 \
    for (int word = get_local_id(0); word < (int)((bytes) / 4); word += (int)get_local_size(0)) \
        ((__local uint *)LOCAL_ADDRESS(pointer))[word] = 0xFFFFFFFFu;                                       \
    barrier(CLK_LOCAL_MEM_FENCE);

#define LOAD_LOCAL_WORD(value, address) value = *(__local const uint *)(address)
#define STORE_LOCAL_CHUNK(address, chunk) *(__local uint4 *)(address) = (chunk)

static void warp_copy(WarpCopies *copies, LocalAddress to, __global const uchar *from, int inside) {
    *(__local uint4 *)to = (uint4)(0xFFFFFFFFu);
    const uint place = copies->begun++ % COPY_QUEUE;
    copies->to[place] = to;
    copies->from[place] = from;
    copies->inside[place] = (uchar)(inside ? 1 : 0);
}
static void warp_wait(WarpCopies *copies, uint left) {
    if (copies->groups <= left) return;
    const uint end = copies->ends[(copies->groups - left - 1) % COPY_GROUPS];
    for (; copies->done != end && (int)(end - copies->done) > 0; copies->done++) {
        const uint place = copies->done % COPY_QUEUE;
        *(__local uint4 *)copies->to[place] =
            copies->inside[place] ? *(__global const uint4 *)copies->from[place] : (uint4)(0u);
    }
}
#define COPY_CHUNK(to, from, inside) warp_copy(&warp_copies, to, (__global const uchar *)(from), inside)
#define COPIES_COMMIT() warp_copies.ends[warp_copies.groups++ % COPY_GROUPS] = warp_copies.begun
#define COPIES_WAIT(left) warp_wait(&warp_copies, left)

/// Every lane reads its row before the others are waited for, as the chip may.
static void warp_load_matrices(uint *d, LocalAddress address, __local uint4 *rows, int transposed) {
    const int item = get_local_id(0), lane = item % 32, first = item - lane;
    rows[item] = *(__local const uint4 *)address;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int matrix = 0; matrix < 4; matrix++) {
        __local const ushort *values = (__local const ushort *)(rows + first + matrix * 8);
        uint pair = 0;
        for (int half_word = 0; half_word < 2; half_word++) {
            const int row = transposed ? lane % 4 * 2 + half_word : lane / 4;
            const int column = transposed ? lane / 4 : lane % 4 * 2 + half_word;
            pair |= (uint)values[row * 8 + column] << (16 * half_word);
        }
        d[matrix] = pair;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}
#define LOAD_MATRICES_(d0, d1, d2, d3, address, transposed)               \
    {                                                                     \
        uint loaded[4];                                                   \
        warp_load_matrices(loaded, address, (__local uint4 *)warp_words, transposed); \
        d0 = loaded[0], d1 = loaded[1], d2 = loaded[2], d3 = loaded[3];   \
    }
#define LOAD_MATRICES(d0, d1, d2, d3, address) LOAD_MATRICES_(d0, d1, d2, d3, address, 0)
#define LOAD_MATRICES_TRANSPOSED(d0, d1, d2, d3, address) LOAD_MATRICES_(d0, d1, d2, d3, address, 1)

// Value k of the 32 bytes of k that one multiplication takes: in which register's half, lane and word it lies.
#if OPERAND == 2
#define WARP_DEPTH 8
#define WARP_HALF(k) ((k) / 4)
#define WARP_PLACE(k) ((k) % 4)
#else
#define WARP_DEPTH 16
#define WARP_HALF(k) ((k) / 8)
#define WARP_PLACE(k) ((k) % 8 / 2)
#endif
static float warp_value(uint word, int k) {
#if OPERAND == 0
    return as_float(k % 2 ? word & 0xFFFF0000u : word << 16);
#elif OPERAND == 1
    const ushort bits = (ushort)(word >> (k % 2 * 16));
    return vload_half(0, (const half *)&bits);
#else
    return as_float(word & 0xFFFFE000u); // The unit ignores the rest.
#endif
}
/// A float64 as float32, rounded towards zero.
static float warp_truncated(double value) {
    const float nearest = (float)value;
    return isinf(nearest) || !(fabs((double)nearest) > fabs(value)) ? nearest : as_float(as_uint(nearest) - 1u);
}
static void warp_multiply(float *c, const uint *a, uint b0, uint b1, __local uint *words) {
    const int item = get_local_id(0), lane = item % 32, first = item - lane;
    for (int i = 0; i < 4; i++) words[item * 6 + i] = a[i];
    words[item * 6 + 4] = b0;
    words[item * 6 + 5] = b1;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4, column = lane % 4 * 2 + i % 2;
        double sum = c[i];
        for (int k = 0; k < WARP_DEPTH; k++) {
            const uint x = words[(first + row * 4 + WARP_PLACE(k)) * 6 + i / 2 + 2 * WARP_HALF(k)];
            const uint y = words[(first + column * 4 + WARP_PLACE(k)) * 6 + 4 + WARP_HALF(k)];
            sum += (double)warp_value(x, k) * (double)warp_value(y, k);
        }
        c[i] = warp_truncated(sum);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
}
#define MULTIPLY(c, a, b0, b1) warp_multiply(c, a, b0, b1, warp_words)
#define MULTIPLY_FIRST(c, a, b0, b1)                  \
    {                                                 \
        (c)[0] = (c)[1] = (c)[2] = (c)[3] = 0.0f;     \
        warp_multiply(c, a, b0, b1, warp_words); \
    }

static uint warp_round_tf32(float value) {
    const uint bits = as_uint(value);
    return isnan(value) ? bits | 0x400000u : (bits + 0x1000u) & 0xFFFFE000u;
}
#define ROUND_TF32(bits, value) bits = warp_round_tf32(value)
#define PACK_BFLOAT16(bits, low, high) bits = (uint)bfloat16_of(low) | (uint)bfloat16_of(high) << 16
static uint warp_float16(float value) {
    ushort bits;
    vstore_half_rte(value, 0, (half *)&bits);
    return bits;
}
#define PACK_FLOAT16(bits, low, high) bits = warp_float16(low) | warp_float16(high) << 16

#endif
