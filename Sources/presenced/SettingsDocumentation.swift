/// The documents that come from the table of settings: nobody writes them by hand, and a test compares the committed
/// files with these.
enum SettingsDocumentation {
    /// `docs/CONFIGURATION.md`.
    static var reference: String {
        var text = introduction
        for group in Setting.Group.allCases {
            text += "\n## \(group.rawValue)\n\n"
            text += "| setting | default | allowed | live | |\n| --- | --- | --- | --- | --- |\n"
            for setting in Settings.table where setting.group == group {
                let documentation = setting.documentation.split(separator: "\n").joined(separator: " ")
                text += "| `\(setting.name)` | `\(setting.defaultValue)` | \(setting.allowed) "
                text += "| \(setting.isLive ? "yes" : "no") | \(documentation) |\n"
            }
        }
        return text
    }

    /// `cluster.conf`: every setting as a comment, with its default.
    static var example: String {
        var text = """
            # presenced: an example of every setting, with its default. Made by `make docs`.
            #
            #   presenced --config cluster.conf
            #
            # Nothing here is needed: take the # away from what should differ. Sizes: 64mb (bytes if bare). Durations:
            # 1500ms, 90s, 2m (seconds if bare). `presenced check-config --config cluster.conf` says what is wrong.
            # docs/CONFIGURATION.md has it all in tables.

            """
        for group in Setting.Group.allCases where group != .testing {
            text += "\n# ---- \(group.rawValue)\n"
            for setting in Settings.table where setting.group == group {
                text +=
                    "\n" + wrapped(setting.documentation)
                    + "# Allowed: \(setting.allowed). Live: \(setting.isLive ? "yes" : "no").\n"
                for line in setting.lines(of: Settings()) { text += "# \(setting.name) \(line)\n" }
            }
        }
        return text
    }

    /// Settings that differ from the defaults, as lines of a file; what `check-config` shows.
    static func differences(of settings: Settings) -> String {
        let defaults = settings.usual
        let changed = Settings.table.filter { $0.read(settings) != $0.read(defaults) }
        let lines = changed.flatMap { setting in
            setting.isSecret
                ? ["\(setting.name) \"********\"\n"] : setting.lines(of: settings).map { "\(setting.name) \($0)\n" }
        }.joined()
        return changed.isEmpty
            ? "# the configuration is good; all settings have their defaults\n"
            : "# the configuration is good; settings that differ from the defaults:\n" + lines
    }

    /// Text as comment lines of at most 110 letters.
    private static func wrapped(_ text: String) -> String {
        var lines = ""
        var line = "#"
        for word in text.split(whereSeparator: \.isWhitespace) {
            if line.count + 1 + word.count > 110 {
                lines += line + "\n"
                line = "#"
            }
            line += " " + word
        }
        return lines + line + "\n"
    }
}

private let introduction = """
    # Configuration

    Made from the table of settings, `Sources/presenced/Settings+Table.swift`, by `make docs`; a test holds it current.

    presenced runs without any configuration. What should differ from the defaults goes into a file,
    `presenced --config cluster.conf`, or on the command line, `presenced --port 6400 --session-ttl 90s`; the command
    line wins. `presenced check-config cluster.conf` takes the same words, lists every problem with its line, or says `ok`
    and shows what would hold.

    - **File.** One setting a line: its name, then its value. `#` at the beginning of a line makes a comment. Values
      with blanks are quoted as in redis.conf. A setting may stand there once (`client-output-buffer-limit`: once a
      class; `node`: once a node).
    - **Sizes** are bytes, or carry a unit: `64mb`, `1gb` are powers of 1024, `1m`, `1g` of 1000.
    - **Durations** are seconds, or carry a unit: `1500ms`, `90s`, `2m`, `1h`, `1d`.
    - **Live** settings change with `CONFIG SET` while presenced runs. A `CONFIG SET` of several pairs is one change:
      if one is wrong, none is taken. Changes live as long as the process.
    - Values are checked alone and together: `session-ttl` is at most `heartbeat-hard-limit`, `heartbeat-interval` is
      below `session-ttl`, `idle-after` below `away-after`, the graces at most `heartbeat-hard-limit`, and `maxmemory`
      above `shards` times `change-ring-size` and, with other nodes, the 9 bytes of each of `replica-log-entries`.

    """
