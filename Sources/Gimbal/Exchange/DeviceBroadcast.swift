extension GradientExchange {
    /// Gives the elements of rank `root`, which have no gaps, to all, by way of the host where they lie on a device.
    /// - Throws: `GimbalError.exchange`, and what the device reports.
    package func broadcast(_ elements: TensorView, from root: Int) throws {
        let storage = elements.storage
        // What failed is made anew on the other ranks, but not where there is no memory for it.
        if rank == root || storage.standsIn { try elements.throwIfFailed() }
        let backend = storage.backend
        let count = elements.elementCount * elements.dtype.byteCount
        if backend.isOnHost {
            let start = storage.handle + elements.byteOffset
            try broadcast(UnsafeMutableRawBufferPointer(start: start, count: count), from: root)
            return storage.forgetFailures(in: elements.byteRange)
        }
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBytes {
            if rank == root { try backend.download(storage, byteOffset: elements.byteOffset, into: $0) }
            try broadcast($0, from: root)
        }
        if rank != root {
            bytes.withUnsafeBytes { backend.upload($0, to: storage, byteOffset: elements.byteOffset) }
        }
    }
}
