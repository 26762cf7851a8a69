// swift-tools-version: 6.1
import PackageDescription

// A service of its own that has presenced's store in its process: no server, no NIO, no allocator comes with it.
let package = Package(
    name: "embedding",
    dependencies: [.package(name: "presenced", path: "../..")],
    targets: [
        .executableTarget(
            name: "embedding", dependencies: [.product(name: "PresenceStore", package: "presenced")])
    ],
    swiftLanguageModes: [.v6]
)
