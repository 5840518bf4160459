//! The broker: what all connections share, its listeners, and its life.

use std::sync::Arc;

use perennial_rules::TopicName;
use tokio_util::task::TaskTracker;

use crate::{
    codec::QoS,
    core::Core,
    counters::BrokerCounters,
    hooks::Hooks,
    housekeeper,
    inbound::publish_internal,
    limits::Limits,
    listener::{Acceptor, Admission, Bound, Gate, ListenError, Listener, ListenerConfig, Served},
    store::{Store, StoreError, Ticket},
};

/// An MQTT server.
pub struct Broker {
    core: Arc<Core>,
    admission: Arc<Admission>,
    bound: Vec<Bound>,
    tasks: TaskTracker,
}

impl Broker {
    /// A broker that serves nobody yet, with the sessions and retained messages that `store`
    /// holds; this reads from the disk.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(limits: Limits, hooks: Arc<dyn Hooks>, store: Store) -> Result<Broker, StoreError> {
        let core = Arc::new(Core::open(limits, hooks, store)?);
        Ok(Broker {
            admission: Arc::new(Admission::new(Arc::clone(&core))),
            core,
            bound: Vec::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Begins with what has to be done without a client: wills, sessions and messages whose
    /// time has come. Call it once, when hooks are ready.
    pub fn start(&self) {
        self.tasks.spawn(housekeeper::run(Arc::clone(&self.core)));
    }

    /// Publishes on behalf of the gateway.
    pub fn publisher(&self) -> Publisher {
        Publisher {
            core: Arc::clone(&self.core),
        }
    }

    /// Serves clients where `config` says when they have passed `gate`, and says where that is.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn listen(
        &mut self,
        config: ListenerConfig,
        gate: Gate,
    ) -> Result<Bound, ListenError> {
        let listener = Listener::bind(&config.address).await?;
        let bound = listener.bound().map_err(|source| ListenError {
            address: config.address.clone(),
            source,
        })?;
        self.bound.push(bound.clone());
        let acceptor = Acceptor {
            listener,
            admission: Arc::clone(&self.admission),
            served: Arc::new(Served {
                config,
                gate,
                core: Arc::clone(&self.core),
            }),
            tasks: self.tasks.clone(),
        };
        self.tasks.spawn(acceptor.run());
        Ok(bound)
    }

    /// Asks the hooks about everybody again.
    pub fn rechecker(&self) -> Rechecker {
        Rechecker {
            core: Arc::clone(&self.core),
        }
    }

    /// Where it listens, in the order of the calls.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// What was counted since the start.
    pub fn counters(&self) -> BrokerCounters {
        self.core.snapshot()
    }

    /// What is counted, to be asked at any time and also by others.
    pub fn counting(&self) -> impl Fn() -> BrokerCounters + Send + Sync + 'static {
        let core = Arc::clone(&self.core);
        move || core.snapshot()
    }

    /// Accepts nobody, says goodbye to everybody, and waits until they have left.
    pub async fn stop(self) {
        self.core.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Has the hooks asked again when their answers may have changed.
#[derive(Clone)]
pub struct Rechecker {
    core: Arc<Core>,
}

impl Rechecker {
    /// Forgets what the hooks have answered, and closes the connections of clients that may not
    /// stay; how many those are.
    pub fn recheck(&self) -> usize {
        self.core.router.renew();
        self.expel()
    }

    /// Closes the connections of clients that may not stay; how many those are. What is
    /// remembered of everybody else's is not forgotten, so that it can be done often.
    pub fn expel(&self) -> usize {
        let hooks = &self.core.hooks;
        self.core.sessions.expel(|client| hooks.stays(client))
    }
}

/// Publishes messages that no client sent.
#[derive(Clone)]
pub struct Publisher {
    core: Arc<Core>,
}

impl Publisher {
    /// Publishes to whoever is subscribed; never waits. When the ticket is durable, the message
    /// is on disk for every session that outlives its connection.
    ///
    /// # Errors
    /// The message is to be stored and the store takes nothing.
    pub fn publish(
        &self,
        topic: TopicName,
        payload: &[u8],
        qos: QoS,
    ) -> Result<Ticket, StoreError> {
        publish_internal(topic, payload, qos, &self.core)
    }
}
