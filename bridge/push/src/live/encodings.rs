//! The encodings there are.

use super::encoding::LiveEncoding;
use super::json::Json;

/// What a `hello` may ask for. The last one is what a client is told before it has said.
pub(crate) const ENCODINGS: &[&dyn LiveEncoding] = &[&Json::PROTOCOL_1, &Json::PROTOCOL_2];

/// The encoding that a `hello` asks for.
pub(crate) fn asked(
    offered: &'static [&'static dyn LiveEncoding],
    protocol: u32,
    name: &str,
) -> Option<&'static dyn LiveEncoding> {
    offered.iter().copied().find(|encoding| encoding.protocol() == protocol && encoding.name() == name)
}

/// What may be asked for, in words.
pub(crate) fn in_words(offered: &[&dyn LiveEncoding]) -> String {
    let all =
        offered.iter().map(|encoding| format!("protocol {} with encoding {:?}", encoding.protocol(), encoding.name()));
    format!("this server speaks {}", all.collect::<Vec<_>>().join(", "))
}
