import GimbalTrain

/// What has to be known to use a model without Gimbal: how its inputs are prepared, and what its outputs mean.
struct ModelUse: Encodable {
    /// What was done to a number: (value - mean) / deviation.
    struct Scale: Encodable {
        var mean: Double
        var deviation: Double
    }

    /// One number of a sample of a table, in the order in which the model takes them.
    struct Feature: Encodable {
        var name: String
        /// Nil for a number that stands for itself, such as 1 for a category that is there.
        var scale: Scale?
    }

    var task: ModelSettings.Task
    /// The sizes of one sample as the model takes it.
    var sampleShape: [Int]
    /// The names of the classes in the order of the logits; empty where numbers are predicted.
    var classes: [String]
    /// Of a table, in order.
    var features: [Feature]
    /// Of images, the least and the largest number that was trained on.
    var range: [Double]?
    /// How a predicted number becomes one in the data's units: output · deviation + mean; empty where it is one.
    var targets: [Scale]
    /// Of pictures, how their files become inputs; of a series, how its columns do.
    var pictures: PictureRecord?
    var series: SeriesRecord?
    /// Of texts, how they become tokens.
    var text: TextRecord?
    private let outputs: Int
    private let schema: TableSchema?
    private let standardization: Standardization?

    private enum CodingKeys: CodingKey {
        case task, sampleShape, classes, features, range, targets, pictures, series, text
    }

    init(_ recipe: Recipe) {
        let data = recipe.data
        task = recipe.model.task
        sampleShape = recipe.model.sampleShape.sizes
        classes = task == .classification ? recipe.outputNames : []
        outputs = recipe.model.outputs
        schema = data.table?.schema
        (pictures, series, text) = (data.pictures, data.series, data.text)
        standardization = data.table == nil && data.series == nil ? data.standardization : nil
        features =
            schema.map { schema in
                schema.columns.flatMap { column in
                    column.featureNames.enumerated().map { index, name in
                        // The first feature of a number or a date is its value; its others say what stands beside it.
                        let isValue = index == 0 && column.type != .category && column.type != .boolean
                        let scale = Scale(mean: column.mean, deviation: column.deviation)
                        return Feature(name: name, scale: isValue ? scale : nil)
                    }
                }
            } ?? []
        range = data.inputRange.map { [$0.lowerBound, $0.upperBound] }
        targets =
            data.targetStandardization.map { standardization in
                zip(standardization.targetMeans, standardization.targetDeviations).map {
                    Scale(mean: $0, deviation: $1)
                }
            } ?? []
    }

    /// The texts that the file keeps.
    func metadata() throws -> [String: String] {
        var result = [
            "gimbal.task": task.rawValue, "gimbal.sample_shape": try jsonText(sampleShape),
            "gimbal.input": inputText, "gimbal.output": outputText,
        ]
        if !classes.isEmpty { result["gimbal.classes"] = try jsonText(classes) }
        if !features.isEmpty { result["gimbal.features"] = try jsonText(features) }
        if let schema { result["gimbal.table_schema"] = try jsonText(schema) }
        if let standardization { result["gimbal.standardization"] = try jsonText(standardization) }
        if let pictures { result["gimbal.pictures"] = try jsonText(pictures) }
        if let series { result["gimbal.series"] = try jsonText(series) }
        if let text { result["gimbal.tokenizer"] = text.tokenizer }
        if let range { result["gimbal.input_range"] = try jsonText(range) }
        if !targets.isEmpty { result["gimbal.target_scale"] = try jsonText(targets) }
        return result
    }

    /// One line for a reader.
    var description: String { "input \(inputText); output \(outputText)" }

    private var inputText: String {
        if text != nil {
            return sampleShape.count == 1
                ? "int32 [batch, \(sampleShape[0])], the numbers that the tokenizer in the metadata gives to tokens"
                : "int32 [batch, 2, \(sampleShape[1])], the tokens of a text, and those of the other so far, filled up at the end"
        }
        let form = "float32 [batch, \(sampleShape.map(String.init).joined(separator: ", "))]"
        if !features.isEmpty {
            let scaled = features.count { $0.scale != nil }
            return "\(form), \(features.count) features of a row"
                + (scaled == 0 ? "" : ", \(scaled) of them standardised as gimbal.features in the metadata says")
        }
        if let pictures {
            return
                "\(form), pixels of 0 to 1 by channel, row and column, less \(pictures.means) and divided by "
                + "\(pictures.deviations) channel by channel"
        }
        if let series {
            return
                "\(form), \(series.columns.count == 1 ? "numbers" : "columns") less the last of the window and divided by "
                + "\(series.scales)"
        }
        if standardization != nil { return "\(form), standardised as gimbal.standardization in the metadata says" }
        guard let range else { return "\(form), as the run was given them" }
        return "\(form), numbers from \(TableProfile.short(range[0])) to \(TableProfile.short(range[1]))"
    }

    private var outputText: String {
        if task == .tokens {
            return "logits of the token that follows each, [batch · \(sampleShape.last ?? 0), \(outputs)]"
        }
        if task == .classification { return "logits of \(classes.count) classes, which a softmax makes probabilities" }
        if series != nil {
            return "changes from the last number of the window, to be multiplied by \(targets.first?.deviation ?? 1)"
        }
        guard let scale = targets.first, targets.count == 1 else {
            return targets.isEmpty ? "numbers" : "numbers, to be scaled as gimbal.target_scale in the metadata says"
        }
        if scale.mean == 0 && scale.deviation == 1 { return "a number in the data's units" }
        return "a number, to be multiplied by \(scale.deviation) and added to \(scale.mean)"
    }
}
