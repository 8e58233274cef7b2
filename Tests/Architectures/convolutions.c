// Convolutions in all their parts. Blocks, panels and packed weights are as wide as vectors are: results are recorded without what
// fills them up.

#include "every_loop.h"

// MARK: Shifted planes

static void run_shifted(size_t rows, size_t depth, size_t positions) {
    size_t block = LOOP(convolution_block), whole = rounded_up(positions, block), reach = 3 * depth;
    // What lies beyond the last position is read, and must not matter.
    float *grid = numbers(reach + rounded_up(positions, 64) + 64, 80), *weight = numbers(rows * 2 * depth, 81);
    ptrdiff_t *columns = memory(depth * sizeof *columns), *offsets = memory(depth * sizeof *offsets);
    for (size_t k = 0; k < depth; k++) columns[k] = (ptrdiff_t)((k * 5) % (2 * depth)), offsets[k] = (ptrdiff_t)(3 * (depth - k));
    float *packed = zeros(rows * depth), *sums = zeros(rows * whole), *out = zeros(rows * positions);
    LOOP(pack_kernel)(weight, 2 * depth, columns, depth, rows, packed);
    LOOP(shifted_product)(packed, offsets, depth, rows, grid, sums, whole, whole);
    for (size_t m = 0; m < rows; m++) memcpy(out + m * positions, sums + m * whole, positions * sizeof *out);
    record("f32", out, rows * positions, "pack_kernel and shifted_product, %zu rows, depth %zu, %zu positions", rows, depth,
           positions);

    // Lanes are summed apart: whole numbers, as the order depends on how many there are.
    size_t padded = rounded_up(positions, 16);
    float *y = zeros(rows * padded), *values = whole_numbers(rows * positions, 82), *dots = whole_numbers(rows * depth, 83);
    for (size_t m = 0; m < rows; m++) memcpy(y + m * padded, values + m * positions, positions * sizeof *y);
    LOOP(shifted_dots)(y, padded, rows, offsets, depth, whole_numbers(reach + padded + 1, 84), padded, dots);
    record("f32", dots, rows * depth, "shifted_dots, %zu rows, depth %zu, %zu positions", rows, depth, positions);
    let_go();
}

static void run_planes(size_t width, size_t stride, size_t phase) {
    const size_t image[] = {3, 5, width}, strides[] = {1, stride > 1 ? 2 : 1, stride}, phases[] = {0, phase > 0, phase};
    struct gimbal_plane plane;
    size_t images = 1, grids = 1;
    for (int axis = 0; axis < 3; axis++) {
        plane.image_size[axis] = image[axis];
        plane.stride[axis] = strides[axis];
        plane.phase[axis] = phases[axis];
        // With gaps for a padding of 2.
        plane.grid_size[axis] = (image[axis] + strides[axis] - 1) / strides[axis] + (axis > 0 ? 2 : 1);
        images *= image[axis];
        grids *= plane.grid_size[axis];
    }
    float *grid = numbers(grids, 85), *target = numbers(images, 86);
    LOOP(spread_plane)(&plane, numbers(images, 87), grid);
    record("f32", grid, grids, "spread_plane, width %zu, stride %zu, phase %zu", width, stride, phase);
    float *sums = numbers(grids, 88);
    size_t middle = grids / 2 + 1;
    LOOP(collect_plane)(&plane, sums, 0, middle, 0.25f, true, target);
    LOOP(collect_plane)(&plane, sums + middle, middle, grids, -0.5f, false, target);
    record("f32", target, images, "collect_plane, width %zu, stride %zu, phase %zu", width, stride, phase);
    let_go();
}

// MARK: Channels by kernels of their own

static void run_depthwise(size_t height, size_t width, size_t kernel, size_t stride, size_t padding, size_t dilation) {
    size_t reach = dilation * (kernel - 1) + 1;
    if (height + 2 * padding < reach || width + 2 * padding < reach) return;
    struct gimbal_depthwise plan = {
        .image = {height, width}, .kernel = {kernel, kernel}, .stride = {stride, stride}, .padding = {padding, padding},
        .dilation = {dilation, dilation}, .output = {(height + 2 * padding - reach) / stride + 1, (width + 2 * padding - reach) / stride + 1},
    };
    size_t positions = height * width, outputs = plan.output[0] * plan.output[1], elements = kernel * kernel;
    char text[100];
    snprintf(text, sizeof text, "%zu x %zu, kernel %zu, stride %zu, padding %zu, dilation %zu", height, width, kernel, stride, padding,
             dilation);
    float *weight = numbers(elements, 98), *image = numbers(positions, 99), *arrived = numbers(outputs, 100);
    for (int is_gradient = 0; is_gradient < 2; is_gradient++) {
        plan.is_gradient = is_gradient;
        if (!LOOP(depthwise_plan)(&plan)) abort();
        float *scratch = zeros(plan.scratch), *target = numbers(is_gradient ? positions : outputs, 102);
        LOOP(depthwise)(&plan, is_gradient ? arrived : image, weight, 0.25f, is_gradient, scratch, target);
        record("f32", target, is_gradient ? positions : outputs, "depthwise%s, %s", is_gradient ? ", gradient" : "", text);
    }
    // Lanes are summed apart: whole numbers, as the order depends on how many there are.
    enum { images = 3 };
    plan.is_gradient = false;
    LOOP(depthwise_plan)(&plan);
    double *sums = memory(elements * sizeof *sums);
    for (size_t k = 0; k < elements; k++) sums[k] = (double)k;
    LOOP(depthwise_weight_gradient)(&plan, whole_numbers(2 * images * positions, 103), 2 * positions,
                                    whole_numbers(2 * images * outputs, 104), 2 * outputs, images, zeros(plan.scratch), sums);
    record("f64", sums, elements, "depthwise_weight_gradient, %s", text);
    let_go();
}

// MARK: Channels side by side

static void record_columns(const float *values, size_t rows, size_t width, size_t columns, const char *name, const char *text) {
    float *live = columns_of(values, rows, width, 0, columns, columns);
    record("f32", live, rows * columns, "%s, %s", name, text);
}

static void run_gathered(size_t rows, size_t lanes) {
    enum { depth = 20, positions = 40, terms = 30 };
    // Two runs that overlap in the source, and one of a single channel.
    static const struct gimbal_run runs[] = {{0, 0, 9}, {5, 9, 10}, {18, 19, 1}};
    size_t most = LOOP(gathered_lanes), vector = LOOP(vector_lanes);
    float *panel = numbers(depth * lanes, 90), *bias = numbers(lanes, 91), *source = numbers(3 * rows + depth, 92);
    float *left = numbers(positions * rows, 93), *right = numbers(positions * lanes, 94);
    float *sums = numbers(rows * lanes, 95), *added = numbers(rows * lanes, 96), *outer = numbers(rows * lanes, 97);
    for (size_t first = 0, live; first < lanes; first += live) {
        live = lanes - first < most ? lanes - first : most;
        size_t width = rounded_up(live, vector);
        struct gimbal_gathered_product product = {
            .source = source, .panel = columns_of(panel, depth, lanes, first, live, width), .lanes = width, .runs = runs,
            .run_count = COUNT(runs), .bias = columns_of(bias, 1, lanes, first, live, width),
        };
        struct gimbal_gathered_outer products = {.left = left, .right = columns_of(right, positions, lanes, first, live, width)};
        int32_t *places = memory(2 * rows * sizeof *places), *pairs = memory(2 * terms * sizeof *pairs);
        // Sums in an order of their own.
        for (size_t r = 0; r < rows; r++)
            places[2 * r] = (int32_t)(3 * r), places[2 * r + 1] = (int32_t)((rows - 1 - r) * width);
        for (size_t p = 0; p < terms; p++)
            pairs[2 * p] = (int32_t)(p * 7 % positions * rows), pairs[2 * p + 1] = (int32_t)(p * 11 % positions * width);

        product.sums = columns_of(sums, rows, lanes, first, live, width);
        LOOP(gathered_product)(&product, places, rows);
        put_columns(product.sums, width, sums, rows, lanes, first, live);
        product.sums = columns_of(added, rows, lanes, first, live, width);
        product.accumulates = true;
        LOOP(gathered_product)(&product, places, rows);
        put_columns(product.sums, width, added, rows, lanes, first, live);
        products.places = pairs;
        products.count = terms;
        products.sums = columns_of(outer, rows, lanes, first, live, width);
        LOOP(gathered_outer)(&products, rows, width);
        put_columns(products.sums, width, outer, rows, lanes, first, live);
    }
    record("f32", sums, rows * lanes, "gathered_product, %zu rows, %zu lanes", rows, lanes);
    record("f32", added, rows * lanes, "gathered_product, %zu rows, %zu lanes, added", rows, lanes);
    record("f32", outer, rows * lanes, "gathered_outer, %zu rows, %zu lanes", rows, lanes);
    let_go();
}

static void run_transposed(size_t depth, size_t lanes) {
    for (int accumulates = 0; accumulates < 2; accumulates++) {
        size_t stride = depth + 2, width = lanes + 1, count = (depth - 1) * width + lanes;
        float *out = numbers(count, 98);
        LOOP(transposed)(numbers((lanes - 1) * stride + depth, 99), stride, depth, lanes, out, width, accumulates);
        record("f32", out, count, "transposed, depth %zu, %zu lanes, accumulates %d", depth, lanes, accumulates);
        let_go();
    }
}

static void run_winograd(size_t lanes, bool is_line) {
    enum { tiles = 5, positions = 40 };
    size_t points = is_line ? 4 : 16, elements = is_line ? 3 : 9;
    size_t vector = LOOP(vector_lanes), width = rounded_up(lanes, vector), vectors = width / vector;
    size_t tile_stride = width + vector, stride = tiles * tile_stride;
    char text[40];
    snprintf(text, sizeof text, "%zu lanes%s", lanes, is_line ? ", lines" : "");
    float *source = columns_of(numbers(positions * lanes, 100), positions, lanes, 0, lanes, width);
    int32_t *places = memory(points * tiles * sizeof *places), *corners = memory(4 * tiles * sizeof *corners);
    for (size_t i = 0; i < points * tiles; i++) places[i] = (int32_t)(i * 7 % positions * width);
    for (size_t i = 0; i < 4 * tiles; i++) corners[i] = (int32_t)(i * 3 % positions * width);
    // Of the input and of the gradient, tiles follow each other without a gap.
    float *out = zeros(points * stride);
    LOOP(winograd_input)(source, places, tiles, vectors, out, stride, is_line);
    for (size_t point = 0; point < points; point++)
        record_columns(out + point * stride, tiles, width, lanes, "winograd_input", text);
    LOOP(winograd_output_gradient)(source, corners, tiles, vectors, out, stride, is_line);
    for (size_t point = 0; point < points; point++)
        record_columns(out + point * stride, tiles, width, lanes, "winograd_output_gradient", text);
    float *sums = zeros(positions * width);
    LOOP(winograd_output)(columns_of(numbers(points * tiles * lanes, 101), points * tiles, lanes, 0, lanes, tile_stride), stride,
                          tile_stride, corners, tiles, vectors,
                          columns_of(numbers(lanes, 102), 1, lanes, 0, lanes, width), sums, is_line);
    record_columns(sums, positions, width, lanes, "winograd_output", text);
    float *weights = columns_of(numbers(elements * lanes, 103), elements, lanes, 0, lanes, width), *all = zeros(points * stride);
    ptrdiff_t *weight_places = memory(points * sizeof *weight_places);
    // One of them is left out.
    for (size_t point = 0; point < points; point++) weight_places[point] = point == 2 ? -1 : (ptrdiff_t)(point * stride);
    LOOP(winograd_weight)(weights, width, all, weight_places, is_line);
    record_columns(all, points, stride, lanes, "winograd_weight", text);
    LOOP(winograd_weight_gradient)(columns_of(numbers(points * lanes, 104), points, lanes, 0, lanes, width), width, weights, is_line);
    record_columns(weights, elements, width, lanes, "winograd_weight_gradient", text);
    let_go();
}

void run_convolutions(void) {
    EACH(rows, 1, 2, 3, 4, 7, 8, 13)
    EACH(depth, 1, 2, 9, 14)
    EACH(positions, EDGES) run_shifted(rows, depth, positions);
    EACH(width, EDGES)
    for (size_t stride = 1; stride <= 3; stride++)
        for (size_t phase = 0; phase < stride; phase++) run_planes(width, stride, phase);
    EACH(width, EDGES)
    EACH(kernel, 1, 2, 3, 5)
    EACH(stride, 1, 2, 3)
    EACH(padding, 0, 1, 4)
    EACH(dilation, 1, 2) run_depthwise(7, width, kernel, stride, padding, dilation);
    // Bands.
    run_depthwise(300, 70, 3, 1, 1, 1);
    run_depthwise(300, 70, 3, 2, 1, 1);
    EACH(lanes, EDGES) {
        EACH(rows, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 23) run_gathered(rows, lanes);
        EACH(depth, EDGES) run_transposed(depth, lanes);
        run_winograd(lanes, false);
        run_winograd(lanes, true);
    }
}
