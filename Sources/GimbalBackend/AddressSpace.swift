import Foundation

/// How many bytes of addresses this process may have (`ulimit -v`); nil where that is not limited.
package var addressSpaceLimit: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { return nil }
    return limit.rlim_cur < rlim_t(Int.max) ? Int(limit.rlim_cur) : nil
}

/// Whether the process may have so many bytes more and still has some for what cannot be refused without ending the program:
/// objects of Swift's runtime, which are small, and the stacks of threads.
package func hasAddressSpace(for byteCount: Int) -> Bool {
    // Small blocks come out of what the process has.
    guard byteCount >= 1 << 14, let limit = addressSpaceLimit else { return true }
    guard let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8).prefix(while: { $0 != " " }),
        let used = Int(pages).map({ $0 * sysconf(Int32(_SC_PAGESIZE)) })
    else { return true }
    return byteCount <= limit - used - 32 << 20
}
