//! The double's side of HTTP.

use std::{
    future::pending,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::firehose::{
    answer::Answer,
    log::{Entry, Log},
    request::{Operation, Request},
};

/// More than any request that Firehose takes.
const MAX_BODY: usize = 32 << 20;

/// How many connections are served at once; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 256;

/// Serves connections until `stop`, and closes all of them then.
pub(super) async fn accept_all(listener: TcpListener, log: Arc<Log>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, Arc::clone(&log)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, log: Arc<Log>) {
    let reset = Arc::new(AtomicBool::new(false));
    let socket = Socket {
        stream,
        reset: Arc::clone(&reset),
    };
    let service = service_fn(move |request| {
        let (log, reset) = (Arc::clone(&log), Arc::clone(&reset));
        async move {
            match respond(request, &log).await {
                Ok(response) => Ok(response),
                Err(Reset) => {
                    reset.store(true, Ordering::Relaxed);
                    Err(io::Error::from(io::ErrorKind::ConnectionReset))
                }
            }
        }
    });
    // A connection that breaks is the client's affair; the test looks at what was taken.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(socket), service)
            .await,
    );
}

/// The connection is to be reset instead of answered.
struct Reset;

async fn respond(
    request: hyper::Request<Incoming>,
    log: &Log,
) -> Result<Response<Full<Bytes>>, Reset> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|_| Reset)?
        .to_bytes();
    let (request, refusal) = Request::read(&head.headers, &body);
    let operation = request.operation;
    let (entry, answer) = log.arrived(request);
    match (refusal, operation) {
        (Some(refusal), _) => Ok(error(400, refusal.code, &refusal.message)),
        (None, Some(operation)) => carry_out(answer, operation, entry, log).await,
        (None, None) => Err(Reset),
    }
}

async fn carry_out(
    mut answer: Answer,
    operation: Operation,
    entry: Entry,
    log: &Log,
) -> Result<Response<Full<Bytes>>, Reset> {
    while let Answer::Delayed(delay, then) = answer {
        tokio::time::sleep(delay).await;
        answer = *then;
    }
    match answer {
        Answer::Accept | Answer::Delayed(..) => Ok(taken(operation, entry, &[], "", "", log)),
        Answer::FailRecords {
            positions,
            code,
            message,
        } => Ok(taken(operation, entry, &positions, &code, &message, log)),
        Answer::Error {
            status,
            code,
            message,
        } => Ok(error(status, &code, &message)),
        Answer::Body { status, body } => Ok(response(status, body)),
        Answer::Hang => pending().await,
        Answer::ResetBefore => Err(Reset),
        Answer::ResetAfter => {
            log.take(entry, &[]);
            Err(Reset)
        }
    }
}

fn taken(
    operation: Operation,
    entry: Entry,
    failed: &[usize],
    code: &str,
    message: &str,
    log: &Log,
) -> Response<Full<Bytes>> {
    let ids = log.take(entry, failed);
    match (operation, ids.as_slice()) {
        (Operation::PutRecord, [Some(id)]) => {
            response(200, json!({"RecordId": id, "Encrypted": false}).to_string())
        }
        // The one record of the call failed, and so does the call.
        (Operation::PutRecord, _) => error(503, code, message),
        (Operation::PutRecordBatch, ids) => {
            let entries: Vec<Value> = ids
                .iter()
                .map(|id| match id {
                    Some(id) => json!({"RecordId": id}),
                    None => json!({"ErrorCode": code, "ErrorMessage": message}),
                })
                .collect();
            let failed = ids.iter().filter(|id| id.is_none()).count();
            let body = json!({
                "FailedPutCount": failed,
                "Encrypted": false,
                "RequestResponses": entries,
            });
            response(200, body.to_string())
        }
    }
}

fn error(status: u16, code: &str, message: &str) -> Response<Full<Bytes>> {
    response(
        status,
        json!({"__type": code, "message": message}).to_string(),
    )
}

fn response(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    response
}

/// A connection that can be reset: closing it then sends RST instead of FIN.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // Where this fails, the client sees a close without an answer instead.
            drop(self.stream.set_zero_linger());
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
