//! The way of a command to queues and dead letters: through a gateway that runs, or to the
//! store of one that does not.

use std::{io, path::PathBuf};

use perennial_broker::store::{StoreConfig, StoreError};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    api::{self, DropRequest, ReplayRequest, ShowRequest},
    client::{Client, ClientError},
    socket_path,
};
use crate::{
    config::{Config, ConnectorConfig},
    operator::{
        Change, LetterId, LetterText, ListRequest, OpenError, Operator, Page, Queues, Report,
        Selection, open_stopped,
    },
};

/// A way to queues and dead letters.
pub enum Access {
    /// Through the socket of the gateway of this data directory.
    Running(PathBuf),
    /// To the store of a gateway that does not run.
    Stopped(Box<Operator>),
}

impl Access {
    /// Finds the way to the gateway of `config`; `has_connectors` says whether its connectors
    /// are those of the gateway.
    ///
    /// # Errors
    /// No gateway runs and its store cannot be opened either.
    pub async fn find(config: Config, has_connectors: bool) -> Result<Self, AccessError> {
        let Config {
            data_dir,
            store,
            connectors,
            ..
        } = config;
        match Client::connect(&data_dir).await {
            Ok(Some(_)) => Ok(Self::Running(data_dir)),
            Ok(None) => {
                let connectors = has_connectors.then_some(connectors);
                Self::stopped(data_dir, store, connectors).await
            }
            Err(source) => Err(AccessError::Socket {
                path: socket_path(&data_dir),
                source,
            }),
        }
    }

    async fn stopped(
        data_dir: PathBuf,
        store: StoreConfig,
        connectors: Option<Vec<ConnectorConfig>>,
    ) -> Result<Self, AccessError> {
        match open_stopped(store, connectors).await {
            Ok(operator) => Ok(Self::Stopped(Box::new(operator))),
            Err(OpenError::Store(StoreError::InUse { .. })) => Err(AccessError::Silent {
                path: socket_path(&data_dir),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// How the queues are.
    ///
    /// # Errors
    /// The gateway does not answer, or the store cannot be read.
    pub async fn queues(&self) -> Result<Queues, AccessError> {
        match self {
            Self::Running(data_dir) => Ok(connect(data_dir).await?.get(api::QUEUES).await?),
            Self::Stopped(operator) => Ok(operator.queues(None).await?),
        }
    }

    /// A page of dead letters.
    ///
    /// # Errors
    /// The gateway does not answer, or the store cannot be read.
    pub async fn list(&self, request: &ListRequest) -> Result<Page, AccessError> {
        match self {
            Self::Running(data_dir) => post(data_dir, api::LIST, request).await,
            Self::Stopped(operator) => Ok(operator.list(request).await?),
        }
    }

    /// A dead letter with what it holds.
    ///
    /// # Errors
    /// There is none of that name, the gateway does not answer, or the store cannot be read.
    pub async fn show(&self, id: LetterId) -> Result<LetterText, AccessError> {
        match self {
            Self::Running(data_dir) => post(data_dir, api::SHOW, &ShowRequest { id }).await,
            Self::Stopped(operator) => match operator.show(&id).await? {
                Some(letter) => Ok(letter),
                None => Err(AccessError::NoLetter { id }),
            },
        }
    }

    /// Sends the records of dead letters again, to their destinations or all to one.
    ///
    /// # Errors
    /// The gateway does not answer, or the store cannot be read or written.
    pub async fn replay(
        &self,
        letters: Selection,
        to: Option<String>,
    ) -> Result<Report, AccessError> {
        match self {
            Self::Running(data_dir) => {
                post(data_dir, api::REPLAY, &ReplayRequest { letters, to }).await
            }
            Self::Stopped(operator) => {
                let change = Change::Replay { to: to.as_deref() };
                Ok(operator.change(&letters, change).await?)
            }
        }
    }

    /// Drops dead letters.
    ///
    /// # Errors
    /// The gateway does not answer, or the store cannot be read or written.
    pub async fn drop(&self, request: &DropRequest) -> Result<Report, AccessError> {
        match self {
            Self::Running(data_dir) => post(data_dir, api::DROP, request).await,
            Self::Stopped(operator) => Ok(operator.change(&request.letters, Change::Drop).await?),
        }
    }
}

async fn connect(data_dir: &std::path::Path) -> Result<Client, AccessError> {
    let connected = Client::connect(data_dir).await;
    let client = connected.and_then(|client| {
        client.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the gateway has stopped"))
    });
    client.map_err(|source| AccessError::Socket {
        path: socket_path(data_dir),
        source,
    })
}

async fn post<T: DeserializeOwned>(
    data_dir: &std::path::Path,
    path: &str,
    what: &impl Serialize,
) -> Result<T, AccessError> {
    Ok(connect(data_dir).await?.post(path, what).await?)
}

/// Why there was no way, or where it ended.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The socket cannot be used.
    #[error("cannot ask the gateway through {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A gateway has the store and no socket.
    #[error(
        "a gateway has the store open and does not answer on {}: it is starting, stopping, or of \
         a version without this socket",
        path.display()
    )]
    Silent {
        /// Where the socket would be.
        path: PathBuf,
    },
    /// The gateway gave no answer, or another than hoped for.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The store of a stopped gateway cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such letter.
    #[error("there is no dead letter {id}")]
    NoLetter {
        /// The name that was asked for.
        id: LetterId,
    },
}
