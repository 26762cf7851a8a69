extension RunningServer {
    /// A presenced with settings of its own, whose warnings are shown: they say what a measurement ran into.
    convenience init(atScale path: String, settings: [String] = []) throws {
        try self.init(.presenced(path), settings: ["--loglevel", "warning"] + settings, tellsWarnings: true)
    }
}
