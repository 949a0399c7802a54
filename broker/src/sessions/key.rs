use tidegate_identity::Principal;

/// Under what a session is held and kept. Of two principals that use the same client identifier each has a session of
/// its own: nobody takes over, or reads, what another left behind. U+0000 is in no client identifier that is let in and
/// in no principal, and sorts before everything else: the keys are in the order of the identifiers.
pub(crate) fn session_key(client: &str, principal: &str) -> String {
    match principal == Principal::anonymous().name() {
        true => client.to_owned(),
        false => format!("{client}\0{principal}"),
    }
}

/// The client identifier and principal of a key.
pub(crate) fn client_and_principal(key: &str) -> (&str, Option<&str>) {
    key.split_once('\0').map_or((key, None), |(client, principal)| (client, Some(principal)))
}
