extension Tensor {
    /// Has these int32 lengths, [batch], looked at: one that is out of `range` is an error, thrown by the next call that
    /// waits for the device. The host does not wait to learn it; where the device's memory is its own it looks at once.
    ///
    /// - Parameters:
    ///   - range: the lengths that there may be.
    ///   - operation: what the error names, with the layer.
    package func requireLengths(within range: ClosedRange<Int>, _ operation: String) {
        guard view.isComputed, elementCount > 0 else { return }
        let path = LayerPath.current
        let name = path.isEmpty ? operation : "\(operation) (in layer \(path))"
        @Sendable func check(_ lengths: [Int32]) throws {
            for (index, length) in lengths.enumerated() where !range.contains(Int(length)) {
                throw GimbalError.invalidSetting(
                    name: name,
                    reason:
                        "the length of sequence \(index) is \(length), out of \(range.lowerBound)...\(range.upperBound)"
                )
            }
        }
        let view = view
        let errors = backend.errors
        guard device.isOnHost else {
            return errors.whenWaited(subject: ErrorLatch.CheckSubject(view, within: range)) {
                try check(Tensor(view).integers())
            }
        }
        let lengths = (view.storage.handle + view.byteOffset).assumingMemoryBound(to: Int32.self)
        do {
            try check((0..<elementCount).map { lengths[$0 * view.strides[0]] })
        } catch let error as GimbalError {
            errors.report(error)
        } catch {}
    }
}
