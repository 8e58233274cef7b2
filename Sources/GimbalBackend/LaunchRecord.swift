/// What a backend has asked of its device since it was opened: in small nets, the number of launches decides the time.
public struct LaunchRecord: Sendable, Hashable, Codable {
    /// Launches of each kernel.
    public var kernels: [String: Int] = [:]
    /// Copies between buffers of the device.
    public var copies = 0
    /// Arguments that were handed to the driver; those that a kernel still has from its last launch are not.
    public var argumentsSet = 0
    /// Times that the host waited for the device.
    public var waits = 0
    /// Bytes copied from the host to the device.
    public var uploadedBytes = 0
    /// Bytes copied from the device to the host.
    public var downloadedBytes = 0

    /// Commands that occupy the device: kernels, and copies within it.
    public var launches: Int { kernels.values.reduce(copies, +) }

    /// The record of a backend that has just been opened.
    public init() {}

    /// What was asked between two records.
    public static func - (later: LaunchRecord, earlier: LaunchRecord) -> LaunchRecord {
        var difference = later
        difference.kernels = later.kernels.merging(earlier.kernels) { $0 - $1 }.filter { $0.value != 0 }
        difference.copies -= earlier.copies
        difference.argumentsSet -= earlier.argumentsSet
        difference.waits -= earlier.waits
        difference.uploadedBytes -= earlier.uploadedBytes
        difference.downloadedBytes -= earlier.downloadedBytes
        return difference
    }
}
