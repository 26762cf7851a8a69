import Presence
import Testing

/// The source document's privacy matrix, one row, one test; and what hiding keeps.
@Suite("Privacy")
struct PrivacyTests {
    private let then = Timestamp(milliseconds: 1_767_225_600_000)

    private func view(_ privacy: Privacy, _ standing: Standing) -> View {
        privacy.view(status: .online, announced: .online, lastSeen: then, standing)
    }

    /// "A and B are friends: YES". Read as: a friend sees the truth, also of who is visible to friends only.
    @Test("A and B are friends: B sees A")
    func friends() {
        var standing = Standing()
        standing.isFriend = true
        for visibility in [Visibility.everyone, .friends] {
            var privacy = Privacy()
            privacy.visibility = visibility
            let view = view(privacy, standing)
            #expect(view.status == .online)
            #expect(view.lastSeen == .exact(then))
            #expect(view.showsActivity)
        }
    }

    /// "A blocked B: NO (show offline)". Read as: B sees A offline, whatever else holds, also if they are friends.
    @Test("A blocked B: B sees A offline")
    func blocked() {
        var standing = Standing()
        standing.isBlocked = true
        standing.isFriend = true
        standing.read = .exact(then.advanced(byMilliseconds: -5))
        let view = view(Privacy(), standing)
        #expect(view.status == .offline)
        #expect(view.rule == .blocked)
        #expect(!view.showsActivity)
        #expect(view.lastSeen == .exact(then.advanced(byMilliseconds: -5)))
    }

    /// "B blocked A: NO (hide from A)". Read with the code of the document's section 6: A does not see B, and B, who chose to block, still sees A.
    @Test("B blocked A: B still sees A, unless blocks hide both")
    func hasBlocked() {
        #expect(view(Privacy(), Standing()).status == .online)
        var standing = Standing()
        standing.hasBlocked = true
        let view = view(Privacy(), standing)
        #expect(view.status == .offline)
        #expect(view.rule == .hasBlocked)
    }

    /// "Neither knows each other: YES". Read as: strangers see each other, unless who is seen set another visibility.
    @Test("Neither knows each other: they see each other, as their visibility says")
    func strangers() {
        #expect(view(Privacy(), Standing()).status == .online)
        for visibility in [Visibility.friends, .nobody] {
            var privacy = Privacy()
            privacy.visibility = visibility
            #expect(view(privacy, Standing()).status == .offline)
        }
    }

    /// "A and B are enemies (game): NO (depends on game setting)". Read as: a rule of the embedder may hide more, never show more.
    @Test("A and B are enemies: a rule of the embedder hides, and cannot show")
    func enemies() {
        var standing = Standing()
        standing.isRefused = true
        standing.isFriend = true
        let hidden = view(Privacy(), standing)
        #expect(hidden.status == .offline)
        #expect(hidden.lastSeen == .unknown)
        standing.isBlocked = true
        standing.read = .exact(Timestamp(milliseconds: 1_000))
        #expect(view(Privacy(), standing).rule == .blocked)
        #expect(view(Privacy(), standing).lastSeen == .unknown, "a block must not show what the rule hid before it")
    }

    @Test(
        "Whatever a rule of the embedder hides is offline and without a last seen, and whom it does not hide is as without it"
    )
    func filtered() {
        var privacy = Privacy()
        privacy.strangersRead = .exact(Timestamp(milliseconds: 1_000))
        privacy.friendsRead = .coarse(Timestamp(milliseconds: 2_000))
        for visibility in Visibility.allCases {
            for lastSeen in LastSeenVisibility.allCases {
                for flags in 0..<16 {
                    (privacy.visibility, privacy.lastSeen) = (visibility, lastSeen)
                    var standing = Standing()
                    standing.isFriend = flags & 1 != 0
                    standing.isBlocked = flags & 2 != 0
                    standing.hasBlocked = flags & 4 != 0
                    standing.read = flags & 8 != 0 ? .exact(Timestamp(milliseconds: 3_000)) : nil
                    standing.isRefused = true
                    let found = view(privacy, standing)
                    #expect(found.status == .offline && found.lastSeen == .unknown, "\(privacy) \(standing)")
                    #expect(!found.showsActivity && !found.showsChange)
                    standing.isSelf = true
                    let own = view(privacy, standing)
                    standing.isRefused = false
                    #expect(view(privacy, standing) == own, "nobody is hidden from himself")
                }
            }
        }
    }

    @Test("Everyone sees himself as he is, also invisible, hidden from all, or blocked by himself")
    func own() {
        var privacy = Privacy()
        privacy.visibility = .nobody
        privacy.lastSeen = .nobody
        var standing = Standing()
        standing.isSelf = true
        let view = privacy.view(status: .dnd, announced: .offline, lastSeen: then, standing)
        #expect(view.status == .dnd)
        #expect(view.lastSeen == .exact(then))
        #expect(view.showsActivity)
    }

    @Test("Who is offline shows no activity text, so that hidden and offline look the same")
    func sameAsOffline() {
        var blocked = Standing()
        blocked.isBlocked = true
        blocked.read = .exact(then)
        var hidden = Privacy().view(status: .online, announced: .online, lastSeen: then, blocked)
        var offline = Privacy().view(status: .offline, announced: .offline, lastSeen: then, Standing())
        #expect(!offline.showsActivity)
        #expect(!offline.showsChange)
        hidden.rule = .everyone
        offline.rule = .everyone
        #expect(hidden == offline)
    }

    @Test(
        "Since when a status is what it is follows the setting of last seen, also of who was never seen",
        arguments: LastSeenVisibility.allCases, [false, true])
    func showsChange(_ setting: LastSeenVisibility, _ isFriend: Bool) {
        var privacy = Privacy()
        privacy.lastSeen = setting
        var standing = Standing()
        standing.isFriend = isFriend
        for seen in [nil, then] {
            let view = privacy.view(status: .online, announced: .online, lastSeen: seen, standing)
            #expect(view.showsChange == (setting == .everyone || setting == .friends && isFriend))
            standing.isSelf = true
            #expect(privacy.view(status: .online, announced: .online, lastSeen: seen, standing).showsChange)
            standing.isSelf = false
        }
        standing.isBlocked = true
        #expect(!privacy.view(status: .online, announced: .online, lastSeen: then, standing).showsChange)
    }

    @Test("Last seen follows its own setting", arguments: LastSeenVisibility.allCases, [false, true])
    func lastSeen(_ setting: LastSeenVisibility, _ isFriend: Bool) {
        var privacy = Privacy()
        privacy.lastSeen = setting
        var standing = Standing()
        standing.isFriend = isFriend
        let expected: LastSeen =
            switch setting {
            case .everyone: .exact(then)
            case .friends: isFriend ? .exact(then) : .unknown
            case .nobody: .unknown
            case .coarse: .coarse(then)
            }
        #expect(view(privacy, standing).lastSeen == expected)
        #expect(view(privacy, standing).status == .online)
    }

    @Test("A coarse last seen is a day, a week, a month, or long ago; each begins where the one before ends")
    func coarse() {
        let day: Int64 = 86_400_000
        let spans: [(Int64, CoarseLastSeen)] = [
            (0, .day), (day - 1, .day), (day, .week), (7 * day - 1, .week), (7 * day, .month), (30 * day - 1, .month),
            (30 * day, .longAgo),
        ]
        for (age, span) in spans {
            #expect(LastSeen.coarse(then).span(at: then.advanced(byMilliseconds: age)) == span)
        }
        #expect(LastSeen.exact(then).span(at: then) == nil)
        #expect(LastSeen.unknown.span(at: then) == nil)
    }

    @Test("A change of visibility keeps what those could read from whom it hides, and nothing newer")
    func hiding() {
        var friend = Standing()
        friend.isFriend = true
        var privacy = Privacy()
        privacy.setVisibility(.friends, lastSeen: then)
        let later = then.advanced(byMilliseconds: 60_000)
        #expect(privacy.lastSeen(later, Standing()) == .exact(then))
        #expect(privacy.lastSeen(later, friend) == .exact(later))
        // Hidden already, and still: it stays.
        privacy.setVisibility(.nobody, lastSeen: later)
        let muchLater = later.advanced(byMilliseconds: 60_000)
        #expect(privacy.lastSeen(muchLater, Standing()) == .exact(then))
        #expect(privacy.lastSeen(muchLater, friend) == .exact(later))
        // Shown, then hidden by another setting of last seen: what he could read then.
        privacy.setVisibility(.everyone, lastSeen: muchLater)
        privacy.lastSeen = .coarse
        privacy.setVisibility(.nobody, lastSeen: muchLater)
        privacy.lastSeen = .everyone
        #expect(privacy.lastSeen(muchLater.advanced(byMilliseconds: 1), Standing()) == .coarse(muchLater))
    }
}
