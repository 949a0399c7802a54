//! What a client asks for: subscribe, update, unsubscribe, pause.

use tidegate_views::Subscription;
use tokio::time::Instant;

use super::{Open, Session};
use crate::live::chart_refresh;
use crate::live::jobs::Questions;
use crate::live::message::{ClientMessage, Code, ErrorMessage, ServerMessage, Subscribe, Update};
use crate::live::transport::{Gone, Transport};

impl<T: Transport> Session<T> {
    pub(super) async fn obey(&mut self, message: ClientMessage) -> Result<(), Gone> {
        let answer = match message {
            ClientMessage::Hello(_) => Err(ErrorMessage::new(Code::NotUnderstood, None, "`hello` was said already")),
            ClientMessage::Subscribe(wish) => {
                self.subscribe(&wish).map(|()| ServerMessage::Subscribed { id: wish.id, rate: self.granted(wish.id) })
            }
            ClientMessage::Update(wish) => {
                let id = wish.id;
                self.update(wish).map(|()| ServerMessage::Updated { id, rate: self.granted(id) })
            }
            ClientMessage::Unsubscribe { id } => self.unsubscribe(id).map(|()| ServerMessage::Unsubscribed { id }),
            ClientMessage::Ping { n } => Ok(ServerMessage::Pong { n, time: self.hub.now_ms() }),
            ClientMessage::Pause => {
                self.paused = true;
                self.pulse_due = Instant::now() + self.hub.config.pulse_paused;
                return Ok(());
            }
            ClientMessage::Continue => {
                self.paused = false;
                self.pulse_due = Instant::now();
                self.subscriptions.iter_mut().for_each(|open| open.dirty = true);
                return Ok(());
            }
            ClientMessage::Seen { bytes } => {
                self.flow.on_seen(bytes, Instant::now());
                return Ok(());
            }
        };
        match answer {
            Ok(answer) => self.say(&answer).await,
            Err(error) => self.say_error(error).await,
        }
    }

    /// Deltas a second that a subscription gets at most; `None`: as the link allows.
    fn granted(&self, id: u32) -> Option<f64> {
        let open = self.subscriptions.iter().find(|open| open.subscription.id() == id)?;
        open.rate_max(&self.hub.config, self.max_rate)
    }

    fn subscribe(&mut self, wish: &Subscribe) -> Result<(), ErrorMessage> {
        let config = &self.hub.config;
        let refuse = |code, message: String| Err(ErrorMessage::new(code, Some(wish.id), message));
        if self.subscriptions.iter().any(|open| open.subscription.id() == wish.id) {
            return refuse(Code::SubscriptionNumber, format!("subscription {} is open: use another number", wish.id));
        }
        if self.subscriptions.len() >= config.subscriptions_max {
            let max = config.subscriptions_max;
            return refuse(Code::TooMany, format!("{max} subscriptions are open, more are not allowed"));
        }
        let since = wish.since(self.encoding.positions(), &self.epoch_of_numbers)?;
        let spec = wish.spec()?;
        self.hub.check_names(spec.names()).map_err(|error| ErrorMessage::of_view(wish.id, &error))?;
        let subscription = self.hub.write(|views| views.open(self.guard.subscriber, wish.id, &spec, since));
        let subscription = subscription.map_err(|error| ErrorMessage::of_view(wish.id, &error))?;
        let rows = subscription.rows() + self.rows();
        if rows > config.rows_max {
            let max = config.rows_max;
            self.hub.close(subscription);
            return refuse(Code::TooMany, format!("{rows} rows in all subscriptions, {max} are allowed"));
        }
        let mut questions = Questions::default();
        self.ask_charts(&subscription, &mut questions);
        self.hub.meters.subscriptions.increment(1.0);
        let due = Instant::now();
        let rate = wish.rate.filter(|rate| *rate > 0.0);
        // Most sessions have one or two: doubling would begin with room for four.
        self.subscriptions.reserve_exact(1);
        self.subscriptions.push(Open {
            subscription,
            dirty: true,
            reading: false,
            questions,
            rate,
            met_rate: None,
            told_rate: None,
            due,
            asleep: false,
            held: false,
        });
        // Alerts first.
        self.subscriptions.sort_by_key(|open| open.subscription.lane());
        Ok(())
    }

    fn update(&mut self, wish: Update) -> Result<(), ErrorMessage> {
        let (id, rate, rows_max) = (wish.id, wish.rate, self.hub.config.rows_max);
        let rows = self.rows();
        let open =
            self.subscriptions.iter_mut().find(|open| open.subscription.id() == id).ok_or_else(|| unknown(id))?;
        let change = wish.spec();
        if rows + change.add.len() > rows_max {
            let message = format!("{} rows in all subscriptions, {rows_max} are allowed", rows + change.add.len());
            return Err(ErrorMessage::new(Code::TooMany, Some(id), message));
        }
        let (hub, subscription) = (&self.hub, &mut open.subscription);
        let updated =
            hub.check_names(&change.add).and_then(|()| hub.write(|views| views.update(subscription, &change)));
        updated.map_err(|error| ErrorMessage::of_view(id, &error))?;
        // Also while it is paused: what waits to be done would grow with each message.
        while subscription.must_follow() {
            hub.write(|views| views.follow(subscription));
        }
        (open.dirty, open.due) = (true, Instant::now());
        if let Some(rate) = rate {
            open.rate = Some(rate).filter(|rate| *rate > 0.0);
        }
        if change.window.is_some() {
            open.questions = Questions::default();
            let wanted = self.hub.read(|views| views.wanted_history(&open.subscription));
            for (line, query) in wanted {
                self.jobs.chart((id, &mut open.questions), line, query, 0);
            }
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, id: u32) -> Result<(), ErrorMessage> {
        let at = self.subscriptions.iter().position(|open| open.subscription.id() == id).ok_or_else(|| unknown(id))?;
        let open = self.subscriptions.remove(at);
        self.hub.close(open.subscription);
        self.hub.meters.subscriptions.decrement(1.0);
        Ok(())
    }

    fn rows(&self) -> usize {
        self.subscriptions.iter().map(|open| open.subscription.rows()).sum()
    }

    fn ask_charts(&mut self, subscription: &Subscription, questions: &mut Questions) {
        let wanted = self.hub.read(|views| views.wanted_history(subscription));
        if !wanted.is_empty() {
            chart_refresh::begin(&self.hub, &self.history);
        }
        for (line, query) in wanted {
            self.jobs.chart((subscription.id(), questions), line, query, 0);
        }
    }
}

fn unknown(id: u32) -> ErrorMessage {
    ErrorMessage::new(Code::SubscriptionNumber, Some(id), format!("no subscription {id} is open"))
}
