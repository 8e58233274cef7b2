import GimbalNN
import GimbalTestSupport
import Testing

/// Initialization of whole models: rules by name, LSUV, and residual branches.
@Suite struct InitializationRulesTests {
    let device = Device(backend: ReferenceBackend())

    final class Net: Module, Layer {
        let fc1 = Linear(4, 8)
        let norm = BatchNorm1d(8)
        let fc2 = Linear(8, 3)
        func forward(_ input: Tensor) -> Tensor { fc2(norm(fc1(input)).relu()) }
    }

    @Test func theLastRuleThatFitsHolds() throws {
        try withDevice(device) {
            let net = Net()
            let before = try net.norm.weight!.value.doubles()
            let account = net.initialize([
                ("*.weight", .heNormal()), ("fc?.bias", .zeros), ("fc2.*", .constant(0.5)), ("fc3.*", .ones),
                ("*.running", .zeros),
            ])
            #expect(account.entries.map(\.parameter) == net.parameters.map(\.name))
            #expect(
                account.entries.map { $0.rule?.pattern } == [
                    "*.weight", "fc?.bias", nil, nil, "fc2.*", "fc2.*",
                ])
            #expect(account.unusedPatterns == ["fc3.*", "*.running"])
            #expect(account.description.contains("he-normal by *.weight"))
            #expect(account.description.contains("fc3.* filled nothing"))
            let values = try net.parameters.map { try $0.value.doubles() }
            #expect(values[1].allSatisfy { $0 == 0 })
            #expect(values[2] == before, "a fan does not fit [channels]")
            #expect(values[4].allSatisfy { $0 == 0.5 } && values[5].allSatisfy { $0 == 0.5 })
        }
    }

    @Test func aSeedGivesTheSameModel() throws {
        try withDevice(device) {
            func weights() throws -> [[Double]] {
                let net = Net()
                net.initialize([("*", .normal()), ("*.weight", .orthogonal())], generator: RandomGenerator(seed: 4))
                return try net.parameters.map { try $0.value.doubles() }
            }
            let (first, second) = (try weights(), try weights())
            #expect(first == second)
            Ledger.record(.initializer("initialize"), .property, on: "cpu", error: 0, tolerance: 0)
        }
    }

    @Test func unitVarianceLayerByLayer() throws {
        try withDevice(device) {
            let batch = Tensor.normal([256, 16], generator: RandomGenerator(seed: 2)) * 7 + 3
            let norm = BatchNorm1d(24)
            let net = Sequential {
                Linear(16, 24)
                Tanh()
                Linear(24, 24)
                norm
                Residual {
                    Linear(24, 24)
                    ReLU()
                }
                Linear(24, 5, hasBias: false)
            }
            let steps = try net.initializeLSUV(batch, tolerance: 0.01, generator: RandomGenerator(seed: 1))
            #expect(steps.map(\.parameter) == ["0.weight", "2.weight", "4.body.0.weight", "5.weight"])
            for step in steps {
                Ledger.record(
                    .initializer("initializeLSUV"), .property, on: "reference", error: abs(step.variance.after - 1),
                    tolerance: 0.01)
                #expect(abs(step.variance.after - 1) < 0.01, "\(step.parameter)")
            }
            #expect(steps[0].variance.before > 2 && steps[0].scalings > 0)
            #expect(norm.batchCount?.value == 0, "running statistics are as they were")
            // The first layer by hand: orthogonal up to its scale.
            let weight = net.parameters[0].value
            let product = try weight.transposed().matrixMultiplied(by: weight).doubles()
            #expect(abs(product[1]) < 1e-9 * product[0])
            let output = try Double(net.layers[0](batch).variance().item())
            #expect(abs(output - 1) < 0.01)
        }
    }

    @Test func residualBranchesBeginAsTheIdentity() throws {
        try withDevice(device) {
            func net() -> Sequential {
                Sequential {
                    for _ in 0..<4 {
                        Residual {
                            Linear(6, 6)
                            ReLU()
                            Linear(6, 6)
                        }
                    }
                }
            }
            let x = Tensor(spread([3, 6]).values, [3, 6])
            let input = try x.doubles()
            let plain = net()
            let zeroed = plain.zeroResidualBranches()
            #expect(zeroed == (0..<4).flatMap { ["\($0).body.2.weight", "\($0).body.2.bias"] })
            let output = try plain(x).doubles()
            #expect(output == input)

            // 1 / √4.
            let scaled = net()
            let before = try scaled.parameters.map { try $0.value.doubles() }
            #expect(scaled.scaleResidualBranches() == zeroed)
            let after = try scaled.parameters.map { try $0.value.doubles() }
            for (index, name) in scaled.parameters.map(\.name).enumerated() {
                #expect(after[index] == before[index].map { zeroed.contains(name) ? $0 / 2 : $0 }, "\(name)")
            }

            let fixup = net()
            let names = fixup.initializeFixup(generator: RandomGenerator(seed: 3))
            #expect(names.scaled == (0..<4).map { "\($0).body.0.weight" })
            #expect(names.zero == (0..<4).map { "\($0).body.2.weight" })
            let outputs = try fixup(x).doubles()
            #expect(outputs == input)
            // L^(-1 / (2m - 2)) with L = 4 and m = 2.
            let expected = try (Initializer.heNormal().make([6, 6], generator: RandomGenerator(seed: 3)) * 0.5)
                .doubles()
            let drawn = try fixup.parameters[0].value.doubles()
            #expect(drawn == expected)
            Ledger.record(.initializer("initializeFixup"), .property, on: "cpu", error: 0, tolerance: 0)

            let normed = Residual {
                Linear(6, 6)
                BatchNorm1d(6)
            }
            #expect(normed.zeroResidualBranches() == ["body.1.weight", "body.1.bias"])
            // The slope of a PReLU is no weight of the branch.
            let sloped = Residual {
                Linear(6, 6)
                PReLU()
            }
            #expect(sloped.zeroResidualBranches() == ["body.0.weight", "body.0.bias"])
        }
    }
}
