import Gimbal

extension Translator {
    /// Writes one operation.
    func translate(_ step: PairedStep) throws {
        for output in step.outputs where output.dtype == .float16 || output.dtype == .bfloat16 {
            throw step.refused("its result is \(output.dtype); a model is exported in float32")
        }
        switch (step.small.details, step.large.details) {
        case (.unstated, _), (.read, _): throw step.refused("the export does not know the operation")
        case (.identity, _): define(step, as: try value(step.operands[0]))
        case (.conversion, _): define(step, as: try value(step.operands[0], as: step.outputs[0].dtype))
        case (.reshaping, _): try reshape(step)
        case (.permutation(let axes), _):
            define(step, as: graph.add("Transpose", [try value(step.operands[0])], [.integers("perm", axes)]))
        case (.broadcasting, _):
            define(step, as: try expanded(try value(step.operands[0]), step.operands[0].sizes, step.outputs[0].sizes))
        case (.part(let small), .part(let large)): try part(step, small, large)
        case (.replacement(let small, let shape), .replacement(let large, let largeShape)):
            try replace(step, small, large, zip(shape.sizes, largeShape.sizes).map { Size($0, $1) })
        case (.concatenation(let axis), _):
            let dtype = step.outputs[0].dtype
            let parts = try step.operands.map { try value($0, as: dtype) }
            define(step, as: graph.add("Concat", parts, [.integer("axis", axis)]))
        case (.padding(let before, let after, let number), .padding(let largeBefore, let largeAfter, let largeNumber)):
            let widths = try fixed(step, before + after, largeBefore + largeAfter, "the width of its border")
            let number = try fixed(step, number, largeNumber, "what it pads with")
            let inputs = [
                try value(step.operands[0]), try graph.integers(widths),
                try graph.scalar(number, step.outputs[0].dtype),
            ]
            define(step, as: graph.add("Pad", inputs))

        case (.unary(let operation), .unary(let large)):
            let operation = try fixed(step, operation, large, "a number of its formula")
            let (x, dtype) = (try value(step.operands[0]), step.outputs[0].dtype)
            define(step, as: try unary(operation, x, dtype, step))
        case (.binary(let operation), .binary(let large)):
            try binary(step, try fixed(step, operation, large, "a number of its formula"))
        case (.function(let function, let numbers), .function(_, let large)):
            try apply(step, function, try fixed(step, numbers, large, "a number of its formula"))
        case (.selection(let small), .selection(let large)):
            try select(step, condition: Paired(small: small, large: large))
        case (.reduction(let reduction, let axes), _): try reduce(step, reduction, axes)

        case (.matrixProduct, _):
            define(step, as: graph.add("MatMul", try step.operands.map { try value($0) }))
        case (.linear, _):
            define(step, as: graph.add("Gemm", try step.operands.map { try value($0) }, [.integer("transB", 1)]))
        case (.convolution(let geometry), _): try convolve(step, "Conv", geometry, [])
        case (.transposedConvolution(let geometry, let padding), _):
            try convolve(step, "ConvTranspose", geometry, [.integers("output_padding", padding)])
        case (.maximumPooling(let geometry), _): try poolMaximum(step, geometry)
        case (.averagePooling(let geometry, let countsPadding), _):
            try poolAverage(step, geometry, countsPadding: countsPadding)

        case (.batchNormalization, .batchNormalization): try normalizeBatch(step)
        case (.layerNormalization, .layerNormalization): try normalizeLayer(step)
        case (.softmax(let isLogarithmic), _):
            let x = try value(step.operands[0])
            define(step, as: graph.add(isLogarithmic ? "LogSoftmax" : "Softmax", [x], [.integer("axis", -1)]))

        case (.rows(let small), .rows(let large)):
            let indices = try value(Paired(small: small, large: large))
            define(step, as: graph.add("Gather", [try value(step.operands[0]), indices], [.integer("axis", 0)]))
        case (.elements(let axis, let small), .elements(_, let large)):
            try gather(step, axis, Paired(small: small, large: large))
        case (.scattering(let axis, let small, let accumulates), .scattering(_, let large, _)):
            try scatter(step, axis, Paired(small: small, large: large), accumulates: accumulates)
        case (.placesOfLargest, _): try findLargest(step)
        case (.order(let axis, let isDescending), _): try order(step, axis, isDescending: isDescending)
        case (.runningSum(let axis), _):
            let x = try value(step.operands[0], as: step.outputs[0].dtype)
            let axis = try graph.constant(Tensor([Int32(axis)], [], device: .cpu))
            define(step, as: graph.add("CumSum", [x, axis]))
        case (.recurrence(let small), .recurrence(let large)): try recur(step, small, large)
        default: throw step.refused("it is another operation at another batch size")
        }
    }
}
