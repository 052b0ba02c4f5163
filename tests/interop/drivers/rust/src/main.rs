//! The driver of rskafka: reads tasks from standard input and answers them, one line of JSON each.
//!
//! The library sends what one call gives it as one batch, always with acks=all.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::Duration;

use base64::{engine::general_purpose::STANDARD, Engine};
use chrono::DateTime;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;
use rskafka::BackoffConfig;
use serde_json::{json, Map, Value};

const FETCH_BYTES: std::ops::Range<i32> = 1..10_000_000;
const TIMEOUT_MS: i32 = 30_000;

type Answer = Result<Value, Error>;

/// What `open` makes and `send` uses.
struct Producer {
    client: Client,
    compression: Compression,
    partitions: BTreeMap<(String, i32), PartitionClient>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut producer = None;
    for line in std::io::stdin().lock().lines() {
        let task: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let answer = match run(&task, &mut producer).await {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": failure(&error) }),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").and_then(|()| out.flush()).expect("a reader");
    }
}

async fn run(task: &Value, producer: &mut Option<Producer>) -> Answer {
    match text(task, "do") {
        "about" => Ok(json!({ "library": "rskafka", "version": "0.6.0", "runtime": "Rust" })),
        "open" => {
            *producer = Some(open(task).await?);
            Ok(json!({}))
        }
        "send" => send(task, producer.as_mut().expect("an open producer")).await,
        "close" => {
            *producer = None;
            Ok(json!({}))
        }
        "read" => read(task).await,
        "create" => create(task).await,
        "delete" => delete(task).await,
        "describe" => describe(task).await,
        "topics" => topics(task).await,
        "offsets" => offsets(task).await,
        other => panic!("no such task: {other}"),
    }
}

fn failure(error: &Error) -> Value {
    let code = match error {
        Error::ServerError { protocol_error, .. } => code_of(*protocol_error),
        _ => None,
    };
    json!({ "name": "rskafka", "code": code, "message": error.to_string() })
}

fn code_of(error: ProtocolError) -> Option<i16> {
    (1..i16::from(u8::MAX)).find(|code| ProtocolError::new(*code) == Some(error))
}

fn text<'a>(task: &'a Value, name: &str) -> &'a str {
    task[name].as_str().expect(name)
}

fn number(task: &Value, name: &str) -> i64 {
    task[name].as_i64().expect(name)
}

async fn connect(task: &Value) -> Result<Client, Error> {
    let backoff = BackoffConfig {
        max_backoff: Duration::from_millis(500),
        deadline: Some(Duration::from_secs(40)),
        ..BackoffConfig::default()
    };
    let bootstrap = vec![text(task, "bootstrap").to_owned()];
    ClientBuilder::new(bootstrap).backoff_config(backoff).build().await
}

async fn partition(client: &Client, topic: &str, index: i32) -> Result<PartitionClient, Error> {
    client.partition_client(topic, index, UnknownTopicHandling::Retry).await
}

async fn open(task: &Value) -> Result<Producer, Error> {
    let compression = match text(task, "codec") {
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::NoCompression,
    };
    Ok(Producer { client: connect(task).await?, compression, partitions: BTreeMap::new() })
}

async fn send(task: &Value, producer: &mut Producer) -> Answer {
    let records = task["records"].as_array().expect("records");
    let mut batches: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (i, record) in records.iter().enumerate() {
        let index = record["partition"].as_i64().unwrap_or(0) as i32;
        batches.entry(index).or_default().push(i);
    }
    let mut told = vec![Value::Null; records.len()];
    for (index, members) in batches {
        let batch = members.iter().map(|i| made(&records[*i])).collect();
        let offsets = send_batch(producer, text(task, "topic"), index, batch).await;
        for (nth, i) in members.iter().enumerate() {
            told[*i] = match &offsets {
                Ok(offsets) => json!({ "partition": index, "offset": offsets[nth] }),
                Err(error) => json!({ "error": failure(error) }),
            };
        }
    }
    Ok(json!({ "told": told }))
}

async fn send_batch(
    producer: &mut Producer,
    topic: &str,
    index: i32,
    batch: Vec<Record>,
) -> Result<Vec<i64>, Error> {
    let key = (topic.to_owned(), index);
    if !producer.partitions.contains_key(&key) {
        let opened = partition(&producer.client, topic, index).await?;
        producer.partitions.insert(key.clone(), opened);
    }
    producer.partitions[&key].produce(batch, producer.compression).await
}

fn made(record: &Value) -> Record {
    let headers = record["headers"].as_array().expect("headers").iter();
    Record {
        key: bytes(&record["key"]),
        value: bytes(&record["value"]),
        headers: headers
            .map(|pair| (pair[0].as_str().expect("a name").to_owned(), bytes(&pair[1]).unwrap_or_default()))
            .collect(),
        timestamp: DateTime::from_timestamp_millis(number(record, "timestamp")).expect("a time"),
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| STANDARD.decode(text).expect("base64"))
}

fn encoded(value: Option<&Vec<u8>>) -> Value {
    value.map_or(Value::Null, |bytes| Value::String(STANDARD.encode(bytes)))
}

async fn read(task: &Value) -> Answer {
    let client = connect(task).await?;
    let mut found = Vec::new();
    for (name, from) in task["from"].as_object().expect("from") {
        let (mut next, end) = (from.as_i64().expect("an offset"), number(&task["to"], name));
        let index = name.parse().expect("a partition");
        let partition = partition(&client, text(task, "topic"), index).await?;
        while next < end {
            let (records, _) = partition.fetch_records(next, FETCH_BYTES, 500).await?;
            for each in records {
                next = each.offset + 1;
                found.push(stored(index, each.offset, &each.record));
            }
        }
    }
    Ok(json!({ "records": found }))
}

fn stored(index: i32, offset: i64, record: &Record) -> Value {
    let headers: Vec<Value> =
        record.headers.iter().map(|(name, value)| json!([name, encoded(Some(value))])).collect();
    json!({
        "partition": index,
        "offset": offset,
        "timestamp": record.timestamp.timestamp_millis(),
        "key": encoded(record.key.as_ref()),
        "value": encoded(record.value.as_ref()),
        "headers": headers,
    })
}

async fn create(task: &Value) -> Answer {
    let controller = connect(task).await?.controller_client()?;
    let count = number(task, "partitions") as i32;
    controller.create_topic(text(task, "topic"), count, 1, TIMEOUT_MS).await?;
    Ok(json!({}))
}

async fn delete(task: &Value) -> Answer {
    let controller = connect(task).await?.controller_client()?;
    controller.delete_topic(text(task, "topic"), TIMEOUT_MS).await?;
    Ok(json!({}))
}

async fn describe(task: &Value) -> Answer {
    let topics = connect(task).await?.list_topics().await?;
    let topic = topics.iter().find(|each| each.name == text(task, "topic"));
    Ok(json!({ "partitions": topic.map_or(0, |found| found.partitions.len()) }))
}

async fn topics(task: &Value) -> Answer {
    let topics = connect(task).await?.list_topics().await?;
    Ok(json!({ "names": topics.iter().map(|each| &each.name).collect::<Vec<_>>() }))
}

async fn offsets(task: &Value) -> Answer {
    let client = connect(task).await?;
    let at = match number(task, "at") {
        -2 => OffsetAt::Earliest,
        -1 => OffsetAt::Latest,
        time => OffsetAt::Timestamp(DateTime::from_timestamp_millis(time).expect("a time")),
    };
    let mut found = Map::new();
    for index in 0..number(task, "partitions") as i32 {
        let partition = partition(&client, text(task, "topic"), index).await?;
        found.insert(index.to_string(), json!(partition.get_offset(at).await?));
    }
    Ok(json!({ "offsets": found }))
}
