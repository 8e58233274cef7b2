// The loops of the CPU backend, and the threads they run on.
//
// Every loop exists at several instruction levels; a `gimbal_loops` holds one level's. A loop knows nothing of threads:
// it does the range it is given, and the caller cuts an operation into ranges.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// MARK: What an elementwise loop computes

/// Positions of the functions in `gimbal_loops.unary`, under the names of Kernels/elementwise.h.
enum gimbal_unary {
#define UNARY(name, body) gimbal_unary_##name,
#include "../../../Kernels/elementwise.h"
#undef UNARY
    gimbal_unary_count
};

/// Positions in `gimbal_loops.binary`; the first `gimbal_arithmetic_count` exist in `gimbal_loops.integer_binary` too.
enum gimbal_binary {
#define ARITHMETIC(name, formula) gimbal_binary_##name,
#include "../../../Kernels/elementwise.h"
#undef ARITHMETIC
    gimbal_arithmetic_count,
    gimbal_binary_before_others = gimbal_arithmetic_count - 1,
#define BINARY(name, body) gimbal_binary_##name,
#include "../../../Kernels/elementwise.h"
#undef BINARY
    gimbal_binary_count
};

/// Positions of the rules in `gimbal_loops.step`, under the names of Kernels/optimizers.h.
enum gimbal_optimizer_rule {
#define OPTIMIZER(name, states, body) gimbal_optimizer_##name,
#include "../../../Kernels/optimizers.h"
#undef OPTIMIZER
    gimbal_optimizer_count
};

/// Name of a function, by its position; NULL beyond the last.
const char *gimbal_unary_name(int position);
const char *gimbal_binary_name(int position);
const char *gimbal_optimizer_name(int position);

/// Element types, numbered as `DType` numbers them.
enum gimbal_type {
    gimbal_float32,
    gimbal_float16,
    gimbal_bfloat16,
    gimbal_float64,
    gimbal_int32,
    gimbal_uint8,
    gimbal_type_count
};

enum gimbal_reduction { gimbal_sum, gimbal_product, gimbal_maximum, gimbal_minimum };

/// An elementwise loop along one axis: operands (the output first), their strides in elements, how many elements, and
/// the operation's two parameters.
typedef void (*gimbal_inner)(char *const *operands, const ptrdiff_t *strides, size_t count, float a, float b);

/// At most this many axes take part in one strided operation.
enum { gimbal_maximum_rank = 16, gimbal_maximum_operands = 4 };

/// Runs `inner` over a strided box of any rank; the last axis is the inner one.
/// - sizes: `rank` sizes, none of them 0.
/// - strides: for each operand, `rank` strides in elements, one operand after the other.
/// - element_sizes: bytes of an element of each operand.
void gimbal_nest(gimbal_inner inner, int rank, const ptrdiff_t *sizes, int operand_count, char *const *operands,
                 const ptrdiff_t *strides, const ptrdiff_t *element_sizes, float a, float b);

/// One instruction of a formula: a loop over a block of elements.
struct gimbal_instruction {
    gimbal_inner loop;
    int operand_count;
    /// For each operand, the output first: which base it lies at, its stride in elements, and the bytes from one element to
    /// the next; 0 for scratch memory, which every block uses again.
    int32_t bases[gimbal_maximum_operands];
    ptrdiff_t strides[gimbal_maximum_operands], steps[gimbal_maximum_operands];
    /// Whether one element stands for all.
    bool is_single;
    float a, b;
};

struct gimbal_formula {
    const struct gimbal_instruction *instructions;
    int instruction_count;
    /// The first bases are views, which move with the outer axes; the others are scratch memory of `block` floats each.
    int view_count;
    size_t block;
};

/// Runs a formula over a strided box of any rank; the last axis is the inner one.
/// - byte_strides: for each view, `rank` strides in bytes, one view after the other.
/// - bases: first elements; those of views are moved.
void gimbal_run_formula(const struct gimbal_formula *formula, int rank, const ptrdiff_t *sizes,
                        const ptrdiff_t *byte_strides, char **bases);

// MARK: What the other loops take

/// Float32 elements to fold. Kept axes have an element of the result each; folded axes have not.
struct gimbal_fold {
    int kept_rank, folded_rank;
    ptrdiff_t kept_sizes[gimbal_maximum_rank], kept_strides[gimbal_maximum_rank], out_strides[gimbal_maximum_rank];
    ptrdiff_t folded_sizes[gimbal_maximum_rank], folded_strides[gimbal_maximum_rank];
};

struct gimbal_batch_norm {
    size_t batch, channels, positions;
    /// NULL for 1 and 0.
    const float *scale, *shift;
    float epsilon;
    /// NULL where no running statistics are kept.
    float *running_mean, *running_variance;
    float momentum;
    float *mean, *inverse_deviation;
    /// Added to the result, or NULL; and whether ReLU ends it.
    const float *residual;
    bool rectifies;
};

/// One channel of an image and its place on a grid, over three axes. Element i of an axis of the grid is element
/// phase + i · stride of the image.
struct gimbal_plane {
    size_t image_size[3], grid_size[3], stride[3], phase[3];
};

enum {
    /// Elements of a kernel, and classes of positions that meet the same of them.
    gimbal_depthwise_most_elements = 128,
    gimbal_depthwise_most_classes = 16,
    /// Floats of a band of the source, and the most that a single row may make it.
    gimbal_depthwise_band = 1 << 13,
    gimbal_depthwise_most_scratch = 1 << 17,
};

/// A convolution of one channel by one kernel, or the gradient of its input, on rows and columns; see depthwise_loops.h.
struct gimbal_depthwise {
    size_t image[2], output[2], kernel[2], stride[2], padding[2], dilation[2];
    bool is_gradient;

    // What `depthwise_plan` works out.
    size_t source[2], target[2], margin[2], phases[2];
    size_t split, length, pitch, row_step, furthest_row, band;
    /// Floats of scratch memory for a thread.
    size_t scratch;
    /// The elements of the kernel class by class, where each class begins, and where each element reads the grid.
    size_t first[gimbal_depthwise_most_classes + 1];
    int32_t element[gimbal_depthwise_most_elements];
    ptrdiff_t offset[gimbal_depthwise_most_elements];
};

/// The windows of a pooling operation on each of three axes: first and end positions, at least one of which lies within, and the
/// sizes that averages are divided by.
struct gimbal_windows {
    size_t input_size[3], output_size[3];
    const int32_t *first[3], *end[3];
    const float *divisor[3];
    int32_t step[3];
};

/// `OptimizerStep`, in the order of its properties.
struct gimbal_optimizer {
    float rate, weightDecay, shrinkage, beta1, blend1, beta2, blend2, epsilon, correction2, gradientRate,
        directionDecay;
};

/// A rule over contiguous memory; states beyond those that the rule has may be NULL.
typedef void (*gimbal_step)(const struct gimbal_optimizer *, float *weights, const float *gradients, float *first,
                            float *second, float *third, size_t count);

/// What is known of the finite elements of a segment, and counts over all of them.
struct gimbal_statistics {
    /// `squares` is the sum of squared differences from the mean.
    double mean, squares;
    float minimum, maximum;
    int64_t finite, zeros, nans, infinities;
};

static inline struct gimbal_statistics gimbal_empty_statistics(void) {
    return (struct gimbal_statistics){.minimum = __builtin_inff(), .maximum = -__builtin_inff()};
}

/// Adds the elements of `other` to `s` (Chan et al. 1979).
static inline void gimbal_join_statistics(struct gimbal_statistics *s, const struct gimbal_statistics *other) {
    if (other->finite > 0) {
        double held = (double)s->finite, weight = (double)other->finite / (held + (double)other->finite);
        double difference = other->mean - s->mean;
        s->mean += difference * weight;
        s->squares += other->squares + difference * difference * held * weight;
        s->minimum = other->minimum < s->minimum ? other->minimum : s->minimum;
        s->maximum = other->maximum > s->maximum ? other->maximum : s->maximum;
    }
    s->finite += other->finite;
    s->zeros += other->zeros;
    s->nans += other->nans;
    s->infinities += other->infinities;
}

/// One step of a recurrent cell; rows of `hidden`, `cell` and their successors have `size` elements, those of `gates`
/// `gate_count` · `size`, all without gaps.
enum gimbal_recurrent_kind { gimbal_recurrent_tanh, gimbal_recurrent_relu, gimbal_recurrent_lstm, gimbal_recurrent_gru };

struct gimbal_recurrent {
    enum gimbal_recurrent_kind kind;
    size_t size, gate_count;
    float *gates;
    const float *hidden, *cell;
    float *new_hidden, *new_cell;
    /// NULL where every sequence goes on to the end.
    const int32_t *lengths;
    ptrdiff_t length_stride;
    int32_t step;
};

struct gimbal_layer_norm {
    size_t width;
    /// NULL for 1 and 0.
    const float *scale, *shift;
    float epsilon;
    bool centers;
    /// By row.
    float *mean, *inverse_deviation;
};

struct gimbal_attention {
    size_t heads, queries, keys;
    bool is_causal;
    /// At most one of the masks; both NULL for none.
    const uint8_t *keeps;
    const float *added;
    /// In elements, by batch, head, query and key.
    ptrdiff_t mask_strides[4];
};

/// Attention of one head without its scores in memory. Rows are of queries or keys, their elements side by side; `_row` is from one
/// row to the next.
struct gimbal_attention_blocks {
    size_t keys, size, value_size;
    const float *query, *key, *value;
    ptrdiff_t query_row, key_row, value_row;
    /// Keys that are there; and whether those after the query are left out.
    size_t live;
    bool is_causal;
    float scale;
    /// At most one of the masks; both NULL for none.
    const uint8_t *keeps;
    const float *added;
    ptrdiff_t mask_query, mask_key;
    float *out;
    ptrdiff_t out_row;
    /// Of each query the largest score, and what its exponentials are multiplied by.
    float *normalizers;
    /// For the gradients, which are added to; NULL where not wanted.
    const float *output_gradient;
    ptrdiff_t output_gradient_row;
    float *query_gradient, *key_gradient, *value_gradient;
    ptrdiff_t query_gradient_row, key_gradient_row, value_gradient_row;
};

// MARK: The loops of one instruction level

/// out [rows, columns] = scale · x [rows, depth] · y [depth, columns] (+ out) (+ bias [columns]), each operand with elements side by
/// side along one of its axes; the depth is at least 1.
struct gimbal_matrix_product {
    const float *x, *y;
    /// Elements from row to row of x and from column to column, and the same of y.
    ptrdiff_t x_row, x_depth, y_depth, y_column;
    float *out;
    ptrdiff_t out_stride;
    size_t depth;
    float scale;
    bool accumulates;
    /// Or NULL.
    const float *bias;
    /// The columns of y as `product_panel` lays them out, one panel after the other; or NULL. A rectangle begins with a whole panel, and
    /// ends with one or with the last column.
    const float *panels;
};

/// Channels of a source that lie side by side, and as many rows of a panel.
struct gimbal_run {
    /// From a row's first element, and from the panel's first row.
    int32_t source, panel;
    int32_t count;
};

/// Rows that meet the same runs.
struct gimbal_gathered_product {
    const float *source;
    /// [depth][lanes]; lanes are whole vectors.
    const float *panel;
    size_t lanes;
    const struct gimbal_run *runs;
    size_t run_count;
    float *sums;
    /// Sums begin with `bias`, of as many lanes, or with what is there.
    const float *bias;
    bool accumulates;
};

/// A sum of outer products.
struct gimbal_gathered_outer {
    const float *left, *right;
    /// For each of `count` terms, its first element on the left and on the right.
    const int32_t *places;
    size_t count;
    float *sums;
};

struct gimbal_loops {
    /// `baseline`, `avx2` or `avx512`.
    const char *name;

    gimbal_inner unary[gimbal_unary_count];
    gimbal_inner binary[gimbal_binary_count];
    gimbal_inner integer_binary[gimbal_arithmetic_count];
    /// By source and result type, operands (result, source).
    gimbal_inner convert[gimbal_type_count][gimbal_type_count];
    /// By log₂ of the element size, operands (result, condition, x, y).
    gimbal_inner select[4];
    /// Among floats by a float, operands (result, condition, x, y): x where the condition is not 0.
    gimbal_inner choose;

    /// Folds x into out or, where `partials` is not NULL, into one double per kept element there.
    void (*fold)(enum gimbal_reduction, const struct gimbal_fold *, const float *x, float *out, bool accumulates,
                 double *partials);
    void (*argmax)(const float *x, size_t rows, ptrdiff_t row_stride, size_t columns, ptrdiff_t column_stride,
                   int32_t *out);

    // Rows of contiguous [rows, classes].
    void (*softmax)(const float *x, float *out, size_t rows, size_t classes, bool logarithmic);
    void (*softmax_gradient)(const float *y, const float *output_gradient, float *out, size_t rows, size_t classes,
                             bool logarithmic);
    /// `ignored` is the target whose rows count for nothing; NULL for none.
    void (*cross_entropy)(const float *logits, const int32_t *targets, ptrdiff_t target_stride, const int32_t *ignored,
                          float *losses, float *normalizers, size_t rows, size_t classes);
    void (*cross_entropy_gradient)(const float *logits, const int32_t *targets, ptrdiff_t target_stride,
                                   const int32_t *ignored, const float *normalizers, const float *loss_gradient,
                                   ptrdiff_t loss_gradient_stride, float *out, size_t rows, size_t classes);

    // Channels first..<last.
    void (*batch_norm)(const struct gimbal_batch_norm *, const float *x, float *out, size_t first, size_t last);
    /// Normalises by `mean` and the variances in `inverse_deviation`, which it leaves alone.
    void (*batch_norm_inference)(const struct gimbal_batch_norm *, const float *x, const float *variance, float *out,
                                 size_t first, size_t last);
    /// Destinations may be NULL, and `y` where there was no ReLU: where that is not above 0, no gradient passes; what has passed goes
    /// to `residual_gradient`.
    void (*batch_norm_gradient)(const struct gimbal_batch_norm *, const float *x, const float *y,
                                const float *output_gradient, float *input_gradient, float *residual_gradient,
                                float *scale_gradient, bool scale_accumulates, float *shift_gradient,
                                bool shift_accumulates, size_t first, size_t last);

    // Random numbers for `count` elements from the block at `counter` on.
    void (*random_uniform)(float *out, size_t count, uint64_t seed, uint64_t counter);
    void (*random_normal)(float *out, size_t count, uint64_t seed, uint64_t counter);
    void (*dropout)(const float *x, float *out, size_t count, float probability, float scale, uint64_t seed,
                    uint64_t counter);

    // Contiguous ranges.
    /// Σ x² for p = 2, Σ |x| for p = 1, max |x| for p = ∞, and in general Σ (|x| · scale)ᵖ, in double.
    double (*power_sum)(const float *x, size_t count, double p, double scale);
    void (*multiply)(float *x, size_t count, float factor);
    void (*add)(float *out, const float *x, size_t count);
    gimbal_step step[gimbal_optimizer_count];
    void (*statistics)(const float *x, size_t count, struct gimbal_statistics *);

    // Rows first..<last of a recurrent cell.
    void (*recurrent_cell)(const struct gimbal_recurrent *, size_t first, size_t last);
    void (*recurrent_cell_gradient)(const struct gimbal_recurrent *, const float *output_gradient,
                                    float *gates_gradient, float *hidden_gradient, float *cell_gradient, size_t first,
                                    size_t last);

    // Rows first..<last.
    void (*layer_norm)(const struct gimbal_layer_norm *, const float *x, float *out, size_t first, size_t last);
    /// The rows' sums for scale and shift go to contiguous [width]. Destinations may be NULL.
    void (*layer_norm_gradient)(const struct gimbal_layer_norm *, const float *x, const float *output_gradient,
                                float *input_gradient, float *scale_sums, float *shift_sums, size_t first,
                                size_t last);
    void (*attention_softmax)(const struct gimbal_attention *, const float *scores, float *out, size_t first,
                              size_t last);
    void (*attention_softmax_gradient)(const struct gimbal_attention *, const float *y, const float *output_gradient,
                                       float *out, size_t first, size_t last);

    // Attention without scores in memory; see attention_blocks.h. Ranges begin with whole blocks of so many queries, or keys.
    size_t attention_queries, attention_keys;
    /// Floats of scratch memory for a thread.
    size_t (*attention_scratch)(size_t keys, size_t size, size_t value_size);
    /// Lays a head's keys, and for the gradient its values, out in the scratch memory.
    void (*attention_lay)(const struct gimbal_attention_blocks *, bool lays_values, float *scratch);
    /// Queries first..<last, one block of them at most.
    void (*attention_forward)(const struct gimbal_attention_blocks *, size_t first, size_t last, float *scratch);
    /// Adds what queries first..<last have of the gradients of, and by way of, keys first_key..<last_key.
    void (*attention_backward)(const struct gimbal_attention_blocks *, size_t first, size_t last, size_t first_key,
                               size_t last_key, float *scratch);

    // Convolution; see convolution_loops.h.
    /// Positions are computed in multiples of this; grids must be readable so far.
    size_t convolution_block;
    /// Orders weight[m * row_stride + columns[k]] as `shifted_product` reads it.
    void (*pack_kernel)(const float *weight, size_t row_stride, const ptrdiff_t *columns, size_t depth, size_t rows,
                        float *packed);
    /// out[m][p] = Σₖ weights[m][k] grid[offsets[k] + p].
    void (*shifted_product)(const float *weights, const ptrdiff_t *offsets, size_t depth, size_t rows,
                            const float *grid, float *out, size_t out_stride, size_t positions);
    /// sums[m][k] += Σₚ y[m][p] grid[offsets[k] + p]; positions beyond the last of y hold zeros.
    void (*shifted_dots)(const float *y, size_t y_stride, size_t rows, const ptrdiff_t *offsets, size_t depth,
                         const float *grid, size_t positions, float *sums);
    /// One channel of an image onto its place in a grid, zeros in the gaps.
    void (*spread_plane)(const struct gimbal_plane *, const float *image, float *grid);
    /// Positions first..<last of a grid, of which `grid` points to the first, back into an image.
    void (*collect_plane)(const struct gimbal_plane *, const float *grid, size_t first, size_t last, float bias,
                          bool accumulates, float *image);

    // Convolution of each channel by a kernel of its own; see depthwise_loops.h.
    /// Works out what is to be known beside the sizes; false where the kernel or its strides have too many parts, or a row is too long.
    bool (*depthwise_plan)(struct gimbal_depthwise *);
    /// One plane: the convolution of `source`, or the gradient of the input by `source`, which came back. The scratch memory begins
    /// as zeros, and is handed from plane to plane of a plan.
    void (*depthwise)(const struct gimbal_depthwise *, const float *source, const float *weight, float bias,
                      bool accumulates, float *scratch, float *out);
    /// Adds to sums the gradients of one kernel's elements, by the plan of the convolution, of images and what came back for each.
    void (*depthwise_weight_gradient)(const struct gimbal_depthwise *, const float *image, size_t image_stride,
                                      const float *arrived, size_t arrived_stride, size_t images, float *scratch,
                                      double *sums);

    // Convolution of planes whose channels lie side by side; see channels_last_loops.h.
    /// Floats of a vector, and the most lanes of a panel: a whole number of vectors.
    size_t vector_lanes, gathered_lanes;
    /// Computes `rows` rows; for each, places holds its first element of the source and of the sums.
    void (*gathered_product)(const struct gimbal_gathered_product *, const int32_t *places, size_t rows);
    /// Adds to sums [rows][lanes]; lanes are whole vectors.
    void (*gathered_outer)(const struct gimbal_gathered_outer *, size_t rows, size_t lanes);
    /// out[k * width + lane] = source[lane * stride + k], or is added to.
    void (*transposed)(const float *source, size_t stride, size_t depth, size_t lanes, float *out, size_t width,
                       bool accumulates);

    // Convolution by 3 x 3 with fewer multiplications, or by 3 x 1 and 1 x 3; see winograd_loops.h. Points are 16 matrices, or 4, of tiles and
    // channels, or of weights.
    void (*winograd_input)(const float *source, const int32_t *places, size_t tiles, size_t vectors, float *out,
                           size_t point_stride, bool is_line);
    void (*winograd_output)(const float *points, size_t point_stride, size_t tile_stride, const int32_t *places,
                            size_t tiles, size_t vectors, const float *bias, float *sums, bool is_line);
    void (*winograd_output_gradient)(const float *source, const int32_t *places, size_t tiles, size_t vectors, float *out,
                                     size_t point_stride, bool is_line);
    void (*winograd_weight)(const float *weight, size_t count, float *points, const ptrdiff_t *places, bool is_line);
    void (*winograd_weight_gradient)(const float *points, size_t count, float *weight, bool is_line);

    // Pooling of contiguous planes.
    void (*max_pool)(const struct gimbal_windows *, const float *x, size_t planes, float *out, int32_t *indices);
    void (*max_pool_gradient)(const struct gimbal_windows *, const float *output_gradient, const int32_t *indices,
                              size_t planes, float *out);
    void (*average_pool)(const struct gimbal_windows *, const float *x, size_t planes, float *out);
    void (*average_pool_gradient)(const struct gimbal_windows *, const float *output_gradient, size_t planes,
                                  float *out);
    // Rows of a table; see indexing_loops.h.
    /// For each index its row of the table, `row_bytes` of it, or `missing` where the table has none. Strides are in bytes.
    void (*gather_rows)(const void *table, size_t table_stride, size_t table_rows, const int32_t *indices, size_t count,
                        size_t row_bytes, const void *missing, void *out, size_t out_stride);
    /// sums[c] += source[rows[0] * stride + c], then the next of `count` rows, and so on; `later` will be added to soon, or is NULL.
    void (*add_rows)(const float *source, ptrdiff_t stride, const int32_t *rows, size_t count, size_t columns,
                     float *sums, const float *later);
    /// Computes a rectangle of a product's output. Lays operands out in at most 2 MB for each thread, which it keeps; without memory
    /// it is slow, and the same to the bit.
    void (*matrix_product)(const struct gimbal_matrix_product *, size_t rows, size_t columns);
    /// Products of more rows are computed faster by OpenBLAS.
    size_t product_most_rows;
    /// Lays columns of y, at most `product_panel_columns`, out for products: depth · product_panel_columns floats.
    void (*product_panel)(const float *y, ptrdiff_t y_depth, ptrdiff_t y_column, size_t depth, size_t columns,
                          float *panel);
    size_t product_panel_columns;
    /// Lays a matrix [rows, columns] out in panels of 16 columns, for `recurrent_product`: rows · columns floats, the
    /// columns rounded up to a multiple of 16.
    void (*recurrent_pack)(const float *matrix, ptrdiff_t row_stride, ptrdiff_t column_stride, size_t rows,
                           size_t columns, float *panels);
    /// out [rows, columns] += x [rows, depth] · panels; rows of x and out have no gaps between their elements.
    void (*recurrent_product)(const float *x, ptrdiff_t x_stride, const float *panels, size_t depth, size_t columns,
                              float *out, ptrdiff_t out_stride, size_t rows);

    // Connectionist temporal classification of samples first..<last. `scratch` holds 3 (states + 2) floats.
    void (*path_losses)(const float *emissions, const uint8_t *skips, const int32_t *lengths, float *losses,
                        float *forward, size_t time, size_t batch, size_t states, size_t first, size_t last,
                        float *scratch);
    void (*path_gradient)(const float *emissions, const uint8_t *skips, const int32_t *lengths, const float *losses,
                          const float *forward, const float *loss_gradient, ptrdiff_t loss_gradient_stride, float *out,
                          size_t time, size_t batch, size_t states, size_t first, size_t last, float *scratch);
};

/// The loops of the level called `name`, or NULL where this processor has it not.
const struct gimbal_loops *gimbal_loops_named(const char *name);
/// The loops of the highest level that this processor has.
const struct gimbal_loops *gimbal_loops_best(void);

// MARK: Threads

/// A fixed number of threads that run the parts of one operation at a time.
typedef struct gimbal_pool gimbal_pool;

/// A pool of `threads` threads, the caller of `gimbal_pool_run` being one of them. Where the system refuses to start as
/// many, there are fewer.
gimbal_pool *gimbal_pool_create(int threads);
/// Ends the threads. No run may be under way.
void gimbal_pool_destroy(gimbal_pool *);
int gimbal_pool_threads(const gimbal_pool *);
/// Calls `part(context, i)` for each i in 0..<parts and returns when all have returned. Where the pool is busy with
/// another caller's parts, or this is one of its own threads, the caller runs them all itself: nobody waits for anybody.
void gimbal_pool_run(gimbal_pool *, int parts, void (*part)(void *context, int index), void *context);
/// How many cores this process may run on.
int gimbal_available_cores(void);
