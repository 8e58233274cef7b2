import Foundation

/// How many trials a test makes that tries by chance or by list: as many as the variable of the environment says, else
/// `count`.
public func wantedTrials(_ variable: String, otherwise count: Int) -> Int {
    ProcessInfo.processInfo.environment[variable].flatMap { Int($0) } ?? count
}

/// Whether a test that tries a part of a list in most runs is to try all of it: `GIMBAL_TRIALS=all`.
public let triesAll = ProcessInfo.processInfo.environment["GIMBAL_TRIALS"] == "all"

/// Tells `Scripts/trials` how many trials of a campaign were made.
public func tell(tried count: Int, of campaign: String) {
    if triesAll { print("tried \(campaign) \(count)") }
}
