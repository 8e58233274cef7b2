import Foundation
import GimbalNN
import GimbalOptim
import GimbalTestSupport
import Testing

/// Convolutions, pooling and residual networks against PyTorch, each case with the settings its fixture names.
@Suite(.serialized) struct ConvolutionParityTests {
    /// What `convolution.py` writes beside each case.
    struct Settings {
        var axes: Int
        var kernel: [Int]
        var stride: [Int]
        var padding: [Int]
        var dilation: [Int]
        var outputPadding: [Int]
        var groups: Int
        var kind: Int
        var flag: Bool

        init(_ numbers: [Int32]) {
            let axes = Int(numbers[0])
            let lists = (0..<5).map { list in (0..<axes).map { Int(numbers[1 + list * axes + $0]) } }
            self.axes = axes
            (kernel, stride, padding, dilation) = (lists[0], lists[1], lists[2], lists[3])
            outputPadding = lists[4]
            (groups, kind, flag) = (
                Int(numbers[1 + 5 * axes]), Int(numbers[2 + 5 * axes]), numbers[3 + 5 * axes] != 0
            )
        }
    }

    @Test(arguments: devices, ["convolution", "convolution_axes"])
    func convolutions(_ subject: BackendUnderTest, _ file: String) throws {
        let fixture = try Fixture(file)
        for name in fixture.names.filter({ $0.hasSuffix(".config") }).map({ String($0.dropLast(7)) }) {
            let settings = Settings(try fixture.integers("\(name).config"))
            let geometry = ConvolutionGeometry(
                kernel: settings.kernel, stride: settings.stride, padding: settings.padding,
                dilation: settings.dilation, groups: settings.groups)
            let piece = Piece.layer(settings.kind == 1 ? "ConvTranspose\(settings.axes)d" : "Conv\(settings.axes)d")
            func leaf(_ part: String) throws -> Tensor {
                try fixture.tensor("\(name).\(part)", on: subject.device).requiringGradient()
            }
            let (x, weight) = (try leaf("x"), try leaf("weight"))
            let bias = fixture.names.contains("\(name).bias") ? try leaf("bias") : nil
            let layer = settings.kind == 2 ? sameLayer(settings, x.shape[1], weight, bias, on: subject.device) : nil
            let outputs =
                switch settings.kind {
                case 1:
                    x.transposedConvolved(
                        weight: weight, bias: bias, geometry, outputPadding: settings.outputPadding)
                case 2: layer!(x)
                default: x.convolved(weight: weight, bias: bias, geometry)
                }
            try expectClose(outputs, try fixture.values("\(name).outputs"), 1e-5, name, of: piece)
            try outputs.backward(gradient: try fixture.tensor("\(name).upstream", on: subject.device))
            let gradients = [
                ("x", x.gradient), ("weight", layer?.weight.gradient ?? weight.gradient),
                ("bias", layer?.bias?.gradient ?? bias?.gradient),
            ]
            for (part, gradient) in gradients where part != "bias" || bias != nil {
                let gradient = try #require(gradient)
                try expectClose(
                    gradient, try fixture.values("\(name).gradients.\(part)"), 1e-5, "\(name), gradient of \(part)",
                    of: piece, .gradients)
            }
        }
    }

    /// A layer with the padding `.same` and these parameters.
    private func sameLayer(
        _ settings: Settings, _ inputs: Int, _ weight: Tensor, _ bias: Tensor?, on device: Device
    ) -> Convolution {
        let (outputs, kernel, dilation) = (weight.shape[0], settings.kernel, settings.dilation)
        let layer: Convolution =
            switch settings.axes {
            case 1:
                Conv1d(
                    inputs, outputs, kernelSize: kernel, padding: .same, dilation: dilation, groups: settings.groups,
                    hasBias: bias != nil, device: device)
            case 2:
                Conv2d(
                    inputs, outputs, kernelSize: kernel, padding: .same, dilation: dilation, groups: settings.groups,
                    hasBias: bias != nil, device: device)
            default:
                Conv3d(
                    inputs, outputs, kernelSize: kernel, padding: .same, dilation: dilation, groups: settings.groups,
                    hasBias: bias != nil, device: device)
            }
        layer.weight.assign(weight)
        if let bias { layer.bias?.assign(bias) }
        return layer
    }

    @Test(arguments: devices) func pooling(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("pooling")
        for name in fixture.names.filter({ $0.hasSuffix(".config") }).map({ String($0.dropLast(7)) }) {
            let settings = Settings(try fixture.integers("\(name).config"))
            let (kernel, stride, padding) = (settings.kernel, settings.stride, settings.padding)
            let x = try fixture.tensor("\(name).x", on: subject.device).requiringGradient()
            let (outputs, layer): (Tensor, String) =
                switch settings.kind {
                case 0:
                    (
                        x.maxPooled(
                            kernel: kernel, stride: stride, padding: padding, dilation: settings.dilation,
                            roundsUp: settings.flag), "MaxPool"
                    )
                case 1, 2:
                    (
                        x.averagePooled(
                            kernel: kernel, stride: stride, padding: padding, countsPadding: settings.kind == 1,
                            roundsUp: settings.flag), "AvgPool"
                    )
                case 3: (x.adaptiveMaxPooled(to: kernel), "AdaptiveMaxPool")
                default: (x.adaptiveAveragePooled(to: kernel), "AdaptiveAvgPool")
                }
            let piece = Piece.layer("\(layer)\(settings.axes)d")
            try expectClose(outputs, try fixture.values("\(name).outputs"), 1e-5, name, of: piece)
            try outputs.backward(gradient: try fixture.tensor("\(name).upstream", on: subject.device))
            let gradient = try #require(x.gradient)
            try expectClose(
                gradient, try fixture.values("\(name).gradients.x"), 1e-5, "gradient of \(name)", of: piece, .gradients)
        }
    }

    @Test(arguments: devices) func channels(_ subject: BackendUnderTest) throws {
        let fixture = try Fixture("channels")
        try withDevice(subject.device) {
            for layer in [BatchNorm2d(3), BatchNorm3d(2)] as [BatchNorm] {
                let name = "\(type(of: layer))"
                func expected(_ part: String) throws -> [Float] { try fixture.values("\(name).\(part)") }
                layer.weight?.assign(try fixture.tensor("\(name).weight", on: subject.device))
                layer.bias?.assign(try fixture.tensor("\(name).bias", on: subject.device))
                let x = try fixture.tensor("\(name).x", on: subject.device).requiringGradient()
                let outputs = layer(x)
                try expectClose(outputs, try expected("outputs"), 1e-5, name, of: .layer(name))
                try outputs.backward(gradient: try fixture.tensor("\(name).upstream", on: subject.device))
                for (part, gradient) in [
                    ("x", x.gradient), ("weight", layer.weight?.gradient), ("bias", layer.bias?.gradient),
                ] {
                    let gradient = try #require(gradient)
                    try expectClose(
                        gradient, try expected("gradients.\(part)"), 1e-5, "\(name), gradient of \(part)",
                        of: .layer(name), .gradients)
                }
                for (part, buffer) in [("running_mean", layer.runningMean), ("running_var", layer.runningVariance)] {
                    let buffer = try #require(buffer)
                    try expectClose(buffer.value, try expected(part), 1e-5, "\(name), \(part)", of: .layer(name))
                }
                let pool = GlobalAveragePool()
                try expectClose(
                    pool(x.detached()), try expected("mean"), 1e-5, "mean", of: .layer("GlobalAveragePool"))
            }
        }
    }

    /// A state dictionary of PyTorch loads as it is; training normalises by the batch, evaluation does not.
    @Test(arguments: devices) func residualNetworks(_ subject: BackendUnderTest) throws {
        try withDevice(subject.device) {
            let networks = [
                ("resnet18", ResNet.resNet18(classes: 5, width: 2)),
                ("resnet50", ResNet(.bottleneck, blocks: [1, 2, 1, 1], classes: 4, width: 1)),
            ]
            for (name, model) in networks {
                let fixture = try Fixture(name)
                let piece = Piece.layer(name == "resnet18" ? "BasicBlock" : "Bottleneck")
                try model.load(from: Fixture.path("\(name)-state"))
                for mode in ["eval", "train"] {
                    if mode == "train" { model.setMode(.training) } else { model.setMode(.evaluation) }
                    model.zeroGradients()
                    let x = try fixture.tensor("eval.x", on: subject.device).requiringGradient()
                    let outputs = model(x)
                    // In training, a few values make a variance: what rounding changes there, 20 layers magnify.
                    for piece in [piece, .layer("ResNet")] {
                        try expectClose(
                            outputs, try fixture.values("\(mode).outputs"), 1e-4, "\(name), \(mode)", of: piece)
                    }
                    try outputs.backward(gradient: try fixture.tensor("\(mode).upstream", on: subject.device))
                    let gradient = try #require(x.gradient)
                    try expectClose(
                        gradient, try fixture.values("\(mode).gradients.x"), 1e-4, "\(name), gradient in \(mode)",
                        of: piece, .gradients)
                }
                for (part, parameter) in [("conv1", model.conv1.weight), ("fc", model.fc.weight)] {
                    let gradient = try #require(parameter.gradient)
                    try expectClose(
                        gradient, try fixture.values("train.gradients.\(part)"), 1e-4, "\(name), gradient of \(part)",
                        of: piece, .gradients)
                }
                let mean = try #require(model.bn1.runningMean).value
                try expectClose(mean, try fixture.values("train.running_mean"), 1e-5, "\(name), running mean")
            }
        }
    }

    /// Fifty steps of SGD with momentum from PyTorch's weights give PyTorch's losses.
    @Test(arguments: devices, Shortcut.allCases)
    func training(_ subject: BackendUnderTest, _ shortcut: Shortcut) throws {
        let fixture = try Fixture("small-resnet-\(shortcut)")
        try withDevice(subject.device) {
            let model = SmallResNet(depth: 8, classes: 3, width: 2, shortcut: shortcut)
            for parameter in model.parameters {
                parameter.assign(try fixture.tensor("state.\(parameter.name)", on: subject.device))
            }
            let inputs = try fixture.tensor("inputs", on: subject.device)
            let targets = try fixture.integers("targets")
            let optimizer = SGD(model.parameters, learningRate: 0.02, momentum: 0.9, weightDecay: 1e-4)
            let expected = try fixture.values("losses")
            let batch = inputs.shape[1]
            var losses: [Tensor] = []
            for step in expected.indices {
                let index = step % inputs.shape[0]
                model.zeroGradients()
                let labels = Tensor([Int32](targets[index * batch..<(index + 1) * batch]), device: subject.device)
                let loss = crossEntropy(model(inputs.selecting(index)), labels)
                try loss.backward()
                try optimizer.step()
                losses.append(loss.detached())
            }
            try expectClose(
                Tensor.stacked(losses), expected, 1e-4, "losses with \(shortcut)", of: .layer("SmallResNet"), .steps)
        }
    }
}
