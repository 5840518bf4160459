//! How long a client may be silent (3.1.2.10).

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep};

/// How long a client may be silent, and since when it is.
pub(crate) struct KeepAlive {
    allowed: Duration,
    heard: Instant,
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    pub(crate) fn new(allowed: Duration) -> KeepAlive {
        KeepAlive {
            allowed,
            heard: Instant::now(),
            timer: Box::pin(sleep(allowed)),
        }
    }

    pub(crate) fn hear(&mut self) {
        self.heard = Instant::now();
    }
}

/// Waits until a client has been silent for too long. Cancel-safe.
pub(crate) async fn silence(keep_alive: &mut Option<KeepAlive>) {
    let Some(keep_alive) = keep_alive else {
        return std::future::pending().await;
    };
    loop {
        keep_alive.timer.as_mut().await;
        let deadline = keep_alive.heard + keep_alive.allowed;
        if deadline <= Instant::now() {
            return;
        }
        // The timer is set anew only when it rings, not with each packet.
        keep_alive.timer.as_mut().reset(deadline);
    }
}
