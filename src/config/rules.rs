//! Rules: which publishes go to which connector.

use perennial_connectors::Settings;
use perennial_rules::TopicFilter;

use super::{
    RuleConfig,
    connectors::Connectors,
    problems::{Problems, quoted},
    section::{Section, excerpt},
};

/// Reads every `[[rule]]`.
///
/// A connector that no rule names takes what its contract's devices publish to.
pub(super) fn read(
    root: &mut Section<'_>,
    connectors: &Connectors,
    problems: &Problems,
) -> Vec<RuleConfig> {
    let mut rules = Rules {
        connectors,
        named: vec![false; connectors.iter().len()],
        rules: Vec::new(),
    };
    for mut section in root.tables("rule") {
        rules.rule(&mut section);
        section.finish();
    }
    rules.of_contracts(problems);
    rules.rules
}

struct Rules<'a> {
    connectors: &'a Connectors,
    /// Whether a rule names the connector, be its filter right or wrong.
    named: Vec<bool>,
    rules: Vec<RuleConfig>,
}

impl Rules<'_> {
    fn rule(&mut self, section: &mut Section<'_>) {
        let filter = filter(section);
        let connector = self.connector(section);
        if let Some(connector) = connector {
            self.named[connector] = true;
        }
        let (Some(filter), Some(connector)) = (filter, connector) else {
            return;
        };
        let rule = RuleConfig { filter, connector };
        if self.rules.contains(&rule) {
            let problem = "a rule above has the same filter and connector; one is enough";
            section.refuse("filter", problem.to_owned());
        }
        self.rules.push(rule);
    }

    fn connector(&self, section: &mut Section<'_>) -> Option<usize> {
        let name = section.text("connector");
        section.missing("connector", "connector = \"firehose\"");
        let name = name?;
        let mut written = self.connectors.iter();
        let found = written.position(|connector| connector.name.as_deref() == Some(&name));
        if found.is_none() {
            let found = excerpt(&name);
            let defined = self.connectors.iter();
            let defined = quoted(defined.filter_map(|connector| connector.name.as_deref()));
            let hint = match defined.as_str() {
                "" => "no [[connector]] is defined".to_owned(),
                defined => format!("defined are: {defined}"),
            };
            section.problem("connector", format!("unknown connector {found:?}; {hint}"));
        }
        found
    }

    /// Adds the rules of contracts that know what their devices publish to.
    fn of_contracts(&mut self, problems: &Problems) {
        for (connector, written) in self.connectors.iter().enumerate() {
            let Some(config) = written.config.as_ref().filter(|_| !self.named[connector]) else {
                continue;
            };
            let filters = config.contract.filters();
            if filters.is_empty() {
                let message = format!(
                    "connector \"{name}\" gets nothing, because contract \"{kind}\" has no topics of \
                     its own; right would be: [[rule]] with a filter and connector = \"{name}\"",
                    name = config.name,
                    kind = config.contract_kind,
                );
                problems.add(written.at, message);
            }
            let rules = filters.into_iter();
            self.rules
                .extend(rules.map(|filter| RuleConfig { filter, connector }));
        }
    }
}

fn filter(section: &mut Section<'_>) -> Option<TopicFilter> {
    let text = section.text("filter");
    section.missing("filter", "filter = \"sensors/#\"");
    match text?.parse::<TopicFilter>() {
        Ok(filter) if filter.share_group().is_some() => {
            let pattern = excerpt(filter.pattern());
            let problem = format!("a rule shares its publishes with nobody; write {pattern:?}");
            section.refuse("filter", problem);
            None
        }
        Ok(filter) => Some(filter),
        Err(error) => {
            section.refuse("filter", error.to_string());
            None
        }
    }
}
