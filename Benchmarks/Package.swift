// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(name: "presenced", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // The allocator of the server, so that bytes and allocations are what the server has.
        .target(name: "CAllocator", linkerSettings: [.linkedLibrary("jemalloc")]),
        .executableTarget(
            name: "presence-bench",
            dependencies: [
                "CAllocator",
                .product(name: "PresenceStore", package: "presenced"),
                .product(name: "PresenceRESP", package: "presenced"),
                .product(name: "PresenceTesting", package: "presenced"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/PresenceBench"
        ),
    ],
    swiftLanguageModes: [.v6]
)
