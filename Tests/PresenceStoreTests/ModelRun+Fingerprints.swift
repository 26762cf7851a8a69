import Presence
import PresenceStore
import PresenceTesting

/// The law of fingerprints: what can be read of a key differs, then so do they; nobody wrote and nothing that can be read differs, then they are equal.
extension ModelRun {
    /// Everything that can be read of a key, and its fingerprint.
    struct Look: Equatable {
        var fingerprint: UInt64
        var view: View
    }

    struct View: Equatable {
        var user: UserDescription?
        /// What no read shows but by what follows from it.
        var manual: ManualStatus?
        var sessions: [SessionDescription] = []
        var record: RecordFields?
        var value: Name?
        var end: Timestamp?
    }

    /// Looks at a key and compares with the look before.
    mutating func lookAgain(_ key: Key) throws(Difference) {
        let name = key.name.bytes
        // The fingerprint first: it must not lean on what another read has settled.
        let fingerprint = store.fingerprint(of: key.kind, name.span, at: now)
        var view = View()
        switch key.kind {
        case .string:
            view.value = store.string(key.name, at: now)
        case .presence:
            view.manual = model.manualStatus(of: key.name)
            view.user = store.describe(name.span, at: now)
            view.sessions = store.sessions(of: name.span, at: now)
            // In a grace the record is that of a session that is over, which may be forgotten.
            if !view.sessions.isEmpty { view.record = store.recordFields(of: name.span, at: now) }
        }
        if case .milliseconds(let left) = store.timeToLive(key.kind, name.span, at: now) {
            view.end = now.advanced(byMilliseconds: left)
        }
        try agree(fingerprint == 0, view == View(), "\(key) has a fingerprint")
        let look = Look(fingerprint: fingerprint, view: view)
        defer {
            looks[key] = look
            touched.remove(key)
        }
        guard let last = looks[key] else { return }
        if last.view != look.view, last.fingerprint == look.fingerprint {
            throw difference("\(key) has changed, its fingerprint has not\n  \(last)\n  \(look)")
        }
        if last.view == look.view, !touched.contains(key), last.fingerprint != look.fingerprint {
            throw difference("\(key) has not changed, its fingerprint has\n  \(last)\n  \(look)")
        }
        if key.kind == .string, touched.contains(key), fingerprint != 0, last.fingerprint == fingerprint {
            // Another end may be the one that it had.
            try agree(last.view, look.view, "\(key) was written")
        }
    }
}
