import GimbalBackend

/// The kernels, each named by its function in the files of `Kernels`.
enum KernelName: String, Sendable {
    case elementwise, fill, reduce, argmax
    case elementwiseFormula = "elementwise_formula"
    case gemm
    case gemmPanels = "gemm_panels"
    case packPanels = "pack_panels"
    case gemmPlain = "gemm_plain"
    case gemmTensor = "gemm_tensor"
    case gemmWgmma = "gemm_wgmma"
    case packOperand = "pack_operand"
    case softmax
    case softmaxGradient = "softmax_gradient"
    case crossEntropy = "cross_entropy"
    case crossEntropyGradient = "cross_entropy_gradient"
    case batchNorm = "batch_norm"
    case batchNormGradient = "batch_norm_gradient"
    case moments
    case normalizeChannels = "normalize_channels"
    case gradientSums = "gradient_sums"
    case inputGradient = "input_gradient"
    case randomUniform = "random_uniform"
    case randomNormal = "random_normal"
    case dropout, gather
    case scatterAdd = "scatter_add"
    case gatherAlong = "gather_along"
    case scatterAlong = "scatter_along"
    case scanRows = "scan_rows"
    case scanSums = "scan_sums"
    case sortBlocks = "sort_blocks"
    case mergeRuns = "merge_runs"
    case norm
    case clip
    case unscale
    case updateLossScale = "update_loss_scale"
    case optimizerStep = "optimizer_step"
    case segmentNorms = "segment_norms"
    case scaleSegments = "scale_segments"
    case statistics
    case recurrentCell = "recurrent_cell"
    case recurrentCellGradient = "recurrent_cell_gradient"
    case recurrentSequence = "recurrent_sequence"
    case recurrentSequenceGradient = "recurrent_sequence_gradient"
    case layerNorm = "layer_norm"
    case layerNormGradient = "layer_norm_gradient"
    case attentionSoftmax = "attention_softmax"
    case attentionSoftmaxGradient = "attention_softmax_gradient"
    case attentionForward = "attention_forward"
    case attentionQueryGradient = "attention_query_gradient"
    case attentionKeyGradient = "attention_key_gradient"
    case im2col, col2im
    case convolutionProduct = "convolution_product"
    case convolutionWeight = "convolution_weight"
    case depthwise
    case depthwiseInputGradient = "depthwise_input_gradient"
    case depthwiseWeightGradient = "depthwise_weight_gradient"
    case maxPool = "max_pool"
    case maxPoolGradient = "max_pool_gradient"
    case averagePool = "average_pool"
    case averagePoolGradient = "average_pool_gradient"
    case pathLosses = "path_losses"
    case pathGradient = "path_gradient"

    /// The files whose texts make up the program, in order.
    var files: [String] {
        switch self {
        case .elementwise: ["common.cl", "functions.cl", "elementwise.h", "elementwise.cl"]
        case .elementwiseFormula: ["common.cl", "functions.cl", "elementwise.h", "formula.cl"]
        case .fill: ["common.cl", "fill.cl"]
        case .reduce: ["common.cl", "reduce.cl"]
        case .argmax: ["common.cl", "argmax.cl"]
        case .gemm: ["common.cl", "gemm_output.cl", "register_tile.h", "gemm.cl"]
        case .gemmPanels, .packPanels:
            ["common.cl", "gemm_output.cl", "gemm_panels.cl"]
        case .gemmPlain: ["common.cl", "gemm_plain.cl"]
        case .gemmTensor:
            [
                "common.cl", "gemm_output.cl", "warp_ptx.h", "warp_emulation.h",
                "gemm_pairs.h", "gemm_tensor.cl",
            ]
        case .gemmWgmma:
            [
                "common.cl", "gemm_output.cl", "warp_ptx.h", "warp_emulation.h",
                "gemm_pairs.h", "wgmma.h", "gemm_wgmma.cl",
            ]
        case .packOperand: ["common.cl", "gemm_output.cl", "pack_operand.cl"]
        case .softmax, .softmaxGradient: ["common.cl", "rows.h", "softmax.cl"]
        case .crossEntropy, .crossEntropyGradient: ["common.cl", "rows.h", "cross_entropy.cl"]
        case .batchNorm, .batchNormGradient, .moments, .normalizeChannels, .gradientSums, .inputGradient:
            ["common.cl", "batch_norm.cl"]
        case .randomUniform, .randomNormal, .dropout: ["common.cl", "random_functions.cl", "philox.h", "random.cl"]
        case .gather, .scatterAdd: ["common.cl", "index.cl"]
        case .gatherAlong, .scatterAlong: ["common.cl", "along.cl"]
        case .scanRows, .scanSums: ["common.cl", "scan.cl"]
        case .sortBlocks, .mergeRuns: ["common.cl", "sort.cl"]
        case .norm, .clip, .segmentNorms, .scaleSegments: ["common.cl", "norm.cl"]
        case .unscale, .updateLossScale: ["common.cl", "loss_scale.cl"]
        case .optimizerStep: ["common.cl", "optimizer_functions.cl", "optimizers.h", "optimizer.cl"]
        case .statistics: ["common.cl", "statistics.cl"]
        case .recurrentCell, .recurrentCellGradient: ["common.cl", "functions.cl", "recurrent.cl"]
        case .recurrentSequence: ["common.cl", "functions.cl", "recurrent_groups.cl", "recurrent_sequence.cl"]
        case .recurrentSequenceGradient:
            ["common.cl", "functions.cl", "recurrent_groups.cl", "recurrent_sequence_gradient.cl"]
        case .layerNorm, .layerNormGradient: ["common.cl", "rows.h", "layer_norm.cl"]
        case .attentionSoftmax, .attentionSoftmaxGradient: ["common.cl", "attention.cl"]
        case .attentionForward, .attentionQueryGradient, .attentionKeyGradient: ["common.cl", "attention_fused.cl"]
        case .im2col, .col2im: ["common.cl", "convolution.cl"]
        case .convolutionProduct:
            ["common.cl", "convolution_shape.cl", "register_tile.h", "convolution_product.cl"]
        case .convolutionWeight:
            ["common.cl", "convolution_shape.cl", "register_tile.h", "convolution_weight.cl"]
        case .depthwise, .depthwiseInputGradient, .depthwiseWeightGradient:
            ["common.cl", "convolution_shape.cl", "convolution_depthwise.cl"]
        case .maxPool, .maxPoolGradient, .averagePool, .averagePoolGradient: ["common.cl", "pooling.cl"]
        case .pathLosses, .pathGradient: ["common.cl", "temporal_classification.cl"]
        }
    }
}

/// The macros of the kernels; the files of `Kernels` explain them.
enum KernelMacro: String, Sendable {
    case kind = "KIND"
    case operation = "OPERATION"
    case operands = "OPERANDS"
    case moreOperands = "MORE_OPERANDS"
    case reduction = "REDUCTION"
    case rank = "RANK"
    case keptRank = "KEPT_RANK"
    case reducedRank = "REDUCED_RANK"
    case width = "WIDTH"
    case xWidth = "X_WIDTH"
    case yWidth = "Y_WIDTH"
    case xKFirst = "X_K_FIRST"
    case yNFirst = "Y_N_FIRST"
    case tileM = "TILE_M"
    case tileN = "TILE_N"
    case tileK = "TILE_K"
    case workM = "WORK_M"
    case workN = "WORK_N"
    case outWidth = "OUT_WIDTH"
    case splitK = "SPLIT_K"
    case sumsRows = "SUMS_ROWS"
    case warpM = "WARP_M"
    case warpN = "WARP_N"
    case stages = "STAGES"
    case operand = "OPERAND"
    case split = "SPLIT"
    case xCopies = "X_COPIES"
    case yCopies = "Y_COPIES"
    case rows = "ROWS"
    case columns = "COLUMNS"
    case length = "LENGTH"
    case hasBias = "HAS_BIAS"
    case hasFactors = "HAS_FACTORS"
    case accumulates = "ACCUMULATES"
    case isMean = "IS_MEAN"
    case inputGradient = "INPUT_GRADIENT"
    case isSplit = "IS_SPLIT"
    case isInteger = "IS_INTEGER"
    case isDescending = "IS_DESCENDING"
    case isLogarithmic = "IS_LOGARITHMIC"
    case hasScale = "HAS_SCALE"
    case hasAddend = "HAS_ADDEND"
    case hasPassing = "HAS_PASSING"
    case hasShift = "HAS_SHIFT"
    case values = "VALUES"
    case packsChannels = "PACKS_CHANNELS"
    case hasResidual = "HAS_RESIDUAL"
    case isRectified = "IS_RECTIFIED"
    case residualGradient = "RESIDUAL_GRADIENT"
    case hasRunning = "HAS_RUNNING"
    case fromVariance = "FROM_VARIANCE"
    case scaleGradient = "SCALE_GRADIENT"
    case shiftGradient = "SHIFT_GRADIENT"
    case normKind = "NORM_KIND"
    case isLast = "IS_LAST"
    case aligned = "ALIGNED"
    case rule = "RULE"
    case states = "STATES"
    case conditional = "CONDITIONAL"
    case lanes = "LANES"
    case slots = "SLOTS"
    case lanesFirst = "LANES_FIRST"
    case wideIndex = "WIDE_INDEX"
    case usesFloat64 = "USES_FLOAT64"
    case xType = "X_TYPE"
    case yType = "Y_TYPE"
    case zType = "Z_TYPE"
    case outType = "OUT_TYPE"
    case biasType = "BIAS_TYPE"
    case tableType = "TABLE_TYPE"
    case valueType = "VALUE_TYPE"
    case cell = "CELL"
    case hasLengths = "HAS_LENGTHS"
    case size = "SIZE"
    case units = "UNITS"
    case workUnits = "WORK_UNITS"
    case parts = "PARTS"
    case depth = "DEPTH"
    case group = "GROUP"
    case hasChunks = "HAS_CHUNKS"
    case meets = "MEETS"
    case contiguous = "CONTIGUOUS"
    case centers = "CENTERS"
    case mask = "MASK"
    case isCausal = "IS_CAUSAL"
    case valueSize = "VALUE_SIZE"
    case owned = "OWNED"
    case streamed = "STREAMED"
    case isAdaptive = "IS_ADAPTIVE"
    case countsPadding = "COUNTS_PADDING"
    case axes = "AXES"
    case isPointwise = "IS_POINTWISE"
    case isLinear = "IS_LINEAR"
    case isGradient = "IS_GRADIENT"
    case hasClasses = "HAS_CLASSES"
    case weightWidth = "WEIGHT_WIDTH"
    case weightKFirst = "WEIGHT_K_FIRST"
    case gradientWidth = "GRADIENT_WIDTH"
}

/// One specialised kernel: its function and the macros set. Every launch looks one up; text is made of it only when the
/// kernel is built.
///
/// Keys are compared and hashed as numbers: by the texts of its enumerations, looking up a kernel of many settings would take
/// longer than its launch.
struct KernelKey: Hashable, Sendable {
    enum Setting: Sendable {
        case number(KernelMacro, Int)
        case flag(KernelMacro, Bool)
        case type(KernelMacro, DType)
        case unary(KernelMacro, UnaryOperation.Kind)
        case binary(KernelMacro, BinaryOperation.Kind)
        case integer(KernelMacro, BinaryOperation.Kind)
        case rule(KernelMacro, OptimizerStep.Rule)
        /// A formula that the kernel's text is written for.
        case formula(ElementFormula)

        /// A number that no other setting has.
        fileprivate var code: UInt64 {
            func packed<Value>(_ kind: UInt64, _ macro: KernelMacro, _ value: Value) -> UInt64 {
                kind << 60 | UInt64(ordinal(macro)) << 48 | UInt64(ordinal(value))
            }
            return switch self {
            case .number(let macro, let value):
                UInt64(ordinal(macro)) << 48 | UInt64(truncatingIfNeeded: value) & 0xFFFF_FFFF_FFFF
            case .flag(let macro, let value): packed(1, macro, value)
            case .type(let macro, let value): packed(2, macro, value)
            case .unary(let macro, let value): packed(3, macro, value)
            case .binary(let macro, let value): packed(4, macro, value)
            case .integer(let macro, let value): packed(5, macro, value)
            case .rule(let macro, let value): packed(6, macro, value)
            case .formula(let formula): 7 << 60 | UInt64(formula.id)
            }
        }

        /// The compiler option, such as `-DRANK=2`; nil for what is in the text.
        var option: String? {
            switch self {
            case .number(let macro, let value): "-D\(macro.rawValue)=\(value)"
            case .flag(let macro, let value): "-D\(macro.rawValue)=\(value ? 1 : 0)"
            case .type(let macro, let value): "-D\(macro.rawValue)=\(value)"
            case .unary(let macro, let value): "-D\(macro.rawValue)=unary_\(value.rawValue)"
            case .binary(let macro, let value): "-D\(macro.rawValue)=binary_\(value.rawValue)"
            case .integer(let macro, let value): "-D\(macro.rawValue)=integer_\(value.rawValue)"
            case .rule(let macro, let value): "-D\(macro.rawValue)=step_\(value.rawValue)"
            case .formula: nil
            }
        }
    }

    let name: KernelName
    var settings: [Setting]

    init(_ name: KernelName, _ settings: [Setting] = []) {
        self.name = name
        self.settings = settings
    }

    /// The text of the program.
    var source: String {
        (name.files.map(kernelText) + [FormulaKernel(settings)?.text].compactMap { $0 }).joined(separator: "\n")
    }

    static func == (a: Self, b: Self) -> Bool {
        ordinal(a.name) == ordinal(b.name) && a.settings.count == b.settings.count
            && zip(a.settings, b.settings).allSatisfy { $0.code == $1.code }
    }

    func hash(into hasher: inout Hasher) {
        var mixed = UInt64(ordinal(name))
        for setting in settings {
            mixed = (mixed ^ setting.code) &* 0x9E37_79B9_7F4A_7C15
            mixed ^= mixed >> 32
        }
        hasher.combine(mixed)
    }
}

/// Which case of an enumeration without values this is.
func ordinal<Case>(_ value: Case) -> UInt8 { unsafeBitCast(value, to: UInt8.self) }
