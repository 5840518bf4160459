//! The body of an answer, whole or cut off.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Response, StatusCode,
    body::{Body, Frame},
    header::{CONTENT_LENGTH, HeaderName, HeaderValue},
};

use crate::call::Reply;

pub(crate) type ReplyBody = BoxBody<Bytes, io::Error>;

/// The answer as it is.
pub(crate) fn whole(reply: Reply) -> Response<ReplyBody> {
    let body = Full::new(Bytes::from(reply.body.clone()));
    let body = body.map_err(|never: Infallible| match never {}).boxed();
    response(&reply, body)
}

/// The head of the answer and half of its body; the connection fails behind it.
pub(crate) fn cut(reply: &Reply) -> Response<ReplyBody> {
    let half = Bytes::copy_from_slice(&reply.body.as_bytes()[..reply.body.len() / 2]);
    let body = Cut {
        step: Step::Send(half),
    };
    let mut response = response(reply, body.boxed());
    let length = HeaderValue::from(reply.body.len());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

fn response(reply: &Reply, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, value);
        }
    }
    response
}

struct Cut {
    step: Step,
}

enum Step {
    Send(Bytes),
    Flush,
    Fail,
}

impl Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match std::mem::replace(&mut self.step, Step::Fail) {
            Step::Send(half) => {
                self.step = Step::Flush;
                Poll::Ready(Some(Ok(Frame::data(half))))
            }
            // The connection writes what it has when the body has nothing for it.
            Step::Flush => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Step::Fail => {
                let error = io::Error::from(io::ErrorKind::ConnectionReset);
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}
