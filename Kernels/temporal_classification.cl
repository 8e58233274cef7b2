// Connectionist temporal classification (Graves et al. 2006) over emissions [time, batch, states], and its gradient.
//
//   path_losses     forward[t, n, s] = log α: of all paths that are in state s at time t, the summed probability up to then;
//                   losses[n] = -log of those that end in the last two states
//   path_gradient   out[t, n, s] = -exp(log α + log β + losses[n]) loss_gradient[n]
//
// Work-group: SLOTS work-items (LANES is 1) for one sample; they share its states, and wait for each other at each time
// step. `lengths` holds steps and states of each sample.

/// log (exp a + exp b + exp c), where -infinity stands for 0.
static inline float add_logarithms(float a, float b, float c) {
    float largest = LARGER(LARGER(a, b), c);
    largest = largest < -1e30f ? -1e30f : largest;
    return log(exp(a - largest) + exp(b - largest) + exp(c - largest)) + largest;
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void path_losses(
    __global const float *emissions, const ulong emissions_offset, __global const uchar *skips,
    const ulong skips_offset, __global const int *lengths, const ulong lengths_offset, __global float *losses,
    const ulong losses_offset, __global float *forward, const ulong forward_offset, const INDEX time,
    const INDEX batch, const INDEX states) {
    const INDEX n = (INDEX)get_group_id(0);
    lengths += lengths_offset + 2 * n;
    const INDEX steps = clamp((INDEX)lengths[0], (INDEX)0, time), count = clamp((INDEX)lengths[1], (INDEX)1, states);
    emissions += emissions_offset + n * states;
    forward += forward_offset + n * states;
    skips += skips_offset + n * states;

    const INDEX row = batch * states;
    for (INDEX t = 0; t < steps; t++) {
        __global const float *before = forward + (t - 1) * row;
        for (INDEX s = (INDEX)get_local_id(0); s < count; s += GROUP_SIZE) {
            float sum;
            if (t == 0) {
                sum = s < 2 ? 0.0f : -INFINITY;
            } else {
                sum = add_logarithms(before[s], s > 0 ? before[s - 1] : -INFINITY,
                                     s > 1 && skips[s] ? before[s - 2] : -INFINITY);
            }
            forward[t * row + s] = sum + emissions[t * row + s];
        }
        barrier(CLK_GLOBAL_MEM_FENCE);
    }
    if (get_local_id(0) == 0) {
        __global const float *last = forward + (steps - 1) * row;
        float total;
        if (steps == 0) {
            total = count == 1 ? 0.0f : -INFINITY;
        } else {
            total = add_logarithms(last[count - 1], count > 1 ? last[count - 2] : -INFINITY, -INFINITY);
        }
        losses[losses_offset + n] = -total;
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP_SIZE, 1, 1))) void path_gradient(
    __global const float *emissions, const ulong emissions_offset, __global const uchar *skips,
    const ulong skips_offset, __global const int *lengths, const ulong lengths_offset, __global const float *losses,
    const ulong losses_offset, __global const float *forward, const ulong forward_offset,
    __global const float *loss_gradient, const ulong loss_gradient_offset, __global float *out,
    const ulong out_offset, __global float *ahead, const long loss_gradient_stride, const INDEX time,
    const INDEX batch, const INDEX states) {
    const INDEX n = (INDEX)get_group_id(0);
    lengths += lengths_offset + 2 * n;
    const INDEX steps = clamp((INDEX)lengths[0], (INDEX)0, time), count = clamp((INDEX)lengths[1], (INDEX)1, states);
    emissions += emissions_offset + n * states;
    forward += forward_offset + n * states;
    skips += skips_offset + n * states;
    out += out_offset + n * states;
    // log β plus the emission, of the step after and of this one in turn.
    ahead += 2 * n * states;
    const float loss = losses[losses_offset + n];
    const float arriving = loss_gradient[loss_gradient_offset + n * loss_gradient_stride];

    const INDEX row = batch * states;
    for (INDEX t = time - 1; t >= 0; t--) {
        __global const float *after = ahead + ((t + 1) & 1) * states;
        __global float *here = ahead + (t & 1) * states;
        for (INDEX s = (INDEX)get_local_id(0); s < states; s += GROUP_SIZE) {
            if (t >= steps || s >= count) {
                out[t * row + s] = 0.0f;
                continue;
            }
            float rest;
            if (t == steps - 1) {
                rest = s + 2 >= count ? 0.0f : -INFINITY;
            } else {
                rest = add_logarithms(after[s], s + 1 < count ? after[s + 1] : -INFINITY,
                                      s + 2 < count && skips[s + 2] ? after[s + 2] : -INFINITY);
            }
            out[t * row + s] = -exp(forward[t * row + s] + rest + loss) * arriving;
            here[s] = rest + emissions[t * row + s];
        }
        barrier(CLK_GLOBAL_MEM_FENCE);
    }
}
