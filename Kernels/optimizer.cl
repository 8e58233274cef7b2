// One step of an optimizer over whole arenas of parameters; the formulas stand in optimizers.h.
//
// Work-group: 256 work-items in one dimension, four neighbouring parameters for each.
//
//   RULE        the step, step_NAME with a name of optimizers.h. Default step_descent.
//   STATES      how many states the rule has, 0 to 3. Default 0.
//   CONDITIONAL 1 where one element on the device tells whether to step at all: not where it is 0. Default 0.
//   ALIGNED     1 where every arena is 16-byte aligned. Default 0.

#ifndef RULE
#define RULE step_descent
#endif
#ifndef STATES
#define STATES 0
#endif
#ifndef CONDITIONAL
#define CONDITIONAL 0
#endif
#ifndef ALIGNED
#define ALIGNED 0
#endif

// Four neighbours at once; a pointer cast where the address allows it, as compilers split a vload4.
#if ALIGNED
#define LOAD4(pointer) (*(__global const float4 *)(pointer))
#define STORE4(value, pointer) (*(__global float4 *)(pointer) = (value))
#else
#define LOAD4(pointer) vload4(0, pointer)
#define STORE4(value, pointer) vstore4(value, 0, pointer)
#endif

/// The rule for one component of float4s.
#define STEP(component)                                                                                  \
    {                                                                                                    \
        float weight = w.component, first_state = p.component, second_state = q.component, third_state = r.component; \
        RULE(settings, &weight, g.component, &first_state, &second_state, &third_state);                              \
        w.component = weight, p.component = first_state, q.component = second_state, r.component = third_state;       \
    }

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void optimizer_step(
    __global float *weights, const ulong weights_offset, __global const float *gradients, const ulong gradients_offset,
#if STATES > 0
    __global float *states0, const ulong states0_offset,
#endif
#if STATES > 1
    __global float *states1, const ulong states1_offset,
#endif
#if STATES > 2
    __global float *states2, const ulong states2_offset,
#endif
#if CONDITIONAL
    __global const float *condition, const ulong condition_offset,
#endif
    const OptimizerSettings settings, const COUNT count) {
    const COUNT first = (COUNT)get_global_id(0) * 4;
    if (first >= count) return;
#if CONDITIONAL
    if (condition[condition_offset] == 0.0f) return;
#endif
    weights += weights_offset;
    gradients += gradients_offset;
#if STATES > 0
    states0 += states0_offset;
#endif
#if STATES > 1
    states1 += states1_offset;
#endif
#if STATES > 2
    states2 += states2_offset;
#endif
    if (first + 4 <= count) {
        float4 w = LOAD4(weights + first), p = 0.0f, q = 0.0f, r = 0.0f;
        const float4 g = LOAD4(gradients + first);
#if STATES > 0
        p = LOAD4(states0 + first);
#endif
#if STATES > 1
        q = LOAD4(states1 + first);
#endif
#if STATES > 2
        r = LOAD4(states2 + first);
#endif
        STEP(x)
        STEP(y)
        STEP(z)
        STEP(w)
        STORE4(w, weights + first);
#if STATES > 0
        STORE4(p, states0 + first);
#endif
#if STATES > 1
        STORE4(q, states1 + first);
#endif
#if STATES > 2
        STORE4(r, states2 + first);
#endif
        return;
    }
    for (COUNT i = first; i < count; i++) {
        float w = weights[i], p = 0.0f, q = 0.0f, r = 0.0f;
#if STATES > 0
        p = states0[i];
#endif
#if STATES > 1
        q = states1[i];
#endif
#if STATES > 2
        r = states2[i];
#endif
        RULE(settings, &w, gradients[i], &p, &q, &r);
        weights[i] = w;
#if STATES > 0
        states0[i] = p;
#endif
#if STATES > 1
        states1[i] = q;
#endif
#if STATES > 2
        states2[i] = r;
#endif
    }
}
