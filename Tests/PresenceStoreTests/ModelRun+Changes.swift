import Presence
import PresenceStore
import PresenceTesting

/// A service that asks for changes now and then: what it knows is what is so.
extension ModelRun {
    mutating func askForChanges() throws(Difference) {
        while true {
            do throws(StoreError) {
                let found = try store.changes(since: changeCursor, limit: random.pick([1, 5, 1_000]), at: now)
                changeCursor = .text(Array(found.cursor.utf8))
                for user in found.users {
                    changed[Name(user.id)] = ModelViewer.Known(
                        status: user.status, activity: user.activity.map { Name($0) })
                }
                if found.users.isEmpty { break }
            } catch {
                // It asked too seldom: it reads all again.
                guard error == .cursorLost else { throw difference("\(error)") }
                changeCursor = .newest
                changed = [:]
                for user in known {
                    changed[user] = ModelViewer.Known(
                        status: model.status(of: user), activity: model.activity(of: user))
                }
            }
        }
        for user in known {
            let expected = ModelViewer.Known(status: model.status(of: user), activity: model.activity(of: user))
            let found = changed[user] ?? ModelViewer.Known(status: .offline, activity: nil)
            try agree(found, expected, "what a service knows of \(user)")
        }
    }
}
