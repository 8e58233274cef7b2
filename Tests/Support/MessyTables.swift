/// A table made in the shape of a well-known public one, with what makes it hard to read.
public struct MessyTable: Sendable, CustomStringConvertible {
    /// What it is made after.
    public let name: String
    /// The file.
    public let text: String
    /// The column to be predicted.
    public let target: String
    /// Whether it holds numbers.
    public let isRegression: Bool
    /// Rows of data that can be trained on.
    public let rows: Int
    /// The least accuracy or R² that says that the table was understood.
    public let leastScore: Double

    public var description: String { name }

    /// Whole numbers that follow from a seed (Lehmer 1951, with the constants of Park and Miller).
    private struct Draw {
        var state: UInt64
        mutating func below(_ bound: Int) -> Int {
            state = state * 48_271 % 2_147_483_647
            return Int(state) * bound / 2_147_483_647
        }
        mutating func fraction() -> Double { Double(below(1_000_000)) / 1_000_000 }
        mutating func one(of words: [String]) -> String { words[below(words.count)] }
    }

    private static func fixed(_ value: Double, _ places: Int) -> String {
        var scale = 1
        for _ in 0..<places { scale *= 10 }
        let whole = Int((value.magnitude * Double(scale)).rounded())
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard places > 0 else { return "\(sign)\(whole)" }
        let fraction = "\(whole % scale)"
        return "\(sign)\(whole / scale).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }

    private static func lines(_ header: String, _ count: Int, end: String = "\n", _ row: (Int) -> String) -> String {
        ([header] + (0..<count).map(row)).joined(separator: end) + end
    }

    /// Passengers: an id, quoted names with commas, missing ages and cabins, tickets half numbers.
    public static let titanic: MessyTable = {
        var draw = Draw(state: 11)
        let text = lines("PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Ticket,Fare,Cabin,Embarked", 400) { row in
            let isFemale = draw.below(2) == 0
            let level = 1 + draw.below(3)
            let survives = draw.fraction() < (isFemale ? 0.95 : level == 1 ? 0.3 : 0.05)
            let age =
                draw.below(5) == 0 ? "" : draw.below(6) == 0 ? "0.\(17 + draw.below(80))" : "\(1 + draw.below(79))"
            let ticket = draw.below(3) == 0 ? "A/5 \(10_000 + row)" : "\(100_000 + row * 7)"
            let cabin = draw.below(4) == 0 ? "C\(row)" : ""
            return
                "\(row + 1),\(survives ? 1 : 0),\(level),\"Name\(row), \(isFemale ? "Mrs" : "Mr"). \"\"X\"\" \(row)\","
                + "\(isFemale ? "female" : "male"),\(age),\(draw.below(4)),\(ticket),\(fixed(draw.fraction() * 100, 4)),\(cabin),"
                + "\(draw.one(of: ["S", "S", "C", "Q", "S", "S", row == 61 ? "" : "S"]))"
        }
        return MessyTable(
            name: "Titanic", text: text, target: "Survived", isRegression: false, rows: 400, leastScore: 0.75)
    }()

    /// A census: no header, a space behind each comma, "?" for what is missing, many countries.
    public static let adult: MessyTable = {
        var draw = Draw(state: 12)
        let countries = (0..<41).map { "Country-\($0)" }
        let text = (0..<600).map { _ in
            let age = 17 + draw.below(70)
            let degree = draw.one(of: ["Bachelors", "HS-grad", "11th", "Masters", "Some-college"])
            let isRich = (degree == "Masters" || degree == "Bachelors") && age > 35
            let work = draw.below(15) == 0 ? "?" : draw.one(of: ["Private", "State-gov", "Self-emp-inc"])
            return "\(age), \(work), \(10_000 + draw.below(400_000)), \(degree), \(draw.one(of: ["Male", "Female"])), "
                + "\(draw.below(20) == 0 ? draw.below(99_999) : 0), \(draw.one(of: countries)), \(isRich ? ">50K" : "<=50K")\n"
        }.joined()
        return MessyTable(name: "Adult", text: text, target: "8", isRegression: false, rows: 600, leastScore: 0.8)
    }()

    /// Houses: NA that means "none", an order and an id, years, a constant, prices of six digits.
    public static let ames: MessyTable = {
        var draw = Draw(state: 13)
        let quarters = (0..<25).map { "Quarter\($0)" }
        let text = lines(
            "Order,PID,MS Zoning,Lot Frontage,Alley,Utilities,Neighborhood,Year Built,Gr Liv Area,SalePrice", 500
        ) { row in
            let area = 600 + draw.below(2_500)
            let year = 1_900 + draw.below(110)
            let quarter = draw.below(25)
            let price = 20_000 + 80 * area + 500 * (year - 1_900) + 2_000 * quarter + draw.below(5_000)
            return "\(row + 1),\(526_301_100 + row * 2_003),\(draw.one(of: ["RL", "RM", "FV"])),"
                + "\(draw.below(6) == 0 ? "NA" : "\(20 + draw.below(200))"),\(draw.one(of: ["NA", "NA", "Pave", "Grvl"])),AllPub,"
                + "\(quarters[quarter]),\(year),\(area),\(price)"
        }
        return MessyTable(name: "Ames", text: text, target: "SalePrice", isRegression: true, rows: 500, leastScore: 0.8)
    }()

    /// Calls of a bank: semicolons, everything quoted, CR LF, yes and no.
    public static let bank: MessyTable = {
        var draw = Draw(state: 14)
        let text = lines(#""age";"job";"default";"balance";"month";"duration";"y""#, 600, end: "\r\n") { _ in
            let duration = draw.below(2_000)
            return "\(18 + draw.below(70));\"\(draw.one(of: ["admin.", "blue-collar", "technician", "unknown"]))\";"
                + "\"\(draw.below(9) == 0 ? "yes" : "no")\";\(draw.below(5_000) - 500);\"\(draw.one(of: ["may", "jun", "nov"]))\";"
                + "\(duration);\"\(duration > 1_300 ? "yes" : "no")\""
        }
        return MessyTable(name: "bank", text: text, target: "y", isRegression: false, rows: 600, leastScore: 0.85)
    }()

    /// Wine: semicolons, names with spaces, grades as classes.
    public static let wine: MessyTable = {
        var draw = Draw(state: 15)
        let text = lines(#""fixed acidity";"volatile acidity";"total sulfur dioxide";"alcohol";"quality""#, 500) { _ in
            let alcohol = 8 + draw.fraction() * 6
            return
                "\(fixed(4 + draw.fraction() * 8, 1));0.\(draw.below(90) + 10);\(draw.below(200));\(fixed(alcohol, 1));"
                + "\(alcohol < 9.5 ? 5 : alcohol < 12 ? 6 : 7)"
        }
        return MessyTable(name: "wine", text: text, target: "quality", isRegression: false, rows: 500, leastScore: 0.8)
    }()

    /// Air quality: decimal commas, dates day first, times with points, two columns without a name, lines of nothing.
    public static let air: MessyTable = {
        var draw = Draw(state: 16)
        let text =
            lines("Date;Time;CO(GT);PT08.S1(CO);T;RH;;", 600, end: "\r\n") { row in
                let hour = row % 24
                let gas = 1 + Double(hour >= 8 && hour <= 20 ? 3 : 0) + draw.fraction()
                func comma(_ value: Double) -> String { fixed(value, 1).split(separator: ".").joined(separator: ",") }
                let day = 1 + row / 24
                return "\(day < 10 ? "0" : "")\(day)/03/2004;\(hour < 10 ? "0" : "")\(hour).00.00;\(comma(gas));"
                    + "\(draw.below(30) == 0 ? "" : "\(800 + Int(gas * 100))");\(comma(draw.fraction() * 30 - 5));"
                    + "\(comma(draw.fraction() * 80));;"
            } + String(repeating: ";;;;;;;\r\n", count: 30)
        return MessyTable(
            name: "air quality", text: text, target: "CO(GT)", isRegression: true, rows: 600, leastScore: 0.7)
    }()

    /// A survey: answers over several lines, long questions as names, a label that is not given now and then.
    public static let survey: MessyTable = {
        var draw = Draw(state: 17)
        let text = lines("Timestamp,\"Your age,\nin years\",\"What do you say?\",Country,Seeks treatment", 400) { row in
            let country = draw.one(of: ["NA", "SE", "Côte d'Ivoire"])
            let answer = row % 50 == 7 ? "" : country == "NA" ? "Yes" : "No"
            return "2014-08-27 \(10 + row % 12):\(10 + row % 50):\(10 + row % 49),\(18 + draw.below(50)),"
                + "\"I say \"\"\(row)\"\",\nand more; \(row)\",\(country),\(answer)"
        }
        return MessyTable(
            name: "survey", text: text, target: "Seeks treatment", isRegression: false, rows: 392, leastScore: 0.9)
    }()

    /// A data frame without names, with its index.
    public static let frame: MessyTable = {
        var draw = Draw(state: 18)
        let text = lines(",0,1,2,3", 300) { row in
            let (a, b) = (draw.fraction() * 4 - 2, draw.fraction() * 4 - 2)
            return "\(row),\(fixed(a, 3)),\(fixed(b, 3)),\(fixed(draw.fraction(), 3)),\(a + b > 0 ? 1 : 0)"
        }
        return MessyTable(name: "frame", text: text, target: "3", isRegression: false, rows: 300, leastScore: 0.85)
    }()

    /// Loans: one default in 300.
    public static let credit: MessyTable = {
        var draw = Draw(state: 19)
        let text = lines("ID,LIMIT_BAL,SEX,PAY_0,default.payment.next.month", 3_000) { row in
            let isDefault = row % 300 == 17
            return
                "\(row + 1),\(10_000 * (1 + draw.below(70))),\(1 + draw.below(2)),\(isDefault ? 4 + draw.below(3) : draw.below(5) - 2),"
                + "\(isDefault ? 1 : 0)"
        }
        return MessyTable(
            name: "credit", text: text, target: "default.payment.next.month", isRegression: false, rows: 3_000,
            leastScore: 0.99)
    }()

    /// A sensor's log: tabs, a byte order mark, time stamps in milliseconds, an integer key.
    public static let sensor: MessyTable = {
        var draw = Draw(state: 20)
        let text =
            "\u{FEFF}"
            + lines("timestamp_ms\tsensor\tvalue\treading", 400) { _ in
                let second = draw.below(120)
                return
                    "\(1_700_000_000_000 + second * 1_000)\ts\(draw.below(3))\t\(fixed(draw.fraction() * 4 - 2, 3))\t"
                    + fixed(Double(second) / 120, 4)
            }
        return MessyTable(
            name: "sensor", text: text, target: "reading", isRegression: true, rows: 400, leastScore: 0.8)
    }()

    /// All ten.
    public static let all = [titanic, adult, ames, bank, wine, air, survey, frame, credit, sensor]
}
