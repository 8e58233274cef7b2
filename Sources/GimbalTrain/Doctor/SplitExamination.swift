extension Doctor {
    /// Looks for samples that are in both parts of the data, where what is learnt by heart passes for what is learnt.
    ///
    /// Samples of a few features, such as the rows of a table of categories, are alike by chance, and are not looked at.
    /// - Parameters:
    ///   - train: what is trained on; of much data, the first 50 000 samples, or 2²⁵ numbers of fewer but larger ones.
    ///   - validation: what is judged by; of much data, the first 10 000, with the same limit.
    /// - Returns: none, or `Illness.repeatedSamples` where a share of more than `Thresholds.sharedSamples` of the validation
    ///   data is in the training data.
    /// - Throws: what reading the data throws.
    public func examine(train: any SupervisedData, validation: any SupervisedData) throws -> [Finding] {
        guard train.featureCount >= 8, train.featureCount == validation.featureCount else { return [] }
        /// Of each sample a number that only equal ones have in common, but for one pair in 10¹⁹.
        func fingerprints(_ data: any SupervisedData, atMost limit: Int) throws -> [Int] {
            let samples = try data.examples(limit: min(limit, max(1, (1 << 25) / data.featureCount)))
            var made: [Int] = []
            made.reserveCapacity(samples.count)
            try samples.forEachBatch(of: 256) { batch in
                func add(_ bytes: UnsafeRawBufferPointer) {
                    let width = bytes.count / batch.count
                    for place in 0..<batch.count {
                        var hasher = Hasher()
                        hasher.combine(
                            bytes: UnsafeRawBufferPointer(rebasing: bytes[width * place..<width * (place + 1)]))
                        made.append(hasher.finalize())
                    }
                }
                batch.tokens.isEmpty ? batch.inputs.withUnsafeBytes(add) : batch.tokens.withUnsafeBytes(add)
            }
            return made
        }
        let known = Set(try fingerprints(train, atMost: 50_000))
        let judged = try fingerprints(validation, atMost: 10_000)
        let (shared, count) = (judged.count { known.contains($0) }, judged.count)
        guard count > 0, Double(shared) > thresholds.sharedSamples * Double(count) else { return [] }
        return [
            Finding(
                .repeatedSamples,
                "\(shared) of \(count) samples of the validation data are in the training data as well, so that it says little "
                    + "of new ones",
                remedies: [
                    Remedy("take out what comes twice before the data is split")
                ])
        ]
    }
}
