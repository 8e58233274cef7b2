import CGimbalLoops

extension GradientExchange {
    /// Puts the sum over all ranks in the place of each element, while elements go from rank to rank as `wire`.
    ///
    /// Each rank sums a part of the elements in float32, in the order of ranks, and gives the sums to all. Elements and sums are
    /// rounded to the nearest of `wire`, ties to even; those that float16 has not become infinite, which nobody is told. All
    /// ranks come to the same bits. One rank alone keeps what it has.
    /// - Parameters:
    ///   - elements: any count of them.
    ///   - wire: bfloat16 and float16 move half the bytes of float32, which is `allReduce` as it is.
    public func allReduce(_ elements: UnsafeMutableBufferPointer<Float>, wire: WireType) throws {
        guard wire != .float32 else { return try allReduce(elements, .sum) }
        guard size > 1 else { return }
        // What is held beside the elements stays small.
        let atOnce = 1 << 22
        let buffers = NarrowBuffers(wire, ranks: size, elements: min(elements.count, atOnce))
        for start in stride(from: 0, to: elements.count, by: atOnce) {
            let end = min(start + atOnce, elements.count)
            try sum(UnsafeMutableBufferPointer(rebasing: elements[start..<end]), buffers)
        }
    }

    private func sum(_ elements: UnsafeMutableBufferPointer<Float>, _ buffers: NarrowBuffers) throws {
        let part = buffers.part(of: elements.count)
        let bytes = part * size * NarrowBuffers.elementSize
        let own = UnsafeMutableRawBufferPointer(rebasing: buffers.own[..<bytes])
        let all = UnsafeMutableRawBufferPointer(rebasing: buffers.all[..<bytes])
        let sums = UnsafeMutableRawBufferPointer(rebasing: own[..<(part * NarrowBuffers.elementSize)])
        buffers.narrow(elements.baseAddress!, into: own.baseAddress!, elements.count)
        // The last part is filled up, so that parts are of one size.
        own[(elements.count * NarrowBuffers.elementSize)...].initializeMemory(as: UInt8.self, repeating: 0)
        try allToAll(UnsafeRawBufferPointer(own), into: all)
        buffers.sumParts(of: all.baseAddress!, into: sums.baseAddress!, part)
        try allGather(UnsafeRawBufferPointer(sums), into: all)
        buffers.widen(all.baseAddress!, into: elements.baseAddress!, elements.count)
    }
}

/// Memory for elements on their way, and the loops between float32 and their type.
private final class NarrowBuffers {
    static let elementSize = 2

    /// `ranks` parts each.
    let own, all: UnsafeMutableRawBufferPointer
    private let ranks: Int
    private let narrows, widens, adds: gimbal_inner
    /// Parts are summed so many elements at a time, which stay in the processor's cache.
    private static let block = 4096
    private let sum = UnsafeMutablePointer<Float>.allocate(capacity: block)
    private let addend = UnsafeMutablePointer<Float>.allocate(capacity: block)

    init(_ wire: WireType, ranks: Int, elements: Int) {
        self.ranks = ranks
        let loops = gimbal_loops_best().pointee
        let type = Int((wire == .float16 ? gimbal_float16 : gimbal_bfloat16).rawValue)
        let (float32, types) = (Int(gimbal_float32.rawValue), Int(gimbal_type_count.rawValue))
        (narrows, widens) = withUnsafeBytes(of: loops.convert) {
            let table = $0.bindMemory(to: gimbal_inner.self)
            return (table[float32 * types + type], table[type * types + float32])
        }
        adds = withUnsafeBytes(of: loops.binary) {
            $0.bindMemory(to: gimbal_inner.self)[Int(gimbal_binary_add.rawValue)]
        }
        let bytes = (elements + ranks - 1) / ranks * ranks * Self.elementSize
        own = .allocate(byteCount: bytes, alignment: 64)
        all = .allocate(byteCount: bytes, alignment: 64)
    }

    deinit {
        own.deallocate()
        all.deallocate()
        sum.deallocate()
        addend.deallocate()
    }

    /// Elements that each rank sums, of `count`.
    func part(of count: Int) -> Int { (count + ranks - 1) / ranks }

    func narrow(_ elements: UnsafeMutablePointer<Float>, into result: UnsafeMutableRawPointer, _ count: Int) {
        run(narrows, [result, UnsafeMutableRawPointer(elements)], count)
    }

    func widen(_ elements: UnsafeMutableRawPointer, into result: UnsafeMutablePointer<Float>, _ count: Int) {
        run(widens, [UnsafeMutableRawPointer(result), elements], count)
    }

    /// The sums, over ranks in their order, of parts of `count` elements.
    func sumParts(of elements: UnsafeMutableRawPointer, into result: UnsafeMutableRawPointer, _ count: Int) {
        for start in stride(from: 0, to: count, by: Self.block) {
            let width = min(Self.block, count - start)
            widen(elements + start * Self.elementSize, into: sum, width)
            for rank in 1..<ranks {
                widen(elements + (rank * count + start) * Self.elementSize, into: addend, width)
                let total = UnsafeMutableRawPointer(sum)
                run(adds, [total, total, UnsafeMutableRawPointer(addend)], width)
            }
            narrow(sum, into: result + start * Self.elementSize, width)
        }
    }

    private func run(_ loop: gimbal_inner, _ operands: [UnsafeMutableRawPointer], _ count: Int) {
        let pointers = operands.map { Optional($0.assumingMemoryBound(to: CChar.self)) }
        let strides = [Int](repeating: 1, count: operands.count)
        loop(pointers, strides, count, 0, 0)
    }
}
