//! What one connection may do.

use std::{fmt, sync::Arc};

use crate::policy::{
    Connection, Effect, Policy, Scope, Statement,
    action::{Action, Actions},
    resource::{Resource, Target},
    template::Values,
};

/// What one connection may do: its policies, with all variables and conditions decided.
///
/// Statements without variables are shared with the policy and with all other connections.
#[derive(Debug)]
pub struct Permissions {
    policies: Box<[Arc<Policy>]>,
    /// The statements that hold; those that deny come first.
    rules: Box<[Rule]>,
    /// The statements that would allow something if their conditions held.
    idle: Box<[Idle]>,
}

/// A statement that holds.
#[derive(Debug)]
struct Rule {
    effect: Effect,
    actions: Actions,
    /// One for each resource of the statement.
    targets: Arc<[Target]>,
    place: Place,
}

/// A statement whose conditions do not all hold.
#[derive(Debug)]
struct Idle {
    rule: Rule,
    /// The indices of those that do not.
    conditions: Box<[u32]>,
}

/// Where a statement stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    policy: u32,
    statement: u32,
}

/// Whether something is allowed, and by what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// A statement allows it and none denies it.
    Allowed {
        /// The policy's name.
        policy: String,
        /// The statement's number in its policy, from 1, and its `Sid` if it has one.
        statement: String,
    },
    /// A statement denies it.
    Denied {
        /// The policy's name.
        policy: String,
        /// The statement's number in its policy, from 1, and its `Sid` if it has one.
        statement: String,
    },
    /// No statement allows it.
    NotAllowed {
        /// The statements that come near to allowing it.
        near: Vec<NearMiss>,
    },
}

/// A statement that comes near to allowing something: it names the action, or it lacks nothing
/// else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NearMiss {
    /// The policy's name.
    pub policy: String,
    /// The statement's number in its policy, from 1, and its `Sid` if it has one.
    pub statement: String,
    /// What is missing: the action, or the resource and the conditions.
    pub reason: String,
}

impl Permissions {
    /// Decides what can be decided about `connection`.
    #[must_use]
    pub fn new(
        policies: &[Arc<Policy>],
        connection: &Connection<'_>,
        scope: &Scope,
    ) -> Permissions {
        let mut rules = Vec::new();
        let mut idle = Vec::new();
        for (place, statement) in statements(policies) {
            if statement.actions.is_empty() {
                continue;
            }
            let conditions = statement.failing(connection);
            if !conditions.is_empty() && statement.effect == Effect::Deny {
                continue;
            }
            let rule = Rule {
                effect: statement.effect,
                actions: statement.actions,
                targets: statement.targets(connection, scope),
                place,
            };
            match conditions.is_empty() {
                true => rules.push(rule),
                false => idle.push(Idle { rule, conditions }),
            }
        }
        rules.sort_by_key(|rule| rule.effect != Effect::Deny);
        Permissions {
            policies: policies.into(),
            rules: rules.into(),
            idle: idle.into(),
        }
    }

    /// Whether `action` is allowed on `resource`: a client identifier, topic, topic filter or
    /// thing's name.
    #[must_use]
    pub fn allows(&self, action: Action, resource: &str) -> bool {
        let rule = self.rule(action, resource);
        rule.is_some_and(|rule| rule.effect == Effect::Allow)
    }

    /// The same, with the reason.
    #[must_use]
    pub fn decide(&self, action: Action, resource: &str) -> Decision {
        let Some(rule) = self.rule(action, resource) else {
            return Decision::NotAllowed {
                near: self.near(action, resource),
            };
        };
        let (policy, statement) = self.name(rule.place);
        match rule.effect {
            Effect::Allow => Decision::Allowed { policy, statement },
            Effect::Deny => Decision::Denied { policy, statement },
        }
    }

    /// The first rule about `action` on `resource`; it denies if any does.
    fn rule(&self, action: Action, resource: &str) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| rule.actions.contain(action) && rule.is_about(action, resource))
    }

    fn near(&self, action: Action, resource: &str) -> Vec<NearMiss> {
        let allowing = self.rules.iter();
        let allowing = allowing.filter(|rule| rule.effect == Effect::Allow);
        let holding = allowing.map(|rule| (rule, &[][..]));
        let idle = self.idle.iter().map(|idle| (&idle.rule, &*idle.conditions));
        let near = holding.chain(idle).filter_map(|(rule, conditions)| {
            let (policy, statement) = self.name(rule.place);
            Some(NearMiss {
                policy,
                statement,
                reason: self.missing(rule, conditions, action, resource)?,
            })
        });
        near.collect()
    }

    /// What a statement lacks to allow `action` on `resource`, if it comes near to it.
    fn missing(
        &self,
        rule: &Rule,
        conditions: &[u32],
        action: Action,
        resource: &str,
    ) -> Option<String> {
        let is_about = rule.is_about(action, resource);
        if !rule.actions.contain(action) {
            return (is_about && conditions.is_empty())
                .then(|| format!("its actions do not include `{}`", action.name()));
        }
        let others = (!is_about).then(|| self.other_resources(rule, action, resource));
        let failing = conditions.iter().filter_map(|index| {
            let statement = self.statement(rule.place)?;
            let condition = statement.conditions.get(*index as usize)?;
            Some(format!("its condition {} does not hold", condition.text()))
        });
        let reasons: Vec<_> = others.into_iter().chain(failing).collect();
        Some(reasons.join("; "))
    }

    /// Why the resources of `rule` are others.
    fn other_resources(&self, rule: &Rule, action: Action, resource: &str) -> String {
        let resources = self.statement(rule.place).map(|found| &*found.resources);
        let resources = resources.unwrap_or_default().iter().map(Resource::text);
        let texts: Vec<_> = resources.map(|text| format!("`{text}`")).collect();
        let resource = action.kind().resource(resource);
        let texts = texts.join(", ");
        let mut reason = format!("`{resource}` is none of its resources: {texts}");
        let mut targets = rule.targets.iter();
        if targets.any(|target| *target == Target::Foreign) {
            reason += "; those of other regions or accounts than the configured ones do not count";
        }
        for target in rule.targets.iter() {
            if let Target::Unresolved(variable) = target {
                reason += &format!("; {variable}");
            }
        }
        reason
    }

    fn statement(&self, place: Place) -> Option<&Statement> {
        let policy = self.policies.get(place.policy as usize)?;
        policy.statements.get(place.statement as usize)
    }

    /// The name of the policy and the number of the statement.
    fn name(&self, place: Place) -> (String, String) {
        let policy = self.policies.get(place.policy as usize);
        let policy = policy.map_or(String::new(), |policy| policy.name.clone());
        let sid = self.statement(place).and_then(|found| found.sid.as_ref());
        let number = place.statement + 1;
        let statement = match sid {
            Some(sid) => format!("{number} ({sid})"),
            None => number.to_string(),
        };
        (policy, statement)
    }
}

impl Rule {
    fn is_about(&self, action: Action, resource: &str) -> bool {
        let kind = action.kind();
        self.targets
            .iter()
            .any(|target| target.holds(kind, resource))
    }
}

impl Statement {
    /// The indices of the conditions that do not hold on `connection`.
    fn failing(&self, connection: &Connection<'_>) -> Box<[u32]> {
        let conditions = self.conditions.iter().enumerate();
        let failing = conditions.filter(|(_, condition)| !condition.holds(connection));
        failing.map(|(index, _)| narrow(index)).collect()
    }

    /// What its resources are on `connection`, one for each.
    fn targets(&self, connection: &Connection<'_>, scope: &Scope) -> Arc<[Target]> {
        // A value that might mean more than it should can do so in an `Allow` only.
        let taken = match self.effect {
            Effect::Allow => Values::Plain,
            Effect::Deny => Values::All,
        };
        let is_here = self.resources.iter().all(|resource| resource.is_in(scope));
        match &self.fixed {
            Some(fixed) if is_here => fixed.clone(),
            _ => {
                let target = |resource: &Resource| match resource.is_in(scope) {
                    true => resource.target(connection, taken),
                    false => Target::Foreign,
                };
                self.resources.iter().map(target).collect()
            }
        }
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NearMiss {
            policy,
            statement,
            reason,
        } = self;
        write!(formatter, "{policy}, statement {statement}: {reason}")
    }
}

/// All statements, with their places.
fn statements(policies: &[Arc<Policy>]) -> impl Iterator<Item = (Place, &Statement)> {
    policies.iter().enumerate().flat_map(|(policy, document)| {
        let policy = narrow(policy);
        let numbered = document.statements.iter().enumerate();
        numbered.map(move |(statement, found)| {
            let statement = narrow(statement);
            (Place { policy, statement }, found)
        })
    })
}

/// A count of policies, statements or conditions: a document of 2048 characters has few.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
