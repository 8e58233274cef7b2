import Foundation

/// The generation of an NVIDIA GPU, which decides what instructions it has: `sm_80` is Ampere, `sm_89` Ada, `sm_90` Hopper,
/// `sm_120` Blackwell.
struct ComputeCapability: Hashable, Comparable, Sendable, CustomStringConvertible {
    var major: Int
    var minor: Int

    static func < (a: Self, b: Self) -> Bool { (a.major, a.minor) < (b.major, b.minor) }

    var description: String { "sm_\(major)\(minor)" }

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// From a name such as `sm_86` or `sm_120`; nil where it is none.
    init?(_ name: some StringProtocol) {
        guard name.hasPrefix("sm_"), let number = Int(name.dropFirst(3)), number >= 10 else { return nil }
        self.init(major: number / 10, minor: number % 10)
    }
}

/// A GPU that every OpenCL device plays where `GIMBAL_PRETEND_GPU` asks for it, such as `sm_90:132`: the plans of a GPU of that
/// architecture with that many units are made, run and tested on whatever there is, a CPU included. What NVIDIA's
/// compiler would take as PTX runs as plain OpenCL C there. For tests: it makes a CPU slower.
struct PretendedGPU: Hashable, Sendable {
    var capability: ComputeCapability
    var units: Int

    /// From text such as `sm_90:132` (the units are 132 where they are left out); nil where it is not of this form.
    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let capability = ComputeCapability(parts[0]),
            let units = parts.count == 2 ? Int(parts[1]) : 132, units > 0
        else { return nil }
        self.capability = capability
        self.units = units
    }

    /// The one that the environment asks for.
    static let wanted: PretendedGPU? = ProcessInfo.processInfo.environment["GIMBAL_PRETEND_GPU"].flatMap(Self.init)
}
