/// The version of Gimbal, as [semantic versioning](https://semver.org) counts.
///
/// It is written here only: CMake reads this line, the command prints it, and `Scripts/check-package` compares it with the
/// newest entry of CHANGELOG.md and with what README.md asks for.
public let gimbalVersion = "0.2.0"
