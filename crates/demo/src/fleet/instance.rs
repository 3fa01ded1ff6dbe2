//! An instance of the demo's fleet: the chat service with its clients, in a process of its own.

use super::processes::{Assignment, READY};
use super::{config, connect};
use crate::error::Error;
use crate::{descriptors, plan::Plan, start};
use std::io::{self, Read};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing_subscriber::prelude::*;
use tracing_tap::TapRouter;
use tracing_tap_nats as fleet;

/// How long leaving the fleet may take.
const LEAVING: Duration = Duration::from_secs(1);

/// Runs until its standard input is closed.
pub(super) fn run(plan: &Plan, assignment: &Assignment) -> Result<(), Error> {
    descriptors::allow_for(plan.connections)?;
    let router = TapRouter::new();
    tracing_subscriber::registry().with(router.layer()).init();
    let runtime = Runtime::new().map_err(|cause| Error::caused_by(cause, "start the service's threads"))?;
    let served = runtime.block_on(serve(plan, assignment, router));
    runtime.shutdown_background();
    served
}

async fn serve(plan: &Plan, assignment: &Assignment, router: TapRouter) -> Result<(), Error> {
    let name = format!("chat-{}", assignment.number);
    let config = config(&assignment.key)?.instance(name).map_err(|error| Error::new(error.to_string()))?;
    let client = connect(&assignment.url).await?;
    let (_, mut clients) = start(plan).await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let membership = tokio::spawn(fleet::join(router, client, config, async { drop(stopped.await) }));
    println!("{READY}");
    let abandoned = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    let _ = abandoned.await;
    drop(stop);
    let _ = timeout(LEAVING, membership).await;
    match clients.first_failure() {
        Some(cause) => Err(Error::caused_by(cause, "keep all clients connected")),
        None => Ok(()),
    }
}
