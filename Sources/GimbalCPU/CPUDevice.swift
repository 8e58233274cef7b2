import CGimbalLoops
import COpenBLAS
import Foundation
import GimbalBackend

/// How a CPU backend is to run: what the caller asked for, else what the environment says, else what the machine has.
package struct CPUSettings {
    var threads: Int
    var loops: UnsafePointer<gimbal_loops>
    /// One sentence for each setting that could not be followed, or that slows the backend down.
    var notes: [String] = []

    init(threads: Int?, level: String?, environment: [String: String]) {
        self.threads = Int(gimbal_available_cores())
        loops = gimbal_loops_best()
        if let threads {
            self.threads = max(threads, 1)
        } else if let threads = Self.threads(in: environment) {
            self.threads = threads
        } else if let setting = environment["GIMBAL_THREADS"], !setting.isEmpty {
            notes.append("GIMBAL_THREADS is '\(setting)', which is no number from 1 to 1024, and is ignored.")
        }
        if let level = level ?? environment["GIMBAL_CPU_LEVEL"] {
            if let loops = gimbal_loops_named(level) {
                self.loops = loops
            } else {
                notes.append(
                    "The instruction level '\(level)' is unknown or not of this processor; "
                        + "\(String(cString: loops.pointee.name)) is used.")
            }
        }
        if let core = environment["OPENBLAS_CORETYPE"] {
            notes.append(
                "OPENBLAS_CORETYPE is '\(core)', which can keep OpenBLAS from newer instructions; "
                    + "without it the processor is recognised.")
        }
    }

    /// How many threads GIMBAL_THREADS of the environment asks for, 1 to 1024; nil where it says nothing that makes sense.
    package static func threads(in environment: [String: String]) -> Int? {
        guard let threads = environment["GIMBAL_THREADS"].flatMap({ Int($0) }), (1...1024).contains(threads) else {
            return nil
        }
        return threads
    }
}

func describeProcessor(threads: Int, _ settings: CPUSettings) -> DeviceDescription {
    let processor = processorName()
    let level = String(cString: settings.loops.pointee.name)
    let configuration = String(cString: openblas_get_config()).split(separator: " ")
    let version = configuration.prefix(2).joined(separator: " ")
    return DeviceDescription(
        id: "cpu", backend: "cpu", name: "\(processor.name) (\(level))", vendor: processor.vendor,
        driver: "\(version), \(String(cString: openblas_get_corename()))",
        memoryBytes: HostMemory.byteCount, computeUnits: threads,
        notes: settings.notes)
}

/// What /proc/cpuinfo says of the first processor.
private func processorName() -> (name: String, vendor: String) {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    func field(_ name: String) -> String? {
        text.split(separator: "\n").first { $0.hasPrefix(name) }.flatMap { line in
            line.split(separator: ":", maxSplits: 1).dropFirst().first.map {
                $0.trimmingCharacters(in: .whitespaces)
            }
        }
    }
    return (field("model name") ?? "processor", field("vendor_id") ?? "unknown")
}
