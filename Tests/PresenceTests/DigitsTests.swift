import Testing

@testable import Presence

/// Decimal digits, eight at a time.
@Suite struct DigitsTests {
    private func digits(of number: UInt64) -> String {
        String(decoding: [UInt8](room: 20) { $0.append(digitsOf: number) }, as: UTF8.self)
    }

    @Test func numbersAroundEveryPowerOfTen() {
        var power: UInt64 = 1
        while true {
            for number in [power &- 1, power, power &+ 1, power &* 2, power &* 9 &+ 7] {
                #expect(digits(of: number) == "\(number)")
            }
            let (next, isTooLarge) = power.multipliedReportingOverflow(by: 10)
            if isTooLarge { break }
            power = next
        }
        #expect(digits(of: .max) == "18446744073709551615")
    }

    @Test func anyNumberOfAnyLength() {
        var number: UInt64 = 0x9E37_79B9_7F4A_7C15
        for round in 0..<20_000 {
            number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let some = number >> UInt64(round % 64)
            #expect(digits(of: some) == "\(some)")
        }
    }

    @Test func everyGroupOfEightHasItsZeros() {
        for group in stride(from: UInt64(0), to: 100_000_000, by: 9_973) {
            let number = 100_000_000 + group
            #expect(digits(of: number) == "\(number)")
        }
    }
}
