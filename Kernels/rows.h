// Rows that a slot's lanes share, with the whole row in registers: each lane holds VALUES packs of WIDTH floats, LANES packs
// apart. The host puts these lines in front of the kernels that fold rows.
//
//   VALUES  packs in each work-item; 0 where rows are too long, or registers too few (a CPU): kernels then read them several
//           times. Default 0.
//   WIDTH   floats in a pack: 4 where rows are a multiple of 4 and begin aligned, else 1. Default 1.

#ifndef VALUES
#define VALUES 0
#endif
#ifndef WIDTH
#define WIDTH 1
#endif

#if WIDTH == 4
typedef float4 PACK;
#define SUM_OF(pack) ((pack.x + pack.y) + (pack.z + pack.w))
#define LARGEST_OF(pack) largest_of(pack)
static inline float largest_of(float4 pack) {
    const float p = LARGER(pack.x, pack.y), q = LARGER(pack.z, pack.w);
    return LARGER(p, q);
}
#else
typedef float PACK;
#define SUM_OF(pack) (pack)
#define LARGEST_OF(pack) (pack)
#endif

/// Pack k of a work-item begins at this column.
#define COLUMN(k) ((COUNT)(LANE + (k) * LANES) * WIDTH)
#define PACK_AT(pointer, k) (*(__global const PACK *)((pointer) + COLUMN(k)))
#define SET_PACK_AT(pointer, k, value) (*(__global PACK *)((pointer) + COLUMN(k)) = (value))
/// A loop over the packs of a work-item that lie before column `end`.
#define FOR_PACKS(k, end) for (int k = 0; k < VALUES; k++) if (COLUMN(k) < (end))
