// swift-tools-version: 6.1
import PackageDescription

/// Sanitizers bring an allocator of their own, so their builds leave jemalloc out: `PRESENCED_ALLOCATOR=system swift build`.
let usesJemalloc = Context.environment["PRESENCED_ALLOCATOR"] != "system"

let package = Package(
    name: "presenced",
    products: [
        .library(name: "PresenceStore", targets: ["PresenceStore"]),
        .library(name: "PresenceTesting", targets: ["PresenceTesting"]),
        .executable(name: "presenced", targets: ["presenced"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // The rules: values in, values out. Imports nothing.
        .target(name: "Presence"),

        // The embeddable store. Imports the rules only.
        .target(name: "CPrefetch"),
        .target(name: "PresenceStore", dependencies: ["Presence", "CPrefetch"]),

        // What users of the store test with: a clock they hold, seeded random numbers, a slow model.
        .target(name: "PresenceTesting", dependencies: ["Presence", "PresenceStore"]),

        // The wire. Imports nothing.
        .target(name: "PresenceRESP"),

        // The RESP port.
        .target(
            name: "PresenceServer",
            dependencies: [
                "Presence", "PresenceRESP", "PresenceStore",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ]
        ),

        // The process.
        .target(name: "CJemalloc", linkerSettings: [.linkedLibrary("jemalloc")]),
        .executableTarget(
            name: "presenced",
            dependencies: [
                "Presence", "PresenceServer", "PresenceStore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ] + (usesJemalloc ? ["CJemalloc"] : [])
        ),

        // Stories that run against the server in process and against the binary: their form, and who plays them.
        .target(name: "TranscriptSupport", path: "Tests/TranscriptSupport"),

        .testTarget(name: "PresenceTests", dependencies: ["Presence", "PresenceTesting"]),
        .testTarget(name: "PresenceRESPTests", dependencies: ["PresenceRESP", "PresenceTesting"]),
        .testTarget(name: "PresenceStoreTests", dependencies: ["Presence", "PresenceStore", "PresenceTesting"]),
        .testTarget(
            name: "PresenceServerTests",
            dependencies: [
                "Presence", "PresenceRESP", "PresenceServer", "PresenceStore", "PresenceTesting", "TranscriptSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        ),
        .testTarget(name: "PresencedTests", dependencies: ["presenced", "PresenceTesting", "TranscriptSupport"]),
        .testTarget(name: "TidyTests"),
    ],
    swiftLanguageModes: [.v6]
)
