import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct LossScaling {
        @Test(arguments: BackendUnderTest.fused)
        func gradientsAreDividedByTheScale(on subject: BackendUnderTest) throws {
            try withEvery("size", in: edgeSizes + [1023, 1024, 1025, 5000]) { size in
                // None, or the first, one in the middle or the last of the second view, of each kind.
                let places = size == 0 ? [nil] : [nil, 0, size / 2, size - 1]
                try withEvery("place", in: places) { place in
                    try withEvery("value", in: place == nil ? [0] : [Double.nan, .infinity, -.infinity]) { special in
                        try expectConformance(of: subject) { bench in
                            var values = samples(size, in: -100...100, seed: 2)
                            if let place { values[place] = special }
                            bench.backend.unscale(
                                [
                                    try bench.output([7], named: "first", initially: samples(7)),
                                    try bench.output([size], .offset, named: "second", initially: values),
                                ], scale: try bench.input([1024], [1]),
                                condition: try bench.output([], named: "condition"))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func theScaleFollowsTheSteps(on subject: BackendUnderTest) throws {
            let states: [[Double]] = [
                [8, 0, 0], [8, 1, 3], [8, 2, 3], [8, 3, 0], [0x1p-14, 0, 9],
            ]
            try withEvery("state", in: states) { state in
                try withEvery("condition", in: [0, 1]) { condition in
                    try expectConformance(of: subject, within: .exact) { bench in
                        bench.backend.updateLossScale(
                            try bench.output([3], .offset, initially: state),
                            condition: try bench.input([Double(condition)], []), growth: 2, backoff: 0.5, interval: 3)
                    }
                }
            }
        }
    }
}
