import Testing

@testable import presence_bench

@Suite("What instructions are counted of")
struct CountTests {
    @Test(
        "the work is really done, as often as it is asked for",
        arguments: [
            Work.rulesVerdict, .rulesMerge, .ringAppend, .ringRead, .replyResp2, .replyResp3, .event, .eventResp2,
            .eventResp3, .beat, .parse,
        ])
    func works(_ work: Work) throws {
        for operations in [1_000, 2_500] where work != .parse || operations == 1_000 {
            try work.perform(operations, users: 1_000)
        }
    }

    @Test("marks do nothing where nobody counts, and change nothing of the work")
    func marks() throws {
        try Work.beat.perform(1_000, users: 1_000, isMarked: true)
        let few = try CountCommand.parse(["beat", "--operations", "1000", "--users", "1000", "--marked"])
        #expect(few.marked)
    }

    @Test("among committed counts a work is named with its users where there are several of it, and only there")
    func names() {
        func name(_ work: Work, _ users: Int) -> String {
            InstructionsCommand.Count(work: work, users: users, instructions: 1).name
        }
        #expect(name(.beat, 40_000) == "instructions: beat")
        #expect(name(.beat, 1_000_000) == "instructions: beat, 1000000 users")
        #expect(name(.tick, 1_000) == "instructions: tick, 1000 users")
        #expect(name(.rulesMerge, 1) == "instructions: rules-merge")
    }
}
