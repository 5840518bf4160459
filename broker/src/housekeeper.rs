//! What has to be done without a client: wills and sessions whose time has come, retained
//! messages that expire, and messages about the broker.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::{
    core::Core,
    sessions::{earlier_deadline, publish_orphaned_wills, visit_due},
    store::StoreError,
    sys,
};

/// How exactly the time of a kill is known afterwards.
pub(crate) const ALIVE: Duration = Duration::from_secs(10);
/// How often retained messages are looked through for those that have expired.
const EXPIRY: Duration = Duration::from_secs(60);
/// The longest sleep: the wall clock may be set meanwhile.
const NAP: Duration = Duration::from_secs(60);

/// Keeps house until the broker stops.
///
/// Wills of an earlier run are published at once: who connects with a new one finds none.
pub(crate) fn run(core: Arc<Core>) -> impl Future<Output = ()> {
    publish_orphaned_wills(core.take_orphaned_wills(), &core);
    keep_house(core)
}

async fn keep_house(core: Arc<Core>) {
    core.note_alive();
    let mut alive = every(ALIVE);
    let mut expiry = every(EXPIRY);
    let mut sys = (!core.limits.sys_interval.is_zero()).then(|| every(core.limits.sys_interval));
    sys::publish(&core);
    loop {
        let next = visit_due(&core).await;
        let nap = next.map_or(NAP, |at| {
            NAP.min(Duration::from_millis(at.saturating_sub(core.clock.now())))
        });
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = earlier_deadline(&core) => {}
            _ = alive.tick() => core.note_alive(),
            _ = expiry.tick() => {
                if expire_retained(&core).is_err() {
                    tracing::debug!("the store takes nothing");
                }
            }
            () = tick(&mut sys) => sys::publish(&core),
            () = core.stop.cancelled() => break,
        }
    }
    core.note_alive();
}

fn expire_retained(core: &Core) -> Result<(), StoreError> {
    let topics = core.retained.expire(core.clock.now());
    let transaction = core.store.transaction();
    core.retained.write(&topics, transaction, &core.store)?;
    Ok(())
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}
