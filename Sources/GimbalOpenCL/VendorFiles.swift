import Foundation

/// The files that tell the OpenCL loader which drivers there are, each the name of a driver's library.
package struct VendorFiles {
    /// A folder of files `*.icd`, or one such file.
    let place: String

    /// The files of this place.
    package init(place: String) { self.place = place }

    /// Where the loader looks: `$OCL_ICD_VENDORS`, else `/etc/OpenCL/vendors`.
    package static var standard: VendorFiles {
        let named = ProcessInfo.processInfo.environment["OCL_ICD_VENDORS"]
        return VendorFiles(place: named.flatMap { $0.isEmpty ? nil : $0 } ?? "/etc/OpenCL/vendors")
    }

    /// A clause for each file whose driver cannot be loaded: the loader passes over them without a word.
    package func brokenDrivers() -> [String] {
        let inFolder = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
        let files = place.hasSuffix(".icd") ? [place] : inFolder.sorted().map { "\(place)/\($0)" }
        return files.filter { $0.hasSuffix(".icd") }.compactMap { file in
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return "\(file) cannot be read" }
            let library = text.split(separator: "\n").first?.trimmingCharacters(in: .whitespaces) ?? ""
            guard !library.isEmpty else { return "\(file) names no driver" }
            guard let handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL) else {
                let reason = dlerror().map { String(cString: $0) } ?? "for no reason that it tells"
                return "the driver \(library) that \(file) names cannot be loaded (\(reason))"
            }
            dlclose(handle)
            return nil
        }
    }
}
