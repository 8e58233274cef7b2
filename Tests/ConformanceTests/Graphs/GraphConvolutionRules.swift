import Gimbal

extension GraphRules {
    static let convolutionRules: [GraphRule] = [
        GraphRule("convolved", 1, weight: 12) { planner in
            guard let (geometry, source) = geometry(&planner, channels: planner.shape(0).dropFirst().first ?? 0) else {
                return nil
            }
            let x = planner.shape(0)
            let outputs = geometry.groups * planner.among([1, 2, 3, 8])
            let positions = geometry.outputSizes(Array(x.dropFirst(2))).reduce(1, *)
            guard x[0] * outputs * positions * x[1] / geometry.groups * geometry.kernelCount <= 60_000 else {
                return nil
            }
            let inputs = x[1] / geometry.groups * geometry.kernelCount
            planner.tensor([outputs, x[1] / geometry.groups] + geometry.kernel, .weight(inputs: inputs))
            let hasBias = !planner.flag()
            if hasBias { planner.tensor([outputs]) }
            return GraphPlan("$0.convolved(weight: $1, \(hasBias ? "bias: $2, " : "")\(source))") {
                $0[0].convolved(weight: $0[1], bias: hasBias ? $0[2] : nil, geometry)
            }
        },
        GraphRule("transposedConvolved", 1, weight: 4) { planner in
            guard let (geometry, source) = geometry(&planner, channels: planner.shape(0).dropFirst().first ?? 0) else {
                return nil
            }
            let x = planner.shape(0)
            let spatial = Array(x.dropFirst(2))
            let sizes = geometry.kernel.indices.map { axis in
                (spatial[axis] - 1) * geometry.stride[axis] - 2 * geometry.padding[axis]
                    + geometry.dilation[axis] * (geometry.kernel[axis] - 1) + 1
            }
            let outputs = planner.among([1, 2, 3])
            guard sizes.allSatisfy({ $0 > 0 }),
                x[0] * x[1] * outputs * sizes.reduce(1, *) * geometry.kernelCount <= 60_000
            else { return nil }
            planner.tensor(
                [x[1], outputs] + geometry.kernel, .weight(inputs: x[1] / geometry.groups * geometry.kernelCount))
            let hasBias = !planner.flag()
            if hasBias { planner.tensor([outputs * geometry.groups]) }
            return GraphPlan("$0.transposedConvolved(weight: $1, \(hasBias ? "bias: $2, " : "")\(source))") {
                $0[0].transposedConvolved(weight: $0[1], bias: hasBias ? $0[2] : nil, geometry)
            }
        },
        GraphRule("maxPooled", 1, weight: 4) { planner in
            guard let (kernel, stride, padding) = windows(&planner) else { return nil }
            let dilation = kernel.map { _ in 1 }
            let roundsUp = planner.flag()
            return GraphPlan(
                "$0.maxPooled(kernel: \(kernel), stride: \(stride), padding: \(padding), roundsUp: \(roundsUp))"
            ) {
                $0[0].maxPooled(
                    kernel: kernel, stride: stride, padding: padding, dilation: dilation, roundsUp: roundsUp)
            }
        },
        GraphRule("averagePooled", 1, weight: 4) { planner in
            guard let (kernel, stride, padding) = windows(&planner) else { return nil }
            let (counts, roundsUp) = (!planner.flag(), planner.flag())
            return GraphPlan(
                "$0.averagePooled(kernel: \(kernel), stride: \(stride), padding: \(padding), countsPadding: \(counts), "
                    + "roundsUp: \(roundsUp))"
            ) {
                $0[0].averagePooled(
                    kernel: kernel, stride: stride, padding: padding, countsPadding: counts, roundsUp: roundsUp)
            }
        },
        GraphRule("adaptive pools", 1, weight: 3) { planner in
            guard (3...5).contains(planner.rank(0)), planner.shape(0).dropFirst(2).allSatisfy({ $0 > 0 }) else {
                return nil
            }
            let sizes = planner.shape(0).dropFirst(2).map { 1 + planner.below(min($0, 4)) }
            return planner.flag()
                ? GraphPlan("$0.adaptiveMaxPooled(to: \(sizes))") { $0[0].adaptiveMaxPooled(to: sizes) }
                : GraphPlan("$0.adaptiveAveragePooled(to: \(sizes))") { $0[0].adaptiveAveragePooled(to: sizes) }
        },
        // What has an axis too few gets one, so that there are images.
        GraphRule("as images", 1, weight: 4) { planner in
            let x = planner.shape(0)
            guard (2...3).contains(x.count) else { return nil }
            let shape = x.count == 2 ? planner.among([[1, x[0], x[1]], [x[0], 1, x[1]]]) : [x[0], x[1], 1, x[2]]
            return GraphPlan("$0.reshaped(\(shape))") { $0[0].reshaped(Shape(shape)) }
        },
    ]

    /// A geometry that fits an operand, and how it is written.
    private static func geometry(
        _ planner: inout GraphPlanner, channels: Int
    ) -> (ConvolutionGeometry, String)? {
        guard (3...4).contains(planner.rank(0)), channels > 0 else { return nil }
        let spatial = planner.shape(0).dropFirst(2)
        let divisors = [1, channels, 2, 3].filter { channels % $0 == 0 }
        let groups = planner.among(divisors)
        let dilation = spatial.map { _ in planner.among([1, 1, 2]) }
        let padding = spatial.map { _ in planner.among([0, 1, 2]) }
        let stride = spatial.map { _ in planner.among([1, 1, 2, 3]) }
        let kernel = spatial.map { _ in planner.among([1, 3, 3, 2, 5]) }
        for (axis, size) in spatial.enumerated()
        where size == 0 || dilation[axis] * (kernel[axis] - 1) + 1 > size + 2 * padding[axis] { return nil }
        let geometry = ConvolutionGeometry(
            kernel: kernel, stride: stride, padding: padding, dilation: dilation, groups: groups)
        return (
            geometry,
            "ConvolutionGeometry(kernel: \(kernel), stride: \(stride), padding: \(padding), dilation: \(dilation), "
                + "groups: \(groups))"
        )
    }

    /// Windows of a pool that fits an operand.
    private static func windows(_ planner: inout GraphPlanner) -> (kernel: [Int], stride: [Int], padding: [Int])? {
        guard (3...4).contains(planner.rank(0)) else { return nil }
        let spatial = planner.shape(0).dropFirst(2)
        let kernel = spatial.map { _ in planner.among([2, 3, 1, 5]) }
        let stride = kernel.map { planner.among([$0, 1, 2, 3]) }
        let padding = kernel.map { planner.below($0 / 2 + 1) }
        for (axis, size) in spatial.enumerated() where size == 0 || kernel[axis] > size + 2 * padding[axis] {
            return nil
        }
        return (kernel, stride, padding)
    }
}
