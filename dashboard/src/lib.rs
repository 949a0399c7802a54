//! The built dashboard, embedded in the program: `make build` puts it into `dashboard/dist` first.

use std::borrow::Cow;

/// One file of the built dashboard.
pub struct Asset {
    /// The bytes.
    pub bytes: Cow<'static, [u8]>,
    /// Media type by the file's ending.
    pub content_type: &'static str,
    /// Quoted strong validator (RFC 9110 section 8.8.3), from the file's hash.
    pub etag: String,
    /// Whether the name changes with the content, so that a browser may keep the file for ever.
    pub immutable: bool,
    /// How the bytes are compressed (RFC 9110 section 8.4.1): `br` or `gzip`.
    pub encoding: Option<&'static str>,
}

/// Which compressions are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accepted {
    /// Brotli (RFC 7932).
    pub br: bool,
    /// gzip (RFC 1952).
    pub gzip: bool,
}

#[derive(rust_embed::Embed)]
#[folder = "dist"]
#[allow_missing = true]
struct Dist;

/// The file at `path` (no leading slash), in the smallest of the forms that are taken and were built, or `None`.
#[must_use]
pub fn asset(path: &str, accepted: Accepted) -> Option<Asset> {
    if path.ends_with(".br") || path.ends_with(".gz") {
        return None;
    }
    let form = |is_taken: bool, encoding: &'static str, ending: &str| {
        is_taken.then(|| Dist::get(&format!("{path}{ending}"))).flatten().map(|file| (file, Some(encoding)))
    };
    let compressed = form(accepted.br, "br", ".br").or_else(|| form(accepted.gzip, "gzip", ".gz"));
    let (file, encoding) = compressed.or_else(|| Some((Dist::get(path)?, None)))?;
    let hash = file.metadata.sha256_hash();
    let etag = hash.iter().take(8).fold(String::from("\""), |text, byte| text + &format!("{byte:02x}")) + "\"";
    let immutable = path.starts_with("assets/");
    Some(Asset { bytes: file.data, content_type: content_type(path), etag, immutable, encoding })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_told_what_each_file_is() {
        assert_eq!(content_type("assets/index-1f.js"), "text/javascript; charset=utf-8");
        assert_eq!(content_type("manifest.webmanifest"), "application/manifest+json");
        assert_eq!(content_type("LICENSE"), "application/octet-stream");
    }

    #[test]
    fn nothing_outside_the_built_files_is_served() {
        for path in ["", "../Cargo.toml", "../src/lib.rs", "/etc/passwd", "assets"] {
            assert!(asset(path, Accepted::default()).is_none(), "{path}");
        }
    }
}
