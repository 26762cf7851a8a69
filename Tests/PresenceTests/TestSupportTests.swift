import Presence
import PresenceTesting
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Test support")
struct TestSupportTests {
    @Test("The same seed gives the same numbers on every machine")
    func sameNumbers() {
        var one = SeededRandom(seed: 42)
        var other = SeededRandom(seed: 42)
        let numbers = (0..<100).map { _ in one.next() }
        #expect(numbers == (0..<100).map { _ in other.next() })
        // A shuffle of a few is an accident; that 100 numbers of 64 bits repeat is none.
        #expect(Set(numbers).count == 100)
        #expect(numbers.first == 1_546_998_764_402_558_742)
    }

    @Test("A generator shows what to set to run it again")
    func description() {
        #expect("\(SeededRandom(seed: 7))" == "PRESENCE_SEED=7")
    }

    @Test("Seeds that follow from one number are the same in every run, and differ from each other")
    func seedsOfOneNumber() {
        // The environment of this process is as it is for all of its tests: cases are new ones if it names no number, as here or in CI.
        let seeds = SeededRandom.cases(50).map(\.seed)
        if getenv(SeededRandom.environmentVariable) != nil {
            #expect(seeds.count == 1)
        } else {
            #expect(Set(seeds).count == 50)
            #expect((SeededRandom.cases(50).map(\.seed) == seeds) == (getenv(SeededRandom.originVariable) != nil))
        }
    }

    @Test("Picks, chances and bytes keep to what was asked for")
    func ranges() {
        for var random in SeededRandom.cases(200) {
            #expect((1...3).contains(random.pick(1...3)), "\(random)")
            #expect((2...5).contains(random.bytes(2...5).count), "\(random)")
            let isCertain = random.chance(oneIn: 1)
            #expect(isCertain, "\(random)")
        }
    }

    @Test("A test's clock stands still until it is moved, forwards or back")
    func clock() {
        let clock = TestClock(Timestamp(milliseconds: 10))
        #expect(clock.now() == clock.now())
        #expect(clock.advance(byMilliseconds: 5).milliseconds == 15)
        clock.advance(byMilliseconds: -10)
        #expect(clock.now().milliseconds == 5)
        clock.set(to: Timestamp(milliseconds: 1))
        #expect(clock.now().milliseconds == 1)
    }
}
