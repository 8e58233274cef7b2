extension Array where Element: BitwiseCopyable {
    /// `count` elements, all of which `body` writes.
    ///
    /// The standard library's `init(unsafeUninitializedCapacity:initializingWith:)` with a capacity of 0 stores a count
    /// in the empty array that all threads share, which ThreadSanitizer reports.
    package init(count: Int, writtenBy body: (UnsafeMutableBufferPointer<Element>) throws -> Void) rethrows {
        if count == 0 {
            self = []
            try body(UnsafeMutableBufferPointer(start: nil, count: 0))
            return
        }
        try self.init(unsafeUninitializedCapacity: count) { buffer, initialized in
            try body(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialized = count
        }
    }

    /// As `init(count:writtenBy:)`, of any size: where there is no memory for it, that is an error and not the end of the
    /// program.
    /// - Parameter place: what asks for it, as messages say it.
    /// - Throws: `GimbalError.outOfMemory`, and what `body` throws.
    package init(
        refusable count: Int, _ place: @autoclosure () -> String? = nil,
        writtenBy body: (UnsafeMutableBufferPointer<Element>) throws -> Void
    ) throws {
        try requireHostMemory(for: count * MemoryLayout<Element>.stride, place())
        try self.init(count: count, writtenBy: body)
    }
}
