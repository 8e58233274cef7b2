// Products of a warpgroup (128 work-items in step) by `wgmma`, for NVIDIA GPUs of sm_90, as PTX and in plain OpenCL C.
//
// The driver compiles OpenCL C for sm_90, whose assembler refuses these instructions and more than 48 KB of local memory; those
// of sm_90a are another target. So they are written as comments, `//@@ instruction`, which the compiler leaves in its PTX, and
// the local array is declared far too small, with a comment that gives its true size. The host makes them real and changes the
// target (see PTXEdit.swift). Nothing may touch the array but addresses in instructions.
//
// Operands lie in local memory in rows of 128 bytes along k, chunk c of row r at c ^ (r % 8), from a multiple of 1024 bytes on.
//
//   OPERAND       as in warp_ptx.h.
//   TILE_N        columns of a product, whose rows are 64: 128 or 256. Default 128.

#ifndef TILE_N
#define TILE_N 128
#endif

#ifdef __NVPTX__

/// Bytes that a local array is declared with: a number that occurs nowhere else.
#define WGMMA_DECLARED(bytes) 4112
#define WGMMA_ENLARGE(bytes) asm volatile("//@@array 4112 %0" ::"n"(bytes))
/// What a product reads from an address: the address and the distance of eight rows, in units of 16 bytes, and the mixing.
typedef ulong WgmmaOperand;
#define WGMMA_OPERAND(address) ((ulong)(((uint)(address) & 0x3FFFFu) >> 4) | 1ul << 16 | 64ul << 32 | 1ul << 62)
/// The operand 32 bytes of k further on.
#define WGMMA_NEXT(operand, step) ((operand) + 2 * (step))
#define WGMMA_STATE
/// Copies of this work-item that were waited for become visible to the products of all.
#define WGMMA_COPIES_FENCE() asm volatile("fence.proxy.async.shared::cta;" ::: "memory")
#define WGMMA_FENCE() asm volatile("//@@ wgmma.fence.sync.aligned;" ::: "memory")
#define WGMMA_COMMIT() asm volatile("//@@ wgmma.commit_group.sync.aligned;" ::: "memory")
/// Waits for all groups of products but the `left` newest.
#define WGMMA_WAIT(left, c) asm volatile("//@@ wgmma.wait_group.sync.aligned %0;" ::"n"(left) : "memory")

/// Waits for all; what reads c afterwards cannot be moved before.
#define WGMMA_FINISH(c) asm volatile("//@@ wgmma.wait_group.sync.aligned 0;" : WGMMA_OPERANDS(c) : : "memory")

#if OPERAND == 0
#define WGMMA_KIND "k16.f32.bf16.bf16"
#define WGMMA_ORDER ", 1, 1, 0, 0"
#elif OPERAND == 1
#define WGMMA_KIND "k16.f32.f16.f16"
#define WGMMA_ORDER ", 1, 1, 0, 0"
#else
#define WGMMA_KIND "k8.f32.tf32.tf32"
#define WGMMA_ORDER ", 1, 1"
#endif
#if TILE_N == 128
#define WGMMA_NAME "wgmma.mma_async.sync.aligned.m64n128" WGMMA_KIND
#define WGMMA_REGISTERS WGMMA_REGISTERS_128
#define WGMMA_OPERANDS WGMMA_OPERANDS_128
#define WGMMA_X "%64"
#define WGMMA_Y "%65"
#define WGMMA_KEEP "%66"
#else
#define WGMMA_NAME "wgmma.mma_async.sync.aligned.m64n256" WGMMA_KIND
#define WGMMA_REGISTERS WGMMA_REGISTERS_256
#define WGMMA_OPERANDS WGMMA_OPERANDS_256
#define WGMMA_X "%128"
#define WGMMA_Y "%129"
#define WGMMA_KEEP "%130"
#endif
/// c += x y over 32 bytes of k. With w the warp's number in its warpgroup, g = lane / 4 and t = lane % 4, value i of c lies in
/// row 16 w + g + 8 (i / 2 % 2) and column 8 (i / 4) + 2 t + i % 2.
#define WGMMA(c, x, y)                                                                                                  \
    asm volatile("//@@ { .reg .pred p; setp.ne.b32 p, " WGMMA_KEEP ", 0; " WGMMA_NAME " {" WGMMA_REGISTERS "}, " WGMMA_X \
                 ", " WGMMA_Y ", p" WGMMA_ORDER "; }"                                                                   \
                 : WGMMA_OPERANDS(c)                                                                                    \
                 : "l"(x), "l"(y), "r"(1)                                                                               \
                 : "memory")

#define WGMMA_REGISTERS_128 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define WGMMA_OPERANDS_128(c) \
    "+f"((c)[0]), "+f"((c)[1]), "+f"((c)[2]), "+f"((c)[3]), "+f"((c)[4]), "+f"((c)[5]), \
    "+f"((c)[6]), "+f"((c)[7]), "+f"((c)[8]), "+f"((c)[9]), "+f"((c)[10]), "+f"((c)[11]), \
    "+f"((c)[12]), "+f"((c)[13]), "+f"((c)[14]), "+f"((c)[15]), "+f"((c)[16]), "+f"((c)[17]), \
    "+f"((c)[18]), "+f"((c)[19]), "+f"((c)[20]), "+f"((c)[21]), "+f"((c)[22]), "+f"((c)[23]), \
    "+f"((c)[24]), "+f"((c)[25]), "+f"((c)[26]), "+f"((c)[27]), "+f"((c)[28]), "+f"((c)[29]), \
    "+f"((c)[30]), "+f"((c)[31]), "+f"((c)[32]), "+f"((c)[33]), "+f"((c)[34]), "+f"((c)[35]), \
    "+f"((c)[36]), "+f"((c)[37]), "+f"((c)[38]), "+f"((c)[39]), "+f"((c)[40]), "+f"((c)[41]), \
    "+f"((c)[42]), "+f"((c)[43]), "+f"((c)[44]), "+f"((c)[45]), "+f"((c)[46]), "+f"((c)[47]), \
    "+f"((c)[48]), "+f"((c)[49]), "+f"((c)[50]), "+f"((c)[51]), "+f"((c)[52]), "+f"((c)[53]), \
    "+f"((c)[54]), "+f"((c)[55]), "+f"((c)[56]), "+f"((c)[57]), "+f"((c)[58]), "+f"((c)[59]), \
    "+f"((c)[60]), "+f"((c)[61]), "+f"((c)[62]), "+f"((c)[63])
#define WGMMA_REGISTERS_256 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, " \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define WGMMA_OPERANDS_256(c) \
    "+f"((c)[0]), "+f"((c)[1]), "+f"((c)[2]), "+f"((c)[3]), "+f"((c)[4]), "+f"((c)[5]), \
    "+f"((c)[6]), "+f"((c)[7]), "+f"((c)[8]), "+f"((c)[9]), "+f"((c)[10]), "+f"((c)[11]), \
    "+f"((c)[12]), "+f"((c)[13]), "+f"((c)[14]), "+f"((c)[15]), "+f"((c)[16]), "+f"((c)[17]), \
    "+f"((c)[18]), "+f"((c)[19]), "+f"((c)[20]), "+f"((c)[21]), "+f"((c)[22]), "+f"((c)[23]), \
    "+f"((c)[24]), "+f"((c)[25]), "+f"((c)[26]), "+f"((c)[27]), "+f"((c)[28]), "+f"((c)[29]), \
    "+f"((c)[30]), "+f"((c)[31]), "+f"((c)[32]), "+f"((c)[33]), "+f"((c)[34]), "+f"((c)[35]), \
    "+f"((c)[36]), "+f"((c)[37]), "+f"((c)[38]), "+f"((c)[39]), "+f"((c)[40]), "+f"((c)[41]), \
    "+f"((c)[42]), "+f"((c)[43]), "+f"((c)[44]), "+f"((c)[45]), "+f"((c)[46]), "+f"((c)[47]), \
    "+f"((c)[48]), "+f"((c)[49]), "+f"((c)[50]), "+f"((c)[51]), "+f"((c)[52]), "+f"((c)[53]), \
    "+f"((c)[54]), "+f"((c)[55]), "+f"((c)[56]), "+f"((c)[57]), "+f"((c)[58]), "+f"((c)[59]), \
    "+f"((c)[60]), "+f"((c)[61]), "+f"((c)[62]), "+f"((c)[63]), "+f"((c)[64]), "+f"((c)[65]), \
    "+f"((c)[66]), "+f"((c)[67]), "+f"((c)[68]), "+f"((c)[69]), "+f"((c)[70]), "+f"((c)[71]), \
    "+f"((c)[72]), "+f"((c)[73]), "+f"((c)[74]), "+f"((c)[75]), "+f"((c)[76]), "+f"((c)[77]), \
    "+f"((c)[78]), "+f"((c)[79]), "+f"((c)[80]), "+f"((c)[81]), "+f"((c)[82]), "+f"((c)[83]), \
    "+f"((c)[84]), "+f"((c)[85]), "+f"((c)[86]), "+f"((c)[87]), "+f"((c)[88]), "+f"((c)[89]), \
    "+f"((c)[90]), "+f"((c)[91]), "+f"((c)[92]), "+f"((c)[93]), "+f"((c)[94]), "+f"((c)[95]), \
    "+f"((c)[96]), "+f"((c)[97]), "+f"((c)[98]), "+f"((c)[99]), "+f"((c)[100]), "+f"((c)[101]), \
    "+f"((c)[102]), "+f"((c)[103]), "+f"((c)[104]), "+f"((c)[105]), "+f"((c)[106]), "+f"((c)[107]), \
    "+f"((c)[108]), "+f"((c)[109]), "+f"((c)[110]), "+f"((c)[111]), "+f"((c)[112]), "+f"((c)[113]), \
    "+f"((c)[114]), "+f"((c)[115]), "+f"((c)[116]), "+f"((c)[117]), "+f"((c)[118]), "+f"((c)[119]), \
    "+f"((c)[120]), "+f"((c)[121]), "+f"((c)[122]), "+f"((c)[123]), "+f"((c)[124]), "+f"((c)[125]), \
    "+f"((c)[126]), "+f"((c)[127])

#else

#define WGMMA_DECLARED(bytes) (bytes)
#define WGMMA_ENLARGE(bytes)
typedef LocalAddress WgmmaOperand;
#define WGMMA_OPERAND(address) (address)
#define WGMMA_NEXT(operand, step) ((operand) + 32 * (step))
#define WGMMA_COPIES_FENCE()
#define WGMMA_FENCE()

/// Products under way: they read local memory only when they are waited for.
#define WGMMA_QUEUE 64
typedef struct {
    LocalAddress x[WGMMA_QUEUE], y[WGMMA_QUEUE];
    uint begun, done, groups;
    uint ends[8];
} WgmmaProducts;
#define WGMMA_STATE                                       \
    WgmmaProducts wgmma_products;                         \
    const LocalAddress wgmma_base = LOCAL_ADDRESS(slabs); \
    wgmma_products.begun = wgmma_products.done = wgmma_products.groups = 0;
#define WGMMA(c, operand_x, operand_y)                                         \
    {                                                                          \
        wgmma_products.x[wgmma_products.begun % WGMMA_QUEUE] = operand_x;        \
        wgmma_products.y[wgmma_products.begun++ % WGMMA_QUEUE] = operand_y;      \
    }
#define WGMMA_COMMIT() wgmma_products.ends[wgmma_products.groups++ % 8] = wgmma_products.begun
#define WGMMA_WAIT(left, c) wgmma_wait(&wgmma_products, left, c, wgmma_base)
#define WGMMA_FINISH(c) WGMMA_WAIT(0, c)

/// Value k of a row that begins at `row`, from where mixing put it.
static float wgmma_value(LocalAddress base, LocalAddress row, int k) {
    const uint at = (uint)(row - base) + (OPERAND == 2 ? 4 : 2) * k, mixed = at ^ (at / 128 % 8) * 16;
#if OPERAND == 2
    return warp_value(*(__local const uint *)(base + mixed), 0);
#else
    return warp_value(*(__local const ushort *)(base + mixed), 0);
#endif
}
static void wgmma_wait(WgmmaProducts *products, uint left, float *c, LocalAddress base) {
    if (products->groups <= left) return;
    const uint end = products->ends[(products->groups - left - 1) % 8];
    const int lane = get_local_id(0) % 32, warp = get_local_id(0) / 32 % 4;
    for (; (int)(end - products->done) > 0; products->done++) {
        const LocalAddress x = products->x[products->done % WGMMA_QUEUE], y = products->y[products->done % WGMMA_QUEUE];
        for (int i = 0; i < TILE_N / 2; i++) {
            const int row = warp * 16 + lane / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
            double sum = c[i];
            for (int k = 0; k < WARP_DEPTH; k++)
                sum += (double)wgmma_value(base, x + row * 128, k) * (double)wgmma_value(base, y + column * 128, k);
            c[i] = warp_truncated(sum);
        }
    }
}

#endif
