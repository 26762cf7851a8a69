// swift-tools-version: 6.1
import PackageDescription

// A chat in one process that keeps its own presence: connections, statuses, privacy with a rule of its own, friends' lists, events.
let package = Package(
    name: "chat",
    dependencies: [.package(name: "presenced", path: "../..")],
    targets: [
        .executableTarget(name: "chat", dependencies: [.product(name: "PresenceStore", package: "presenced")])
    ],
    swiftLanguageModes: [.v6]
)
