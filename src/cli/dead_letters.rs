//! `perennial dead-letters`: look at records that will not be sent, send them again, drop them.

use clap::{Args, Subcommand};
use perennial::{
    admin::{Access, DropRequest},
    clock,
    operator::{
        Filter, InvalidMoment, LetterId, LetterRow, LetterText, ListRequest, Report, Selection,
        moment, rfc_3339,
    },
};

use super::{
    Failure, json,
    place::Place,
    print, print_bytes,
    table::{Table, bytes, cut, shown},
};

/// Characters of a message in a table; `show` has all of it.
const MESSAGE: usize = 80;

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List dead letters, of each connector the first first
    List(ListArgs),
    /// Print one with its payload
    Show(ShowArgs),
    /// Send records again: they go to the end of their queues
    #[command(
        after_help = "Without names and filters all are sent again. A full queue ends it; what was \
        done until then is done. Records are delivered at least once."
    )]
    Replay(ReplayArgs),
    /// Drop dead letters for good
    Drop(DropArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: FilterArgs,
    /// Letters at most
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: u64,
    /// Print JSON, a line for each
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The letter's name, as `list` shows it
    id: LetterId,
    #[command(flatten)]
    place: Place,
    /// Write the payload as it is, and nothing else
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Print JSON; a payload that is not UTF-8 is in base64
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    letters: LettersArgs,
    /// Send all of them to this destination of their connector
    #[arg(long, value_name = "DESTINATION")]
    to: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct DropArgs {
    #[command(flatten)]
    letters: LettersArgs,
    /// Drop all, where neither names nor filters say which
    #[arg(long)]
    yes: bool,
}

/// Letters to do something to.
#[derive(Args, Debug)]
struct LettersArgs {
    /// The letters' names, as `list` shows them
    ids: Vec<LetterId>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: FilterArgs,
    /// Letters at most
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct FilterArgs {
    /// Of this connector
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,
    /// To this destination
    #[arg(long, value_name = "DESTINATION")]
    destination: Option<String>,
    /// With this error code
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    /// Given up then or later: 2026-11-20T10:15:00Z, or an age such as 2h
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    since: Option<u64>,
    /// Given up before: 2026-11-20T10:15:00Z, or an age such as 2h
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    until: Option<u64>,
}

fn parse_moment(text: &str) -> Result<u64, InvalidMoment> {
    moment(text, clock::unix_millis())
}

impl FilterArgs {
    fn filter(&self) -> Filter {
        Filter {
            connector: self.connector.clone(),
            destination: self.destination.clone(),
            reason: self.reason.clone(),
            since: self.since,
            until: self.until,
        }
    }
}

impl LettersArgs {
    fn selection(&self) -> Selection {
        Selection {
            ids: self.ids.clone(),
            filter: self.filter.filter(),
            limit: self.limit,
        }
    }
}

/// Does what was asked for.
pub(super) fn dead_letters(command: &DeadLettersCommand) -> Result<(), Failure> {
    match command {
        DeadLettersCommand::List(args) => args.place.with(async |access| list(access, args).await),
        DeadLettersCommand::Show(args) => show(args),
        DeadLettersCommand::Replay(args) => {
            let (letters, to) = (args.letters.selection(), args.to.clone());
            let replayed = args
                .letters
                .place
                .with(async |access| Ok(access.replay(letters, to).await?))?;
            report(&replayed, "queued again", args.letters.json)
        }
        DeadLettersCommand::Drop(args) => {
            let letters = args.letters.selection();
            if letters.is_everything() && !args.yes {
                return Err(Failure::NotAllWithoutYes);
            }
            let request = DropRequest {
                letters,
                everything: args.yes,
            };
            let dropped = args
                .letters
                .place
                .with(async |access| Ok(access.drop(&request).await?))?;
            report(&dropped, "dropped", args.letters.json)
        }
    }
}

/// Prints page after page, so that any number of letters can be listed.
async fn list(access: &Access, args: &ListArgs) -> Result<(), Failure> {
    let (mut left, mut after, mut titles) = (args.limit, None, true);
    let mut table = Table::new([
        "ID",
        "WHEN",
        "DESTINATION",
        "CODE",
        "ATTEMPTS",
        "SIZE",
        "DEVICE",
        "REQUEST",
        "TOPIC",
        "MESSAGE",
    ]);
    while left > 0 {
        let request = ListRequest {
            filter: args.filter.filter(),
            after,
            limit: Some(usize::try_from(left).unwrap_or(usize::MAX)),
        };
        let page = access.list(&request).await?;
        left -= page.letters.len() as u64;
        let mut text = String::new();
        for letter in &page.letters {
            match args.json {
                true => text += &json(letter)?,
                false => table.push(cells(letter)),
            }
        }
        if !args.json && !page.letters.is_empty() {
            text = table.take(std::mem::take(&mut titles));
        }
        print(&text)?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    match (args.json, titles, after) {
        (true, ..) => Ok(()),
        (false, true, None) => print("There are no such dead letters.\n"),
        (false, _, Some(_)) => print(&format!("There may be more than {}.\n", args.limit)),
        (false, false, None) => Ok(()),
    }
}

fn cells(letter: &LetterRow) -> [String; 10] {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        letter.id.to_string(),
        letter.when.map_or_else(|| "-".to_owned(), rfc_3339),
        text(&letter.destination),
        letter.code.clone(),
        letter.attempts.to_string(),
        bytes(letter.bytes as u64),
        text(&letter.client_id),
        text(&letter.record_id),
        text(&letter.topic),
        cut(&letter.message, MESSAGE),
    ]
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let letter = args
        .place
        .with(async |access| Ok(access.show(args.id.clone()).await?))?;
    match (args.raw, args.json) {
        (true, _) => print_bytes(&letter.payload()),
        (_, true) => print(&json(&letter)?),
        _ => print(&in_words(&letter)),
    }
}

fn in_words(letter: &LetterText) -> String {
    let row = &letter.row;
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let time = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), rfc_3339);
    let lines = [
        ("id", row.id.to_string()),
        ("given up", time(row.when)),
        ("destination", text(&row.destination)),
        ("code", row.code.clone()),
        ("message", row.message.clone()),
        ("attempts", row.attempts.to_string()),
        ("taken", time(row.taken)),
        ("device", text(&row.client_id)),
        ("request", text(&row.record_id)),
        ("topic", text(&row.topic)),
        ("size", format!("{} bytes", row.bytes)),
    ];
    let mut words = String::new();
    for (name, value) in lines {
        words += &format!("{name:11}  {}\n", shown(&value));
    }
    let (name, payload) = match (&letter.payload, &letter.payload_base64) {
        (_, Some(base64)) => ("base64", base64.as_str()),
        (payload, None) => ("payload", payload.as_deref().unwrap_or_default()),
    };
    words + &format!("{name:11}  {}\n", shown(payload))
}

/// Says what was done; not all of what was asked for is a failure.
fn report(report: &Report, what: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        print(&json(report)?)?;
    } else {
        let mut words = format!("{} {what}\n", letters(report.done));
        if report.skipped > 0 {
            let first = report.skipped_because.as_deref().unwrap_or_default();
            words += &format!(
                "{} cannot be sent again; the first of them is {}\n",
                letters(report.skipped),
                shown(first)
            );
        }
        print(&words)?;
    }
    if let Some(reason) = &report.stopped {
        return Err(Failure::StoppedEarly(shown(reason)));
    }
    if !report.missing.is_empty() {
        let missing: Vec<_> = report.missing.iter().map(LetterId::to_string).collect();
        return Err(Failure::NoSuchLetters(missing.join(", ")));
    }
    match report.skipped {
        0 => Ok(()),
        _ => Err(Failure::Skipped),
    }
}

fn letters(count: u64) -> String {
    match count {
        1 => "1 dead letter".to_owned(),
        count => format!("{count} dead letters"),
    }
}
