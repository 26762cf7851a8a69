/// One command of a day, as one number: what is done, of whom, and what his status is by then.
struct DayOperation: Equatable {
    enum Kind: Int, CaseIterable {
        case connect, beat, active, list, record, change, goodbye
        /// A last sign of life with a short TTL.
        case loss

        /// Whether those who watch hear of it: of each of these once, of a loss when it has run out.
        var isAnnounced: Bool {
            switch self {
            case .connect, .change, .goodbye, .loss: true
            case .beat, .active, .list, .record: false
            }
        }
    }

    /// What a user said of himself by hand; it is kept when he goes and comes.
    enum Status: Int, CaseIterable {
        case online, dnd, away

        var next: Status { Status(rawValue: (rawValue + 1) % Status.allCases.count) ?? .online }
        var word: String { "\(self)" }
    }

    let kind: Kind
    let user: Int
    let status: Status

    init(_ kind: Kind, _ user: Int, _ status: Status) {
        self.kind = kind
        self.user = user
        self.status = status
    }

    /// Kind and status in five bits, the user above them.
    var place: Int { user << 5 | status.rawValue << 3 | kind.rawValue }

    /// The one with that `place`.
    init(place: Int) {
        guard let kind = Kind(rawValue: place & 7), let status = Status(rawValue: place >> 3 & 3) else {
            preconditionFailure("\(place) is the place of no operation")
        }
        self.init(kind, place >> 5, status)
    }
}
