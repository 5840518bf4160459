//! What MQTT 5 adds to the story.

use std::time::Duration;

use super::{NUMBER, all_messages, await_messages, numbered, numbers, publish_end, subscribe};
use crate::{
    clients::client::{Client, Connect, Message, Peer, Properties, Publish},
    support::wait::pause,
};

pub(super) fn tell(client: &dyn Client, publisher: &mut dyn Peer) {
    a_request_and_its_answer_keep_their_properties(client);
    a_session_ends_when_its_time_is_over(client, publisher);
    aliases_stand_for_topics_both_ways(client, publisher);
}

fn a_request_and_its_answer_keep_their_properties(client: &dyn Client) {
    let mut asks = subscribe(client, "asks", "answers/1", 1);
    let mut answers = subscribe(client, "answers", "questions", 1);
    let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let properties = Properties {
        user: vec![
            property("site", "north"),
            property("site", "south"),
            property("line", "7"),
        ],
        response_topic: Some("answers/1".to_owned()),
        correlation_data: Some("question-1".to_owned()),
        content_type: Some("text/plain".to_owned()),
    };
    asks.publish(&Publish {
        topic: "questions",
        payloads: vec!["why?".to_owned()],
        qos: 1,
        properties: properties.clone(),
        ..Publish::default()
    });
    let question = await_messages(&*answers, 1).remove(0);
    assert_eq!(question.properties, properties);

    let properties = Properties {
        correlation_data: question.properties.correlation_data,
        ..Properties::default()
    };
    answers.publish(&Publish {
        topic: &question.properties.response_topic.unwrap(),
        payloads: vec!["because".to_owned()],
        qos: 1,
        properties: properties.clone(),
        ..Publish::default()
    });
    let answer = Message {
        topic: "answers/1".to_owned(),
        payload: "because".to_owned(),
        qos: 1,
        properties,
        ..Message::default()
    };
    assert_eq!(await_messages(&*asks, 1), [answer]);
    asks.leave();
    answers.leave();
}

fn a_session_ends_when_its_time_is_over(client: &dyn Client, publisher: &mut dyn Peer) {
    let forgets = Connect {
        client_id: "forgets",
        kept: Some(1),
        subscribe: Some(("expiry/#", 1)),
        ..Connect::default()
    };
    client.connect(&forgets).leave();
    publish_end(publisher, "expiry/lost");
    pause(Duration::from_secs(2));
    let back = client.connect(&forgets);
    assert_ne!(back.session_present(), Some(true));
    assert_eq!(all_messages(&[&*back], publisher, "expiry/end", 0), [[]]);
    back.leave();
}

fn aliases_stand_for_topics_both_ways(client: &dyn Client, publisher: &mut dyn Peer) {
    let topic = "aliases/of/a/long/topic";
    let takes_aliases = client.habits().resolves_aliases;
    let subscriber = client.connect(&Connect {
        client_id: "subscriber",
        subscribe: Some(("aliases/#", 1)),
        aliases: if takes_aliases { 10 } else { 0 },
        ..Connect::default()
    });
    publisher.publish(&Publish {
        topic,
        payloads: numbers(),
        qos: 1,
        alias: true,
        ..Publish::default()
    });
    let found = all_messages(&[&*subscriber], publisher, "aliases/end", NUMBER);
    let wanted = numbered(topic, 1).map(|message| Message {
        alias: takes_aliases.then_some(1),
        ..message
    });
    assert_eq!(found.concat(), wanted.collect::<Vec<_>>());
    subscriber.leave();
}
