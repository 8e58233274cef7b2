/// The begin of the program where SwiftPM was not told of libFuzzer, which else brings one of its own.
@_cdecl("Fuzz_main")
public func begin(_ count: CInt, _ arguments: UnsafeMutableRawPointer) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments, testOneInput)
}

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutableRawPointer>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt
