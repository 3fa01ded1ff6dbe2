//! The examples check themselves; here they are run.

use testing::nats_server::Server;

#[test]
fn fleet_runs() {
    let server = Server::with_configuration("crates/tracing-tap-nats/examples/fleet/nats-server.conf");
    testing::example::run_with("fleet", |command| {
        command.env("NATS_URL", server.url());
    });
}
