use super::super::thrift::{
    TColumn, TColumnValue, TDelete, TPut, ThBaseServiceDeleteMultipleArgsSend,
    ThBaseServicePutMultipleArgsSend,
};
use super::*;
use bytes::Bytes;
use pilota::thrift::{Message, binary::TBinaryProtocol};
use proptest::prelude::*;

const FAMILY: &[u8] = b"f";

fn generated(message: &impl Message) -> Vec<u8> {
    let mut buffer = bytes::BytesMut::new();
    message.encode(&mut TBinaryProtocol::new(&mut buffer, false)).unwrap();
    buffer.to_vec()
}

fn call(mutations: usize, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut call = call_head(b"ns:table");
    let head = call.len();
    write(&mut call);
    finish_call(&mut call, head, mutations);
    call
}

type Cells = Vec<(Vec<u8>, Vec<u8>)>;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..40)
}

fn rows() -> impl Strategy<Value = Vec<(Vec<u8>, Cells)>> {
    proptest::collection::vec((bytes(), proptest::collection::vec((bytes(), bytes()), 1..4)), 0..5)
}

proptest! {
    #[test]
    fn puts_are_the_bytes_of_the_generated_types(rows in rows(), timestamp: i64) {
        let tput = |(row, cells): &(Vec<u8>, Cells)| TPut {
            row: row.clone().into(),
            column_values: cells
                .iter()
                .map(|(qualifier, value)| TColumnValue {
                    family: Bytes::from_static(FAMILY),
                    qualifier: qualifier.clone().into(),
                    value: value.clone().into(),
                    timestamp: Some(timestamp),
                })
                .collect(),
            attributes: None,
        };
        let table = Bytes::from_static(b"ns:table");
        let expected = ThBaseServicePutMultipleArgsSend { table, tputs: rows.iter().map(tput).collect() };
        let written = call(rows.len(), |call| {
            for (row, cells) in &rows {
                let cells_of = cells.iter().map(|(qualifier, value)| (&**qualifier, &**value, timestamp));
                put(call, row, FAMILY, cells.len(), cells_of);
            }
        });
        prop_assert_eq!(written, generated(&expected));
    }

    #[test]
    fn deletes_are_the_bytes_of_the_generated_types(rows in rows(), timestamp: i64) {
        let column = |qualifier: Option<Bytes>| {
            TColumn { family: Bytes::from_static(FAMILY), qualifier, timestamp: Some(timestamp) }
        };
        let mut tdeletes = Vec::new();
        for (row, cells) in &rows {
            let row = Bytes::from(row.clone());
            let columns = cells.iter().map(|(qualifier, _)| column(Some(qualifier.clone().into()))).collect();
            let of = |columns, kind| TDelete { row: row.clone(), columns: Some(columns), delete_type: Some(kind) };
            tdeletes.push(of(columns, TDeleteType::DELETE_COLUMNS));
            tdeletes.push(of(vec![column(None)], TDeleteType::DELETE_FAMILY));
        }
        let written = call(tdeletes.len(), |call| {
            for (row, cells) in &rows {
                let qualifiers = cells.iter().map(|(qualifier, _)| (&**qualifier, timestamp));
                delete_columns(call, row, FAMILY, cells.len(), qualifiers);
                delete_family(call, row, FAMILY, timestamp);
            }
        });
        let table = Bytes::from_static(b"ns:table");
        prop_assert_eq!(written, generated(&ThBaseServiceDeleteMultipleArgsSend { table, tdeletes }));
    }
}
