import Testing

@testable import presenced

@Suite("What the process knows of itself")
struct ProcessFactsTests {
    @Test("memory is counted by allocator and kernel")
    func memory() {
        let use = ProcessFacts.memory()
        #expect(use.resident > 1 << 20)
        #expect(use.peakResident >= use.resident / 2)
        if ProcessFacts.allocator.hasPrefix("jemalloc-") {
            #expect(use.allocated > 0)
            #expect(use.active >= use.allocated)
        } else {
            #expect(ProcessFacts.allocator == "libc")
            #expect(use.allocated == 0)
        }
    }

    @Test("clients fit into the limit of open files, less what the process needs itself")
    func openFiles() {
        #expect(OpenFileLimit.fitting(10_000, openFiles: 20_000) == 10_000)
        #expect(OpenFileLimit.fitting(10_000, openFiles: 1_024) == 1_024 - OpenFileLimit.reserve)
        #expect(OpenFileLimit.fitting(10_000, openFiles: 10) == 1)
        #expect(OpenFileLimit.raise(for: 10) == 10)
    }
}
