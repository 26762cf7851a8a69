import Testing

@testable import PresenceLinks

@Suite("Bounds of who may come, and of what is logged of him")
struct BoundTests {
    @Test("strangers are let in up to a bound in all and of one address, and make room when they leave")
    func strangers() {
        var limit = StrangerLimit(maximum: 3, ofAddress: 2)
        let taken12 = limit.enter("10.0.0.1")
        #expect(taken12)
        let taken13 = limit.enter("10.0.0.1")
        #expect(taken13)
        let taken14 = limit.enter("10.0.0.1")
        #expect(!taken14, "who floods shuts out himself")
        let taken15 = limit.enter("10.0.0.2")
        #expect(taken15)
        let taken16 = limit.enter("10.0.0.3")
        #expect(!taken16)
        limit.leave("10.0.0.1")
        let taken17 = limit.enter("10.0.0.3")
        #expect(taken17)
        #expect(limit.count == 3)
        limit.leave("10.0.0.9")
        #expect(limit.count == 3)
    }

    @Test(
        "strangers, however many, keep out nobody who comes from a node's address, and these addresses are bounded too")
    func roomForNodes() {
        var limit = StrangerLimit(maximum: 3, ofAddress: 2, nodes: ["10.0.0.1"], maximumNodes: 2)
        func enter(_ address: String) -> Bool { limit.enter(address) }
        #expect(["10.9.0.1", "10.9.0.1", "10.9.0.2"].allSatisfy(enter))
        #expect(!enter("10.9.0.3"))
        #expect(enter("10.0.0.1") && enter("10.0.0.1") && !enter("10.0.0.1"))
        #expect(limit.count == 5)
        // One of them turns out to be a node, which makes room for another one.
        limit.know("10.9.0.2")
        #expect(enter("10.9.0.3") && !enter("10.9.0.4") && enter("10.9.0.2"))
        // Two are known, and no more are.
        limit.know("10.9.0.3")
        #expect(limit.count == 7 && !enter("10.9.0.3"))
        for address in ["10.9.0.1", "10.9.0.1", "10.9.0.2", "10.9.0.2", "10.9.0.3", "10.0.0.1", "10.0.0.1"] {
            limit.leave(address)
        }
        #expect(limit.count == 0)
        #expect(["10.9.0.1", "10.9.0.3", "10.9.0.4"].allSatisfy(enter) && !enter("10.9.0.5"))
    }

    @Test("of one kind of line one is written at a time, and the next says how many were left out")
    func pace() {
        var pace = LogPace()
        let taken18 = pace.take("a", every: 10, at: 100)
        #expect(taken18 == 0)
        let taken19 = pace.take("b", every: 10, at: 101)
        #expect(taken19 == 0)
        let taken20 = pace.take("a", every: 10, at: 102)
        #expect(taken20 == nil)
        let taken21 = pace.take("a", every: 10, at: 109)
        #expect(taken21 == nil)
        let taken22 = pace.take("a", every: 10, at: 110)
        #expect(taken22 == 2)
        let taken23 = pace.take("a", every: 10, at: 111)
        #expect(taken23 == nil)
        pace.forget("a")
        let taken24 = pace.take("a", every: 10, at: 112)
        #expect(taken24 == 0)
    }

    @Test("kinds of lines that are remembered are bounded")
    func kinds() {
        var pace = LogPace()
        for kind in 0..<1_000 {
            let taken25 = pace.take("\(kind)", every: 10_000, at: Int64(kind))
            #expect(taken25 == 0)
        }
        #expect(pace.remembered == 256)
        let taken26 = pace.take("999", every: 10_000, at: 1_000)
        #expect(taken26 == nil)
    }
}
