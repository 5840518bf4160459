use tokio::net::TcpStream;

use super::*;

fn size_of_future<F>(_: impl FnOnce(TcpStream, Peer, Handshake, Arc<Core>) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn an_idle_connection_takes_little_memory() {
    let task = size_of_future(|stream, peer, handshake, core| {
        serve(stream, peer, Compat::None, handshake, core)
    });
    assert!(task <= 896, "{task} bytes");
    let connection = size_of::<Connection<TcpStream>>();
    assert!(connection <= 1_280, "{connection} bytes");
}
