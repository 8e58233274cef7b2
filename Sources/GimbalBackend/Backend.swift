/// What a device must be able to do for Gimbal to train on it.
///
/// The first part lists the primitives: every backend writes these. The second part lists fused operations: each has a
/// default written over the primitives (see the folder `Fused`), which a backend overrides where it can do better. So
/// a new backend trains any model as soon as its primitives work, and the defaults say what a faster version must
/// equal.
///
/// Rules that hold for every operation:
/// - Operations run in the order they are called. They may run asynchronously; only `download` and `synchronize` wait.
/// - They do not throw. A failure of the device goes to `errors` and is thrown at the next wait.
/// - `out` is written completely (or added to, where it says so) and nothing outside it is touched. `out` may be one of
///   the inputs where an operation is elementwise, with the same strides; elsewhere they must not overlap.
/// - Views may have any strides and any size, zero included, unless a parameter says *contiguous*.
/// - Callers have checked shapes: a backend may assume that they fit.
/// - Real numbers may be stored in any type, each view in its own. Arithmetic is float32, and so are the sums and
///   statistics within an operation; what is stored in a narrower type is rounded to nearest, ties to even.
/// - NaN and infinity pass through as IEEE 754 arithmetic has it. Results do not depend on timing: the same call gives
///   the same bits on the same device.
public protocol Backend: AnyObject, Sendable {

    // MARK: The device

    /// The device that the backend runs on.
    var device: DeviceDescription { get }
    /// The type real numbers are computed in: `float32`, or `float64` for a backend that checks others.
    var realType: DType { get }
    /// Where operations report what they cannot throw.
    var errors: ErrorLatch { get }

    // MARK: Memory

    /// A block of `byteCount` bytes (0 is allowed), contents undefined.
    /// - Throws: `GimbalError.outOfMemory`.
    func allocate(byteCount: Int) throws -> Storage
    /// Takes back the memory of a storage. Only `Storage.deinit` calls this; operations under way may still use it.
    func deallocate(_ handle: UnsafeMutableRawPointer, byteCount: Int)
    /// Copies host bytes to the device. The host memory may change as soon as the call returns.
    func upload(_ bytes: UnsafeRawBufferPointer, to storage: Storage, byteOffset: Int)
    /// Waits for everything called so far, then copies device bytes to the host.
    func download(_ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer) throws
    /// The same without waiting: `bytes` hold what was in the device's memory when this was called, once the function that is
    /// returned has been called, which waits for that alone, from any thread. By default the same as `download`.
    func beginDownload(
        _ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer
    ) throws -> @Sendable () throws -> Void
    /// Waits for everything called so far.
    /// - Throws: the first failure since the last wait.
    func synchronize() throws
    /// The memory held by storages now.
    var memoryUsage: MemoryUsage { get }
    /// Whether the handles of storages are addresses in the host's memory, and every operation is done when its call returns:
    /// then there is nothing to wait for, and a user's closure can do the device's work. False by default.
    var isOnHost: Bool { get }
    /// Gives unused pooled memory back to the system.
    func trimMemory()

    // MARK: Elements

    /// Sets every element. Any dtype.
    func fill(_ out: TensorView, with value: Double)
    /// Copies elements, converting between any two dtypes. To integers, values are truncated towards zero.
    func copy(_ source: TensorView, to out: TensorView)
    /// out[i] = operation(x[i]) for real numbers; `x` and `out` have one shape.
    func unary(_ operation: UnaryOperation, _ x: TensorView, out: TensorView)
    /// `x`, `y` and `out` have one shape; broadcasting is in the strides. Besides real numbers, takes int32 for
    /// arithmetic and comparisons; the result of a comparison may go to any dtype.
    func binary(_ operation: BinaryOperation, _ x: TensorView, _ y: TensorView, out: TensorView)
    /// `condition` (uint8) nonzero ? x : y.
    func select(_ condition: TensorView, _ x: TensorView, _ y: TensorView, out: TensorView)

    // MARK: Reductions

    /// Folds the axes on which `out` has size 1 and `x` has not; both have one rank. With `accumulates`, the result of
    /// a `sum` is added to `out`.
    func reduce(_ reduction: Reduction, _ x: TensorView, out: TensorView, accumulates: Bool)
    /// The position of the largest element along the last axis, the first of equals; a NaN counts as the largest. `out`
    /// is int32 and has the shape of `x` without its last axis, which must not be empty.
    func argMaximum(_ x: TensorView, out: TensorView)

    // MARK: Matrix product

    /// out[..., m, n] = epilogue(Σₖ x[..., m, k] y[..., k, n]).
    ///
    /// All three have one rank of at least 2 and equal batch axes (repeated by strides of 0 where broadcast). A sum over
    /// no k is 0.
    func matrixMultiply(_ x: TensorView, _ y: TensorView, out: TensorView, _ epilogue: Epilogue)

    // MARK: Indexing

    /// out[i, ...] = table[indices[i], ...]; a row of NaN (0 for integers) where an index is out of range.
    /// - Parameters:
    ///   - table: shape [rows, ...].
    ///   - indices: int32, shape [count].
    ///   - out: shape [count, ...].
    func gather(_ table: TensorView, indices: TensorView, out: TensorView)
    /// table[indices[i], ...] += source[i, ...] for i in order; indices out of range are passed over.
    func scatterAdd(_ source: TensorView, indices: TensorView, into table: TensorView)

    // MARK: Random numbers

    /// Uniform in [0, 1): the upper 24 bits of each Philox word times 2⁻²⁴. `out` is contiguous.
    func randomUniform(_ out: TensorView, _ state: RandomState)
    /// Standard normal by Box-Muller on the words of a block in pairs (0, 1) and (2, 3): with u₁ = (w₁ + ½) 2⁻³² and
    /// u₂ = ⌊w₂ / 2⁶⌋ 2⁻²⁶, the pair becomes √(-2 ln u₁) cos 2πu₂ and √(-2 ln u₁) sin 2πu₂, in float32, the same bits
    /// on every float32 backend. `out` is contiguous.
    func randomNormal(_ out: TensorView, _ state: RandomState)

    // MARK: - What a backend may offer, each with a default

    /// How far products of float32 may round their operands; `float32`, the default, means not at all. A backend without
    /// another way keeps `float32` whatever is set.
    var productPrecision: ProductPrecision { get set }
    /// What has been asked of the device since the backend was opened; nil, which is the default, for one without launches.
    var launchRecord: LaunchRecord? { get }
    /// Looks for the fastest ways of the heaviest operations and keeps them for later runs; nothing by default.
    /// - Parameter report: called with a line for each way that was tried.
    func tune(report: (String) -> Void) throws
    /// Runs a user's kernel. By default its closure, in the host's memory; where that is not the device's, reports that the
    /// device takes no such kernels.
    func run(_ kernel: CustomKernel, _ launch: CustomKernel.Launch)

    // MARK: - Fused operations, each with a default

    // MARK: Formulas

    /// Computes `function` for each element, in one pass.
    /// - Parameters:
    ///   - function: the formula, which a backend may interpret or compile.
    ///   - inputs: as many as the function takes, of one shape with `out`; broadcasting is in the strides. Any dtype; whole
    ///     numbers are computed with as real ones.
    ///   - numbers: as many as the function takes.
    ///   - out: as many as the function gives, any dtype. Each may be one of the inputs, with the same strides.
    func elementwise(
        _ function: ElementFunction, _ inputs: [TensorView], numbers: [Double], out: [TensorView])

    // MARK: Along the last axis; all views of one operation have equal axes before it

    /// out[..., i] = factors[..., i] · out[..., i - 1] + terms[..., i], with out[..., 0] = terms[..., 0]: running sums without
    /// `factors`, else a linear recurrence, computed step by step (with one rounding or two in each). Real numbers, or whole
    /// ones, which wrap around. `factors` has the shape of `terms`; nil means 1.
    func scan(factors: TensorView?, terms: TensorView, out: TensorView)
    /// out[..., k] = the position of the element that is number k in order. Equal elements keep their order, zeros of
    /// either sign are equal, and a NaN counts as the largest. `out` is int32, of the shape of `x`.
    func argSort(_ x: TensorView, isDescending: Bool, out: TensorView)
    /// out[..., j] = x[..., indices[..., j]]; NaN (0 for integers) where an index is out of range. `indices` is int32,
    /// of the shape of `out`.
    func gatherAlong(_ x: TensorView, indices: TensorView, out: TensorView)
    /// table[..., indices[..., j]] = source[..., j] for j in order, so that the last of equal indices counts; with
    /// `accumulates`, += instead. Indices out of range are passed over. `indices` is int32, of the shape of `source`.
    func scatterAlong(_ source: TensorView, indices: TensorView, into table: TensorView, accumulates: Bool)

    // MARK: Fully connected layers

    /// Gradients of x Wᵀ + b for W and b, from one reading of what they share. Each adds to what its destination holds
    /// where `accumulates` says so.
    /// - Parameters:
    ///   - x: [rows, inputs], any strides.
    ///   - outputGradient: [rows, outputs], any strides.
    ///   - weightGradient: [outputs, inputs]; receives Σ outputGradient[r, o] x[r, i] over the rows r.
    ///   - biasGradient: contiguous [outputs]; receives Σ outputGradient[r, o].
    func linearWeightGradient(
        _ x: TensorView, outputGradient: TensorView, weightGradient: (view: TensorView, accumulates: Bool),
        biasGradient: (view: TensorView, accumulates: Bool)
    )

    // MARK: Softmax and cross-entropy

    /// Softmax, or its logarithm, along the last axis of contiguous [rows, classes].
    func softmax(_ x: TensorView, out: TensorView, isLogarithmic: Bool)
    /// Gradient of `softmax` for its input, from its output `y`. All contiguous.
    func softmaxGradient(_ y: TensorView, outputGradient: TensorView, out: TensorView, isLogarithmic: Bool)
    /// losses[i] = log Σⱼ exp logits[i, j] - logits[i, targets[i]]; 0 where the target is `ignoredIndex`, whatever the
    /// logits are, and NaN where another is out of range.
    /// - Parameters:
    ///   - logits: contiguous [rows, classes], classes > 0.
    ///   - targets: int32 [rows].
    ///   - ignoredIndex: the target of rows that do not count; nil where all count.
    ///   - losses: contiguous [rows].
    ///   - normalizers: contiguous [rows, 2]; receives what the gradient needs: the row's largest logit m and
    ///     log Σⱼ exp(logits[i, j] - m). Their sum would be rounded relative to m, and with it every probability.
    func crossEntropy(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, losses: TensorView, normalizers: TensorView)
    /// out[i, j] = (exp((logits[i, j] - normalizers[i, 0]) - normalizers[i, 1]) - [j = targets[i]]) lossGradient[i], 0 where
    /// the target is `ignoredIndex`, with `lossGradient` [rows] of any stride, the other inputs as `crossEntropy` has them,
    /// and `out` like `logits`.
    func crossEntropyGradient(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, normalizers: TensorView,
        lossGradient: TensorView, out: TensorView
    )

    /// The mean of `crossEntropy`, whose views it shares, over the rows whose target is not `ignoredIndex`; NaN over
    /// none. `mean` is one element, and so is `keptRows`, which receives the number of rows that count, as the gradient
    /// needs it.
    func crossEntropyMean(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, mean: TensorView, keptRows: TensorView,
        normalizers: TensorView
    )
    /// Gradient of `crossEntropyMean` for the logits; 0 in rows that do not count. `meanGradient` is one element, `out`
    /// like `logits`; the others are as `crossEntropyMean` left them.
    func crossEntropyMeanGradient(
        _ logits: TensorView, targets: TensorView, ignoredIndex: Int?, keptRows: TensorView, normalizers: TensorView,
        meanGradient: TensorView, out: TensorView
    )

    // MARK: Batch normalisation (Ioffe and Szegedy 2015)

    /// Normalises each channel by the mean and population variance of the batch, computed about the mean so that a
    /// large offset costs no precision.
    /// - Parameters:
    ///   - x: contiguous [batch, channels, positions] with more than one value per channel; `out` likewise.
    ///   - scale: contiguous [channels]; nil means 1.
    ///   - shift: contiguous [channels]; nil means 0.
    ///   - running: mean and variance, contiguous [channels], moved by `momentum` towards the batch's mean and unbiased
    ///     variance: r ← (1 - momentum) r + momentum v.
    ///   - momentum: in 0...1.
    ///   - epsilon: ε, what is added to the variance.
    ///   - out: (x - μ) / √(σ² + ε) · scale + shift.
    ///   - mean: contiguous [channels]; receives μ, which the gradient needs.
    ///   - inverseDeviation: contiguous [channels]; receives 1 / √(σ² + ε), which the gradient needs.
    func batchNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    )
    /// Normalises each channel by given statistics, otherwise as `batchNorm`.
    func batchNormInference(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, out: TensorView
    )
    /// Gradients of `batchNorm`. Each destination may be absent; those of scale and shift add to what they hold where
    /// `accumulates` says so.
    func batchNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    )

    /// `batchNorm`, to whose result `residual` is added where there is one, and then ReLU: what stands at the end of a
    /// residual block (He et al. 2016). `residual` is like `x`.
    func batchNormReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?,
        running: (mean: TensorView, variance: TensorView)?, momentum: Double, epsilon: Double, residual: TensorView?,
        out: TensorView, mean: TensorView, inverseDeviation: TensorView
    )
    /// `batchNormInference`, to whose result `residual` is added where there is one, and then ReLU.
    func batchNormInferenceReLU(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, mean: TensorView, variance: TensorView,
        epsilon: Double, residual: TensorView?, out: TensorView
    )
    /// Gradients of `batchNormReLU`, as `batchNormGradient` has them. Each destination may be absent. `y` is what
    /// `batchNormReLU` gave: where it is not above 0, no gradient passes. `residualGradient`, like `x`, receives the
    /// gradient that has passed the ReLU.
    func batchNormReLUGradient(
        _ x: TensorView, y: TensorView, outputGradient: TensorView, scale: TensorView?, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?, residualGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    )

    // MARK: Dropout (Srivastava et al. 2014)

    /// out[i] = uniform[i] < probability ? 0 : x[i] / (1 - probability), with the numbers of `randomUniform`. The
    /// gradient is the same operation on the gradient. Contiguous; 0 ≤ probability < 1.
    func dropout(_ x: TensorView, probability: Double, _ state: RandomState, out: TensorView)

    // MARK: Gradient clipping (Pascanu et al. 2013)

    /// out = (Σ |x|ᵖ)^(1/p) over all elements of all views, max |x| for p = ∞; NaN if any element is NaN.
    /// - Parameters:
    ///   - views: contiguous.
    ///   - p: > 0.
    ///   - out: one element.
    func norm(_ views: [TensorView], p: Double, out: TensorView)
    /// x ← x · min(1, maxNorm / (norm + 10⁻⁶)), with the norm read on the device. A norm of NaN makes all elements NaN but
    /// those that are 0: nothing but NaN would overwrite it in the gaps between the parameters of an arena.
    func clip(_ views: [TensorView], norm: TensorView, maxNorm: Double)

    // MARK: Loss scaling (Micikevicius et al. 2018, section 3.2)

    /// x ← x / scale over all elements of all views, 0 where that is not finite, with the scale read on the device.
    /// Zeros keep what comes after, such as the norm and what it multiplies, free of NaN.
    /// - Parameters:
    ///   - views: contiguous.
    ///   - scale: one element.
    ///   - condition: one element; receives 1 where all quotients were finite, else 0.
    func unscale(_ views: [TensorView], scale: TensorView, condition: TensorView)
    /// Takes note of a step: where `condition` is 0, the scale is multiplied by `backoff`, else after every `interval`
    /// such steps in a row by `growth`, unless it would overflow.
    /// - Parameters:
    ///   - state: [3]: the scale, the good steps since it last changed, and the steps left out so far.
    ///   - condition: one element, 1 or 0.
    ///   - growth: > 1.
    ///   - backoff: in (0, 1).
    ///   - interval: good steps before the scale grows, > 0.
    func updateLossScale(
        _ state: TensorView, condition: TensorView, growth: Double, backoff: Double, interval: Int)

    // MARK: Connectionist temporal classification (Graves et al. 2006)

    /// losses[n] = -log of the summed probability of all paths through the states of sample n, from one of the first
    /// two to one of the last two, in as many steps as the sample has; each step stays, moves on by one state or skips
    /// one.
    /// - Parameters:
    ///   - emissions: contiguous [time, batch, states]; the logarithmic probability of each state's label at each time.
    ///   - skips: uint8, contiguous [batch, states]; whether the state before may be left out. 0 for the first three.
    ///   - lengths: int32, contiguous [batch, 2]; steps and states of each sample, no more than there are.
    ///   - losses: contiguous [batch]; infinite where no path is as short.
    ///   - forward: contiguous [time, batch, states]; receives what the gradient needs.
    func temporalClassification(
        _ emissions: TensorView, skips: TensorView, lengths: TensorView, losses: TensorView, forward: TensorView
    )
    /// Gradient of `temporalClassification` for its emissions: minus the probability that a path of the sample is in
    /// the state at the time, times lossGradient[n]. 0 outside the sample's lengths; NaN inside where the loss is
    /// infinite. `lossGradient` is [batch], of any stride, and `out` like `emissions`; the others are as
    /// `temporalClassification` left them.
    func temporalClassificationGradient(
        _ emissions: TensorView, skips: TensorView, lengths: TensorView, losses: TensorView, forward: TensorView,
        lossGradient: TensorView, out: TensorView
    )

    // MARK: Health

    /// Fills one row of `Statistic` columns for each segment. Over a segment without finite elements, mean, deviation
    /// and norm are 0, minimum +infinity, maximum -infinity.
    /// - Parameters:
    ///   - x: contiguous.
    ///   - segments: int32 [count, 2], contiguous: start and length in elements of `x`.
    ///   - out: contiguous [count, Statistic.allCases.count].
    func statistics(_ x: TensorView, segments: TensorView, out: TensorView)

    // MARK: Recurrent cells; all views contiguous, `lengths` excepted

    /// One step of a recurrent cell: from `gates`, which holds what the input, the biases and the previous hidden state
    /// give, to the new hidden state and cell. With a, b, c, d the columns of `gates`, h and c₋ the state before:
    /// - tanh, relu: h' = f(a). `gates` receives h'.
    /// - lstm: i = σ(a), f = σ(b), g = tanh(c), o = σ(d); c' = f c₋ + i g, h' = o tanh(c'). `gates` receives i, f, g,
    ///   o. (Hochreiter and Schmidhuber 1997; forget gate Gers et al. 2000.)
    /// - gru: r = σ(b), z = σ(c), n = tanh(a + r d); h' = (1 - z) n + z h. `gates` receives n, r, z and keeps d.
    ///   (Cho et al. 2014, with the reset after the product, as PyTorch and cuDNN have it.)
    ///
    /// A row whose sequence has ended keeps its state; its `gates` are not used.
    func recurrentCell(_ step: RecurrentStep)
    /// Gradient of `recurrentCell`, from the `gates` that it left.
    /// - Parameters:
    ///   - step: as `recurrentCell` left it.
    ///   - outputGradient: [batch, hiddenSize], for the new hidden state, from what was computed of this step.
    ///   - gatesGradient: like `gates`; receives the gradient for what `gates` held before; 0 for rows that have ended.
    ///   - hiddenGradient: [batch, hiddenSize], for the new hidden state, from later steps; receives that part of the
    ///     gradient for the previous one which does not pass through `gates`.
    ///   - cellGradient: likewise of the cell, of which it receives all.
    func recurrentCellGradient(
        _ step: RecurrentStep, outputGradient: TensorView, gatesGradient: TensorView, hiddenGradient: TensorView,
        cellGradient: TensorView?
    )

    // MARK: Layer normalisation (Ba, Kiros and Hinton 2016; about 0: Zhang and Sennrich 2019)

    /// Normalises each row: out = (x - μ) / √(σ² + ε) · scale + shift, with the row's mean μ and population variance
    /// σ², computed about the mean. Without `centers`, μ is 0 and σ² the mean of squares.
    /// - Parameters:
    ///   - x: contiguous [rows, width], width > 0.
    ///   - scale: contiguous [width]; nil means 1.
    ///   - shift: contiguous [width]; nil means 0.
    ///   - epsilon: ε, what is added to the variance.
    ///   - centers: whether the mean is subtracted.
    ///   - out: like `x`.
    ///   - mean: contiguous [rows]; receives μ, which the gradient needs.
    ///   - inverseDeviation: contiguous [rows]; receives 1 / √(σ² + ε), which the gradient needs.
    func layerNorm(
        _ x: TensorView, scale: TensorView?, shift: TensorView?, epsilon: Double, centers: Bool, out: TensorView,
        mean: TensorView, inverseDeviation: TensorView
    )
    /// Gradients of `layerNorm`. Each destination may be absent; those of scale and shift add to what they hold where
    /// `accumulates` says so.
    func layerNormGradient(
        _ x: TensorView, outputGradient: TensorView, scale: TensorView?, centers: Bool, mean: TensorView,
        inverseDeviation: TensorView, inputGradient: TensorView?,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    )

    /// sum = x + y, and `layerNorm` of the sum: what stands between two branches of a residual net. x, y and `sum` are
    /// contiguous [rows, width].
    func layerNorm(
        _ x: TensorView, adding y: TensorView, sum: TensorView, scale: TensorView?, shift: TensorView?, epsilon: Double,
        centers: Bool, out: TensorView, mean: TensorView, inverseDeviation: TensorView
    )
    /// `layerNormGradient` where x also reaches the loss past the norm, as in a residual block: `inputGradient` receives the sum of
    /// `passingGradient`, of the shape of x and contiguous, and the norm's gradient.
    func layerNormGradient(
        _ x: TensorView, outputGradient: TensorView, passingGradient: TensorView, scale: TensorView?, centers: Bool,
        mean: TensorView, inverseDeviation: TensorView, inputGradient: TensorView,
        scaleGradient: (view: TensorView, accumulates: Bool)?, shiftGradient: (view: TensorView, accumulates: Bool)?
    )

    // MARK: Attention weights (Vaswani et al. 2017)

    /// Softmax of masked scores along the last axis. A query that may see no key gets weights of 0.
    /// - Parameters:
    ///   - scores: contiguous [batch, heads, queries, keys].
    ///   - mask: of the shape of `scores`, any strides. uint8: keys with 0 are left out; real numbers are added.
    ///   - isCausal: leaves out keys after the query, j > i; scores there are not read.
    ///   - out: like `scores`, and may be the same.
    func attentionSoftmax(_ scores: TensorView, mask: TensorView?, isCausal: Bool, out: TensorView)
    /// Gradient of `attentionSoftmax` for its scores, from its output `y`; with `isCausal`, gradients of keys after the
    /// query are not read. All contiguous; `out` may be `outputGradient`.
    func attentionSoftmaxGradient(_ y: TensorView, outputGradient: TensorView, isCausal: Bool, out: TensorView)

    // MARK: Attention (Vaswani et al. 2017; without scores in memory: Dao et al. 2022)

    /// Whether `attention` by so many queries with heads of these sizes beats its parts: products, and weights that are kept
    /// for the gradient. Only then is it used.
    func fusesAttention(queries: Int, size: Int, valueSize: Int) -> Bool
    /// out = softmax(scale · Q Kᵀ + mask) V for each batch and head. A query that may see no key gives 0. Views may have
    /// any strides; those of `out` do not repeat elements.
    /// - Parameters:
    ///   - queries: [batch, heads, queries, size].
    ///   - keys: [batch, heads, keys, size].
    ///   - values: [batch, heads, keys, valueSize]. Those of keys that no query may see must be finite.
    ///   - mask: [batch, heads, queries, keys]. uint8: keys with 0 are left out; real numbers are added.
    ///   - lengths: int32, contiguous [batch]; keys from there on are left out.
    ///   - isCausal: leaves out keys after the query, j > i.
    ///   - scale: the factor of the scores, usually 1 / √size.
    ///   - out: [batch, heads, queries, valueSize].
    ///   - normalizers: contiguous [batch, heads, queries, 2]; receives what the gradient needs, if anything.
    func attention(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView, normalizers: TensorView
    )
    /// Gradients of `attention`. Each destination, of the shape of its input and with any strides, may be absent, and
    /// is added to where `accumulates` says so. `out` and `normalizers` are what `attention` wrote; `outputGradient`
    /// has the shape of `out` and any strides.
    func attentionGradient(
        _ queries: TensorView, keys: TensorView, values: TensorView, mask: TensorView?, lengths: TensorView?,
        isCausal: Bool, scale: Double, out: TensorView, normalizers: TensorView, outputGradient: TensorView,
        queryGradient: (view: TensorView, accumulates: Bool)?, keyGradient: (view: TensorView, accumulates: Bool)?,
        valueGradient: (view: TensorView, accumulates: Bool)?
    )

    // MARK: Convolution; all views contiguous

    /// out[n, o, p] = bias[o] + Σ weight[o, c, k] x[n, c, p · stride - padding + k · dilation] over the channels c of
    /// o's group and the elements k of the kernel, with zeros outside of x. (LeCun et al. 1989, without flipping the
    /// kernel.)
    /// - Parameters:
    ///   - x: [batch, channels, one to three spatial axes...].
    ///   - weight: [outputs, channels / groups, kernel...].
    ///   - bias: [outputs]; nil means 0.
    ///   - geometry: stride, padding, dilation and groups, for this kernel.
    ///   - out: [batch, outputs, spatial axes...], of `geometry.outputSizes`.
    func convolution(
        _ x: TensorView, weight: TensorView, bias: TensorView?, _ geometry: ConvolutionGeometry, out: TensorView
    )
    /// Gradient of `convolution` for x, the transposed convolution: what every output gives back to the elements it
    /// is a sum of. `out` has a shape from which `geometry` gives that of `outputGradient`; the gradient is added to
    /// what `out` holds where `accumulates` says so.
    func convolutionInputGradient(
        _ outputGradient: TensorView, weight: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    )
    /// Gradient of `convolution` for its weight, in `out`; added to what that holds where `accumulates` says so.
    func convolutionWeightGradient(
        _ x: TensorView, outputGradient: TensorView, _ geometry: ConvolutionGeometry, out: TensorView,
        accumulates: Bool
    )

    // MARK: Pooling of [batch, channels, one to three spatial axes...]; all views contiguous

    /// The largest element of each window, and where it lies; a NaN counts as the largest, and the first of equals is
    /// taken. `indices` is int32 and of the shape of `out`: the element's place in its channel, row-major.
    func maxPool(_ x: TensorView, _ geometry: PoolingGeometry, out: TensorView, indices: TensorView)
    /// Gradient of `maxPool` for its input: the sum of what the windows that chose an element give to it. `out` has the
    /// shape of the input.
    func maxPoolGradient(
        _ outputGradient: TensorView, indices: TensorView, _ geometry: PoolingGeometry, out: TensorView)
    /// The mean of each window. `countsPadding` says whether padding that a window covers counts as zeros, or not at
    /// all.
    func averagePool(_ x: TensorView, _ geometry: PoolingGeometry, countsPadding: Bool, out: TensorView)
    /// Gradient of `averagePool` for its input: each element of a window gets an equal share. `out` has the shape of
    /// the input.
    func averagePoolGradient(
        _ outputGradient: TensorView, _ geometry: PoolingGeometry, countsPadding: Bool, out: TensorView)

    // MARK: Optimizer steps over whole arenas

    /// One step of an optimizer; `OptimizerStep.Rule` has the formulas. All views but `condition` are contiguous and of
    /// one size.
    /// - Parameters:
    ///   - step: the formula and its settings.
    ///   - weights: read and changed.
    ///   - gradient: read only.
    ///   - states: as many as the rule has, in the order of its formula.
    ///   - condition: one real element on the device; where it is 0, weights and states stay as they are.
    func optimizerStep(
        _ step: OptimizerStep, weights: TensorView, gradient: TensorView, states: [TensorView], condition: TensorView?
    )

    // MARK: Stretches of an arena

    /// out[s] = (Σ |x|ᵖ)^(1/p) over segment s, max |x| for p = ∞; NaN if any element of the segment is NaN.
    /// - Parameters:
    ///   - x: contiguous.
    ///   - segments: int32 [count, 2], contiguous: start and length in elements of `x`.
    ///   - p: > 0.
    ///   - out: contiguous [count].
    func segmentNorms(_ x: TensorView, segments: TensorView, p: Double, out: TensorView)
    /// x ← x · factors[s] over segment s. Segments do not overlap.
    /// - Parameters:
    ///   - x: contiguous.
    ///   - segments: as for `segmentNorms`.
    ///   - factors: contiguous [count].
    func scaleSegments(_ x: TensorView, segments: TensorView, by factors: TensorView)
    /// All steps of a layer, one after the other: to the recurrent columns of a step's gates is added the state before
    /// it (times the mask) by the transposed hidden weight, and then its cell is computed.
    func recurrentSequence(_ sequence: RecurrentSequence)
    /// Gradient of `recurrentSequence`, from the gates, states and cells that it left.
    /// - Parameters:
    ///   - sequence: as `recurrentSequence` left it.
    ///   - outputGradient: [steps + 1 or more, batch, hiddenSize], for the states that leave the steps, in their slots.
    ///   - gatesGradient: like the gates; receives the gradient for what they held before.
    ///   - hiddenGradient: [batch, hiddenSize], for the final state, beside what is in its slot; receives that for the
    ///     initial state.
    ///   - cellGradient: likewise of the cell.
    func recurrentSequenceGradient(
        _ sequence: RecurrentSequence, outputGradient: TensorView, gatesGradient: TensorView,
        hiddenGradient: TensorView, cellGradient: TensorView?
    )
}

extension Backend {
    /// Memory for a tensor of `shape`, contents undefined.
    public func allocate(_ shape: Shape, _ dtype: DType? = nil) throws -> TensorView {
        let dtype = dtype ?? realType
        return TensorView(
            storage: try allocate(byteCount: shape.elementCount * dtype.byteCount), shape: shape, dtype: dtype)
    }

    public var productPrecision: ProductPrecision {
        get { .float32 }
        set {}
    }
    public var launchRecord: LaunchRecord? { nil }
    public func tune(report: (String) -> Void) throws {}
    public var isOnHost: Bool { false }
    public func beginDownload(
        _ storage: Storage, byteOffset: Int, into bytes: UnsafeMutableRawBufferPointer
    ) throws -> @Sendable () throws -> Void {
        try download(storage, byteOffset: byteOffset, into: bytes)
        return {}
    }

    /// Whole numbers that kernels go by, such as the bounds of segments, on the device.
    /// - Throws: `GimbalError.outOfMemory`, and what the upload failed by: kernels would go by what lies there.
    package func uploadedIndices(_ values: [Int32], _ shape: Shape) throws -> TensorView {
        let view = try allocate(shape, .int32)
        values.withUnsafeBytes { upload($0, to: view.storage, byteOffset: 0) }
        try view.throwIfFailed()
        return view
    }

    /// Runs an operation that needs temporary memory; should that be refused, reports it for the next wait to throw.
    public func reportingErrors(_ body: () throws -> Void) {
        do {
            try body()
        } catch let error as GimbalError {
            errors.report(error)
        } catch {
            errors.report(.deviceFailed(device: device.id, operation: "operation", reason: "\(error)"))
        }
    }
}
