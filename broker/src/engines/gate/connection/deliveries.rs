use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tidegate_telemetry::{CommandId, CommandProgress, CommandRefusal, Qos};

use super::transfer::poll_write;
use super::{Connection, Next, OUTPUT_BYTES_MAX, Stream};
use crate::engines::gate::commits::OnDisk;
use crate::engines::gate::state::{GateState, is_by_name};
use crate::sessions::{Delivery, Due, SessionChange};
use crate::wire::{Delivered, Machine};

/// From the session's queue to the stream.
impl<S: Stream> Connection<S> {
    /// Delivers and writes until there is nothing more, the stream takes no more, or the turn is over.
    pub(super) fn send(&mut self, on_disk: OnDisk) -> Next {
        loop {
            let is_empty = self.deliver(on_disk);
            self.write();
            if is_empty || self.machine.output().len() >= OUTPUT_BYTES_MAX || self.gate.forgets_what_is_left() {
                return Next::Sleep;
            }
            if self.turn.is_over() {
                return Next::GoOn;
            }
        }
    }

    /// Takes what the client takes from its session's queue, and sends what may be sent. Returns whether it stopped because there
    /// is nothing more, and not because the output is full or the turn is over.
    fn deliver(&mut self, on_disk: OnDisk) -> bool {
        let Some(session) = self.registration.session.clone().filter(|_| !self.takes_nothing) else { return true };
        let (gate, number) = (Arc::clone(&self.gate), self.machine.session());
        while self.machine.output().len() < OUTPUT_BYTES_MAX && !self.turn.is_over() {
            let machine = &self.machine;
            let next = match session.pop_if(|delivery| machine.takes(delivery.qos)) {
                Some(Due::RetainedBacklog(backlog)) => {
                    gate.look_up(&session, backlog, &mut self.turn);
                    continue;
                }
                Some(Due::Delivery(delivery)) => Some(delivery),
                None => None,
            };
            if next.is_none() && !self.machine.holds_deliveries() {
                return true;
            }
            self.turn.spend(1);
            let has_next = next.is_some();
            if let Some(delivery) = next {
                self.guarded(|machine| line_up(&gate, machine, number, delivery));
            }
            let waiting_ms = gate.waiting_ms();
            match self.guarded(|machine| machine.send_next(on_disk.durable, on_disk.stored, waiting_ms)).flatten() {
                Some((delivery, delivered)) => {
                    if let Some(command) = delivery.message.command() {
                        self.report_command(command, &delivery, delivered);
                    }
                    self.note_delivered(delivered);
                    gate.note_delivery(number, &delivery, delivered);
                }
                None if !has_next => return true,
                None => {}
            }
        }
        false
    }

    /// A command leaves the queue. That stands in the log before the first byte of it leaves.
    fn report_command(&self, command: CommandId, delivery: &Delivery, delivered: Delivered) {
        let by_name = || {
            let topic = &delivery.message.topic;
            self.registration
                .session
                .as_ref()
                .is_some_and(|session| session.any_filter(|filter| is_by_name(filter, topic)))
        };
        let progress = match delivered {
            Delivered::Sent => CommandProgress::Sent { by_name: by_name() },
            Delivered::TooLarge => CommandProgress::Refused(CommandRefusal::TooLarge),
            // Its deadline passes in the log by itself.
            Delivered::Expired => return,
        };
        self.gate.report_command(command, self.machine.client(), self.machine.session(), progress);
    }

    /// Writes what the stream takes at once; [`Connection::wait`] waits until it takes more.
    fn write(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        while self.has_output() {
            match poll_write(&mut self.stream, cx, self.machine.output(), &mut self.is_unflushed) {
                Poll::Ready(written) => self.takes_nothing = written.is_err(),
                Poll::Pending => return,
            }
        }
    }
}

/// Gives a delivery its packet identifier and its place in line. One of QoS 2 that is kept waits until the store has the
/// identifier: after a crash it has to be sent with the same one.
fn line_up(gate: &GateState, machine: &mut Machine, session: u64, delivery: Delivery) {
    let packet_id = machine.bind(&delivery);
    let mut ticket = 0;
    if let Some(packet_id) = packet_id
        && delivery.number > 0
        && delivery.packet_id == 0
        && !delivery.is_noted_when_sent()
    {
        let change = SessionChange::Send { session, number: delivery.number, packet_id };
        match delivery.qos {
            Qos::ExactlyOnce => ticket = gate.store.change(change),
            _ => gate.store.note(change),
        }
    }
    machine.deliver(delivery, packet_id, ticket);
}
