import Foundation
import GimbalBackend

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
///
/// `sm_90:132:dry` only counts: no kernel is compiled or run, so that results mean nothing, and what a training step asks of
/// such a GPU is known at once.
struct PretendedGPU: Hashable, Sendable, CustomStringConvertible {
    var capability: ComputeCapability
    var units: Int
    /// Whether kernels are neither compiled nor run.
    var isDry: Bool

    /// From text such as `sm_90:132` (the units are 132 where they are left out) or `sm_90:132:dry`; nil where it is not of
    /// this form.
    init?(_ text: String) {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)
        isDry = parts.last == "dry"
        if isDry { parts.removeLast() }
        guard (1...2).contains(parts.count), let capability = ComputeCapability(parts[0]),
            let units = parts.count == 2 ? Int(parts[1]) : 132, units > 0
        else { return nil }
        self.capability = capability
        self.units = units
    }

    /// As devices are called that play it.
    var description: String { "\(capability) of \(units) units\(isDry ? ", dry" : "")" }

    /// The one that the environment asks for.
    static let wanted: PretendedGPU? = {
        do { return try asked() } catch GimbalError.invalidSetting(let name, let reason) {
            stop(name, reason)
        } catch { stop("GIMBAL_PRETEND_GPU", "\(error)") }
    }()

    /// The same of the environment as it is now.
    /// - Throws: `GimbalError.invalidSetting` where it asks for what is no GPU.
    fileprivate static func asked() throws -> PretendedGPU? {
        guard let text = ProcessInfo.processInfo.environment["GIMBAL_PRETEND_GPU"], !text.isEmpty else { return nil }
        guard let gpu = PretendedGPU(text) else {
            throw GimbalError.invalidSetting(
                name: "GIMBAL_PRETEND_GPU", reason: "'\(shown(text))' is no GPU such as sm_90:132 or sm_90:132:dry")
        }
        return gpu
    }
}

/// Makes sure that `GIMBAL_PRETEND_GPU` asks for a GPU, where it asks for any: looking for devices stops the program over one that is
/// none, as a library has to.
/// - Throws: `GimbalError.invalidSetting`.
package func requirePretendedGPU() throws { _ = try PretendedGPU.asked() }
