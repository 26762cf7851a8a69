// swift-tools-version: 6.1
import PackageDescription

// A service that keeps a copy of a cluster's presences in its process: it is told of every change, and reads without asking a server.
let package = Package(
    name: "follower",
    dependencies: [.package(name: "presenced", path: "../..")],
    targets: [
        .executableTarget(
            name: "follower",
            dependencies: [
                .product(name: "PresenceLinks", package: "presenced"),
                .product(name: "PresenceStore", package: "presenced"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
