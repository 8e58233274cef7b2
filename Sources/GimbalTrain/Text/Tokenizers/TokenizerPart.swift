import Gimbal

/// What is wrong with a tokenizer's file.
struct TokenizerFault: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// A value in a tokenizer's file, and where it stands, for messages.
struct TokenizerPart {
    let value: JSONValue
    /// Such as `model.merges`.
    let place: String

    init(_ value: JSONValue, _ place: String) {
        self.value = value
        self.place = place
    }

    func fault(_ reason: String) -> TokenizerFault { TokenizerFault("\(place): \(reason)") }

    private func unlike(_ wanted: String) -> TokenizerFault {
        let found =
            switch value {
            case .null: "null"
            case .boolean(let value): "\(value)"
            case .number(let text): shown(text)
            case .text(let text): "the text '\(shown(text))'"
            case .list: "a list"
            case .object: "an object"
            }
        return fault("\(wanted) is wanted, not \(found)")
    }

    // MARK: Values

    func text() throws -> String {
        guard case .text(let text) = value else { throw unlike("a text") }
        return text
    }

    func flag() throws -> Bool {
        guard case .boolean(let flag) = value else { throw unlike("true or false") }
        return flag
    }

    func integer() throws -> Int {
        guard case .number(let text) = value, let number = Int(text) else { throw unlike("a whole number") }
        return number
    }

    /// A token's number.
    func tokenNumber() throws -> Int32 {
        guard let number = try Int32(exactly: integer()), number >= 0 else { throw unlike("a token's number") }
        return number
    }

    func list() throws -> [TokenizerPart] {
        guard case .list(let values) = value else { throw unlike("a list") }
        return zip(0..., values).map { TokenizerPart($1, "\(place)[\($0)]") }
    }

    // MARK: Objects

    func members() throws -> [(name: String, value: JSONValue)] {
        guard case .object(let members) = value else { throw unlike("an object") }
        return members
    }

    /// The member of this name; nil where there is none, or it is null.
    func member(_ name: String) throws -> TokenizerPart? {
        guard let member = try members().first(where: { $0.name == name }) else { return nil }
        if case .null = member.value { return nil }
        return TokenizerPart(member.value, place == "the file" ? name : "\(place).\(name)")
    }

    func required(_ name: String) throws -> TokenizerPart {
        guard let member = try member(name) else { throw fault("\(name) is missing") }
        return member
    }

    /// What kind of part it is.
    func type() throws -> String { try required("type").text() }

    /// - Throws: where there is a member that means something unknown.
    func allowOnly(_ names: [String]) throws {
        for member in try members() where !names.contains(member.name) {
            throw fault("'\(shown(member.name))', which is not known there")
        }
    }

    /// The parts of a `Sequence`, in one another or not; this part where it is none.
    func parts(under name: String) throws -> [TokenizerPart] {
        guard try type() == "Sequence" else { return [self] }
        try allowOnly(["type", name])
        return try required(name).list().flatMap { try $0.parts(under: name) }
    }
}
