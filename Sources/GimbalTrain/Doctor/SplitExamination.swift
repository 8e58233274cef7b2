extension Doctor {
    /// Looks for samples that are in both parts of the data, where what is learnt by heart passes for what is learnt.
    ///
    /// Samples of a few features, such as the rows of a table of categories, are alike by chance, and are not looked at.
    /// - Parameters:
    ///   - train: what is trained on; of much data, the first 50 000 samples.
    ///   - validation: what is judged by; of much data, the first 10 000.
    /// - Returns: none, or `Illness.repeatedSamples` where a share of more than `Thresholds.sharedSamples` of the validation
    ///   data is in the training data.
    /// - Throws: what reading the data throws.
    public func examine(train: any SupervisedData, validation: any SupervisedData) throws -> [Finding] {
        guard train.featureCount >= 8, train.featureCount == validation.featureCount else { return [] }
        var known = Set<[Float]>()
        func rows(_ data: any SupervisedData, _ limit: Int, _ body: ([Float]) -> Void) throws {
            let samples = try data.examples(limit: limit)
            for place in 0..<min(samples.count, limit) { body(samples.batch([place]).inputs) }
        }
        try rows(train, 50_000) { known.insert($0) }
        var (shared, count) = (0, 0)
        try rows(validation, 10_000) { row in
            count += 1
            if known.contains(row) { shared += 1 }
        }
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
