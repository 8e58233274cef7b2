// Operations of a warp (32 work-items in step) on tensor cores, as PTX for NVIDIA GPUs of sm_80 and newer.
//
// warp_emulation.h gives the same names in plain OpenCL C to every other compiler; both texts are put in front of a kernel, and
// `__NVPTX__` chooses. In a kernel, WARP_STATE comes before the first operation, after the declarations.
//
// Addresses in local memory are LocalAddress, made of a pointer by LOCAL_ADDRESS.
//
//   OPERAND   type of the operands of MULTIPLY: 0 bfloat16, 1 float16, 2 tf32. Default 0.

#ifndef OPERAND
#define OPERAND 0
#endif

#ifdef __NVPTX__

typedef uint LocalAddress;
#define LOCAL_ADDRESS(pointer) ((uint)(size_t)(pointer))
#define LOCAL_BYTES(pointer) ((__local uchar *)(pointer))
#define UNROLL _Pragma("unroll")
#define WARP_STATE(items)
#define POISON(pointer, bytes)

#define LOAD_LOCAL_WORD(value, address) \
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(value) : "r"(address) : "memory")
#define STORE_LOCAL_CHUNK(address, chunk)                                                             \
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"((chunk).x), "r"((chunk).y), \
                 "r"((chunk).z), "r"((chunk).w) : "memory")

/// 16 bytes from global to local memory past the registers, zeros where not `inside`; there once COPIES_WAIT says so.
#define COPY_CHUNK(to, from, inside)                                                        \
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to),                   \
                 "l"((ulong)(size_t)(from)), "r"((inside) ? 16 : 0) : "memory")
/// Ends a group of copies; COPIES_WAIT waits for all groups of this work-item but the `left` newest.
#define COPIES_COMMIT() asm volatile("cp.async.commit_group;" ::: "memory")
#define COPIES_WAIT(left) asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory")

/// Four 8 x 8 matrices of 16-bit values; lane i gives the address of row i % 8 of matrix i / 8. Of each matrix, a lane gets two
/// neighbours of row lane / 4 from column 2 (lane % 4) on, of the transposed matrix in the second form.
#define LOAD_MATRICES(d0, d1, d2, d3, address)                                                  \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"             \
                 : "=r"(d0), "=r"(d1), "=r"(d2), "=r"(d3) : "r"(address) : "memory")
#define LOAD_MATRICES_TRANSPOSED(d0, d1, d2, d3, address)                                       \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"       \
                 : "=r"(d0), "=r"(d1), "=r"(d2), "=r"(d3) : "r"(address) : "memory")

#if OPERAND == 0
#define MMA_NAME "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#elif OPERAND == 1
#define MMA_NAME "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#else
#define MMA_NAME "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
#endif
/// c[4] += a[4] (b0, b1): a 16 x 8 piece over 32 bytes of k. With g = lane / 4 and t = lane % 4, c holds (g, 2t), (g, 2t + 1),
/// (g + 8, 2t), (g + 8, 2t + 1); a holds rows g, g + 8, g, g + 8 and b column g, each at the 4 bytes t of one half of k.
#define MULTIPLY(c, a, b0, b1)                                                                           \
    asm(MMA_NAME " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                        \
        : "+f"((c)[0]), "+f"((c)[1]), "+f"((c)[2]), "+f"((c)[3])                                           \
        : "r"((a)[0]), "r"((a)[1]), "r"((a)[2]), "r"((a)[3]), "r"(b0), "r"(b1))
/// The same with c = 0 before.
#define MULTIPLY_FIRST(c, a, b0, b1)                                                                     \
    asm(MMA_NAME " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %10, %10, %10};"                    \
        : "=f"((c)[0]), "=f"((c)[1]), "=f"((c)[2]), "=f"((c)[3])                                           \
        : "r"((a)[0]), "r"((a)[1]), "r"((a)[2]), "r"((a)[3]), "r"(b0), "r"(b1), "f"(0.0f))

/// The nearest tf32 in the bits of a float, ties away from zero.
#define ROUND_TF32(bits, value) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value))
/// Two floats rounded to 16 bits each, ties to even.
#define PACK_BFLOAT16(bits, low, high) asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low))
#define PACK_FLOAT16(bits, low, high) asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low))

#endif
