import Foundation
@_spi(Reflection) import Swift

/// The stored properties of a module as they were when its parts were found, to tell by comparing a few bytes whether they
/// still are. Reflection costs microseconds for each property, and parameters are asked for at every step.
struct PropertySnapshot {
    private unowned let module: Module
    /// Where properties lie that may hold parts; nil where the class cannot tell.
    private let ranges: [Range<Int>]?
    private let bytes: [UInt8]
    /// The collections among the properties. With this second reference, a change in place moves them to other memory, and
    /// is seen.
    private let collections: [Any]

    init(of module: Module) {
        self.module = module
        ranges = PropertyLayout.ranges(of: type(of: module))
        bytes = (ranges ?? []).flatMap { module.memory($0) }
        var collections: [Any] = []
        var mirror: Mirror? = Mirror(reflecting: module)
        while let level = mirror, level.subjectType != Module.self {
            for child in level.children { collections += collectionsWithParts(in: child.value) }
            mirror = level.superclassMirror
        }
        self.collections = collections
    }

    /// Whether all properties hold what they held.
    var isCurrent: Bool {
        guard let ranges else { return false }
        return bytes.withUnsafeBytes { bytes in
            var start = 0
            for range in ranges {
                guard memcmp(module.memory(range).baseAddress!, bytes.baseAddress! + start, range.count) == 0 else {
                    return false
                }
                start += range.count
            }
            return true
        }
    }
}

extension Module {
    /// These bytes of the object.
    fileprivate final func memory(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: UnsafeRawPointer(Unmanaged.passUnretained(self).toOpaque()) + range.lowerBound, count: range.count)
    }
}

private enum PropertyLayout {
    private static let known = Lock<[ObjectIdentifier: [Range<Int>]]>([:])
    private static let classOption = _EachFieldOptions(rawValue: 1)

    /// The bytes, from the start of an object of this class, of its stored properties but numbers and texts and those that
    /// every module has; nil where they cannot be found.
    static func ranges(of type: Module.Type) -> [Range<Int>]? {
        if let ranges = known.withLock({ $0[ObjectIdentifier(type)] }) { return ranges }
        var common = 0
        guard
            _forEachField(
                of: Module.self, options: classOption,
                body: { _, _, _, _ in
                    common += 1
                    return true
                })
        else { return nil }
        var ranges: [Range<Int>] = []
        let isComplete = _forEachField(of: type, options: classOption) { _, offset, fieldType, _ in
            common -= 1
            let size = size(of: fieldType)
            guard common < 0, size > 0, !isPlain(fieldType) else { return true }
            if let last = ranges.last, last.upperBound == offset {
                ranges[ranges.count - 1] = last.lowerBound..<offset + size
            } else {
                ranges.append(offset..<offset + size)
            }
            return true
        }
        guard isComplete else { return nil }
        known.withLock { $0[ObjectIdentifier(type)] = ranges }
        return ranges
    }

    private static func size(of type: Any.Type) -> Int {
        func size<T>(_ type: T.Type) -> Int { MemoryLayout<T>.size }
        return _openExistential(type, do: size)
    }
}
