/// The files by which the nodes of a cluster know each other, where that is not their common secret: this node's certificate and key, and the authority
/// whose certificates the others show.
///
/// A node's certificate names the node, or a host of which no other node has its peer address; it serves for both ends of a connection. Whoever has a
/// certificate of the authority that names a node may speak as that node: the authority signs for this cluster alone.
public struct PeerCertificates: Sendable, Equatable {
    /// This node's certificate and the chain above it, PEM.
    public var certificateFile: String
    /// Its private key, PEM.
    public var keyFile: String
    /// The password of the key; empty for none.
    public var keyFilePassword: String
    /// The authorities to trust, PEM.
    public var authorityFile: String
    /// Which certificates they took back, PEM, a list of each; empty to look at none.
    public var revocationFile: String

    /// These files. They are read when ``PeerCredentials`` are made of them.
    public init(
        certificateFile: String, keyFile: String, keyFilePassword: String = "", authorityFile: String,
        revocationFile: String = ""
    ) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.keyFilePassword = keyFilePassword
        self.authorityFile = authorityFile
        self.revocationFile = revocationFile
    }
}
