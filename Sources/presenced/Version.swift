/// The version of presenced, as `--version`, the banner and `INFO` tell it. CHANGELOG.md has its history.
let presencedVersion = "0.1.0"
