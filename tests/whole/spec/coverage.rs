//! Every normative statement has a test, or a reason why it has none.
//!
//! Which tests there are is what this very binary says when it is asked to list them, so a
//! test that is not compiled covers nothing.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write,
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// The generated table.
const REPORT: &str = "tests/conformance.md";

/// Asks for the table to be written instead of compared.
const WRITE: &str = "PERENNIAL_WRITE_CONFORMANCE";

/// The statements of a version, and the module whose tests show them.
struct Table {
    version: &'static str,
    module: &'static str,
    rows: &'static str,
}

const TABLES: [Table; 2] = [
    Table {
        version: "MQTT 3.1.1",
        module: "spec::v3::",
        rows: include_str!("v3.tsv"),
    },
    Table {
        version: "MQTT 5",
        module: "spec::v5::",
        rows: include_str!("v5.tsv"),
    },
];

/// A normative statement.
struct Statement {
    id: &'static str,
    /// Whom it binds: the server, the client, or both.
    binds: &'static str,
    text: &'static str,
    /// Why no test shows it; empty when one does.
    reason: &'static str,
}

#[test]
fn every_normative_statement_of_mqtt_3_1_1_has_a_test_or_a_reason_why_it_has_none() {
    assert_covered(&TABLES[0]);
}

#[test]
fn every_normative_statement_of_mqtt_5_has_a_test_or_a_reason_why_it_has_none() {
    assert_covered(&TABLES[1]);
}

#[test]
fn the_conformance_table_says_what_the_tests_show() {
    let report = report();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(REPORT);
    if env::var_os(WRITE).is_some() {
        fs::write(path, report).expect("the table is written");
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == report,
        "{REPORT} is not what the tests show; to write it: \
         {WRITE}=1 cargo test --test whole conformance_table"
    );
}

/// Each statement has exactly one of a test and a reason, and no test names a statement that
/// is not in the table.
#[track_caller]
fn assert_covered(table: &Table) {
    let mut tests = tests(table.module);
    let mut faults = Vec::new();
    for statement in statements(table) {
        let id = statement.id;
        match (tests.remove(id), statement.reason) {
            (None, "") => faults.push(format!("{id} has neither a test nor a reason")),
            (Some(_), reason) if !reason.is_empty() => {
                faults.push(format!("{id} has a test, and a reason why it has none"));
            }
            _ => {}
        }
    }
    for (id, tests) in tests {
        faults.push(format!(
            "{id} is not in the table, or is there twice: {tests:?}"
        ));
    }
    assert!(
        faults.is_empty(),
        "{}:\n{}",
        table.version,
        faults.join("\n")
    );
}

/// The rows of a table.
///
/// # Panics
/// A row is not an identifier, whom it binds, a text and perhaps a reason.
#[track_caller]
fn statements(table: &Table) -> Vec<Statement> {
    let row = |line: &'static str| {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let statement = Statement {
            id: field(),
            binds: field(),
            text: field(),
            reason: field(),
        };
        let is_right = statement.id.starts_with("MQTT-")
            && matches!(statement.binds, "server" | "client" | "both")
            && !statement.text.is_empty()
            && fields.next().is_none();
        assert!(is_right, "not a row of the {} table: {line}", table.version);
        statement
    };
    table.rows.lines().map(row).collect()
}

/// The tests of a module by the statements that they show.
///
/// # Panics
/// A test is not named after a statement.
#[track_caller]
fn tests(module: &str) -> BTreeMap<String, Vec<String>> {
    let itself = env::current_exe().expect("a test runs from a file");
    let listing = Command::new(itself)
        .args(["--list", "--format", "terse", module])
        .stdin(Stdio::null())
        .output()
        .expect("the tests can be listed");
    let listing = String::from_utf8(listing.stdout).expect("names are UTF-8");
    let mut tests = BTreeMap::<_, Vec<_>>::new();
    let names = listing
        .lines()
        .filter_map(|line| line.strip_suffix(": test")?.strip_prefix(module));
    for name in names {
        let ids = ids(name);
        assert!(
            !ids.is_empty(),
            "{module}{name} is not named after a statement"
        );
        for id in ids {
            tests.entry(id).or_default().push(name.to_owned());
        }
    }
    tests
}

/// The statements after which a test is named: `mqtt_3_1_4_2_and_3_1_4_3_the_sentence`.
fn ids(test: &str) -> Vec<String> {
    let name = test.rsplit("::").next().unwrap_or_default();
    let mut rest = name.strip_prefix("mqtt_");
    let mut ids = Vec::new();
    while let Some((id, sentence)) = rest.and_then(first_id) {
        ids.push(id);
        rest = sentence.strip_prefix("and_");
    }
    ids
}

/// `MQTT-3.1.4-2` and what is behind it from `3_1_4_2_...`.
fn first_id(name: &str) -> Option<(String, &str)> {
    let mut parts = name.splitn(5, '_');
    let mut number = || parts.next()?.parse::<u8>().ok();
    let (chapter, section, part, statement) = (number()?, number()?, number()?, number()?);
    let id = format!("MQTT-{chapter}.{section}.{part}-{statement}");
    Some((id, parts.next()?))
}

fn report() -> String {
    let mut report = String::from(
        "# What of MQTT's specification is tested\n\n\
         Written by a test of `tests/whole/spec/coverage.rs` from the tables and the tests beside it.\n\
         Every test runs the real binary and speaks to it byte by byte.\n",
    );
    for table in &TABLES {
        let mut tests = tests(table.module);
        let statements = statements(table);
        let shown = statements
            .iter()
            .filter(|statement| tests.contains_key(statement.id))
            .count();
        write!(
            report,
            "\n## {}\n\n{} normative statements: {shown} tested, {} left out for the reason given.\n\n\
             | statement | binds | in our words | test, or why there is none |\n|---|---|---|---|\n",
            table.version,
            statements.len(),
            statements.len() - shown,
        )
        .expect("a string takes everything");
        for Statement {
            id,
            binds,
            text,
            reason,
        } in statements
        {
            let tests = tests.remove(id).unwrap_or_default();
            let tests = tests.iter().map(|test| format!("`{test}`"));
            let shown = tests.collect::<Vec<_>>().join("<br>");
            let last = if shown.is_empty() { reason } else { &shown };
            writeln!(report, "| {id} | {binds} | {text} | {last} |")
                .expect("a string takes everything");
        }
    }
    report
}

#[test]
fn a_test_is_named_after_one_statement_or_several() {
    assert_eq!(ids("connect::mqtt_3_1_4_2_a_name"), ["MQTT-3.1.4-2"]);
    assert_eq!(
        ids("mqtt_3_1_4_2_and_3_14_0_13_and_so_on"),
        ["MQTT-3.1.4-2", "MQTT-3.14.0-13"]
    );
    assert!(ids("connect::a_name").is_empty());
    assert!(ids("mqtt_3_1_4_a_name").is_empty());
}
