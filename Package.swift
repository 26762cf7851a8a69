// swift-tools-version: 6.1
import PackageDescription

/// Sanitizers look at the store and the codecs alone and bring an allocator of their own: `PRESENCED_PART=core swift test --sanitize=thread` builds
/// no server, no jemalloc, and no package of others.
/// `PRESENCED_PART=model` has of the tests only the store's model, which `make model` builds for release: all of them take many minutes to be optimized.
let isModelOnly = Context.environment["PRESENCED_PART"] == "model"
let isCoreOnly = isModelOnly || Context.environment["PRESENCED_PART"] == "core"
/// `PRESENCED_ALLOCATOR=system` leaves jemalloc out of the server as well.
let usesJemalloc = !isCoreOnly && Context.environment["PRESENCED_ALLOCATOR"] != "system"
let jemalloc: [Target.Dependency] = usesJemalloc ? ["CJemalloc"] : []
/// Memory from the allocator and locks that sanitizers know.
let sanitized: [SwiftSetting] = isCoreOnly && !isModelOnly ? [.define("SANITIZED")] : []

/// What can be embedded, the codecs, and their tests.
let core: [Target] = [
    // The rules: values in, values out. Imports nothing.
    .target(name: "Presence"),

    // The embeddable store. Imports the rules only.
    .target(name: "CPrefetch"),
    .target(
        name: "PresenceStore", dependencies: ["Presence", "CPrefetch"], swiftSettings: sanitized),

    // What users of the store test with: a clock they hold, seeded random numbers, a slow model.
    .target(name: "PresenceTesting", dependencies: ["Presence", "PresenceStore"]),

    // The wire. Imports nothing.
    .target(name: "PresenceRESP"),

    // Nodes, slots, membership: values. Imports nothing.
    .target(name: "PresenceCluster"),
    // What nodes tell each other: frames, their bytes, and when which is sent. No I/O.
    .target(name: "PresenceReplication", dependencies: ["Presence", "PresenceCluster", "PresenceStore"]),

    .testTarget(name: "PresenceTests", dependencies: ["Presence", "PresenceTesting"]),
    .testTarget(name: "PresenceRESPTests", dependencies: ["PresenceRESP", "PresenceTesting"]),
    .testTarget(name: "PresenceClusterTests", dependencies: ["PresenceCluster", "PresenceTesting"]),
    .testTarget(
        name: "PresenceReplicationTests",
        dependencies: ["Presence", "PresenceCluster", "PresenceReplication", "PresenceStore", "PresenceTesting"]),
    // A cluster's life from a seed: the replicator and the store over a network that fails.
    .testTarget(
        name: "PresenceSimulationTests",
        dependencies: ["Presence", "PresenceCluster", "PresenceReplication", "PresenceStore", "PresenceTesting"]),
    .testTarget(
        name: "PresenceStoreTests", dependencies: ["Presence", "PresenceStore", "PresenceTesting"] + jemalloc,
        swiftSettings: sanitized),
]

/// The store and its model.
let model: [Target] =
    core.filter { ["Presence", "CPrefetch", "PresenceStore", "PresenceTesting"].contains($0.name) } + [
        .testTarget(
            name: "PresenceStoreTests", dependencies: ["Presence", "PresenceStore", "PresenceTesting"],
            sources: [
                "ModelRun+Changes.swift", "ModelRun+Fingerprints.swift", "ModelRun+Leases.swift",
                "ModelRun+Operations.swift", "ModelRun+Privacy.swift", "ModelRun+Strings.swift",
                "ModelRun+Watching.swift", "ModelRun.swift", "ModelTests.swift", "Spans.swift",
            ])
    ]

/// The server, its process, and their tests.
let server: [Target] = [
    // One NIO handler over the system's OpenSSL. Imports nothing of ours.
    .target(name: "COpenSSL", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .target(name: "PresenceTLS", dependencies: ["COpenSSL", .product(name: "NIOCore", package: "swift-nio")]),
    .testTarget(
        name: "PresenceTLSTests",
        dependencies: [
            "COpenSSL", "PresenceTLS", "PresenceTesting",
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOEmbedded", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
        ]
    ),

    // The RESP port.
    .target(
        name: "PresenceServer",
        dependencies: [
            "Presence", "PresenceCluster", "PresenceRESP", "PresenceStore",
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "Logging", package: "swift-log"),
        ]
    ),

    // Links to other nodes: the replicator over NIO and TLS.
    .target(
        name: "PresenceLinks",
        dependencies: [
            "Presence", "PresenceCluster", "PresenceReplication", "PresenceStore", "PresenceTLS",
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "Logging", package: "swift-log"),
        ]
    ),
    .testTarget(
        name: "PresenceLinksTests",
        dependencies: [
            "LoopbackPorts", "Presence", "PresenceCluster", "PresenceLinks", "PresenceReplication", "PresenceStore",
            "PresenceTLS", "PresenceTesting",
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "Logging", package: "swift-log"),
        ]
    ),

    // `presenced migrate`: a client that copies presences from a Redis.
    .target(
        name: "PresenceMigration",
        dependencies: [
            "Presence", "PresenceTLS",
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
        ]
    ),

    // The process.
    .target(name: "CJemalloc", linkerSettings: [.linkedLibrary("jemalloc")]),
    .executableTarget(
        name: "presenced",
        dependencies: [
            "Presence", "PresenceCluster", "PresenceLinks", "PresenceMigration", "PresenceReplication",
            "PresenceServer",
            "PresenceStore", "PresenceTLS",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "Logging", package: "swift-log"),
            .product(name: "NIOPosix", package: "swift-nio"),
            .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        ] + jemalloc
    ),

    // Ports for the servers that tests start.
    .target(name: "LoopbackPorts", path: "Tests/LoopbackPorts"),

    // Stories that run against the server in process and against the binary: their form, and who plays them.
    .target(name: "TranscriptSupport", path: "Tests/TranscriptSupport"),

    .testTarget(
        name: "PresenceServerTests",
        dependencies: [
            "Presence", "PresenceCluster", "PresenceRESP", "PresenceServer", "PresenceStore", "PresenceTesting",
            "TranscriptSupport",
            .product(name: "Logging", package: "swift-log"),
            .product(name: "NIOCore", package: "swift-nio"),
            .product(name: "NIOEmbedded", package: "swift-nio"),
            .product(name: "NIOPosix", package: "swift-nio"),
        ]
    ),
    .testTarget(name: "PresenceMigrationTests", dependencies: ["Presence", "PresenceMigration", "PresenceTesting"]),
    .testTarget(
        name: "PresencedTests",
        dependencies: ["presenced", "LoopbackPorts", "PresenceTesting", "TranscriptSupport"]),
    .testTarget(name: "TidyTests"),
]

let package = Package(
    name: "presenced",
    products: [
        .library(name: "PresenceStore", targets: ["PresenceStore"]),
        .library(name: "PresenceTesting", targets: ["PresenceTesting"]),
    ]
        // Benchmarks counts the instructions of this one and the server.
        + (isModelOnly ? [] : [.library(name: "PresenceRESP", targets: ["PresenceRESP"])])
        + (isCoreOnly
            ? []
            : [
                .executable(name: "presenced", targets: ["presenced"]),
                .library(name: "PresenceServer", targets: ["PresenceServer"]),
                // The benchmarks load servers elsewhere, through TLS.
                .library(name: "PresenceTLS", targets: ["PresenceTLS"]),
                // A copy of a cluster in a service's process.
                .library(name: "PresenceLinks", targets: ["PresenceLinks", "PresenceCluster"]),
            ]),
    dependencies: isCoreOnly
        ? []
        : [
            .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
            .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
            .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
            .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        ],
    targets: isModelOnly ? model : isCoreOnly ? core : core + server,
    swiftLanguageModes: [.v6]
)
