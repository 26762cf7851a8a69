/// Instants as ISO 8601 text in UTC with milliseconds, `2025-01-19T10:35:22.123Z`: the proleptic Gregorian calendar,
/// without Foundation and without allocating.
///
/// The years 0000 to 9999 have four digits; others are written as ECMAScript does, with a sign and six digits. The
/// calendar arithmetic follows the reasoning of Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
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
        let bound = Timestamp.maximumISO8601Milliseconds
        let instant = min(max(milliseconds, -bound), bound)
        var day = instant / Timestamp.millisecondsPerDay
        var rest = instant % Timestamp.millisecondsPerDay
        if rest < 0 {
            rest += Timestamp.millisecondsPerDay
            day -= 1
        }
        let date = CivilDate(daysSince1970: Int(day))
        let time = UInt32(truncatingIfNeeded: rest)
        out.appendYear(date.year)
        out.append(UInt8(ascii: "-"))
        out.appendTwoDigits(UInt32(truncatingIfNeeded: date.month))
        out.append(UInt8(ascii: "-"))
        out.appendTwoDigits(UInt32(truncatingIfNeeded: date.day))
        out.append(UInt8(ascii: "T"))
        out.appendTwoDigits(time / 3_600_000)
        out.append(UInt8(ascii: ":"))
        out.appendTwoDigits(time / 60_000 % 60)
        out.append(UInt8(ascii: ":"))
        out.appendTwoDigits(time / 1_000 % 60)
        out.append(UInt8(ascii: "."))
        out.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: time / 100 % 10))
        out.appendTwoDigits(time % 100)
        out.append(UInt8(ascii: "Z"))
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

    /// The day so many days after 1970-01-01.
    init(daysSince1970 days: Int) {
        // 719 468 days lie between 0000-03-01, the first day of a 400-year era, and 1970-01-01.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        // Take out leap days: one every 1 461 days, but not every 36 524, but the very last.
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        // Months from March have 153 days every five.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
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
        guard (1...12).contains(month), day >= 1 else { return false }
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
    /// Appends a number below 100 in two digits.
    @inline(__always)
    fileprivate mutating func appendTwoDigits(_ number: UInt32) {
        append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / 10))
        append(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number % 10))
    }

    /// Appends a year: four digits, or a sign and six.
    fileprivate mutating func appendYear(_ year: Int) {
        let digits = UInt32(truncatingIfNeeded: abs(year))
        if !(0...9_999).contains(year) {
            append(UInt8(ascii: year < 0 ? "-" : "+"))
            appendTwoDigits(digits / 10_000)
        }
        appendTwoDigits(digits / 100 % 100)
        appendTwoDigits(digits % 100)
    }
}
