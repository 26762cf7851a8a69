import Presence

/// Strings between stores: their images and digests, and what another node knows of one.
extension ShardState {
    /// The image of a string for other nodes; nil if there is nothing to tell of it.
    func stringImage(_ number: UInt32, at now: Timestamp) -> [UInt8]? { nil }

    /// What a string adds to a digest; nil if nothing.
    func stringDigest(_ number: UInt32, at now: Timestamp) -> UInt64? { nil }
}

extension ShardedStore {
    /// Joins an image whose form is none of a user's.
    func mergeString(_ image: Span<UInt8>, at now: Timestamp) throws(MergeError) -> Bool {
        throw .unknownForm(image.count > 0 ? image[0] : 0)
    }
}
