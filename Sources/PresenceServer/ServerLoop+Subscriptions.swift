import PresenceStore

/// Subscribing: the loop's own tables, the registry that all loops count in, and the event reader that exists while somebody listens.
extension ServerLoop {
    func subscribe(_ client: Client, channel: [UInt8]) {
        guard client.subscribe(channel: channel) else { return }
        subscriptions.add(client, channel: channel)
        server.registry.add(channel: channel, loop: index)
        updatePublisher()
        changeTelling(channel, begins: true)
    }

    func unsubscribe(_ client: Client, channel: [UInt8]) {
        guard client.unsubscribe(channel: channel) else { return }
        subscriptions.remove(client, channel: channel)
        server.registry.remove(channel: channel, loop: index)
        updatePublisher()
        changeTelling(channel, begins: false)
    }

    func subscribe(_ client: Client, pattern: [UInt8]) {
        guard client.subscribe(pattern: pattern) else { return }
        subscriptions.add(client, pattern: pattern)
        server.registry.add(pattern: pattern, loop: index)
        updatePublisher()
    }

    func unsubscribe(_ client: Client, pattern: [UInt8]) {
        guard client.unsubscribe(pattern: pattern) else { return }
        subscriptions.remove(client, pattern: pattern)
        server.registry.remove(pattern: pattern, loop: index)
        updatePublisher()
    }

    func unsubscribeAll(_ client: Client) {
        for channel in client.channels { unsubscribe(client, channel: channel) }
        for pattern in client.patterns { unsubscribe(client, pattern: pattern) }
    }

    /// Begins or ends reading the store's events, as somebody listens or nobody does.
    func updatePublisher() {
        guard !isExecuting else {
            mustUpdatePublisher = true
            return
        }
        let peers = peers
        publisher.update(notifications: configuration.keyspaceNotifications) { shard in
            peers[shard % peers.count].wake(shard: shard)
        }
    }
}
