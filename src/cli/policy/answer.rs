//! What `perennial policy test` answers.

use std::sync::Arc;

use perennial_certs::{Decision, Policy};
use serde::Serialize;

use super::{super::table::shown, TestArgs};

/// A decision, for people and programs.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    action: &'static str,
    resource: String,
    thing: String,
    /// The policies that were asked.
    policies: Vec<String>,
    /// The policy that decides, if one does.
    policy: Option<String>,
    /// The statement that decides, if one does.
    statement: Option<String>,
    /// Why it is so, a line each.
    reasons: Vec<String>,
}

impl Answer {
    /// The answer to `args` before anything is decided.
    pub(super) fn new(args: &TestArgs, policies: &[Arc<Policy>]) -> Self {
        Self {
            allowed: false,
            action: args.action.name(),
            resource: args.resource.clone(),
            thing: args.thing.to_string(),
            policies: policies.iter().map(|one| one.name().to_owned()).collect(),
            policy: None,
            statement: None,
            reasons: Vec::new(),
        }
    }

    /// Takes over what policies say.
    pub(super) fn decide(&mut self, decision: Decision) {
        self.allowed = matches!(decision, Decision::Allowed { .. });
        self.reasons = reasons(&decision);
        (self.policy, self.statement) = match decision {
            Decision::Allowed { policy, statement } | Decision::Denied { policy, statement } => {
                (Some(policy), Some(statement))
            }
            Decision::NotAllowed { .. } => (None, None),
        };
    }

    /// Says no unless policies allow something else as well; `otherwise` is what it then says.
    pub(super) fn require(&mut self, otherwise: &str, decision: Decision) {
        if !matches!(decision, Decision::Allowed { .. }) {
            let reasons = reasons(&decision).join("; ");
            self.overrule(format!("{otherwise}: {reasons}"));
        }
    }

    /// Says no, whatever policies say.
    pub(super) fn overrule(&mut self, reason: String) {
        self.allowed = false;
        self.reasons.push(reason);
    }

    /// Says something that whoever asks should know.
    pub(super) fn note(&mut self, text: &str) {
        self.reasons.push(text.to_owned());
    }

    pub(super) fn in_words(&self) -> String {
        let verdict = match self.allowed {
            true => "allowed",
            false => "not allowed",
        };
        let (action, resource, thing) = (self.action, shown(&self.resource), &self.thing);
        let mut text = format!("{verdict}: {action} on {resource} by {thing}\n");
        for reason in &self.reasons {
            text += &format!("  {}\n", shown(reason));
        }
        text += &match self.policies.is_empty() {
            true => "No policy holds for it.\n".to_owned(),
            false => format!("Policies that hold for it: {}\n", self.policies.join(", ")),
        };
        text
    }
}

/// Why policies decide so, a line each.
fn reasons(decision: &Decision) -> Vec<String> {
    match decision {
        Decision::Allowed { policy, statement } => {
            vec![format!("statement {statement} of {policy} allows it")]
        }
        Decision::Denied { policy, statement } => {
            vec![format!("statement {statement} of {policy} denies it")]
        }
        Decision::NotAllowed { near } if near.is_empty() => {
            vec!["no statement is about it".to_owned()]
        }
        Decision::NotAllowed { near } => {
            let near = near.iter();
            near.map(|near| {
                let (policy, statement, reason) = (&near.policy, &near.statement, &near.reason);
                format!("statement {statement} of {policy}: {reason}")
            })
            .collect()
        }
    }
}
