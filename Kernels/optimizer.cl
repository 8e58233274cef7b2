// One step of an optimizer over whole arenas of parameters; the formulas stand at Backend.sgdStep and Backend.adamStep.
//
// Work-group: 256 work-items in one dimension, four neighbouring parameters for each.
//
//   ALIGNED         1 where every arena is 16-byte aligned. Default 0.
//   HAS_VELOCITY    SGD: 1 with momentum. Default 0.
//   IS_NESTEROV     SGD: 1 for Nesterov's momentum. Default 0.
//   IS_FIRST_STEP   SGD: 1 to set the velocity to the gradient instead of blending into it. Default 0.
//   DECOUPLED       Adam: 1 to shrink the weights directly (AdamW). Default 0.

#ifndef ALIGNED
#define ALIGNED 0
#endif
#ifndef HAS_VELOCITY
#define HAS_VELOCITY 0
#endif
#ifndef IS_NESTEROV
#define IS_NESTEROV 0
#endif
#ifndef IS_FIRST_STEP
#define IS_FIRST_STEP 0
#endif
#ifndef DECOUPLED
#define DECOUPLED 0
#endif

// Four neighbours at once; a pointer cast where the address allows it, as compilers split a vload4.
#if ALIGNED
#define LOAD4(pointer) (*(__global const float4 *)(pointer))
#define STORE4(value, pointer) (*(__global float4 *)(pointer) = (value))
#else
#define LOAD4(pointer) vload4(0, pointer)
#define STORE4(value, pointer) vstore4(value, 0, pointer)
#endif

typedef struct {
    float learning_rate, momentum, undamped, weight_decay;
} SGDSettings;

/// The update for a scalar or a vector: velocity and weight are changed in place.
#define SGD_UPDATE(TYPE, weight, gradient, velocity)                                                      \
    {                                                                                                     \
        TYPE direction = gradient + settings.weight_decay * weight;                                       \
        if (HAS_VELOCITY) {                                                                               \
            velocity = IS_FIRST_STEP ? direction : settings.momentum * velocity + settings.undamped * direction; \
            direction = IS_NESTEROV ? direction + settings.momentum * velocity : velocity;                \
        }                                                                                                 \
        weight -= settings.learning_rate * direction;                                                     \
    }

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void sgd(
    __global float *weights, const ulong weights_offset, __global const float *gradients, const ulong gradients_offset,
#if HAS_VELOCITY
    __global float *velocities, const ulong velocities_offset,
#endif
    const SGDSettings settings, const COUNT count) {
    const COUNT first = (COUNT)get_global_id(0) * 4;
    if (first >= count) return;
    weights += weights_offset;
    gradients += gradients_offset;
#if HAS_VELOCITY
    velocities += velocities_offset;
#endif
    if (first + 4 <= count) {
        float4 weight = LOAD4(weights + first);
        const float4 gradient = LOAD4(gradients + first);
        float4 velocity = 0.0f;
#if HAS_VELOCITY && !IS_FIRST_STEP
        velocity = LOAD4(velocities + first);
#endif
        SGD_UPDATE(float4, weight, gradient, velocity)
#if HAS_VELOCITY
        STORE4(velocity, velocities + first);
#endif
        STORE4(weight, weights + first);
        return;
    }
    for (COUNT i = first; i < count; i++) {
        float weight = weights[i];
        const float gradient = gradients[i];
        float velocity = 0.0f;
#if HAS_VELOCITY && !IS_FIRST_STEP
        velocity = velocities[i];
#endif
        SGD_UPDATE(float, weight, gradient, velocity)
#if HAS_VELOCITY
        velocities[i] = velocity;
#endif
        weights[i] = weight;
    }
}

/// β₁, 1 - β₁, β₂, 1 - β₂, learningRate / (1 - β₁ᵗ), 1 / (1 - β₂ᵗ), ε; the decay is the factor on the weights where it
/// is decoupled, else the share of the weights added to the gradient.
typedef struct {
    float beta1, complement1, beta2, complement2, step_size, correction2, epsilon, weight_decay;
} AdamSettings;

#define ADAM_UPDATE(TYPE, weight, gradient, first_moment, second_moment)                                  \
    {                                                                                                     \
        TYPE direction = gradient;                                                                        \
        if (DECOUPLED) weight *= settings.weight_decay;                                                   \
        else direction += settings.weight_decay * weight;                                                 \
        first_moment = settings.beta1 * first_moment + settings.complement1 * direction;                  \
        second_moment = settings.beta2 * second_moment + settings.complement2 * (direction * direction);  \
        weight -= settings.step_size * first_moment / (sqrt(second_moment * settings.correction2) + settings.epsilon); \
    }

__kernel __attribute__((reqd_work_group_size(256, 1, 1))) void adam(
    __global float *weights, const ulong weights_offset, __global const float *gradients, const ulong gradients_offset,
    __global float *first_moments, const ulong first_moments_offset, __global float *second_moments,
    const ulong second_moments_offset, const AdamSettings settings, const COUNT count) {
    const COUNT first = (COUNT)get_global_id(0) * 4;
    if (first >= count) return;
    weights += weights_offset;
    gradients += gradients_offset;
    first_moments += first_moments_offset;
    second_moments += second_moments_offset;
    if (first + 4 <= count) {
        float4 weight = LOAD4(weights + first);
        const float4 gradient = LOAD4(gradients + first);
        float4 first_moment = LOAD4(first_moments + first), second_moment = LOAD4(second_moments + first);
        ADAM_UPDATE(float4, weight, gradient, first_moment, second_moment)
        STORE4(weight, weights + first);
        STORE4(first_moment, first_moments + first);
        STORE4(second_moment, second_moments + first);
        return;
    }
    for (COUNT i = first; i < count; i++) {
        float weight = weights[i], first_moment = first_moments[i], second_moment = second_moments[i];
        const float gradient = gradients[i];
        ADAM_UPDATE(float, weight, gradient, first_moment, second_moment)
        weights[i] = weight;
        first_moments[i] = first_moment;
        second_moments[i] = second_moment;
    }
}
