import Foundation

/// How many bytes of addresses this process may have (`ulimit -v`); nil where that is not limited.
package var addressSpaceLimit: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 else { return nil }
    return limit.rlim_cur < rlim_t(Int.max) ? Int(limit.rlim_cur) : nil
}
