import GimbalBackend

extension OpenCLBackend {
    public func temporalClassification(
        _ emissions: TensorView, skips: TensorView, lengths: TensorView, losses: TensorView, forward: TensorView
    ) {
        guard losses.elementCount > 0 else { return }
        guard areFloat32([emissions, losses, forward]) else {
            return widening([.read(emissions), .write(losses), .write(forward)]) {
                temporalClassification($0[0]!, skips: skips, lengths: lengths, losses: $0[1]!, forward: $0[2]!)
            }
        }
        launchPaths(
            .pathLosses, emissions,
            [.view(emissions), .view(skips), .view(lengths), .view(losses), .view(forward)])
    }

    public func temporalClassificationGradient(
        _ emissions: TensorView, skips: TensorView, lengths: TensorView, losses: TensorView, forward: TensorView,
        lossGradient: TensorView, out: TensorView
    ) {
        guard out.elementCount > 0 else { return }
        guard areFloat32([emissions, losses, forward, lossGradient, out]) else {
            return widening([.read(emissions), .read(losses), .read(forward), .read(lossGradient), .write(out)]) {
                temporalClassificationGradient(
                    $0[0]!, skips: skips, lengths: lengths, losses: $0[1]!, forward: $0[2]!, lossGradient: $0[3]!,
                    out: $0[4]!)
            }
        }
        reportingErrors {
            let ahead = try allocate([emissions.shape[1], 2, emissions.shape[2]])
            launchPaths(
                .pathGradient, emissions,
                [
                    .view(emissions), .view(skips), .view(lengths), .view(losses), .view(forward),
                    .view(lossGradient), .view(out), .buffer(ahead.storage), .int64(lossGradient.strides[0]),
                ])
        }
    }

    /// Launches a kernel with a work-group for each sample, and ends its arguments with the sizes of the emissions.
    private func launchPaths(_ kernel: KernelName, _ emissions: TensorView, _ arguments: [KernelArgument]) {
        let isWide = needsWideIndex([emissions])
        let size = openCLDevice.isCPU ? 8 : 128
        launch(
            KernelKey(kernel, [.number(.lanes, 1), .number(.slots, size), .flag(.wideIndex, isWide)]),
            groups: (emissions.shape[1], 1, 1), groupSize: size,
            arguments + emissions.shape.map { .index($0, isWide: isWide) })
    }
}
