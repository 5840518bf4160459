//! One request in HTTP and its answer, to the byte as the oldest devices read it.
//!
//! - They look for `HTTP/1.1 200 OK` and `content-length: ` in lower case, and read no chunks.
//! - An answer without a body breaks them, so errors have one, too.
//! - They send no `Host`, and see the end of the answer in the end of the connection.

use std::{convert::Infallible, future::ready, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    body::{Body, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use perennial_broker::Stream;
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time,
};
use tracing::debug;

/// Bytes and number of a request's headers.
const HEADER_BYTES: usize = 8 * 1024;
const HEADERS: usize = 64;

/// Until the other side has seen the answer and closes, too.
const LINGER: Duration = Duration::from_secs(1);

pub(super) type Response = hyper::Response<Full<Bytes>>;

/// Answers the one request that comes on `stream`, and closes it. A request that is granted has
/// no body.
///
/// Whoever calls this sees to it that it ends, however slow the request comes.
pub(super) async fn serve(
    stream: Box<dyn Stream>,
    answer: impl Fn(&Request<Incoming>) -> Response,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let mut response = answer(&request);
        if response.status() == StatusCode::OK && !request.body().is_end_stream() {
            response = error(StatusCode::PAYLOAD_TOO_LARGE);
        }
        ready(Ok::<_, Infallible>(response))
    });
    let connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .keep_alive(false)
        .max_buf_size(HEADER_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    match connection.without_shutdown().await {
        Ok(parts) => drop(time::timeout(LINGER, close(parts.io.into_inner())).await),
        // A connection that breaks is its client's affair.
        Err(error) => debug!(%error, "a request in HTTP was not answered"),
    }
}

/// Closes a connection so that what was written arrives: with something unread it would not.
async fn close(mut stream: Box<dyn Stream>) {
    if stream.shutdown().await.is_ok() {
        let mut scrap = [0; 512];
        while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// An answer that says what `status` says and no more.
pub(super) fn error(status: StatusCode) -> Response {
    #[derive(Serialize)]
    struct Failure {
        message: &'static str,
    }
    let message = status.canonical_reason().unwrap_or("Error");
    // A text is JSON.
    let body = serde_json::to_vec(&Failure { message }).unwrap_or_default();
    json(status, body)
}

/// The answer to another method.
pub(super) fn only_get() -> Response {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED);
    let get = HeaderValue::from_static("GET");
    response.headers_mut().insert(ALLOW, get);
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What comes back for `request`, until the end.
    async fn answered(request: &[u8]) -> String {
        let (mut client, server) = duplex(64 * 1024);
        let answer = |request: &Request<_>| match request.uri().path() {
            "/found" => json(StatusCode::OK, b"{}".to_vec()),
            _ => error(StatusCode::NOT_FOUND),
        };
        let talk = async {
            client.write_all(request).await.unwrap();
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).await.unwrap();
            drop(client);
            bytes
        };
        let ((), bytes) = tokio::join!(serve(Box::new(server), answer), talk);
        String::from_utf8(bytes).unwrap()
    }

    /// The same without the line that says when.
    async fn undated(request: &str) -> String {
        let answer = answered(request.as_bytes()).await;
        let lines = answer.split_inclusive("\r\n");
        lines.filter(|line| !line.starts_with("date: ")).collect()
    }

    #[tokio::test]
    async fn an_answer_is_to_the_byte_what_hand_written_parsers_read() {
        let found = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                     connection: close\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(undated("GET /found HTTP/1.1\r\n\r\n").await, found);
        let polite = "GET /found HTTP/1.1\r\nHost: gateway:8443\r\nUser-Agent: x\r\n\
                      Connection: keep-alive\r\n\r\n";
        assert_eq!(undated(polite).await, found);
        let missing = "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\n\
                       connection: close\r\ncontent-length: 23\r\n\r\n\
                       {\"message\":\"Not Found\"}";
        assert_eq!(undated("GET / HTTP/1.1\r\n\r\n").await, missing);
    }

    #[tokio::test]
    async fn a_second_request_on_a_connection_is_not_answered() {
        let twice = "GET /found HTTP/1.1\r\n\r\n".repeat(2);
        assert_eq!(
            answered(twice.as_bytes()).await.matches("HTTP/1.1").count(),
            1
        );
    }

    #[tokio::test]
    async fn a_request_with_a_body_is_refused_and_reads_the_answer() {
        for body in [
            "Content-Length: 5\r\n\r\nhello".to_owned(),
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
            format!("Content-Length: 32000\r\n\r\n{}", "x".repeat(32_000)),
            // It never comes.
            "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n".to_owned(),
        ] {
            let answer = undated(&format!("GET /found HTTP/1.1\r\n{body}")).await;
            let status = "HTTP/1.1 413 Payload Too Large\r\n";
            assert!(answer.starts_with(status), "{answer}");
            assert!(
                answer.ends_with("{\"message\":\"Payload Too Large\"}"),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_request_or_too_large_a_one_is_refused() {
        for (request, status) in [
            ("GET found\r\n\r\n".to_owned(), "400"),
            ("GET /<found> HTTP/1.1\r\n\r\n".to_owned(), "400"),
            (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(9_000)), "4"),
            (
                format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)),
                "431",
            ),
        ] {
            let answer = answered(request.as_bytes()).await;
            let begin = format!("HTTP/1.1 {status}");
            assert!(answer.starts_with(&begin), "{request}: {answer}");
        }
    }

    #[tokio::test]
    async fn who_says_that_no_more_comes_is_answered_all_the_same() {
        let (mut client, server) = duplex(1_024);
        client
            .write_all(b"GET /found HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        client.shutdown().await.unwrap();
        let answer = |_: &Request<_>| json(StatusCode::OK, b"{}".to_vec());
        serve(Box::new(server), answer).await;
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_close_is_not_waited_for() {
        let (mut client, server) = duplex(1_024);
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let start = time::Instant::now();
        serve(Box::new(server), |_| error(StatusCode::NOT_FOUND)).await;
        assert_eq!(start.elapsed(), LINGER);
        drop(client);
    }
}
