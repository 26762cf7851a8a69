// swift-tools-version: 6.1
import PackageDescription

// A service's own code, and a test of what half an hour does to it that takes a millisecond.
let package = Package(
    name: "away-test",
    dependencies: [.package(name: "presenced", path: "../..")],
    targets: [
        .target(name: "Reception", dependencies: [.product(name: "PresenceStore", package: "presenced")]),
        .testTarget(
            name: "ReceptionTests",
            dependencies: ["Reception", .product(name: "PresenceTesting", package: "presenced")]),
    ],
    swiftLanguageModes: [.v6]
)
