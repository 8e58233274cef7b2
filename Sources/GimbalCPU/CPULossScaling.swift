import GimbalBackend

extension CPUBackend {
    public func updateLossScale(
        _ state: TensorView, condition: TensorView, growth: Double, backoff: Double, interval: Int
    ) {
        computing([condition], out: state, keepsOutput: true, contiguous: true) { inputs, state in
            let values = state.floats
            guard inputs[0].floats[0] != 0 else {
                values[0] *= Float(backoff)
                values[1] = 0
                values[2] += 1
                return
            }
            values[1] += 1
            guard values[1] == Float(interval) else { return }
            values[1] = 0
            let grown = values[0] * Float(growth)
            if grown.isFinite { values[0] = grown }
        }
    }
}
