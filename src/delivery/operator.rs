//! What an operator's tools need of the lanes: their queues' names, and the way to one.

use perennial_broker::store::{Queue, Store};

use crate::{
    delivery::{Delivery, dead_letters, lanes},
    operator::{Destinations, NoWay, Target, Terms},
};

impl Destinations for Delivery {
    fn find(&self, connector: &str, destination: &str) -> Result<Target, NoWay> {
        let Some(lanes) = self.connectors.get(connector) else {
            let problem = format!("no connector {connector:?} is configured");
            return Err(NoWay::Never(problem));
        };
        let own = lanes.connector();
        let terms = Terms::of(&*own.contract, &own.settings);
        match lanes.find_or_open(&self.workshop, destination) {
            Ok(lane) => Ok(Target {
                queue: lane.queue.clone(),
                lane: Some(lane),
                terms,
            }),
            Err(rejection) if rejection.code == "InvalidArgumentException" => {
                Err(NoWay::Never(rejection.message))
            }
            Err(rejection) => Err(NoWay::NotNow(rejection.message)),
        }
    }
}

/// The name of the queue of a destination.
pub(crate) fn queue_name(connector: &str, destination: &str) -> String {
    lanes::queue_name(connector, destination)
}

/// The queues of destinations, each with its connector and destination, in their order.
pub(crate) fn queues(store: &Store) -> Vec<(String, String, Queue)> {
    named(store, |name| {
        let (connector, destination) = lanes::parse_queue_name(name)?;
        Some((connector.to_owned(), destination.to_owned()))
    })
    .into_iter()
    .map(|((connector, destination), queue)| (connector, destination, queue))
    .collect()
}

/// The queues of dead letters, each with its connector, in their order.
pub(crate) fn dead_letters(store: &Store) -> Vec<(String, Queue)> {
    named(store, |name| {
        dead_letters::parse_queue_name(name).map(str::to_owned)
    })
}

/// The queues that `parse` knows, in the order of what it makes of their names.
fn named<T: Ord>(store: &Store, parse: impl Fn(&str) -> Option<T>) -> Vec<(T, Queue)> {
    let names = store.queue_names().into_iter();
    let mut queues: Vec<_> = names
        .filter_map(|name| Some((parse(&name)?, store.find(&name)?)))
        .collect();
    queues.sort_by(|(one, _), (other, _)| one.cmp(other));
    queues
}
