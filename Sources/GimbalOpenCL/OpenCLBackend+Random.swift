import GimbalBackend

extension OpenCLBackend {
    public func randomUniform(_ out: TensorView, _ state: RandomState) {
        random(.randomUniform, out, state)
    }

    public func randomNormal(_ out: TensorView, _ state: RandomState) {
        random(.randomNormal, out, state)
    }

    private func random(_ kernel: KernelName, _ out: TensorView, _ state: RandomState) {
        guard areFloat32([out]) else { return widening([.write(out)]) { random(kernel, $0[0]!, state) } }
        let isWide = needsWideIndex([out])
        launch(
            KernelKey(kernel, [.flag(.wideIndex, isWide)]), count: (out.elementCount + 3) / 4,
            [
                .view(out), .bits64(state.seed), .bits64(state.counter), .index(out.elementCount, isWide: isWide),
            ])
    }

    public func dropout(_ x: TensorView, probability: Double, _ state: RandomState, out: TensorView) {
        guard areFloat32([x, out]) else {
            return widening([.read(x), .write(out)]) {
                dropout($0[0]!, probability: probability, state, out: $0[1]!)
            }
        }
        let isWide = needsWideIndex([out])
        launch(
            KernelKey(.dropout, [.flag(.wideIndex, isWide)]), count: (out.elementCount + 3) / 4,
            [
                .view(out), .view(x), .bits64(state.seed), .bits64(state.counter), .float(probability),
                .float(1 / (1 - probability)), .index(out.elementCount, isWide: isWide),
            ])
    }
}
