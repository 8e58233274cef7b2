#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A thread of the system's own, which it may have none of to give: Foundation's `Thread` keeps silent where it does not start.
package struct SystemThread: Sendable {
    private let thread: pthread_t

    /// Runs `body` on a new thread.
    /// - Parameter stackByteCount: of its stack; nil for the system's choice.
    /// - Throws: `GimbalError.outOfMemory` where a limit leaves too little for the stack, `GimbalError.deviceFailed`.
    package init(stackByteCount: Int? = nil, _ body: @escaping @Sendable () -> Void) throws {
        if let stackByteCount, !hasAddressSpace(for: stackByteCount) {
            throw GimbalError.outOfMemory(
                device: "host", requestedBytes: stackByteCount, usedBytes: 0, place: "the stack of a thread")
        }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        if let stackByteCount { pthread_attr_setstacksize(&attributes, stackByteCount) }
        let work = Unmanaged.passRetained(Work(run: body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<Work>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, work.toOpaque())
        guard status == 0 else {
            work.release()
            throw GimbalError.deviceFailed(
                device: "host", operation: "starting a thread",
                reason: "\(String(cString: strerror(status))); ulimit -u says how many there may be")
        }
        self.thread = thread
    }

    /// Waits until it has ended.
    package func join() { pthread_join(thread, nil) }

    /// Lets it end by itself.
    package func detach() { pthread_detach(thread) }

    private final class Work: Sendable {
        let run: @Sendable () -> Void
        init(run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
