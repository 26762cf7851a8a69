import ArgumentParser

/// A part of `presence-bench scale`.
enum ScalePart: String, CaseIterable, Encodable, ExpressibleByArgument {
    case hold, storms, growth, loops
}
