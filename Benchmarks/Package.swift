// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(name: "presenced", path: ".."),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // The allocator of the server, so that bytes and allocations are what the server has.
        .target(name: "CAllocator", linkerSettings: [.linkedLibrary("jemalloc")]),
        // Marks for callgrind, where its header is installed.
        .target(name: "CCallgrind"),
        .executableTarget(
            name: "presence-bench",
            dependencies: [
                "CAllocator",
                "CCallgrind",
                .product(name: "PresenceServer", package: "presenced"),
                .product(name: "PresenceStore", package: "presenced"),
                .product(name: "PresenceRESP", package: "presenced"),
                .product(name: "PresenceTLS", package: "presenced"),
                .product(name: "PresenceTesting", package: "presenced"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Sources/PresenceBench"
        ),
        .testTarget(
            name: "PresenceBenchTests",
            dependencies: [
                "presence-bench", .product(name: "PresenceTLS", package: "presenced"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
