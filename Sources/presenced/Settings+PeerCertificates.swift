import PresenceCluster
import PresenceLinks
import PresenceTLS

/// The certificates by which nodes know each other, as settings and their files say.
extension Settings {
    /// Whether nodes know each other by certificates.
    var hasPeerCertificates: Bool {
        let files = cluster.certificates
        return !files.certificateFile.isEmpty || !files.keyFile.isEmpty || !files.authorityFile.isEmpty
    }

    /// The files; nil if nodes know each other by the secret.
    var peerCertificates: PeerCertificates? { hasPeerCertificates ? cluster.certificates : nil }

    /// Every rule between the settings of certificates that is broken.
    func brokenCertificateRelations() -> [BrokenRelation] {
        let revocations = cluster.certificates.revocationFile
        guard hasPeerCertificates else {
            guard !revocations.isEmpty else { return [] }
            return [
                BrokenRelation(
                    names: ["peer-tls-crl-file", "peer-tls-cert-file"],
                    message:
                        "peer-tls-crl-file \(revocations) is about certificates, and nodes have none: set peer-tls-cert-file, "
                        + "peer-tls-key-file and peer-tls-ca-cert-file, or leave it out")
            ]
        }
        let files = [
            ("peer-tls-cert-file", cluster.certificates.certificateFile, "this node's certificate"),
            ("peer-tls-key-file", cluster.certificates.keyFile, "its key"),
            ("peer-tls-ca-cert-file", cluster.certificates.authorityFile, "the authority of all nodes"),
        ]
        guard let (present, path, _) = files.first(where: { !$0.1.isEmpty }) else { return [] }
        guard hasOtherNodes else {
            return [
                BrokenRelation(
                    names: [present, "node"],
                    message:
                        "\(present) \(path) is for links to other nodes, and there are none: add their 'node' lines, or leave it out"
                )
            ]
        }
        return files.filter { $0.1.isEmpty }.map { missing, _, what in
            BrokenRelation(
                names: [present, missing],
                message:
                    "\(present) \(path) alone makes no certificates for nodes: set \(missing) too, \(what); or leave all out, "
                    + "and nodes know each other by secret-file")
        }
    }

    /// What the links show and take, from files that are read now.
    ///
    /// - Throws: ``TLSError/setting(name:value:reason:)`` with the setting at fault.
    func peerCredentials(_ cluster: ClusterConfiguration, _ secret: SharedSecret) throws(TLSError) -> PeerCredentials {
        guard let certificates = peerCertificates else { return try PeerCredentials(cluster: cluster, secret: secret) }
        do throws(SecretFile.Problem) {
            try SecretFile(path: certificates.keyFile).check()
        } catch {
            throw .setting(name: "peer-tls-key-file", value: "", reason: error.description)
        }
        return try PeerCredentials(cluster: cluster, certificates: certificates)
    }

    /// What is wrong with the files; nil if nothing is, or if other settings are wrong already.
    func peerCertificateProblem() -> BrokenRelation? {
        guard hasPeerCertificates, brokenCertificateRelations().isEmpty, let cluster = try? clusterConfiguration()
        else {
            return nil
        }
        do throws(TLSError) {
            _ = try peerCredentials(cluster, SharedSecret([]))
            return nil
        } catch {
            guard case .setting(let name, _, _) = error else {
                return BrokenRelation(names: ["peer-tls-cert-file"], message: "peer-tls-cert-file: \(error)")
            }
            return BrokenRelation(names: [name], message: "\(error)")
        }
    }

    /// What is worth a word about the certificates.
    func peerCertificateAdvice() -> [String] {
        guard let certificates = peerCertificates, let cluster = try? clusterConfiguration(),
            let credentials = try? PeerCredentials(cluster: cluster, certificates: certificates),
            !credentials.otherOwnNodes.isEmpty
        else { return [] }
        let others = credentials.otherOwnNodes.joined(separator: ", ")
        return [
            "peer-tls-cert-file \(certificates.certificateFile) names node \(others) too: whoever has its key may speak as each of them"
        ]
    }
}
