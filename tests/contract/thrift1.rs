//! What only Thrift1 gateways have: what they do not tell, and what they cannot do.

use super::sink::{PURGE_DELETES_MS, TARGET, connect, every, keeps_the_contract, server, unique_target};
use crate::support::own::{Own, Speaks};
use tailfill::model::{Target, TargetId, Tick};
use tailfill::sink::hbase::Transport;
use tailfill::sink::{CountChange, CountedWrite, ScanRange, SinkError, TableState, Tables};

#[tokio::test(flavor = "multi_thread")]
async fn a_framed_thrift1_gateway_keeps_the_contract() {
    let target = unique_target("thrift1_framed");
    let creating = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    creating.create(&target, "test", PURGE_DELETES_MS).await.unwrap();
    let gateway = Own::gateway_that(Speaks::Thrift1Framed).await;
    let sink = Speaks::Thrift1Framed.connect(vec![gateway.address()], std::slice::from_ref(&target)).await;
    keeps_the_contract(&*sink.expect("the gateway answers"), "framed").await;
    creating.drop_table(&target.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_described_as_far_as_thrift1_tells_and_never_created() {
    let target = unique_target("thrift1_table");
    let no_family = Target { id: TargetId(1), family: "none".into(), ..target.clone() };
    let gateway = vec![server("TAILFILL_THRIFT1_PORT")];
    let sink = Speaks::Thrift1.connect(gateway, &[target.clone(), no_family.clone()]).await.unwrap();
    assert_eq!(sink.describe(TARGET).await.unwrap(), TableState::Missing);
    let error = sink.create(&target, "run-1", PURGE_DELETES_MS).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused { .. }), "{error}");
    let statement = format!("create '{}', {{NAME => 'f', VERSIONS => 1", target.table);
    assert!(error.to_string().contains(&statement), "{error}");
    assert_eq!(sink.describe(TARGET).await.unwrap(), TableState::Missing, "nothing was made");

    let creating = connect(Transport::Buffered, std::slice::from_ref(&target)).await;
    creating.create(&target, "run-1", PURGE_DELETES_MS).await.unwrap();
    let TableState::Present { family, attributes, families } = sink.describe(TARGET).await.unwrap() else {
        panic!("the table was created")
    };
    let family = family.expect("the family was created");
    assert_eq!((&*family["VERSIONS"], &*family["BLOOMFILTER"], &*family["TTL"]), ("1", "ROW", "2147483647"));
    assert!(!family.keys().any(|name| name.contains("purge")), "it would have to be judged then");
    assert_eq!((attributes, families), (None, vec!["f".to_owned()]));
    sink.create(&target, "run-1", PURGE_DELETES_MS).await.expect("it is there");
    let error = sink.create(&no_family, "run-1", PURGE_DELETES_MS).await.unwrap_err();
    assert!(matches!(error, SinkError::Missing { ref family, .. } if family == "none"), "{error}");
    assert!(matches!(sink.describe(no_family.id).await.unwrap(), TableState::Present { family: None, .. }));
    creating.drop_table(&target.table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_refused_whether_there_is_a_table_or_not() {
    let gateway = vec![server("TAILFILL_THRIFT1_PORT")];
    let sink = Speaks::Thrift1.connect(gateway, &[unique_target("thrift1_counts")]).await.unwrap();
    let write = CountedWrite {
        row: "r".into(),
        expected: None,
        tick: Tick(1),
        puts: vec![],
        delete_columns: vec![],
        count: CountChange::Set(1),
    };
    let errors = [
        sink.write_counted(TARGET, &write).await.err(),
        sink.read_counted(TARGET, &[]).await.err(),
        sink.scan_counts(TARGET, &ScanRange::default()).await.err(),
    ];
    for error in errors {
        let error = error.expect("it is refused");
        assert!(matches!(error, SinkError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("use Thrift2 gateways"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_interface_tells_that_a_target_was_not_registered() {
    for (speaks, sink) in every(&[]).await {
        let error = sink.read(TARGET, &["r".into()]).await.unwrap_err();
        assert!(matches!(error, SinkError::Refused { .. }), "{speaks:?}: {error}");
    }
}
