import GimbalNN
import GimbalTestSupport
import Testing

/// What the layers of convolutional networks do beside their operations.
@Suite struct ConvolutionLayerTests {
    let device = Device(backend: ReferenceBackend())

    @Test func parametersBeginWithinPyTorchsBounds() throws {
        try withDevice(device) {
            func check(_ parameter: Parameter?, _ fanIn: Int) throws {
                let values = try #require(parameter).value.doubles()
                let bound = 1 / Double(fanIn).squareRoot()
                let largest = values.map { abs($0) }.max() ?? 0
                #expect(largest <= bound && largest > 0.8 * bound)
            }
            // A generator of its own: of 16 draws from a shared one, none lies in the upper fifth once in 36 runs.
            let generator = RandomGenerator(seed: 1)
            let layer = Conv2d(8, 16, kernelSize: 3, groups: 2, generator: generator)
            try check(layer.weight, 4 * 9)
            try check(layer.bias, 4 * 9)
            let transposed = ConvTranspose2d(8, 16, kernelSize: 3, generator: generator)
            try check(transposed.weight, 16 * 9)
            try check(transposed.bias, 16 * 9)
            #expect(Conv1d(1, 1, kernelSize: 1, hasBias: false).bias == nil)
        }
    }

    @Test func groupsOfATransposedConvolutionHaveOutputsOfTheirOwn() throws {
        try withDevice(device) {
            let layer = ConvTranspose2d(4, 6, kernelSize: 3, groups: 2)
            #expect(layer.weight.shape == [4, 3, 3, 3])
            let y = layer(Tensor.ones([2, 4, 5, 5]))
            #expect(y.shape == [2, 6, 7, 7])
            let values = try y.doubles()
            #expect(values.allSatisfy { $0.isFinite })
        }
    }

    @Test func descriptionsNameWhatDiffersFromTheDefaults() {
        withDevice(device) {
            let layer = Conv2d(4, 8, kernelSize: 3, stride: [2, 1], padding: 1, groups: 2, hasBias: false)
            #expect("\(layer)" == "Conv2d(4, 8, kernelSize: 3, stride: [2, 1], padding: 1, groups: 2, hasBias: false)")
            #expect("\(MaxPool2d(kernelSize: 3, stride: 2))" == "MaxPool2d(kernelSize: 3, stride: 2)")
            #expect("\(BatchNorm2d(3))" == "BatchNorm2d(3)")
        }
    }

    @Test func aPaddingThatIsNoneIsAMistake() async {
        await #expect(processExitsWith: .failure) {
            _ = Conv2d(1, 1, kernelSize: 3, padding: -1, device: .cpu)
        }
        await #expect(processExitsWith: .failure) {
            _ = MaxPool2d(kernelSize: 2, padding: SamePadding())
        }
    }

    @Test func oneValuePerChannelHasNoVariance() async {
        await #expect(processExitsWith: .failure) {
            let layer = BatchNorm2d(3, device: .cpu)
            _ = layer(Tensor.zeros([1, 3, 1, 1], device: .cpu))
        }
    }

    @Test func channelsAreDroppedWhole() throws {
        try withDevice(device) {
            let layer = Dropout2d(0.3, generator: RandomGenerator(seed: 2))
            let channels = layer(Tensor.ones([50, 40, 2, 2])).reshaped([2000, 4])
            let values = try channels.doubles()
            let dropped = (0..<2000).count { values[$0 * 4] == 0 }
            #expect(abs(dropped - 600) < 123)  // Six standard deviations.
            for channel in 0..<2000 {
                let expected = values[channel * 4] == 0 ? 0 : 1 / 0.7
                #expect((0..<4).allSatisfy { abs(values[channel * 4 + $0] - expected) < 1e-12 })
            }
            layer.isTraining = false
            #expect(try layer(Tensor.ones([1, 2, 2, 2])).doubles() == [Double](repeating: 1, count: 8))
            #expect(try Dropout1d(1)(Tensor.ones([1, 2, 2])).sum().item() == 0)
        }
    }

    @Test func stochasticDepthDropsExamplesOrTheBatch() throws {
        try withDevice(device) {
            let rows = StochasticDepth(0.25, generator: RandomGenerator(seed: 3))
            let values = try rows(Tensor.ones([1000, 3])).doubles()
            let kept = (0..<1000).count { values[$0 * 3] != 0 }
            #expect(abs(kept - 750) < 83)  // Six standard deviations.
            #expect((0..<1000).allSatisfy { values[$0 * 3] == values[$0 * 3 + 2] })
            #expect(values.allSatisfy { $0 == 0 || abs($0 - 1 / 0.75) < 1e-12 })

            let batches = StochasticDepth(0.5, mode: .batch, generator: RandomGenerator(seed: 4))
            let sums = try (0..<64).map { _ in try batches(Tensor.ones([5, 2])).sum().item() }
            #expect(Set(sums) == [0, 20])
            batches.isTraining = false
            #expect(try batches(Tensor.ones([5, 2])).sum().item() == 10)
        }
    }

    @Test func residualNetworksHaveThePublishedSizes() {
        withDevice(.cpu) {
            // torchvision's counts, and 0.27 million (He et al. 2016, table 6).
            #expect(ResNet.resNet18().parameterCount == 11_689_512)
            #expect(ResNet.resNet34().parameterCount == 21_797_672)
            #expect(ResNet.resNet50().parameterCount == 25_557_032)
            #expect(SmallResNet.resNet20(shortcut: .identity).parameterCount == 269_722)
            #expect(SmallResNet.resNet20().parameterCount == 272_474)
            #expect(SmallResNet.resNet56(shortcut: .identity).parameterCount == 853_018)
            let names = ResNet.resNet18(width: 1).parameters.map(\.name)
            for name in ["conv1.weight", "layer2.0.downsample.1.bias", "layer4.1.bn2.weight", "fc.bias"] {
                #expect(names.contains(name))
            }
        }
    }

    @Test func aBranchThatStartsAtZeroLeavesTheShortcut() throws {
        try withDevice(device) {
            let input = Tensor.normal([2, 3, 6, 6], generator: RandomGenerator(seed: 1))
            let model = SmallResNet(depth: 8, width: 2, startsAsIdentity: true)
            let first = model.layer1.layers[0]
            let hidden = model.bn1(model.conv1(input)).relu()
            let output = try first(hidden).doubles()
            #expect(output == (try hidden.doubles()))
            let plain = SmallResNet(depth: 8, width: 2, isResidual: false, startsAsIdentity: true)
            let plainFirst = plain.layer1.layers[0]
            let dead = try plainFirst(hidden).doubles()
            #expect(dead.allSatisfy { $0 == 0 })
            #expect(plain.parameters.allSatisfy { !$0.name.contains("downsample") })
        }
    }
}
