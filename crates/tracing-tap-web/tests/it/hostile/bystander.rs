//! A client that watches meanwhile, and must not notice.

use crate::fixture::{Served, Service};
use testing::client::Curl;

pub(crate) struct Bystander {
    curl: Curl,
    opened: u64,
    heard: u64,
}

impl Bystander {
    /// Watches user 43.
    pub(crate) fn start(service: &Service, served: &Served) -> Self {
        let curl = Curl::get(served.address, "/watch?q=user%3D43");
        service.wait_for_sessions(1);
        Self { curl, opened: service.router.stats().opened_sessions, heard: 0 }
    }

    /// Emits an event, which nothing may hold up, and has it read.
    #[track_caller]
    pub(crate) fn is_unmoved(&mut self) {
        let number = self.heard;
        tracing::info!(user = 43, number, "still here");
        assert_eq!((&self.curl.json()["fields"]["number"], number), (&number.into(), number));
        self.heard += 1;
    }

    /// Checks besides that nobody has opened anything.
    #[track_caller]
    pub(crate) fn is_alone(&mut self, service: &Service, tried: &str) {
        self.is_unmoved();
        assert_eq!(service.router.stats().opened_sessions, self.opened, "{tried} has opened a session");
    }
}
