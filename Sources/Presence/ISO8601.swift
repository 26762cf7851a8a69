/// Instants as ISO 8601 text in UTC with milliseconds, `2025-01-19T10:35:22.123Z`: the proleptic Gregorian calendar,
/// without Foundation and without allocating.
///
/// The years 0000 to 9999 have four digits; others are written as ECMAScript does, with a sign and six digits. The
/// calendar arithmetic from dates to days follows the reasoning of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
/// (https://howardhinnant.github.io/date_algorithms.html): years begin in March, so that the leap day comes last, and
/// repeat every 400 years of 146 097 days.
extension Timestamp {
    /// The most bytes that `writeISO8601` writes.
    public static let maximumISO8601ByteCount = 27

    /// The instants that have a text: 100 000 000 days before and after 1970, the bounds of ECMAScript's `Date`.
    static let maximumISO8601Milliseconds: Int64 = 8_640_000_000_000_000

    private static let millisecondsPerDay: Int64 = 86_400_000

    /// Appends the text of this instant: 24 bytes, 27 for years outside 0 to 9999. Instants beyond ECMAScript's bounds
    /// are written as the bound.
    ///
    /// - Parameter out: must have room for `maximumISO8601ByteCount` bytes, or for 24 if the year is known to be ordinary.
    public func writeISO8601(into out: inout OutputSpan<UInt8>) {
        var day = WrittenDay()
        writeISO8601(into: &out, &day)
    }

    /// The same for one of several instants that are of one day as a rule: its date is spelled once.
    func writeISO8601(into out: inout OutputSpan<UInt8>, _ spelled: inout WrittenDay) {
        let bound = Timestamp.maximumISO8601Milliseconds
        let instant = min(max(milliseconds, -bound), bound)
        var day = instant / Timestamp.millisecondsPerDay
        var rest = instant % Timestamp.millisecondsPerDay
        if rest < 0 {
            rest += Timestamp.millisecondsPerDay
            day -= 1
        }
        if day != spelled.number { spelled = WrittenDay(day) }
        let time = UInt32(truncatingIfNeeded: rest)
        if spelled.year < 0 || spelled.year > 9_999 { out.appendEra(of: spelled.year) }
        // Eight bytes each: "2025-01-", "19T10:35", ":22.123Z".
        out.append(word: spelled.month)
        out.append(
            word: spelled.day | Digits.pair(time / 3_600_000) << 24 | Digits.letter(":") << 40
                | Digits.pair(time / 60_000 % 60) << 48)
        out.append(
            word: Digits.letter(":") | Digits.pair(time / 1_000 % 60) << 8 | Digits.letter(".") << 24
                | (Digits.letter("0") + UInt64(time / 100 % 10)) << 32 | Digits.pair(time % 100) << 40
                | Digits.letter("Z") << 56)
    }

    /// The instant of a text, or nil if it is not one.
    ///
    /// Reads what `writeISO8601` writes and the usual variants: no fraction or one of any length (cut to milliseconds),
    /// a blank or a lower-case `t` between date and time, `z`, and offsets such as `+02:00`. A date alone, a time
    /// without offset, and days that a month does not have are refused. Second 60 is the first of the next minute.
    public init?(iso8601 text: Span<UInt8>) {
        var scanner = DigitScanner()
        guard let date = scanner.date(in: text), scanner.skip(anyOf: "T", "t", " ", in: text),
            let time = scanner.time(in: text), let offset = scanner.offset(in: text), scanner.position == text.count
        else { return nil }
        let milliseconds = Int64(date.daysSince1970) * Timestamp.millisecondsPerDay + time - offset
        guard abs(milliseconds) <= Timestamp.maximumISO8601Milliseconds else { return nil }
        self.init(milliseconds: milliseconds)
    }
}

/// The text of a day, kept from one instant to the next.
struct WrittenDay {
    /// Days since 1970; of none yet, one that no instant is of.
    private(set) var number = Int64.min
    fileprivate var year = 0
    /// "2025-01-" and "19T".
    fileprivate var month: UInt64 = 0
    fileprivate var day: UInt64 = 0

    init() {}

    init(_ number: Int64) {
        self.number = number
        let date = CivilDate(daysSince1970: Int(number))
        year = date.year
        let digits = UInt32(truncatingIfNeeded: abs(year))
        month =
            Digits.pair(digits / 100 % 100) | Digits.pair(digits % 100) << 16 | Digits.letter("-") << 32
            | Digits.pair(UInt32(truncatingIfNeeded: date.month)) << 40 | Digits.letter("-") << 56
        day = Digits.pair(UInt32(truncatingIfNeeded: date.day)) | Digits.letter("T") << 16
    }
}

/// A day of the proleptic Gregorian calendar.
struct CivilDate: Equatable {
    var year: Int
    var month: Int
    var day: Int

    init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// The day so many days after 1970-01-01, at most 100 million of them, or before.
    ///
    /// Cassio Neri, Lorenz Schneider, "Euclidean affine functions and their application to calendar algorithms" (2022): a third of the
    /// instructions of the usual divisions, for what every record is written with twice.
    init(daysSince1970 days: Int) {
        // From 0000-03-01, the first day of a 400-year era, 719 468 days lie up to 1970; 685 eras more leave nothing below zero.
        let centuries = 4 * UInt64(days + 719_468 + 146_097 * 685) + 3
        let dayOfCentury = 4 * (centuries % 146_097 / 4) + 3
        let years = 2_939_745 * dayOfCentury
        let dayOfYear = (years & 0xFFFF_FFFF) / 2_939_745 / 4
        let months = 2_141 * dayOfYear + 197_913
        let isNextYear = dayOfYear >= 306
        year = Int(100 * (centuries / 146_097) + years >> 32) - 400 * 685 + (isNextYear ? 1 : 0)
        month = Int(months >> 16) - (isNextYear ? 12 : 0)
        day = Int((months & 0xFFFF) / 2_141) + 1
    }

    /// Days from 1970-01-01 to this day.
    var daysSince1970: Int {
        let yearFromMarch = month <= 2 ? year - 1 : year
        let era = (yearFromMarch >= 0 ? yearFromMarch : yearFromMarch - 399) / 400
        let yearOfEra = yearFromMarch - era * 400
        let monthFromMarch = month > 2 ? month - 3 : month + 9
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Whether the calendar has this day.
    var isReal: Bool {
        // Years beyond have no instant, nor a number of days that comes back.
        guard (1...12).contains(month), day >= 1, (-271_821...275_760).contains(year) else { return false }
        return CivilDate(daysSince1970: daysSince1970) == self
    }
}

/// Reads the numbers of a date one after the other.
private struct DigitScanner {
    var position = 0

    mutating func number(digits count: Int, in text: Span<UInt8>) -> Int? {
        guard position + count <= text.count else { return nil }
        var value = 0
        for index in position..<position + count {
            let digit = Int(text[index]) - 0x30
            guard (0...9).contains(digit) else { return nil }
            value = value * 10 + digit
        }
        position += count
        return value
    }

    mutating func skip(_ letter: Unicode.Scalar, in text: Span<UInt8>) -> Bool {
        guard position < text.count, text[position] == UInt8(ascii: letter) else { return false }
        position += 1
        return true
    }

    mutating func skip(
        anyOf first: Unicode.Scalar, _ second: Unicode.Scalar, _ third: Unicode.Scalar, in text: Span<UInt8>
    ) -> Bool {
        skip(first, in: text) || skip(second, in: text) || skip(third, in: text)
    }

    mutating func date(in text: Span<UInt8>) -> CivilDate? {
        let isBefore = skip("-", in: text)
        let isExpanded = isBefore || skip("+", in: text)
        guard let year = number(digits: isExpanded ? 6 : 4, in: text), skip("-", in: text),
            let month = number(digits: 2, in: text), skip("-", in: text), let day = number(digits: 2, in: text)
        else { return nil }
        let date = CivilDate(year: isBefore ? -year : year, month: month, day: day)
        return date.isReal ? date : nil
    }

    /// Milliseconds since midnight.
    mutating func time(in text: Span<UInt8>) -> Int64? {
        guard let hour = number(digits: 2, in: text), hour < 24, skip(":", in: text),
            let minute = number(digits: 2, in: text), minute < 60, skip(":", in: text),
            let second = number(digits: 2, in: text), second <= 60
        else { return nil }
        var milliseconds = 0
        if skip(".", in: text) {
            var weight = 100
            let start = position
            while position < text.count, case let digit = Int(text[position]) - 0x30, (0...9).contains(digit) {
                milliseconds += digit * weight
                weight /= 10
                position += 1
            }
            guard position > start else { return nil }
        }
        return Int64(((hour * 60 + minute) * 60 + second) * 1_000 + milliseconds)
    }

    /// Milliseconds that the local time is ahead of UTC.
    mutating func offset(in text: Span<UInt8>) -> Int64? {
        if skip("Z", in: text) || skip("z", in: text) { return 0 }
        let isBehind = skip("-", in: text)
        guard isBehind || skip("+", in: text), let hour = number(digits: 2, in: text), hour < 24, skip(":", in: text),
            let minute = number(digits: 2, in: text), minute < 60
        else { return nil }
        let milliseconds = Int64((hour * 60 + minute) * 60_000)
        return isBehind ? -milliseconds : milliseconds
    }
}

extension OutputSpan where Element == UInt8 {
    /// Appends what comes before the last four digits of a year that has six: its sign, and the first two.
    @inline(never)
    fileprivate mutating func appendEra(of year: Int) {
        append(UInt8(ascii: year < 0 ? "-" : "+"))
        let pair = Digits.pair(UInt32(truncatingIfNeeded: abs(year)) / 10_000)
        append(UInt8(truncatingIfNeeded: pair))
        append(UInt8(truncatingIfNeeded: pair >> 8))
    }
}
