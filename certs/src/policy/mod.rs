//! Policy documents of AWS IoT, evaluated here as AWS evaluates them.
//!
//! - A document is understood whole or refused: what nothing here can decide is an error with
//!   its line and column, never a statement that silently means less.
//! - What is not allowed is denied, and a `Deny` wins over every `Allow`.
//! - Variables and conditions are about the connection, so they are decided once for it;
//!   [`Permissions`] then only compare names.
//! - A variable is not put in where its value is missing, empty, longer than 1024 characters or
//!   has one of `* $ + ? #`; what it stands in then matches nothing. AWS says so of
//!   certificates; here it holds for the client identifier as well, so that nobody who connects
//!   as `+` reads the topics of others. The resources of a `Deny` take every value, so that
//!   nobody gets past one by a strange name.

mod action;
mod condition;
mod pattern;
mod permissions;
mod reader;
mod resource;
mod template;
#[cfg(test)]
mod tests;
mod variable;

use std::{net::IpAddr, sync::Arc};

use crate::{certificate::Certificate, document::DocumentError, thing::Thing};

pub use self::{
    action::Action,
    permissions::{Decision, NearMiss, Permissions},
    resource::Scope,
};
use self::{
    action::Actions,
    condition::Condition,
    resource::{Resource, Target},
};

/// A policy document that was understood whole.
#[derive(Debug)]
pub struct Policy {
    name: String,
    statements: Box<[Statement]>,
}

/// One statement of a policy.
#[derive(Debug)]
struct Statement {
    sid: Option<Box<str>>,
    effect: Effect,
    actions: Actions,
    resources: Box<[Resource]>,
    conditions: Box<[Condition]>,
    /// What the resources are on every connection, unless they have variables.
    fixed: Option<Arc<[Target]>>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Effect {
    Allow,
    Deny,
}

impl Policy {
    /// Reads a document as it is exported from AWS IoT.
    ///
    /// # Errors
    /// The first element that is wrong or unknown, with its line and column.
    pub fn parse(name: &str, document: &str) -> Result<Policy, DocumentError> {
        Ok(Policy {
            name: name.to_owned(),
            statements: reader::read(document)?,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What variables and conditions ask about a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Connection<'a> {
    /// The client identifier; nobody has one who asks for discovery.
    pub client_id: Option<&'a str>,
    /// Where it comes from.
    pub source_ip: Option<IpAddr>,
    /// The thing that it is.
    pub thing: Option<&'a Thing>,
    /// The certificate that it has shown.
    pub certificate: Option<&'a Certificate>,
    /// Whether it asks for a session that outlives the connection.
    pub is_persistent: bool,
    /// Whether it leaves a will.
    pub has_will: bool,
}
