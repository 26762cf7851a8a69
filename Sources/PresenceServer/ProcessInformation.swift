/// What only the process knows and `INFO` tells.
public struct ProcessInformation: Sendable {
    /// The version of presenced, such as `0.1.0`.
    public var version: String
    /// The name of the allocator, such as `jemalloc-5.3.0` or `libc`.
    public var allocator: String
    /// The file of settings, or an empty string.
    public var configurationFile: String
    /// Reads what the process uses of memory. It is called at each `INFO memory`, on an event loop: it must not wait.
    public var memory: @Sendable () -> MemoryUse
    /// Processor seconds used so far, by the system and by the program.
    public var processorSeconds: @Sendable () -> (system: Double, user: Double)
    /// The number of the process.
    public var processID: Int
    /// The operating system, its version and the machine, as `INFO` names them.
    public var operatingSystem: String
    /// Bytes of memory that the machine has; 0 if that is not known.
    public var systemMemory: Int
    /// Has the allocator give pages that it does not use back to the system: `MEMORY PURGE`. False where the allocator cannot.
    public var purge: @Sendable () -> Bool
    /// Stops the thread for so many seconds: `DEBUG SLEEP`.
    public var sleep: @Sendable (Double) -> Void

    /// Information of these values.
    public init(
        version: String,
        allocator: String,
        processID: Int,
        configurationFile: String = "",
        memory: @escaping @Sendable () -> MemoryUse = { MemoryUse() },
        processorSeconds: @escaping @Sendable () -> (system: Double, user: Double) = { (0, 0) },
        operatingSystem: String = "",
        systemMemory: Int = 0,
        purge: @escaping @Sendable () -> Bool = { false },
        sleep: @escaping @Sendable (Double) -> Void = { _ in }
    ) {
        self.version = version
        self.allocator = allocator
        self.processID = processID
        self.configurationFile = configurationFile
        self.memory = memory
        self.processorSeconds = processorSeconds
        self.operatingSystem = operatingSystem
        self.systemMemory = systemMemory
        self.purge = purge
        self.sleep = sleep
    }
}

/// Bytes of memory, as the allocator and the kernel count them. 0 stands for not known.
public struct MemoryUse: Sendable, Equatable {
    /// Bytes that the program asked for and has not given back.
    public var allocated: Int
    /// Bytes in pages that the allocator uses for them.
    public var active: Int
    /// Bytes of the allocator's pages that are in memory, as far as it knows.
    public var allocatorResident: Int
    /// Bytes of the process that are in memory, as the kernel sees it.
    public var resident: Int
    /// The most bytes that were resident so far.
    public var peakResident: Int

    /// A statement of these numbers.
    public init(
        allocated: Int = 0, active: Int = 0, allocatorResident: Int = 0, resident: Int = 0, peakResident: Int = 0
    ) {
        self.allocated = allocated
        self.active = active
        self.allocatorResident = allocatorResident
        self.resident = resident
        self.peakResident = peakResident
    }
}
