// Every elementwise function of Gimbal, once. The CPU loops and the OpenCL kernels are both made from this list: each
// includes it after defining what an entry becomes and which functions the formulas may call.
//
//   UNARY(name, body)         float x → float; parameters float a, b
//   BINARY(name, body)        float x, y → float; parameters float a, b
//   ARITHMETIC(name, formula) x, y of any number type; an expression that is valid for int32 as well
//
//   EXP EXPM1 LOG LOG1P SQRT RSQRT POW SIN COS TANH ERF FABS   float functions, to be defined before the include;
//                                                              EXPM1 is called with x ≤ 0 only
//
// Names are those of UnaryOperation.Kind and BinaryOperation.Kind. A comparison with NaN is false, so each formula is
// written such that NaN reaches the result: `x < 0 ? 0 : x`, never max(x, 0).
// A body must hold no comma outside parentheses.

#ifdef UNARY
UNARY(negate, return -x;)
UNARY(absolute, return FABS(x);)
UNARY(sign, return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x);)
UNARY(exponential, return EXP(x);)
UNARY(logarithm, return LOG(x);)
UNARY(squareRoot, return SQRT(x);)
UNARY(reciprocalSquareRoot, return RSQRT(x);)
UNARY(reciprocal, return 1.0f / x;)
UNARY(square, return x * x;)
UNARY(power, return POW(x, a);)
UNARY(sine, return SIN(x);)
UNARY(cosine, return COS(x);)
UNARY(errorFunction, return ERF(x);)
UNARY(affine, return a * x + b;)
UNARY(clamp, return x < a ? a : (x > b ? b : x);)
UNARY(isFinite, return x - x == 0.0f ? 1.0f : 0.0f;)
UNARY(sigmoid, return 1.0f / (1.0f + EXP(-x));)
UNARY(tanh, return TANH(x);)
UNARY(relu, return x < 0.0f ? 0.0f : x;)
UNARY(leakyReLU, return x < 0.0f ? a * x : x;)
UNARY(elu, return x < 0.0f ? a * (EXP(x) - 1.0f) : x;)
UNARY(silu, return x / (1.0f + EXP(-x));)
UNARY(gelu, return 0.5f * x * (1.0f + ERF(0.70710678f * x));)
UNARY(geluTanh, return x / (1.0f + EXP(-1.59576912f * (x + 0.044715f * x * x * x)));)
UNARY(softplus, return (x < 0.0f ? 0.0f : x) + LOG1P(EXP(-FABS(x)));)
UNARY(selu, return x < 0.0f ? 1.75809934f * EXPM1(x) : 1.05070099f * x;)
UNARY(celu, return x < 0.0f ? a * EXPM1(x / a) : x;)
// tanh(log(1 + eˣ)) = n / (n + 2) with n = eˣ (eˣ + 2); for x > 0 both are divided by e²ˣ, so that nothing overflows.
UNARY(mish, float e = EXP(-FABS(x)); float n = x < 0.0f ? e * (e + 2.0f) : 1.0f + 2.0f * e;
      return x * (n / (n + 2.0f * (x < 0.0f ? 1.0f : e * e)));)
UNARY(logSigmoid, return (x < 0.0f ? x : 0.0f) - LOG1P(EXP(-FABS(x)));)
UNARY(hardSigmoid, float s = x + 3.0f; return (s < 0.0f ? 0.0f : (s > 6.0f ? 6.0f : s)) / 6.0f;)
UNARY(hardSwish, float s = x + 3.0f; return x * ((s < 0.0f ? 0.0f : (s > 6.0f ? 6.0f : s)) / 6.0f);)
UNARY(hardShrink, return x >= -a && x <= a ? 0.0f : x;)
UNARY(softShrink, return x > a ? x - a : (x < -a ? x + a : x * 0.0f);)
UNARY(threshold, return x <= a ? b : x;)
UNARY(softsign, return x / (1.0f + FABS(x));)
#endif

#ifdef ARITHMETIC
ARITHMETIC(add, x + y)
ARITHMETIC(subtract, x - y)
ARITHMETIC(multiply, x * y)
ARITHMETIC(maximum, x > y || x != x ? x : y)
ARITHMETIC(minimum, x < y || x != x ? x : y)
ARITHMETIC(equal, x == y ? 1 : 0)
ARITHMETIC(notEqual, x != y ? 1 : 0)
ARITHMETIC(less, x < y ? 1 : 0)
ARITHMETIC(lessOrEqual, x <= y ? 1 : 0)
ARITHMETIC(greater, x > y ? 1 : 0)
ARITHMETIC(greaterOrEqual, x >= y ? 1 : 0)
#endif

#ifdef BINARY
BINARY(divide, return x / y;)
BINARY(power, return POW(x, y);)

// Gradients: x is the value that BinaryOperation.Kind names, y the gradient that arrives.
// A gradient of 0 stays 0, though the slope of what was masked out may be infinite or NaN.
BINARY(sigmoidGradient, return y == 0.0f ? y : y * x * (1.0f - x);)
BINARY(tanhGradient, return y == 0.0f ? y : y * (1.0f - x * x);)
BINARY(reluGradient, return x <= 0.0f ? 0.0f : y;)
BINARY(leakyReLUGradient, return x > 0.0f ? y : a * y;)
BINARY(eluGradient, return x > 0.0f || y == 0.0f ? y : a * y * EXP(x);)
BINARY(siluGradient, float s = 1.0f / (1.0f + EXP(-x)); return y == 0.0f ? y : y * s * (1.0f + x * (1.0f - s));)
BINARY(geluGradient,
       float cdf = 0.5f * (1.0f + ERF(0.70710678f * x)); float slope = cdf + x * 0.39894228f * EXP(-0.5f * x * x);
       return y == 0.0f ? y : y * slope;)
// With ½ (1 + tanh u) = σ(2u). Beyond ±20 the derivative is 0 or 1, and its factors would overflow or cancel.
BINARY(geluTanhGradient,
       float c = x < -20.0f ? -20.0f : (x > 20.0f ? 20.0f : x); float u = 1.59576912f * (c + 0.044715f * c * c * c);
       float e = EXP(-FABS(u)); float s = 1.0f / (1.0f + e);
       float slope = (u < 0.0f ? e * s : s) + c * e * s * s * 1.59576912f * (1.0f + 0.134145f * c * c);
       return y == 0.0f ? y : y * slope;)
BINARY(softplusGradient, return y == 0.0f ? y : y / (1.0f + EXP(-x));)
BINARY(seluGradient, return x <= 0.0f ? y * 1.75809934f * EXP(x) : 1.05070099f * y;)
BINARY(celuGradient, return x <= 0.0f ? y * EXP(x / a) : y;)
// With t = n / (n + 2) as above, t + x σ(x) (1 - t²) where σ(x) (1 - t²) = 4 eˣ (1 + eˣ) / (n + 2)².
BINARY(mishGradient, float e = EXP(-FABS(x)); float n = x < 0.0f ? e * (e + 2.0f) : 1.0f + 2.0f * e;
       float m = n + 2.0f * (x < 0.0f ? 1.0f : e * e); float s = 4.0f * e * (1.0f + e) * (x < 0.0f ? 1.0f : e);
       return y == 0.0f ? y : y * (n / m + x * (s / (m * m)));)
BINARY(logSigmoidGradient, return y == 0.0f ? y : y / (1.0f + EXP(x));)
BINARY(hardSigmoidGradient, return x > -3.0f && x < 3.0f ? y / 6.0f : 0.0f;)
BINARY(hardSwishGradient, return x <= -3.0f ? 0.0f : (x < 3.0f ? y * (x / 3.0f + 0.5f) : y);)
BINARY(softsignGradient, float d = 1.0f / (1.0f + FABS(x)); return y == 0.0f ? y : (x - x == 0.0f ? y * d * d : x - x);)
BINARY(absoluteGradient, return x > 0.0f ? y : (x < 0.0f ? -y : (x == 0.0f || y == 0.0f ? 0.0f : x));)
BINARY(insideGradient, return x <= a || x >= b ? 0.0f : y;)
BINARY(outsideGradient, return x >= a && x <= b ? 0.0f : y;)
BINARY(prelu, return x > 0.0f ? x : y * x;)
BINARY(preluSlope, return x > 0.0f ? 1.0f : y;)
BINARY(preluWeightGradient, return x > 0.0f || y == 0.0f ? 0.0f : x * y;)
BINARY(maskedProduct, return y == 0.0f ? y : x * y;)
BINARY(maskedQuotient, return y == 0.0f ? y : y / x;)
#endif
