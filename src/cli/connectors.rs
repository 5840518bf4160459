//! `perennial connectors`: what a connector can be made of.

use perennial_connectors::{CONTRACTS, UPSTREAMS};

/// The tables of kinds, for people.
pub(super) fn list() -> String {
    let contracts = CONTRACTS.iter().map(|kind| (kind.name, kind.summary));
    let upstreams = UPSTREAMS.iter().map(|kind| (kind.name, kind.summary));
    let mut text = String::from("A connector is a contract in front of an upstream.\n");
    table(&mut text, "Contracts: what devices speak", contracts);
    table(&mut text, "Upstreams: where batches go", upstreams);
    text
}

fn table<'a>(
    text: &mut String,
    title: &str,
    rows: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) {
    let width = rows.clone().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or_default();
    text.push_str(&format!("\n{title}\n"));
    for (name, summary) in rows {
        text.push_str(&format!("  {name:width$}  {summary}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_line() {
        let list = list();
        let names = CONTRACTS.iter().map(|kind| (kind.name, kind.summary));
        let names = names.chain(UPSTREAMS.iter().map(|kind| (kind.name, kind.summary)));
        for (name, summary) in names {
            let has_line = |line: &str| {
                line.trim_start()
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.trim_start() == summary)
            };
            assert!(list.lines().any(has_line), "{name} is not in\n{list}");
        }
    }
}
