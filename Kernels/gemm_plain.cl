// out = x y for contiguous x [m, k] and y [k, n], by the definition: what the tuner holds every candidate against.
//
// Work-group: 64 work-items in one dimension, one value of out for each.

__kernel __attribute__((reqd_work_group_size(64, 1, 1))) void gemm_plain(
    __global const float *x, __global const float *y, __global float *out, const int m, const int n, const int k) {
    const int i = get_global_id(0);
    if (i >= m * n) return;
    float sum = 0.0f;
    for (int l = 0; l < k; l++) sum = fma(x[i / n * k + l], y[l * n + i % n], sum);
    out[i] = sum;
}
