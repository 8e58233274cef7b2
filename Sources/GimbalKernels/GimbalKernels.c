#include "GimbalKernels.h"

// #embed is C23; in an older mode the compiler takes it too, with a remark.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const char along_cl[] = {
#embed "../../Kernels/along.cl" suffix(,)
    0};
static const char argmax_cl[] = {
#embed "../../Kernels/argmax.cl" suffix(,)
    0};
static const char attention_cl[] = {
#embed "../../Kernels/attention.cl" suffix(,)
    0};
static const char attention_fused_cl[] = {
#embed "../../Kernels/attention_fused.cl" suffix(,)
    0};
static const char batch_norm_cl[] = {
#embed "../../Kernels/batch_norm.cl" suffix(,)
    0};
static const char common_cl[] = {
#embed "../../Kernels/common.cl" suffix(,)
    0};
static const char convolution_cl[] = {
#embed "../../Kernels/convolution.cl" suffix(,)
    0};
static const char convolution_depthwise_cl[] = {
#embed "../../Kernels/convolution_depthwise.cl" suffix(,)
    0};
static const char convolution_product_cl[] = {
#embed "../../Kernels/convolution_product.cl" suffix(,)
    0};
static const char convolution_shape_cl[] = {
#embed "../../Kernels/convolution_shape.cl" suffix(,)
    0};
static const char convolution_weight_cl[] = {
#embed "../../Kernels/convolution_weight.cl" suffix(,)
    0};
static const char cross_entropy_cl[] = {
#embed "../../Kernels/cross_entropy.cl" suffix(,)
    0};
static const char elementwise_cl[] = {
#embed "../../Kernels/elementwise.cl" suffix(,)
    0};
static const char elementwise_h[] = {
#embed "../../Kernels/elementwise.h" suffix(,)
    0};
static const char fill_cl[] = {
#embed "../../Kernels/fill.cl" suffix(,)
    0};
static const char formula_cl[] = {
#embed "../../Kernels/formula.cl" suffix(,)
    0};
static const char functions_cl[] = {
#embed "../../Kernels/functions.cl" suffix(,)
    0};
static const char gemm_cl[] = {
#embed "../../Kernels/gemm.cl" suffix(,)
    0};
static const char gemm_output_cl[] = {
#embed "../../Kernels/gemm_output.cl" suffix(,)
    0};
static const char gemm_panels_cl[] = {
#embed "../../Kernels/gemm_panels.cl" suffix(,)
    0};
static const char gemm_plain_cl[] = {
#embed "../../Kernels/gemm_plain.cl" suffix(,)
    0};
static const char gemm_pairs_h[] = {
#embed "../../Kernels/gemm_pairs.h" suffix(,)
    0};
static const char gemm_tensor_cl[] = {
#embed "../../Kernels/gemm_tensor.cl" suffix(,)
    0};
static const char gemm_wgmma_cl[] = {
#embed "../../Kernels/gemm_wgmma.cl" suffix(,)
    0};
static const char index_cl[] = {
#embed "../../Kernels/index.cl" suffix(,)
    0};
static const char layer_norm_cl[] = {
#embed "../../Kernels/layer_norm.cl" suffix(,)
    0};
static const char loss_scale_cl[] = {
#embed "../../Kernels/loss_scale.cl" suffix(,)
    0};
static const char norm_cl[] = {
#embed "../../Kernels/norm.cl" suffix(,)
    0};
static const char optimizer_cl[] = {
#embed "../../Kernels/optimizer.cl" suffix(,)
    0};
static const char optimizer_functions_cl[] = {
#embed "../../Kernels/optimizer_functions.cl" suffix(,)
    0};
static const char optimizers_h[] = {
#embed "../../Kernels/optimizers.h" suffix(,)
    0};
static const char pack_operand_cl[] = {
#embed "../../Kernels/pack_operand.cl" suffix(,)
    0};
static const char philox_h[] = {
#embed "../../Kernels/philox.h" suffix(,)
    0};
static const char pooling_cl[] = {
#embed "../../Kernels/pooling.cl" suffix(,)
    0};
static const char random_cl[] = {
#embed "../../Kernels/random.cl" suffix(,)
    0};
static const char random_functions_cl[] = {
#embed "../../Kernels/random_functions.cl" suffix(,)
    0};
static const char recurrent_cl[] = {
#embed "../../Kernels/recurrent.cl" suffix(,)
    0};
static const char recurrent_groups_cl[] = {
#embed "../../Kernels/recurrent_groups.cl" suffix(,)
    0};
static const char recurrent_sequence_cl[] = {
#embed "../../Kernels/recurrent_sequence.cl" suffix(,)
    0};
static const char recurrent_sequence_gradient_cl[] = {
#embed "../../Kernels/recurrent_sequence_gradient.cl" suffix(,)
    0};
static const char reduce_cl[] = {
#embed "../../Kernels/reduce.cl" suffix(,)
    0};
static const char register_tile_h[] = {
#embed "../../Kernels/register_tile.h" suffix(,)
    0};
static const char rows_h[] = {
#embed "../../Kernels/rows.h" suffix(,)
    0};
static const char scan_cl[] = {
#embed "../../Kernels/scan.cl" suffix(,)
    0};
static const char softmax_cl[] = {
#embed "../../Kernels/softmax.cl" suffix(,)
    0};
static const char sort_cl[] = {
#embed "../../Kernels/sort.cl" suffix(,)
    0};
static const char statistics_cl[] = {
#embed "../../Kernels/statistics.cl" suffix(,)
    0};
static const char temporal_classification_cl[] = {
#embed "../../Kernels/temporal_classification.cl" suffix(,)
    0};
static const char warp_emulation_h[] = {
#embed "../../Kernels/warp_emulation.h" suffix(,)
    0};
static const char warp_ptx_h[] = {
#embed "../../Kernels/warp_ptx.h" suffix(,)
    0};
static const char wgmma_h[] = {
#embed "../../Kernels/wgmma.h" suffix(,)
    0};

static const struct GimbalKernelSource table[] = {
    {"along.cl", along_cl},
    {"argmax.cl", argmax_cl},
    {"attention.cl", attention_cl},
    {"attention_fused.cl", attention_fused_cl},
    {"batch_norm.cl", batch_norm_cl},
    {"common.cl", common_cl},
    {"convolution.cl", convolution_cl},
    {"convolution_depthwise.cl", convolution_depthwise_cl},
    {"convolution_product.cl", convolution_product_cl},
    {"convolution_shape.cl", convolution_shape_cl},
    {"convolution_weight.cl", convolution_weight_cl},
    {"cross_entropy.cl", cross_entropy_cl},
    {"elementwise.cl", elementwise_cl},
    {"elementwise.h", elementwise_h},
    {"fill.cl", fill_cl},
    {"formula.cl", formula_cl},
    {"functions.cl", functions_cl},
    {"gemm.cl", gemm_cl},
    {"gemm_output.cl", gemm_output_cl},
    {"gemm_panels.cl", gemm_panels_cl},
    {"gemm_plain.cl", gemm_plain_cl},
    {"gemm_pairs.h", gemm_pairs_h},
    {"gemm_tensor.cl", gemm_tensor_cl},
    {"gemm_wgmma.cl", gemm_wgmma_cl},
    {"index.cl", index_cl},
    {"layer_norm.cl", layer_norm_cl},
    {"loss_scale.cl", loss_scale_cl},
    {"norm.cl", norm_cl},
    {"optimizer.cl", optimizer_cl},
    {"optimizer_functions.cl", optimizer_functions_cl},
    {"optimizers.h", optimizers_h},
    {"pack_operand.cl", pack_operand_cl},
    {"philox.h", philox_h},
    {"pooling.cl", pooling_cl},
    {"random.cl", random_cl},
    {"random_functions.cl", random_functions_cl},
    {"recurrent.cl", recurrent_cl},
    {"recurrent_groups.cl", recurrent_groups_cl},
    {"recurrent_sequence.cl", recurrent_sequence_cl},
    {"recurrent_sequence_gradient.cl", recurrent_sequence_gradient_cl},
    {"reduce.cl", reduce_cl},
    {"register_tile.h", register_tile_h},
    {"rows.h", rows_h},
    {"scan.cl", scan_cl},
    {"softmax.cl", softmax_cl},
    {"sort.cl", sort_cl},
    {"statistics.cl", statistics_cl},
    {"temporal_classification.cl", temporal_classification_cl},
    {"warp_emulation.h", warp_emulation_h},
    {"warp_ptx.h", warp_ptx_h},
    {"wgmma.h", wgmma_h},
};

const struct GimbalKernelSource *const gimbalKernelSources = table;
const int gimbalKernelSourceCount = sizeof table / sizeof table[0];
