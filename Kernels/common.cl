// What every kernel file builds on; the host puts this text in front of each.
//
// Macros that several files share, each with its default:
//   WIDE_INDEX   1 where an element offset may exceed 31 bits: indices are then 64 bits wide. Default 0.
//   USES_FLOAT64 1 where a stored type is float64, which not every device has. Default 0.
//   LANES        work-items that share the work on one output of a folding kernel; a power of two. Default 1.
//   SLOTS        outputs that one work-group of a folding kernel makes; LANES * SLOTS is the group's size. Default 64.
//   LANES_FIRST  1 where neighbouring work-items are neighbouring lanes (the folded axis is contiguous in memory),
//                0 where they are neighbouring slots (the kept axis is). Default 1.
//
// Buffers arrive as a pointer and an offset in elements, since a view may begin anywhere in its storage.

#ifndef WIDE_INDEX
#define WIDE_INDEX 0
#endif
#ifndef USES_FLOAT64
#define USES_FLOAT64 0
#endif
#ifndef LANES
#define LANES 1
#endif
#ifndef SLOTS
#define SLOTS 64
#endif
#ifndef LANES_FIRST
#define LANES_FIRST 1
#endif

#if USES_FLOAT64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif

#if WIDE_INDEX
typedef long INDEX;
typedef ulong COUNT;
#else
typedef int INDEX;
typedef uint COUNT;
#endif

#define CONCATENATE_EXPANDED(a, b) a##b
#define CONCATENATE(a, b) CONCATENATE_EXPANDED(a, b)

// Element access by the name of a DType. A load gives int for integers, double for float64 and float otherwise; a store
// takes any of the three, saturates towards integers (NaN becomes 0) and rounds to the nearest, ties to even.
#define STORED(dtype) CONCATENATE(STORED_, dtype)
#define LOAD(dtype, pointer, i) CONCATENATE(LOAD_, dtype)(pointer, i)
#define STORE(dtype, value, pointer, i) CONCATENATE(STORE_, dtype)(value, pointer, i)

#define STORED_float32 float
#define STORED_float16 half
#define STORED_bfloat16 ushort
#define STORED_float64 double
#define STORED_int32 int
#define STORED_uint8 uchar

#define LOAD_float32(pointer, i) ((pointer)[i])
#define LOAD_float16(pointer, i) vload_half(i, pointer)
#define LOAD_bfloat16(pointer, i) as_float((uint)(pointer)[i] << 16)
#define LOAD_float64(pointer, i) ((pointer)[i])
#define LOAD_int32(pointer, i) ((pointer)[i])
#define LOAD_uint8(pointer, i) ((int)(pointer)[i])

// Four neighbours at once, as float4 or int4; `pointer` must be aligned to all four.
#define LOAD4(dtype, pointer) CONCATENATE(LOAD4_, dtype)(pointer)
#define LOAD4_float32(pointer) (*(__global const float4 *)(pointer))
#define LOAD4_float16(pointer) vload_half4(0, pointer)
#define LOAD4_bfloat16(pointer) as_float4(convert_uint4(*(__global const ushort4 *)(pointer)) << 16)
#define LOAD4_int32(pointer) (*(__global const int4 *)(pointer))

#define STORE_float32(value, pointer, i) ((pointer)[i] = convert_float(value))
#define STORE_float16(value, pointer, i) vstore_half_rte(convert_float(value), i, pointer)
#define STORE_bfloat16(value, pointer, i) ((pointer)[i] = bfloat16_of(convert_float(value)))
#define STORE_float64(value, pointer, i) ((pointer)[i] = convert_double(value))
#define STORE_int32(value, pointer, i) ((pointer)[i] = convert_int_sat_rtz(value))
#define STORE_uint8(value, pointer, i) ((pointer)[i] = convert_uchar_sat_rtz(value))

/// The upper half of a float's bits, rounded to the nearest, ties to even; a NaN stays one.
static inline ushort bfloat16_of(float value) {
    uint bits = as_uint(value);
    if (value != value) return (ushort)((bits >> 16) | 0x40u);
    return (ushort)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

// Where a work-item of a folding kernel stands: which output of its group, and which share of it. Lane 0 of a slot has
// local id SLOT * SLOT_STEP.
#define GROUP_SIZE (LANES * SLOTS)
#if LANES_FIRST
#define LANE ((int)get_local_id(0) % LANES)
#define SLOT ((int)get_local_id(0) / LANES)
#define LANE_STEP 1
#define SLOT_STEP LANES
#else
#define LANE ((int)get_local_id(0) / SLOTS)
#define SLOT ((int)get_local_id(0) % SLOTS)
#define LANE_STEP SLOTS
#define SLOT_STEP 1
#endif

// Makes what `items` neighbouring work-items have written to local memory visible to each other. A warp needs no barrier.
#if defined(__NVPTX__) && GROUP_SIZE % 32 == 0
#define SYNCHRONIZE_ITEMS(items)                                          \
    if ((items) > 32) barrier(CLK_LOCAL_MEM_FENCE);                       \
    else asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
#else
#define SYNCHRONIZE_ITEMS(items) barrier(CLK_LOCAL_MEM_FENCE);
#endif

/// Folds the values of a slot's lanes into its lane 0: `values` holds one per work-item, at its local id; COMBINE(a, b)
/// is an expression. Always in the same order, so that the result does not depend on timing.
#define FOLD_LANES(values, COMBINE)                                                                            \
    for (int half_lanes = LANES / 2; half_lanes > 0; half_lanes /= 2) {                                        \
        SYNCHRONIZE_ITEMS(2 * half_lanes * LANE_STEP)                                                          \
        if (LANE < half_lanes) {                                                                               \
            int here = (int)get_local_id(0);                                                                   \
            values[here] = COMBINE(values[here], values[here + half_lanes * LANE_STEP]);                       \
        }                                                                                                      \
    }                                                                                                          \
    SYNCHRONIZE_ITEMS(LANES * LANE_STEP)

/// Sum and NaN-keeping extremes, for FOLD_LANES and for single values.
#define ADD(p, q) ((p) + (q))
#define LARGER(p, q) ((p) > (q) || (p) != (p) ? (p) : (q))
#define SMALLER(p, q) ((p) < (q) || (p) != (p) ? (p) : (q))

// Long sums are made of blocks of so many terms, and these of as many: in one chain of thousands of additions the errors of
// like terms, which all round the same way, add up (Higham 1993, "The accuracy of floating point summation").
#define FOLD_BLOCK 64

/// Folds `term`, an expression of COUNT `i`, for i from `first` to `end` in steps of `step` into `total`, in blocks.
#define FOLD_IN_BLOCKS(TYPE, START, COMBINE, total, i, first, end, step, term)                                   \
    for (COUNT outer_start = (first); outer_start < (end); outer_start += FOLD_BLOCK * FOLD_BLOCK * (step)) {    \
        const COUNT outer_end = min((COUNT)(end), outer_start + FOLD_BLOCK * FOLD_BLOCK * (step));               \
        TYPE outer_total = START;                                                                                \
        for (COUNT block_start = outer_start; block_start < outer_end; block_start += FOLD_BLOCK * (step)) {     \
            const COUNT block_end = min(outer_end, block_start + FOLD_BLOCK * (step));                           \
            TYPE block_total = START;                                                                            \
            for (COUNT i = block_start; i < block_end; i += (step)) {                                            \
                const TYPE block_term = term;                                                                    \
                block_total = COMBINE(block_total, block_term);                                                  \
            }                                                                                                    \
            outer_total = COMBINE(outer_total, block_total);                                                     \
        }                                                                                                        \
        total = COMBINE(total, outer_total);                                                                     \
    }

/// Adds `term`, an expression of `column`, for a lane's columns before `end` to `sum`.
#define ADD_COLUMNS(TYPE, sum, column, end, term) \
    FOLD_IN_BLOCKS(TYPE, (TYPE)(0.0f), ADD, sum, column, LANE, end, LANES, term)

/// Folds the eight parts of a vector, of which a CPU's work-item keeps one for each of its chains.
#define FOLD8(v, COMBINE)                                                        \
    COMBINE(COMBINE(COMBINE((v).s0, (v).s4), COMBINE((v).s2, (v).s6)),           \
            COMBINE(COMBINE((v).s1, (v).s5), COMBINE((v).s3, (v).s7)))

// Work shared by several groups of one launch, finished by the last of them to arrive:
//
//   STORE_SHARE(value, shares + i);                     each group leaves its floats
//   if (is_last_group(counter, groups, &flag)) {        all work-items of all groups call; flag is a __local int
//       ... LOAD_SHARE(shares + i) ...                  the last one adds them, in a fixed order
//   }
//
// `counter` is one of the launch's argument `.counters`, which are 0 before every launch and after it. Which group is the
// last depends on timing; what it adds, and in which order, does not.
#ifdef __NVPTX__
#define DEVICE_FENCE() asm volatile("membar.gl;" ::: "memory")
// Volatile accesses pass by L1, which does not see what other units write.
#define STORE_SHARE(value, pointer) (*(volatile __global float *)(pointer) = (value))
#define LOAD_SHARE(pointer) (*(volatile const __global float *)(pointer))
#else
// OpenCL 1.2 promises that other groups see atomics, and no more.
#define DEVICE_FENCE() mem_fence(CLK_GLOBAL_MEM_FENCE)
#define STORE_SHARE(value, pointer) ((void)atomic_xchg((volatile __global float *)(pointer), value))
#define LOAD_SHARE(pointer) as_float(atomic_or((volatile __global int *)(pointer), 0))
#endif

/// Whether this group is the last of `groups` that arrive at `counter`; then what the others stored before is visible, and
/// the counter is 0 again.
static inline int is_last_group(volatile __global uint *counter, uint groups, __local int *flag) {
    DEVICE_FENCE();
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (get_local_id(0) == 0) {
        *flag = atomic_inc(counter) == groups - 1;
        if (*flag) atomic_xchg(counter, 0u);
        DEVICE_FENCE();
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    return *flag;
}

/// Folds `value`, a float variable of each work-item, over the lanes of a slot; all of them receive the result. `parts` is a
/// local array of GROUP_SIZE floats. COMBINE must be the same both ways round. All work-items of the group take part.
#if LANES == 1
#define FOLD_FOR_ALL(value, parts, COMBINE)
#elif defined(__NVPTX__) && LANES_FIRST && LANES <= 32 && GROUP_SIZE % 32 == 0
#define FOLD_FOR_ALL(value, parts, COMBINE)                            \
    for (int step_size = LANES / 2; step_size > 0; step_size /= 2) {   \
        const float other_value = value_of_lane(value, step_size);     \
        value = COMBINE(value, other_value);                           \
    }
/// The value of the work-item of the warp whose number differs by the bits of `mask`.
static inline float value_of_lane(float value, int mask) {
    float other;
    asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;" : "=f"(other) : "f"(value), "r"(mask));
    return other;
}
#else
#define FOLD_FOR_ALL(value, parts, COMBINE)     \
    {                                           \
        barrier(CLK_LOCAL_MEM_FENCE);           \
        (parts)[get_local_id(0)] = value;       \
        FOLD_LANES(parts, COMBINE)              \
        value = (parts)[SLOT * SLOT_STEP];      \
    }
#endif
