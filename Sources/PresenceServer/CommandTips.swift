/// What `COMMAND INFO` tells proxies and cluster clients of a command: how to send it to several nodes and join the replies, and whether equal
/// commands give equal replies. Redis's words for Redis's commands; those of presence that take several keys follow them.
enum CommandTips {
    /// The tips of the command or subcommand of that name.
    static func of(_ name: String) -> [String] { tips[name] ?? [] }

    private static let varies = "nondeterministic_output"
    private static let variesInOrder = "nondeterministic_output_order"
    private static let sumOfShards = ["request_policy:multi_shard", "response_policy:agg_sum"]
    private static let allShards = ["request_policy:all_shards", "response_policy:all_succeeded"]
    private static let special = [varies, "request_policy:all_shards", "response_policy:special"]

    private static let tips: [String: [String]] = [
        "del": sumOfShards, "unlink": sumOfShards, "exists": sumOfShards, "touch": sumOfShards,
        "mget": ["request_policy:multi_shard"],
        "mset": ["request_policy:multi_shard", "response_policy:all_succeeded"],
        "presence.mget": ["request_policy:multi_shard"],
        "flushall": allShards, "flushdb": allShards, "ping": allShards, "memory|purge": allShards,
        // Every node has all keys: `DBSIZE`, `KEYS`, `SCAN` are for one.
        "keys": [variesInOrder], "scan": [varies],
        "wait": ["request_policy:all_shards", "response_policy:agg_min"], "ttl": [varies], "pttl": [varies],
        "time": [varies], "client|info": [varies], "client|list": [varies],
        "hgetall": [variesInOrder], "command": [variesInOrder], "command|docs": [variesInOrder],
        "command|info": [variesInOrder], "command|list": [variesInOrder],
        "cluster|info": [varies], "cluster|links": [varies], "cluster|nodes": [varies], "cluster|shards": [varies],
        "cluster|slots": [varies],
        "config|set": ["request_policy:all_nodes", "response_policy:all_succeeded"],
        "info": special, "memory|doctor": special, "memory|stats": special,
    ]
}
