/// The settings that matter to a whole cluster, by name: what a join compares.
///
/// At most 32, names of 1 to 48 bytes, each once and rising (by their UTF-8), values of at most 64 bytes. New facts about a node travel here, so that
/// greetings stay the same in all versions.
public struct SharedSettings: Sendable, Equatable {
    /// One setting, as `cluster.conf` would spell it.
    public struct Setting: Sendable, Equatable {
        /// The setting's name.
        public var name: String
        /// Its value.
        public var value: String

        /// A setting of these parts.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// A setting in which two nodes differ.
    public struct Difference: Sendable, Equatable {
        /// The setting's name.
        public var name: String
        /// Its value here; nil if this node does not tell it.
        public var ours: String?
        /// Its value there; nil if that node does not tell it.
        public var theirs: String?

        /// A difference of these parts.
        public init(_ name: String, ours: String?, theirs: String?) {
            self.name = name
            self.ours = ours
            self.theirs = theirs
        }
    }

    /// The settings in the order of their names.
    public let all: [Setting]

    /// These settings, sorted by name. The writer throws if there are too many, if one is too long, or a name is there twice.
    public init(_ settings: [Setting] = []) {
        all = settings.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// The name under which a node tells what follows from the secret by which it names users: nodes that differ there do not link, as each would take
    /// the other's users for others.
    public static let secretName = "secret-file"

    /// The name under which a node tells whether it forgets offline users for room, `yes` or `no`: where neither of two does, they compare those too of
    /// whom nothing is left but when their status changed last.
    public static let forgettingName = "forgets-users"

    /// The names of what nodes tell among their settings and is none: the operator need not make it agree.
    static let facts: Set = [secretName, forgettingName]

    /// The value of the setting of that name; nil if it is not told. Linear.
    public subscript(name: String) -> String? { all.first { $0.name == name }?.value }

    /// These, and one more; one of the same name gives way.
    public func with(_ setting: Setting) -> SharedSettings {
        SharedSettings(all.filter { $0.name != setting.name } + [setting])
    }

    /// What differs from another node's, in the order of names. What only one of both tells differs too: the other is of another release, perhaps.
    /// Linear in both.
    public func differences(from others: SharedSettings) -> [Difference] {
        var differences: [Difference] = []
        var (ours, theirs) = (all[...], others.all[...])
        while let name = [ours.first?.name, theirs.first?.name].compactMap({ $0 })
            .min(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        {
            let our = ours.first?.name == name ? ours.removeFirst().value : nil
            let their = theirs.first?.name == name ? theirs.removeFirst().value : nil
            if our != their { differences.append(Difference(name, ours: our, theirs: their)) }
        }
        return differences
    }

    /// A duration as `cluster.conf` and all nodes spell it, exactly: 120000 is `120s`, 1500 is `1500ms`; whole hours and days are written so.
    public static func spell(milliseconds: Int64) -> String {
        for (suffix, factor) in [("d", 86_400_000), ("h", 3_600_000)] as [(String, Int64)]
        where milliseconds >= factor && milliseconds % factor == 0 {
            return "\(milliseconds / factor)\(suffix)"
        }
        return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
    }

    init(_ reader: inout PayloadReader, in bytes: Span<UInt8>) throws(FrameError) {
        let count = try reader.byte(.settings, in: bytes)
        try reader.hold(UInt64(count), in: 0...UInt64(FrameLimits.settings), .settings)
        var all: [Setting] = []
        for _ in 0..<count {
            let name = try reader.shortText(.settingName, 1...FrameLimits.settingName, in: bytes)
            let value = try reader.shortText(.settingValue, 0...FrameLimits.settingValue, in: bytes)
            guard all.last.map({ $0.name.utf8.lexicographicallyPrecedes(name.utf8) }) ?? true else {
                throw .unordered(type: reader.type, field: .settingName)
            }
            all.append(Setting(name, value))
        }
        self.all = all
    }

    func write(_ writer: PayloadWriter, to output: inout [UInt8]) throws(FrameError) {
        try writer.hold(UInt64(all.count), in: 0...UInt64(FrameLimits.settings), .settings)
        output.append(UInt8(truncatingIfNeeded: all.count))
        for (index, setting) in all.enumerated() {
            // Sorted as they are, the same name twice is all that can be wrong with their order.
            guard index == 0 || !all[index - 1].name.utf8.elementsEqual(setting.name.utf8) else {
                throw .unordered(type: writer.type, field: .settingName)
            }
            try writer.shortText(setting.name, .settingName, 1...FrameLimits.settingName, to: &output)
            try writer.shortText(setting.value, .settingValue, 0...FrameLimits.settingValue, to: &output)
        }
    }
}
