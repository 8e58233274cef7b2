/// Looks for one kind of illness in a run under way.
///
/// ```swift
/// let slow = CourseRule("a loss that stands still") { context in
///     guard context.course.step > 1_000, context.course.isInTrouble else { return [] }
///     return [Finding(.unexplained, "a thousand steps, and no better", step: context.course.step)]
/// }
/// let doctor = Doctor(courseRules: CourseRule.standard + [slow])
/// ```
public struct CourseRule: Sendable {
    /// What it is called.
    public let name: String
    /// Gives the causes found, none in a healthy run. It is asked often, and what it has found once is not raised again.
    public let look: @Sendable (CourseContext) -> [Finding]

    /// A rule of one's own.
    public init(_ name: String, look: @escaping @Sendable (CourseContext) -> [Finding]) {
        self.name = name
        self.look = look
    }

    /// All that Gimbal knows, causes before what they explain.
    public static let standard: [CourseRule] = schedule + updates + divergence + learning
}

/// What a rule may look at.
public struct CourseContext: Sendable {
    /// The run so far.
    public let course: Course
    /// What was found before.
    public let found: [Finding]
    /// From where on something counts.
    public let thresholds: Thresholds

    /// Whether a cause found before produces `sign`.
    public func isExplained(_ sign: Sign) -> Bool { found.contains { $0.illness.explains.contains(sign) } }
}

extension Doctor {
    /// What there is to say of a run that was not said before, the first cause first.
    public func look(at course: Course, known: [Finding] = []) -> [Finding] {
        var found = known
        for rule in courseRules {
            let context = CourseContext(course: course, found: found, thresholds: thresholds)
            for finding in rule.look(context) where !found.contains(where: { $0.illness == finding.illness }) {
                found.append(finding)
            }
        }
        return Array(found.dropFirst(known.count))
    }
}
