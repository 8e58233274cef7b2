import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct FusedAttention {
        /// One attention: what its views hold comes from seeds, so that every backend makes the same.
        struct Problem {
            var batch = 2
            var heads = 2
            var queries: Int
            var keys: Int
            var size: Int
            var valueSize: Int
            var mask = Attention.Mask.none
            var hasLengths = false
            var isCausal = false
            var layout = Layout.contiguous
            var scale = 0.3

            init(_ queries: Int, _ keys: Int, _ size: Int, _ valueSize: Int? = nil) {
                (self.queries, self.keys, self.size, self.valueSize) = (queries, keys, size, valueSize ?? size)
            }

            /// Numbers whose products are of size 1.
            func values(_ length: Int, _ size: Int, seed: UInt64) -> [Double] {
                let width = 1.5 / Double(max(size, 1)).squareRoot().squareRoot()
                return samples(batch * length * heads * size, in: -width...width, seed: seed)
            }

            /// [batch, heads, length, size] cut out of [batch, length, heads, size].
            func cut(_ view: TensorView) -> TensorView {
                var view = view
                view.shape.swapAt(1, 2)
                view.strides.swapAt(1, 2)
                return view
            }

            func input(_ bench: Workbench, _ length: Int, _ size: Int, seed: UInt64) throws -> TensorView {
                cut(try bench.input(values(length, size, seed: seed), [batch, length, heads, size], layout))
            }

            func output(
                _ bench: Workbench, _ length: Int, _ size: Int, _ name: String, isAddedTo: Bool = false,
                within tolerance: Tolerance
            ) throws -> TensorView {
                cut(
                    try bench.output(
                        [batch, length, heads, size], layout == .reversed ? .stepped : layout, named: name,
                        initially: isAddedTo ? values(length, size, seed: 9) : nil, within: tolerance))
            }

            /// Runs both passes on the bench.
            /// - Parameter accumulates: whether gradients are added to what is there.
            func run(_ bench: Workbench, accumulates: Bool = false) throws {
                let query = try input(bench, queries, size, seed: 1)
                let key = try input(bench, keys, size, seed: 2)
                let value = try input(bench, keys, valueSize, seed: 3)
                let arrived = try input(bench, queries, valueSize, seed: 4)
                let scores: Shape = [batch, heads, queries, keys]
                let mask = try Attention().mask(mask, scores, on: bench)
                let lengths =
                    hasLengths
                    ? try bench.indices((0..<batch).map { Double($0 == 0 ? keys : keys / 3) }) : nil
                // An output is a mean of values, each times a probability that errs by p (1 + |log p|); a gradient is a sum
                // over queries or keys of such, times what arrives.
                let near = Tolerance.elementwise.relative(to: 4)
                let far = Tolerance.elementwise.relative(to: 8 + 2 * Double(max(queries, keys)).squareRoot())
                let out = try output(bench, queries, valueSize, "out", within: near)
                let normalizers = try bench.backend.allocate([batch, heads, queries, 2])
                bench.backend.attention(
                    query, keys: key, values: value, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
                    out: out, normalizers: normalizers)
                func destination(_ length: Int, _ size: Int, _ name: String) throws -> (TensorView, Bool) {
                    (try output(bench, length, size, name, isAddedTo: accumulates, within: far), accumulates)
                }
                bench.backend.attentionGradient(
                    query, keys: key, values: value, mask: mask, lengths: lengths, isCausal: isCausal, scale: scale,
                    out: out, normalizers: normalizers, outputGradient: arrived,
                    queryGradient: try destination(queries, size, "query gradient"),
                    keyGradient: try destination(keys, size, "key gradient"),
                    valueGradient: try destination(keys, valueSize, "value gradient"))
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyLength(on subject: BackendUnderTest) throws {
            let lengths = [
                (1, 1), (1, 7), (7, 1), (7, 63), (63, 64), (64, 65), (65, 64), (33, 130), (130, 17), (0, 3), (2, 0),
            ]
            try withEvery("queries and keys", in: lengths) { lengths in
                try withEvery("is causal", in: [false, true]) { isCausal in
                    var problem = Problem(lengths.0, lengths.1, 8)
                    problem.isCausal = isCausal
                    try expectConformance(of: subject) { try problem.run($0) }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func moreHeadsThanQueries(on subject: BackendUnderTest) throws {
            var problem = Problem(2, 5, 8)
            problem.heads = 70
            try expectConformance(of: subject) { try problem.run($0) }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyMask(on subject: BackendUnderTest) throws {
            try withEvery("mask", in: Attention.Mask.allCases) { mask in
                try withEvery("is causal", in: [false, true]) { isCausal in
                    try withEvery("has lengths", in: [false, true]) { hasLengths in
                        var problem = Problem(35, 70, 6, 4)
                        (problem.mask, problem.isCausal, problem.hasLengths) = (mask, isCausal, hasLengths)
                        try expectConformance(of: subject) { try problem.run($0) }
                    }
                }
            }
        }

        /// Up to 128, and what is left to products above.
        @Test(arguments: BackendUnderTest.fused)
        func everySize(on subject: BackendUnderTest) throws {
            let sizes = [
                (1, 1), (1, 5), (8, 3), (32, 32), (64, 64), (65, 64), (80, 80), (64, 128), (128, 128), (130, 7),
            ]
            try withEvery("size and value size", in: sizes) { size in
                var problem = Problem(34, 67, size.0, size.1)
                (problem.isCausal, problem.heads) = (true, 1)
                try expectConformance(of: subject) { try problem.run($0) }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func everyLayout(on subject: BackendUnderTest) throws {
            try withEvery("layout", in: Layout.allCases) { layout in
                try withEvery("accumulates", in: [false, true]) { accumulates in
                    var problem = Problem(35, 20, 12)
                    (problem.layout, problem.mask) = (layout, .padding)
                    try expectConformance(of: subject) { try problem.run($0, accumulates: accumulates) }
                }
            }
        }

        /// Only what is asked for is written.
        @Test(arguments: BackendUnderTest.fused)
        func absentGradients(on subject: BackendUnderTest) throws {
            let problem = Problem(5, 9, 4)
            try withEvery("wanted", in: 0..<8) { wanted in
                try expectConformance(of: subject, within: .elementwise.relative(to: 16)) { bench in
                    let query = try problem.input(bench, 5, 4, seed: 1)
                    let key = try problem.input(bench, 9, 4, seed: 2)
                    let value = try problem.input(bench, 9, 4, seed: 3)
                    let out = try bench.output([2, 2, 5, 4])
                    let normalizers = try bench.backend.allocate([2, 2, 5, 2])
                    bench.backend.attention(
                        query, keys: key, values: value, mask: nil, lengths: nil, isCausal: false, scale: 1, out: out,
                        normalizers: normalizers)
                    func destination(_ index: Int, _ length: Int) throws -> (TensorView, Bool)? {
                        wanted >> index & 1 == 1
                            ? (try bench.output([2, 2, length, 4], named: "\(index)"), false) : nil
                    }
                    bench.backend.attentionGradient(
                        query, keys: key, values: value, mask: nil, lengths: nil, isCausal: false, scale: 1, out: out,
                        normalizers: normalizers, outputGradient: query, queryGradient: try destination(0, 5),
                        keyGradient: try destination(1, 9), valueGradient: try destination(2, 9))
                }
            }
        }

        /// NaN and infinity spoil the rows that see them, and no others; scores beyond exp's range do not.
        @Test(arguments: BackendUnderTest.fused)
        func specialValues(on subject: BackendUnderTest) throws {
            let (queries, keys, size) = (6, 70, 4)
            let special: [Double] = [.nan, .infinity, -.infinity, 3e4, -3e4, 0]
            try withEvery("in values", in: [false, true]) { isInValues in
                try expectConformance(of: subject, within: .elementwise.relative(to: 4)) { bench in
                    // The last feature of a key is positive, so that an infinite score keeps its sign.
                    var query = samples(queries * size, seed: 1)
                    let key = samples(keys * size, seed: 2).enumerated().map { index, value in
                        index % size == 3 ? (index / size % 3 == 0 ? 2 : 1) : value
                    }
                    var value = samples(keys * size, seed: 3)
                    for (row, number) in special.enumerated() {
                        if isInValues {
                            value[row * 11 * size] = number
                            continue
                        }
                        query[row * size + 3] = number
                        // Large scores are exact, as rounding them would change the weights by more than the tolerance.
                        if abs(number) == 3e4 { for column in 0..<3 { query[row * size + column] = 0 } }
                    }
                    if isInValues { value[1] = .infinity }
                    bench.backend.attention(
                        try bench.input(query, [1, 1, queries, size]), keys: try bench.input(key, [1, 1, keys, size]),
                        values: try bench.input(value, [1, 1, keys, size]), mask: nil, lengths: nil, isCausal: false,
                        scale: 1, out: try bench.output([1, 1, queries, size]),
                        normalizers: try bench.backend.allocate([1, 1, queries, 2]))
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func nanReachesEveryGradientThatItShould(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject, within: .elementwise.relative(to: 16)) { bench in
                let query = try bench.input([1, 2, .nan, 4, 5, 6], [1, 1, 3, 2])
                let key = try bench.input([1, 0, 0, 1], [1, 1, 2, 2]),
                    value = try bench.input([1, 2, 3, 4], [1, 1, 2, 2])
                let out = try bench.output([1, 1, 3, 2]), normalizers = try bench.backend.allocate([1, 1, 3, 2])
                bench.backend.attention(
                    query, keys: key, values: value, mask: nil, lengths: nil, isCausal: false, scale: 1, out: out,
                    normalizers: normalizers)
                bench.backend.attentionGradient(
                    query, keys: key, values: value, mask: nil, lengths: nil, isCausal: false, scale: 1, out: out,
                    normalizers: normalizers, outputGradient: try bench.input([1, 1, 1, 1, 1, 2], [1, 1, 3, 2]),
                    queryGradient: (try bench.output([1, 1, 3, 2], named: "query gradient"), false),
                    keyGradient: (try bench.output([1, 1, 2, 2], named: "key gradient"), false),
                    valueGradient: (try bench.output([1, 1, 2, 2], named: "value gradient"), false))
            }
        }
    }
}
