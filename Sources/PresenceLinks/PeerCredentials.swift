import PresenceCluster
import PresenceReplication
import PresenceTLS

/// How a node shows other nodes who it is, and how it knows them: by a key that follows from the cluster's secret, or by certificates.
///
/// With the key whoever has the secret may be any node. With certificates a node is who its certificate says: who dials looks whether he has come to the
/// node that he meant before he says a word, who answers whether the node in the greeting is that of the certificate.
///
/// A value; files are read when it is made. One that was made can be used: ``PeerService/use(_:)``.
public struct PeerCredentials: Sendable {
    let client: TLSContext
    let server: TLSContext
    private let cluster: ClusterConfiguration
    /// Whether certificates are shown, not the key.
    public let hasCertificates: Bool
    /// The names in this node's certificate; none without one.
    public let ownNames: TLSCertificateNames

    /// The key that follows from the secret.
    ///
    /// - Throws: `TLSError.noMemory`.
    public init(cluster: ClusterConfiguration, secret: SharedSecret) throws(TLSError) {
        let key = try secret.peerKey(ofCluster: cluster.name)
        func context(_ role: TLSConfiguration.Role) throws(TLSError) -> TLSContext {
            var configuration = TLSConfiguration(role: role)
            configuration.versions = .tls13
            configuration.sharedKeys = [key]
            configuration.verifiesServer = false
            return try TLSContext(configuration)
        }
        client = try context(.client)
        server = try context(.server)
        self.cluster = cluster
        hasCertificates = false
        ownNames = TLSCertificateNames()
    }

    /// Certificates, which are read and looked at as the other nodes will: good today, for both ends of a connection, and this node's.
    ///
    /// - Throws: `TLSError.setting` with the setting at fault, such as `peer-tls-cert-file`, and the remedy.
    public init(cluster: ClusterConfiguration, certificates: PeerCertificates) throws(TLSError) {
        func context(_ role: TLSConfiguration.Role) throws(TLSError) -> TLSContext {
            var configuration = TLSConfiguration(role: role)
            configuration.settingPrefix = "peer-"
            configuration.versions = .tls13
            configuration.certificateFile = certificates.certificateFile
            configuration.keyFile = certificates.keyFile
            configuration.keyFilePassword = certificates.keyFilePassword
            configuration.authorityFile = certificates.authorityFile
            configuration.revocationFile = certificates.revocationFile
            configuration.readsNames = true
            return try TLSContext(configuration)
        }
        client = try context(.client)
        server = try context(.server)
        self.cluster = cluster
        hasCertificates = true
        ownNames = server.ownNames
        try server.verifyOwnCertificate()
        let own = cluster.own
        guard PeerCredentials.nodes(of: cluster, in: ownNames).contains(own.number) else {
            throw .setting(
                name: "peer-tls-cert-file", value: certificates.certificateFile,
                reason:
                    "it is the certificate of \(ownNames), and this node is \(own.name): other nodes take it for \(own.name) "
                    + "only if it names it, subjectAltName=DNS:\(own.name)")
        }
    }

    /// The nodes that names stand for: those that have one, and those whose peer address is at such a host, if no other node's is. O(n).
    static func nodes(of cluster: ClusterConfiguration, in names: TLSCertificateNames) -> Set<UInt8> {
        var nodes = Set(cluster.nodes.filter { names.has(name: $0.name) }.map(\.number))
        // A host of several nodes would let each speak as the others.
        let byHost = Dictionary(grouping: cluster.nodes.filter { $0.peer != nil }) { node in
            TLSCertificateNames.usualForm(ofHost: node.peer?.host ?? "")
        }
        for (host, residents) in byHost where residents.count == 1 && names.has(host: host) {
            nodes.insert(residents[0].number)
        }
        return nodes
    }

    /// What the names in a peer's certificate prove; nil if nodes show no certificates.
    func proof(_ names: TLSCertificateNames) -> PeerProof? {
        guard hasCertificates else { return nil }
        return PeerProof(nodes: PeerCredentials.nodes(of: cluster, in: names), names: names.description)
    }

    /// The nodes beside this one that this node's certificate would be taken for.
    public var otherOwnNodes: [String] {
        PeerCredentials.nodes(of: cluster, in: ownNames).compactMap { number in
            number == cluster.own.number ? nil : cluster.node(number)?.name
        }.sorted()
    }
}
