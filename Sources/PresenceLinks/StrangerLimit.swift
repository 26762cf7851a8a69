/// Bounds the connections that have come and not said yet who they are: in all, and of one address.
///
/// Whoever holds the secret is no stranger for long; the bounds are for those who do not. A value; constant time.
struct StrangerLimit {
    private let maximum: Int
    private let maximumOfAddress: Int
    private(set) var count = 0
    /// Only addresses that have one.
    private var ofAddress: [String: Int] = [:]

    init(maximum: Int, ofAddress: Int) {
        self.maximum = maximum
        maximumOfAddress = ofAddress
    }

    /// Lets one in; false if there is no room.
    mutating func enter(_ address: String) -> Bool {
        guard count < maximum, ofAddress[address, default: 0] < maximumOfAddress else { return false }
        count += 1
        ofAddress[address, default: 0] += 1
        return true
    }

    /// One that was let in is gone, or known.
    mutating func leave(_ address: String) {
        guard let present = ofAddress[address] else { return }
        count -= 1
        ofAddress[address] = present == 1 ? nil : present - 1
    }
}
