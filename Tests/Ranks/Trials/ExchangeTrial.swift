import Gimbal

/// Calls every function of an exchange, at sizes that do and do not divide among ranks, and gives what came out wrong. All ranks
/// call it alike.
package func trial(of exchange: any GradientExchange) throws -> [String] {
    var mistakes: [String] = []
    for count in [0, 1, 7, 1003] {
        try mistakes += reductions(exchange, count)
        try mistakes += movements(exchange, count)
        try mistakes += narrowSums(exchange, count)
    }
    try mistakes += notNumbers(exchange)
    let words = try exchange.gathered([UInt8](repeating: UInt8(exchange.rank), count: exchange.rank * 3))
    expect(words == (0..<exchange.size).map { [UInt8](repeating: UInt8($0), count: $0 * 3) }, "gathered", &mistakes)
    let last = exchange.size - 1
    let word = try exchange.broadcast(exchange.rank == last ? [5, 6, 7] : [], from: last)
    expect(word == [5, 6, 7], "broadcast of bytes", &mistakes)
    expect(try exchange.anyRank(exchange.rank == last), "anyRank, where it is so", &mistakes)
    expect(try !exchange.anyRank(false), "anyRank, where it is not so", &mistakes)
    try exchange.barrier()
    return mistakes
}

private func expect(_ isRight: Bool, _ what: String, _ mistakes: inout [String]) {
    if !isRight { mistakes.append(what) }
}

/// Whole numbers, whose sums are exact.
private func element(_ place: Int, of rank: Int) -> Int { (place * 7 + rank * 5) % 11 - 5 }

private func reductions(_ exchange: any GradientExchange, _ count: Int) throws -> [String] {
    var mistakes: [String] = []
    let (all, rank) = (0..<exchange.size, exchange.rank)
    for (reduction, name) in [(ExchangeReduction.sum, "sum"), (.maximum, "maximum"), (.minimum, "minimum")] {
        let expected = (0..<count).map { place in
            let elements = all.map { Double(element(place, of: $0)) }
            return elements.dropFirst().reduce(elements[0]) { reduction($0, $1) }
        }
        var single = (0..<count).map { Float(element($0, of: rank)) }
        try single.withUnsafeMutableBufferPointer { try exchange.allReduce($0, reduction) }
        expect(single.map(Double.init) == expected, "\(name) of \(count) in float32", &mistakes)
        var double = (0..<count).map { Double(element($0, of: rank)) }
        try double.withUnsafeMutableBufferPointer { try exchange.allReduce($0, reduction) }
        expect(double == expected, "\(name) of \(count) in float64", &mistakes)
    }
    return mistakes
}

private func movements(_ exchange: any GradientExchange, _ count: Int) throws -> [String] {
    func byte(_ place: Int, _ rank: Int, _ part: Int = 0) -> UInt8 {
        UInt8(truncatingIfNeeded: place &* 31 &+ rank &* 17 &+ part &* 101)
    }
    var mistakes: [String] = []
    let (all, rank, root) = (0..<exchange.size, exchange.rank, exchange.size / 2)
    var own = (0..<count).map { byte($0, rank) }
    var result = [UInt8](repeating: 0, count: count * exchange.size)
    try own.withUnsafeBytes { own in try result.withUnsafeMutableBytes { try exchange.allGather(own, into: $0) } }
    expect(result == all.flatMap { rank in (0..<count).map { byte($0, rank) } }, "allGather of \(count)", &mistakes)
    try own.withUnsafeMutableBytes { try exchange.broadcast($0, from: root) }
    expect(own == (0..<count).map { byte($0, root) }, "broadcast of \(count)", &mistakes)
    let parts = all.flatMap { part in (0..<count).map { byte($0, rank, part) } }
    try parts.withUnsafeBytes { parts in try result.withUnsafeMutableBytes { try exchange.allToAll(parts, into: $0) } }
    let expected = all.flatMap { source in (0..<count).map { byte($0, source, rank) } }
    expect(result == expected, "allToAll of \(count)", &mistakes)
    return mistakes
}

/// Sums of elements that the narrow types have not.
private func narrowSums(_ exchange: any GradientExchange, _ count: Int) throws -> [String] {
    func fraction(_ place: Int, _ rank: Int) -> Float { Float(element(place, of: rank)) / 3 + Float(place % 5) / 1000 }
    var mistakes: [String] = []
    for wire in WireType.allCases where wire != .float32 {
        let expected = (0..<count).map { place in
            guard exchange.size > 1 else { return fraction(place, 0) }
            return rounded((0..<exchange.size).reduce(Float(0)) { $0 + rounded(fraction(place, $1), wire) }, wire)
        }
        var elements = (0..<count).map { fraction($0, exchange.rank) }
        try elements.withUnsafeMutableBufferPointer { try exchange.allReduce($0, wire: wire) }
        expect(elements == expected, "sum of \(count) over \(wire)", &mistakes)
    }
    var elements = (0..<count).map { Float(element($0, of: exchange.rank)) }
    try elements.withUnsafeMutableBufferPointer { try exchange.allReduce($0, wire: .float32) }
    let expected = (0..<count).map { place in Float((0..<exchange.size).map { element(place, of: $0) }.reduce(0, +)) }
    expect(elements == expected, "sum of \(count) over float32", &mistakes)
    return mistakes
}

/// To the nearest number of so many bits, ties to even; for numbers in the range of float16.
private func rounded(_ number: Float, _ wire: WireType) -> Float {
    guard number != 0 else { return 0 }
    let bits = wire == .bfloat16 ? 7 : 10
    let binade = max(number.binade.magnitude, wire == .float16 ? 0x1p-14 : .leastNormalMagnitude)
    let unit = binade * Float(sign: .plus, exponent: -bits, significand: 1)
    return (number / unit).rounded(.toNearestOrEven) * unit
}

/// NaN of one rank reaches all, in any reduction; what float16 has not becomes infinite.
private func notNumbers(_ exchange: any GradientExchange) throws -> [String] {
    var mistakes: [String] = []
    for source in 0..<exchange.size {
        for reduction in [ExchangeReduction.sum, .maximum, .minimum] {
            let own = exchange.rank == source ? Double.nan : 1
            expect(try exchange.reduced(own, reduction).isNaN, "\(reduction) with NaN of rank \(source)", &mistakes)
        }
        guard exchange.size > 1 else { continue }
        for wire in WireType.allCases {
            var elements: [Float] = [exchange.rank == source ? .nan : 1, exchange.rank == source ? 70_000 : 1]
            try elements.withUnsafeMutableBufferPointer { try exchange.allReduce($0, wire: wire) }
            expect(elements[0].isNaN, "sum over \(wire) with NaN of rank \(source)", &mistakes)
            expect(elements[1].isInfinite == (wire == .float16), "70,000 over \(wire)", &mistakes)
        }
    }
    return mistakes
}
