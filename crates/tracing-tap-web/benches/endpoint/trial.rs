//! One trial: readers are there, events are offered at a pace, and all is read to the end.

use crate::clients::{Ask, Clients, Form, Program};
use crate::processor::Used;
use crate::producer::{message_of, offer};
use crate::service::Service;
use std::time::{Duration, Instant};

/// Who reads what.
#[derive(Clone, Copy)]
pub(crate) struct Readers {
    pub(crate) count: usize,
    pub(crate) program: Program,
    pub(crate) form: Form,
    pub(crate) audience: Audience,
}

/// Whom an event is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// One reader: each watches a user of their own.
    One,
    /// All readers: they watch the same user.
    All,
}

/// What became of it. An item is an event for one reader.
pub(crate) struct Outcome {
    pub(crate) offered_per_second: f64,
    pub(crate) lost: f64,
    /// From the last event until the last reader had all.
    pub(crate) behind: Duration,
    pub(crate) endpoint_us_per_item: f64,
    pub(crate) readers_us_per_item: f64,
}

impl Readers {
    /// Offers so many items a second, for about so long.
    pub(crate) fn read(&self, service: &Service, items_per_second: f64, duration: Duration) -> Outcome {
        let per_reader = (items_per_second * duration.as_secs_f64()) as u64 / self.count as u64;
        let clients = Clients::start(self.program, service, &self.asks(per_reader));
        let (lost_before, used_before) = (lost(service), Used::so_far());
        let offered_in = self.offer(per_reader, items_per_second);
        let last_event = Instant::now();
        clients.wait();
        let behind = last_event.elapsed();
        service.wait_for_sessions(0);
        let (items, used) = ((per_reader * self.count as u64) as f64, Used::so_far().since(used_before));
        Outcome {
            offered_per_second: items / offered_in.as_secs_f64(),
            lost: (lost(service) - lost_before) as f64,
            behind,
            endpoint_us_per_item: used.endpoint / items,
            readers_us_per_item: used.children / items,
        }
    }

    fn asks(&self, events: u64) -> Vec<Ask> {
        (0..self.count).map(|reader| Ask { user: self.user(reader), form: self.form, events }).collect()
    }

    fn user(&self, reader: usize) -> usize {
        if self.audience == Audience::One { reader } else { 0 }
    }

    fn offer(&self, per_reader: u64, items_per_second: f64) -> Duration {
        let (users, items_per_event) = match self.audience {
            Audience::One => (self.count, 1),
            Audience::All => (1, self.count),
        };
        let spans: Vec<_> = (0..users).map(message_of).collect();
        offer(&spans, per_reader * users as u64, items_per_second / items_per_event as f64)
    }
}

fn lost(service: &Service) -> u64 {
    service.router.stats().events.lost
}
