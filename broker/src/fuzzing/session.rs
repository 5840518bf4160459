//! Any bytes as what several clients do to a whole broker.
//!
//! A broker serves many inputs. After each one all sessions have ended and nothing of them may
//! be left, so an input does the same whatever came before it.

use std::{cell::RefCell, sync::Arc, time::Duration};

use tokio::{
    io::{DuplexStream, duplex},
    runtime::Runtime,
    time::timeout,
};

use super::{
    cleanup,
    client::Client,
    harness::{Ending, Harness},
    input::Input,
    serve,
};
use crate::{clock::ahead, compat::Compat, limits::QueueFullPolicy, sessions::visit_due};

/// More than any input needs.
const LONG: Duration = Duration::from_secs(30);
const CLIENTS: usize = 4;
/// Inputs that one broker serves: what the store has deleted is looked through each time.
const RUNS: u32 = 250;

/// A broker between two inputs, and how many it has served.
struct Idle {
    harness: Harness,
    runtime: Runtime,
    runs: u32,
}

/// Lets clients do to a broker what `data` says.
///
/// # Panics
/// A task of the broker panics or does not end, the broker writes nonsense, it serves a
/// bystander no longer, or something is left of what was.
pub fn session(data: &[u8]) {
    thread_local! {
        static IDLE: RefCell<[Option<Idle>; 3]> = const { RefCell::new([None, None, None]) };
    }
    let mut input = Input::new(data);
    let (place, policy) = input.pick(&[
        (0, QueueFullPolicy::DropOldest),
        (1, QueueFullPolicy::DropNewest),
        (2, QueueFullPolicy::Refuse),
    ]);
    // What panics is not used again.
    let idle = IDLE.with_borrow_mut(|idle| idle[place].take());
    let idle = idle.filter(|idle| idle.runs < RUNS);
    let Idle {
        harness,
        runtime,
        runs,
    } = idle.unwrap_or_else(|| Idle::open(policy));
    let harness = runtime.block_on(async {
        let run = Box::pin(run(harness, &mut input));
        timeout(LONG, run).await.expect("it takes too long")
    });
    let idle = Idle {
        harness,
        runtime,
        runs: runs + 1,
    };
    IDLE.with_borrow_mut(|all| all[place] = Some(idle));
}

impl Idle {
    fn open(policy: QueueFullPolicy) -> Idle {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        Idle {
            harness: Harness::open(policy),
            runtime: runtime.expect("a runtime starts"),
            runs: 0,
        }
    }
}

async fn run(mut harness: Harness, input: &mut Input<'_>) -> Harness {
    let ending = input.pick(&[
        Ending::Deserted,
        Ending::Deserted,
        Ending::Stopped,
        Ending::Dropped,
    ]);
    let mut clients: [Client; CLIENTS] = std::array::from_fn(|_| Client::default());
    while !input.is_empty() {
        let client = &mut clients[input.below(CLIENTS)];
        match input.byte() % 32 {
            0..4 => {
                let stream = open_connection(&mut harness, input);
                client.connect(input, stream);
            }
            4 => client.stream = None,
            5 => client.is_deaf = !client.is_deaf,
            6 => {
                ahead::pass(Duration::from_millis(250 << input.below(16)));
                visit_due(&harness.core).await;
            }
            step => client.step(step, input),
        }
        for _ in 0..=input.below(4) {
            for client in &mut clients {
                client.pump().await;
            }
            tokio::task::yield_now().await;
        }
    }
    drop(clients);
    let harness = harness.end(ending).await;
    cleanup::check_bounds(&harness.core);
    cleanup::serve_bystander(&harness.core).await;
    cleanup::end_everything(&harness.core).await;
    harness
}

/// Begins a connection; gives the client's end.
fn open_connection(harness: &mut Harness, input: &mut Input<'_>) -> DuplexStream {
    let (ours, theirs) = duplex(16 << input.below(8));
    let compat = input.pick(&[Compat::None, Compat::None, Compat::None, Compat::AwsIot]);
    let core = Arc::clone(&harness.core);
    harness.tasks.spawn(serve(theirs, compat, core));
    ours
}
