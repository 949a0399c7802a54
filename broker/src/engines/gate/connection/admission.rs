use std::sync::Arc;
use std::time::Duration;

use super::{Connection, Stream};
use crate::access::Claim;
use crate::engines::gate::state::Admitted;
use crate::wire::{ConnectRequest, End, Password, Request};

/// How long a connection may take to give its client identifier to a newer one.
const TAKE_OVER_MAX: Duration = Duration::from_secs(5);

impl<S: Stream> Connection<S> {
    /// A CONNECT is the last request of its read: the machine waits for the answer.
    pub(super) fn take_connect(&mut self) -> Option<Box<ConnectRequest>> {
        match self.requests.pop_back()? {
            Request::Connect(connect) => Some(connect),
            other => {
                self.requests.push_back(other);
                None
            }
        }
    }

    /// Lets a client in, after whoever held its identifier has ended.
    pub(super) async fn connect(&mut self, connect: &ConnectRequest) {
        if let Some(kept_out) = self.permit.kept_out.take() {
            self.guarded(|machine| machine.keep_out(&kept_out));
            return;
        }
        let client = match connect.client_id.as_str() {
            "" => self.gate.new_client_id(),
            given => given.to_owned(),
        };
        self.begin_trace(&client, connect);
        let Some(key) = self.identify(connect, &client).await else { return };
        let key: Arc<str> = key.into();
        let before = self.gate.hold(&key, &self.registration.handle);
        self.holds = Some(Arc::clone(&key));
        if let Some(before) = before
            && tokio::time::timeout(TAKE_OVER_MAX, before.gone()).await.is_err()
        {
            let detail = "an older connection of the client identifier does not end; try again";
            self.guarded(|machine| machine.turn_away(detail));
            return;
        }
        let now = self.gate.now();
        let address = self.machine.auth().address();
        let Admitted { mut admission, ticket } = self.gate.admit(&key, address, connect, &mut self.registration);
        admission.assigned_client_id = connect.client_id.is_empty().then_some(client);
        self.guarded(|machine| machine.admit(connect, &admission));
        // What the session subscribed to under other rights does not come back.
        if let Some(session) = self.registration.session.as_ref().filter(|_| admission.session_present) {
            for (filter, _) in session.subscriptions().iter().filter(|(filter, _)| !self.machine.may_subscribe(filter))
            {
                self.gate.unsubscribe(session, filter);
            }
        }
        // From here on the end of the connection parks this session, whatever happens before its CONNACK.
        self.show(&key, connect, now);
        if self.gate.commits.stored(ticket).await.is_err() {
            return self.machine.abandon(End::Lost);
        }
        let mut requests = Vec::new();
        self.guarded(|machine| machine.accept(connect, admission, now, &mut requests));
        self.requests = requests.into();
        if let Some((will, delay_s)) = self.machine.will(now.unix_ms) {
            self.gate.remember_will(will, delay_s);
        }
    }

    /// Asks who the client is. Returns under what its session is held, or nothing when it was turned away.
    async fn identify(&mut self, connect: &ConnectRequest, client: &str) -> Option<String> {
        let now = self.gate.now();
        let asked_at = tidegate_identity::Now { instant: now.instant, unix_ms: now.unix_ms };
        match self.gate.access.let_in(claim(connect), &self.peer, asked_at).await {
            Ok(auth) => {
                let key = auth.session_key(client);
                self.machine.identify(auth, now);
                Some(key)
            }
            Err(refused) => {
                self.guarded(|machine| machine.turn_away_unknown(refused));
                None
            }
        }
    }
}

/// What a CONNECT says of its client.
fn claim(connect: &ConnectRequest) -> Claim<'_> {
    Claim {
        client_id: &connect.client_id,
        user: connect.user.as_deref(),
        password: connect.password.as_ref().map(Password::bytes),
        will: connect.will.as_ref().map(|will| (will.topic.as_str(), will.retain)),
    }
}
