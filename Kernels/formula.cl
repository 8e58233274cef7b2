// Functions of elements that are given as formulas: what stands in front of the kernels that the host writes for them.
//
// Work-group: 256 work-items in one dimension. Contiguous views: four neighbouring elements for each work-item where all are
// aligned, else one. Strided views: one element for each.
//
// Such a kernel, for one formula and the types and layouts of its operands, is
//
//   elementwise_formula(out0, out0_offset, ..., in0, in0_offset, ..., axes, numbers, count)
//
// with `axes` for strided views only, outermost first, the outputs' strides before the inputs'; and `numbers` only where the
// formula takes any. An input of which one element stands for all is read once.

// Four neighbouring elements at once, where the first is aligned to four.
#define STORE4(dtype, value, pointer) CONCATENATE(STORE4_, dtype)(value, pointer)
#define STORE4_float32(value, pointer) (*(__global float4 *)(pointer) = (value))
#define STORE4_float16(value, pointer) vstore_half4_rte(value, 0, pointer)
#define STORE4_bfloat16(value, pointer) (*(__global ushort4 *)(pointer) = bfloat16s_of(value))

static inline ushort4 bfloat16s_of(float4 value) {
    return (ushort4)(bfloat16_of(value.s0), bfloat16_of(value.s1), bfloat16_of(value.s2), bfloat16_of(value.s3));
}
