//! The way to a service, which can be cut and mended while the service keeps what it has.

use std::{
    mem,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

/// Passes connections to its own port on to a service.
pub(crate) struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    accepting: JoinSet<()>,
    connections: Connections,
}

type Connections = Arc<Mutex<JoinSet<()>>>;

impl Proxy {
    /// Listens on a free port.
    pub(crate) fn start(target: SocketAddr) -> Self {
        let mut proxy = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            target,
            accepting: JoinSet::new(),
            connections: Connections::default(),
        };
        proxy.listen();
        proxy
    }

    /// The `endpoint_url` that leads to the service.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes the port and every connection: an outage. New connections are refused.
    pub(crate) async fn break_it(&mut self) {
        self.accepting.shutdown().await;
        let mut open = mem::take(&mut *self.connections.lock().unwrap());
        open.shutdown().await;
    }

    /// Listens on the same port again.
    pub(crate) async fn mend_it(&mut self) {
        self.break_it().await;
        self.listen();
    }

    fn listen(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(128).unwrap();
        self.address = listener.local_addr().unwrap();
        let connections = Arc::clone(&self.connections);
        self.accepting
            .spawn(accept_all(listener, self.target, connections));
    }
}

async fn accept_all(listener: TcpListener, target: SocketAddr, connections: Connections) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let mut open = connections.lock().unwrap();
        while open.try_join_next().is_some() {}
        open.spawn(pass_on(client, target));
    }
}

async fn pass_on(mut client: TcpStream, target: SocketAddr) {
    let mut service = TcpStream::connect(target).await.unwrap();
    // Either end may close when it likes.
    copy_bidirectional(&mut client, &mut service).await.ok();
}
