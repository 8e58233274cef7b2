// All loops, and the table of them. Each level's file includes this once, with the instructions it may use switched on
// and `LEVEL_TABLE` and `LEVEL_NAME` defined.

#include "vector_math.h"
#include "vectors.h"
#include "elementwise_loops.h"
#include "conversion_loops.h"
#include "fold_loops.h"
#include "row_loops.h"
#include "batch_norm_loops.h"
#include "optimizer_loops.h"
#include "recurrent_loops.h"
#include "layer_norm_loops.h"
#include "attention_loops.h"
#include "convolution_loops.h"
#include "pooling_loops.h"
#include "indexing_loops.h"
#include "product_loops.h"
#include "attention_blocks.h"
#include "depthwise_loops.h"
#include "channels_last_loops.h"
#include "winograd_loops.h"
#include "temporal_classification_loops.h"
#include "random_loops.h"  // Last: switches contraction off.

#define CONVERSIONS(source, ...)                                                                                       \
    [gimbal_##source] = {                                                                                              \
        convert_##source##_float32, convert_##source##_float16, convert_##source##_bfloat16,                           \
        convert_##source##_float64, convert_##source##_int32,   convert_##source##_uint8,                              \
    },
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winitializer-overrides"  // The diagonal of `convert`.
const struct gimbal_loops LEVEL_TABLE = {
    .name = LEVEL_NAME,
    .unary = {
#define UNARY(name, body) unary_##name,
#include "../../Kernels/elementwise.h"
#undef UNARY
    },
    .binary = {
#define ARITHMETIC(name, formula) binary_##name,
#include "../../Kernels/elementwise.h"
#undef ARITHMETIC
#define BINARY(name, body) binary_##name,
#include "../../Kernels/elementwise.h"
#undef BINARY
    },
    .integer_binary = {
#define ARITHMETIC(name, formula) integer_##name,
#include "../../Kernels/elementwise.h"
#undef ARITHMETIC
    },
    .convert = {TYPES(CONVERSIONS)
        [gimbal_float32][gimbal_float32] = move_uint32_t,
        [gimbal_float16][gimbal_float16] = move_uint16_t,
        [gimbal_bfloat16][gimbal_bfloat16] = move_uint16_t,
        [gimbal_float64][gimbal_float64] = move_uint64_t,
        [gimbal_int32][gimbal_int32] = move_uint32_t,
        [gimbal_uint8][gimbal_uint8] = move_uint8_t,
    },
    .select = {select_uint8_t, select_uint16_t, select_uint32_t, select_uint64_t},
    .choose = choose,
    .fold = fold,
    .argmax = argmax,
    .softmax = softmax,
    .softmax_gradient = softmax_gradient,
    .cross_entropy = cross_entropy,
    .cross_entropy_gradient = cross_entropy_gradient,
    .batch_norm = batch_norm,
    .batch_norm_inference = batch_norm_inference,
    .batch_norm_gradient = batch_norm_gradient,
    .random_uniform = random_uniform,
    .random_normal = random_normal,
    .dropout = dropout,
    .power_sum = power_sum,
    .multiply = multiply,
    .add = add,
    .step = {
#define OPTIMIZER(name, states, body) step_##name,
#include "../../Kernels/optimizers.h"
#undef OPTIMIZER
    },
    .statistics = statistics,
    .recurrent_cell = recurrent_cell,
    .recurrent_cell_gradient = recurrent_cell_gradient,
    .layer_norm = layer_norm,
    .layer_norm_gradient = layer_norm_gradient,
    .attention_softmax = attention_softmax,
    .attention_softmax_gradient = attention_softmax_gradient,
    .attention_queries = attention_queries,
    .attention_keys = attention_keys,
    .attention_scratch = attention_scratch,
    .attention_lay = attention_lay,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .convolution_block = convolution_block,
    .pack_kernel = pack_kernel,
    .shifted_product = shifted_product,
    .shifted_dots = shifted_dots,
    .spread_plane = spread_plane,
    .collect_plane = collect_plane,
    .depthwise_plan = depthwise_plan,
    .depthwise = depthwise,
    .depthwise_weight_gradient = depthwise_weight_gradient,
    .gathered_lanes = gathered_lanes,
    .vector_lanes = VECTOR_FLOATS,
    .gathered_product = gathered_product,
    .gathered_outer = gathered_outer,
    .transposed = transposed,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .winograd_output_gradient = winograd_output_gradient,
    .winograd_weight = winograd_weight,
    .winograd_weight_gradient = winograd_weight_gradient,
    .max_pool = max_pool,
    .max_pool_gradient = max_pool_gradient,
    .average_pool = average_pool,
    .average_pool_gradient = average_pool_gradient,
    .gather_rows = gather_rows,
    .add_rows = add_rows,
    .matrix_product = matrix_product,
    .product_most_rows = product_most_rows,
    .product_panel = lay_panel,
    .product_panel_columns = panel_columns,
    .recurrent_pack = recurrent_pack,
    .recurrent_product = recurrent_product,
    .path_losses = path_losses,
    .path_gradient = path_gradient,
};
#pragma clang diagnostic pop
