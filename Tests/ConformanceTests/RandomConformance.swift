import Foundation
import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    @Suite struct RandomNumbers {
        static let states = [
            RandomState(seed: 0), RandomState(seed: 42, counter: 7), RandomState(seed: .max, counter: 0xFFFF_FFF0),
            // The counter's lower word overflows into the upper one, and the whole counter wraps to 0.
            RandomState(seed: 0x1234_5678_9ABC_DEF0, counter: 0xFFFF_FFFF), RandomState(seed: 3, counter: .max - 1),
        ]
        static let sizes = edgeSizes + [3, 4, 5, 4099]

        @Test(arguments: BackendUnderTest.all)
        func uniformNumbersAreExactlyPhilox(on subject: BackendUnderTest) throws {
            try withEvery("state", in: Self.states) { state in
                try withEvery("size", in: Self.sizes) { size in
                    try withEvery("layout", in: Layout.rowMajor) { layout in
                        try expectConformance(of: subject, within: .exact) { bench in
                            bench.backend.randomUniform(try bench.output([size], layout), state)
                        }
                    }
                }
            }
        }

        /// float32 cannot tell u₁ from 1 by less than 2⁻²⁵, which moves a radius near 0 by 2⁻²⁵ / radius: under 10⁻⁵ for
        /// the smallest radii among a few thousand.
        @Test(arguments: BackendUnderTest.all)
        func normalNumbersAreBoxMuller(on subject: BackendUnderTest) throws {
            try withEvery("state", in: Self.states) { state in
                try withEvery("size", in: Self.sizes) { size in
                    try expectConformance(of: subject, within: Tolerance(relative: 1e-5, scale: .constant(1))) {
                        bench in
                        bench.backend.randomNormal(try bench.output([size], .offset), state)
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.all)
        func operationsContinueTheStream(on subject: BackendUnderTest) throws {
            let bench = Workbench(subject.backend)
            let state = RandomState(seed: 5, counter: 100)
            bench.backend.randomUniform(try bench.output([1000]), state)
            bench.backend.randomUniform(try bench.output([992]), RandomState(seed: 5, counter: 102))
            let outputs = try bench.results().outputs
            #expect(Array(outputs[0].values[8...]) == outputs[1].values)
        }

        @Test(arguments: BackendUnderTest.all)
        func normalNumbersHaveTheirMoments(on subject: BackendUnderTest) throws {
            let bench = Workbench(subject.backend)
            bench.backend.randomNormal(try bench.output([100, 10_000]), RandomState(seed: 1))
            let values = try bench.results().outputs[0].values
            let count = Double(values.count)
            func moment(_ power: Double) -> Double { values.map { pow($0, power) }.reduce(0, +) / count }
            // Five standard errors of the sample moments of a million numbers.
            #expect(abs(moment(1)) < 5e-3)
            #expect(abs(moment(2) - 1) < 5 * 1.42e-3)
            #expect(abs(moment(3)) < 5 * 3.9e-3)
            #expect(abs(moment(4) - 3) < 5 * 9.8e-3)
            #expect(values.allSatisfy { abs($0) < 6.8 })
        }

        @Test(arguments: BackendUnderTest.all.dropFirst())
        func numbersHaveTheSameBitsOnEveryBackend(on subject: BackendUnderTest) throws {
            let first = BackendUnderTest.all[0]
            try withEvery("state", in: Self.states) { state in
                try withEvery("size", in: [1, 2, 3, 5, 1000, 100_003]) { size in
                    try expectSameBits(on: subject, and: first) { bench in
                        bench.backend.randomUniform(try bench.output([size], named: "uniform"), state)
                        bench.backend.randomNormal(try bench.output([size], named: "normal"), state)
                        bench.backend.dropout(
                            try bench.input(samples(size), [size]), probability: 0.3, state,
                            out: try bench.output([size], named: "dropout"))
                    }
                }
            }
        }
    }

    @Suite struct Dropout {
        /// A kept element is never 0 here, so that a difference of one mask bit shows.
        @Test(arguments: BackendUnderTest.fused)
        func dropoutKeepsWhatTheReferenceKeeps(on subject: BackendUnderTest) throws {
            try withEvery("probability", in: [0, 0.1, 0.3, 0.5, 0.9, 0.999, 1.0 / 3]) { probability in
                try withEvery("size", in: RandomNumbers.sizes) { size in
                    try withEvery("state", in: RandomNumbers.states) { state in
                        try expectConformance(of: subject) { bench in
                            let x = try bench.input(samples(size, in: 1...2), [size], .offset)
                            bench.backend.dropout(
                                x, probability: probability, state, out: try bench.output([size], .offset))
                        }
                    }
                }
            }
        }

        @Test(arguments: BackendUnderTest.fused)
        func dropoutWorksInPlace(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject) { bench in
                let x = try bench.output([5, 129], initially: samples(5 * 129))
                bench.backend.dropout(x, probability: 0.4, RandomState(seed: 9), out: x)
            }
        }

        /// A dropped element is 0 whatever it was; a kept one passes.
        @Test(arguments: BackendUnderTest.fused)
        func dropoutOfNaNAndInfinity(on subject: BackendUnderTest) throws {
            try expectConformance(of: subject) { bench in
                let values = (0..<20).flatMap { _ in wideValues }
                bench.backend.dropout(
                    try bench.input(values, [values.count]), probability: 0.5, RandomState(seed: 2),
                    out: try bench.output([values.count]))
            }
        }
    }
}
