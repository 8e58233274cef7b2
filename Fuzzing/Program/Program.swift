import Gimbal
import Glibc

/// The reader that is fuzzed: `GIMBAL_FUZZ_TARGET` names it. Where none is named, all names are printed.
private let target: Target = {
    let name = getenv("GIMBAL_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    if let target = Target.all.first(where: { $0.name == name }) { return target }
    print(Target.all.map(\.name).joined(separator: "\n"))
    exit(name.isEmpty ? 0 : 64)
}()

/// What libFuzzer calls before the first.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutableRawPointer
) -> CInt {
    _ = target.name
    return 0
}

/// What libFuzzer calls with each of its inputs.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do {
        try target.read(Input(UnsafeBufferPointer(start: start, count: count)))
    } catch let error as GimbalError {
        requireLine("\(error)", "what a reader throws")
    } catch {
        fail("thrown was a \(type(of: error)), which is no GimbalError: \(error)")
    }
    return 0
}

/// Stops the program where a message is not what a terminal may show: one line, not longer than a screen.
func requireLine(_ message: String, _ what: String) {
    let scalars = message.unicodeScalars
    if let wrong = scalars.first(where: { $0.value < 0x20 || 0x7F...0x9F ~= $0.value }) {
        fail("\(what) has the control character \(wrong.value) in it: \(message.debugDescription)")
    }
    if message.isEmpty { fail("\(what) says nothing") }
    if scalars.count > 4000 { fail("\(what) has \(scalars.count) characters: \(message.prefix(200))…") }
}

/// Stops the program, which libFuzzer takes for a crash by this input.
func fail(_ reason: String) -> Never { fatalError(reason) }
