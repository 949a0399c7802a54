//! Clients of the live protocol: one that is there from the beginning, breaks off and resumes; others that come late.

use std::sync::Arc;

use serde_json::Value;
use tidegate_push::Json;
use tidegate_views::{Frame, StreamPosition, SubscriberId, Subscription, ViewSpec, Views};

use tidegate_testing::{ClientView, Dice};

/// Positions as numbers, to count with.
const JSON: Json = Json::PROTOCOL_1;

/// One client and its view.
pub struct Client {
    pub spec: ViewSpec,
    pub view: ClientView,
    cursor: Option<Subscription>,
    /// Where it stands, and of which epoch that is.
    reached: Option<(u64, Arc<str>)>,
    bytes_max: usize,
}

#[derive(Default)]
pub struct Viewers(Vec<Client>);

impl Viewers {
    pub fn new(dice: &mut Dice) -> Viewers {
        let mut client = |kind, spec| Client {
            spec,
            view: ClientView::new(kind),
            cursor: None,
            reached: None,
            bytes_max: [400, 1_500, 16_384][dice.roll(3) as usize],
        };
        let all = || Some(String::new());
        Viewers(vec![
            client(
                "devices",
                ViewSpec::Devices {
                    devices: None,
                    group: all(),
                    metrics: None,
                    after: None,
                    limit: None,
                    hidden: false,
                },
            ),
            client(
                "devices",
                ViewSpec::Devices {
                    devices: None,
                    group: all(),
                    metrics: None,
                    after: None,
                    limit: Some(3),
                    hidden: false,
                },
            ),
            client(
                "fleet",
                ViewSpec::Fleet { group: String::new(), metric: Some("temperature".into()), heard: true, hidden: true },
            ),
            client(
                "fleet",
                ViewSpec::Fleet {
                    group: "Building A".into(),
                    metric: Some("__proto__".into()),
                    heard: false,
                    hidden: false,
                },
            ),
            client("group", ViewSpec::Group { group: String::new(), depth: 20, metrics: None }),
        ])
    }

    pub fn connect(&mut self, views: &mut Views) {
        self.0.iter_mut().for_each(|client| client.connect(views));
    }

    /// One comes back, is told something, or breaks off.
    pub fn step(&mut self, dice: &mut Dice, views: &mut Views) {
        let client = &mut self.0[dice.roll(5) as usize];
        match dice.roll(8) {
            0 => client.leave(views),
            1 | 2 => client.connect(views),
            _ => drop(client.serve(views)),
        }
    }

    /// The server is gone.
    pub fn lose(&mut self) {
        self.0.iter_mut().for_each(|client| client.cursor = None);
    }

    /// Everybody has everything.
    pub fn settle(&mut self, views: &mut Views) {
        for client in &mut self.0 {
            client.connect(views);
            assert!((0..100_000).any(|_| !client.serve(views)), "{:?} never comes to rest", client.spec);
        }
    }

    pub fn all(&self) -> &[Client] {
        &self.0
    }
}

impl Client {
    /// A newcomer who asks for the same, with everything.
    pub fn fresh(&self, views: &mut Views) -> Client {
        let (spec, view) = (self.spec.clone(), ClientView::new(self.view.kind));
        let mut fresh = Client { spec, view, cursor: None, reached: None, bytes_max: 1 << 20 };
        fresh.connect(views);
        while fresh.serve(views) {}
        fresh.leave(views);
        fresh
    }

    fn connect(&mut self, views: &mut Views) {
        if self.cursor.is_some() {
            return;
        }
        let since = self.reached.as_ref();
        let since = since.map(|(at, epoch)| StreamPosition { epoch, version: *at });
        let (at, map) = (self.view.at, std::mem::take(&mut self.view.map));
        self.view = ClientView { at, map, ..ClientView::new(self.view.kind) };
        self.cursor = Some(views.open(SubscriberId(1), 1, &self.spec, since).unwrap());
    }

    fn leave(&mut self, views: &mut Views) {
        if let Some(cursor) = self.cursor.take() {
            views.close(cursor);
        }
    }

    /// Sends one message; `false` when there is none.
    fn serve(&mut self, views: &mut Views) -> bool {
        let Some(cursor) = &mut self.cursor else { return false };
        let mut out = Vec::new();
        loop {
            match views.frame(cursor, &JSON, &mut out, self.bytes_max) {
                Frame::Nothing => return false,
                Frame::MustFollow => views.follow(cursor),
                Frame::WantsEvents { .. } => unreachable!("nobody looks at alerts"),
                Frame::Written => break,
            }
        }
        let message: Value =
            serde_json::from_slice(&out).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&out)));
        if self.view.apply(&message) {
            self.reached = self.view.at.map(|at| (at, views.epoch().name.clone()));
        }
        true
    }
}
