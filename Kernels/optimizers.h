// One step of every optimizer for one element, once. The CPU loops and the OpenCL kernels are both made from this list:
// each includes it after defining what an entry becomes, SQRT and FABS.
//
//   OPTIMIZER(name, states, body)
//
// Names are those of OptimizerStep.Rule. A body changes
//   w         the weight, already multiplied by the shrinkage
//   p, q, r   the first, second and third state, of which there are `states`
// and reads
//   g         the gradient, to which the weight decay has been added
//   c         the settings, by the names of OptimizerStep's properties
//
// A comparison with NaN is false: each choice is written such that NaN is kept. No comma may stand outside parentheses.

// Towards the gradient's place, for averages of weights: there g is where to go.
OPTIMIZER(approach, 0, w += c.rate * (g - w);)

OPTIMIZER(descent, 0, w -= c.rate * g;)
OPTIMIZER(momentum, 1, p = c.beta1 * p + c.blend1 * g; w -= c.rate * p;)
OPTIMIZER(nesterov, 1, p = c.beta1 * p + c.blend1 * g; w -= c.rate * (g + c.beta1 * p);)
// The first step: the velocity is the gradient, whatever the state held.
OPTIMIZER(momentumStart, 1, p = g; w -= c.rate * p;)
OPTIMIZER(nesterovStart, 1, p = g; w -= c.rate * (g + c.beta1 * p);)

OPTIMIZER(adagrad, 1, p += g * g; w -= c.rate * g / (SQRT(p) + c.epsilon);)
OPTIMIZER(adadelta, 2,
          p = c.beta2 * p + c.blend2 * g * g; float d = SQRT(q + c.epsilon) / SQRT(p + c.epsilon) * g;
          q = c.beta2 * q + c.blend2 * d * d; w -= c.rate * d;)

OPTIMIZER(rmsprop, 1, p = c.beta2 * p + c.blend2 * g * g; w -= c.rate * g / (SQRT(p) + c.epsilon);)
OPTIMIZER(rmspropMomentum, 2,
          p = c.beta2 * p + c.blend2 * g * g; q = c.beta1 * q + g / (SQRT(p) + c.epsilon); w -= c.rate * q;)
OPTIMIZER(rmspropCentred, 2,
          p = c.beta2 * p + c.blend2 * g * g; q += c.blend2 * (g - q);
          w -= c.rate * g / (SQRT(p - q * q) + c.epsilon);)
OPTIMIZER(rmspropCentredMomentum, 3,
          p = c.beta2 * p + c.blend2 * g * g; q += c.blend2 * (g - q);
          r = c.beta1 * r + g / (SQRT(p - q * q) + c.epsilon); w -= c.rate * r;)

OPTIMIZER(adam, 2,
          p = c.beta1 * p + c.blend1 * g; q = c.beta2 * q + c.blend2 * g * g;
          w -= c.rate * p / (SQRT(q * c.correction2) + c.epsilon);)
OPTIMIZER(amsgrad, 3,
          p = c.beta1 * p + c.blend1 * g; q = c.beta2 * q + c.blend2 * g * g; r = q > r || q != q ? q : r;
          w -= c.rate * p / (SQRT(r * c.correction2) + c.epsilon);)
OPTIMIZER(nadam, 2,
          p = c.beta1 * p + c.blend1 * g; q = c.beta2 * q + c.blend2 * g * g;
          w -= (c.gradientRate * g + c.rate * p) / (SQRT(q * c.correction2) + c.epsilon);)
// Before the variance of the second moment can be told, RAdam leaves it out of the step.
OPTIMIZER(radamStart, 2,
          p = c.beta1 * p + c.blend1 * g; q = c.beta2 * q + c.blend2 * g * g; w -= c.rate * p;)
OPTIMIZER(radam, 2,
          p = c.beta1 * p + c.blend1 * g; q = c.beta2 * q + c.blend2 * g * g;
          w -= c.rate * p / (SQRT(q) + c.epsilon);)
OPTIMIZER(adamax, 2,
          p = c.beta1 * p + c.blend1 * g; q *= c.beta2; float size = FABS(g) + c.epsilon;
          q = size > q || size != size ? size : q; w -= c.rate * p / q;)

OPTIMIZER(lion, 1,
          float d = c.beta1 * p + c.blend1 * g; p = c.beta2 * p + c.blend2 * g;
          w -= c.rate * (d > 0.0f ? 1.0f : (d < 0.0f ? -1.0f : d));)
// The direction of LAMB goes to r, and the weight stays: how far to go follows from the norms of both.
OPTIMIZER(lamb, 3,
          p = c.beta1 * p + c.blend1 * g; q = c.beta2 * q + c.blend2 * g * g;
          r = c.rate * p / (SQRT(q * c.correction2) + c.epsilon) + c.directionDecay * w;)
