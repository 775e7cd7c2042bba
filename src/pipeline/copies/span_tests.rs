use super::*;
use crate::pipeline::copies::chunks::ChunkRange;
use crate::sink::fixtures::followers;

/// Followers by (followee_id, follower_id).
fn mapping() -> Mapping {
    let mut mapping = followers();
    let mut schema = (*mapping.schema).clone();
    schema.primary_key = vec![0, 1];
    mapping.schema = Arc::new(schema);
    mapping
}

fn bound(list: u64, item: u64) -> Option<Vec<Value>> {
    Some(vec![Value::UInt(list), Value::UInt(item)])
}

fn id(list: u64) -> ListId {
    ListId::new(0, &list.to_be_bytes())
}

/// `prefix`: where the list stands among HBase's rows.
fn size(list: u64, prefix: u8, rows: u64) -> ListSize {
    ListSize { list: id(list), key: vec![Value::UInt(list)], prefix: Bytes::from(vec![prefix]), rows }
}

fn ranges(ends: &[Option<Vec<Value>>]) -> Vec<KeyRange> {
    let mut after = None;
    ends.iter()
        .map(|up_to| KeyRange { after: std::mem::replace(&mut after, up_to.clone()), up_to: up_to.clone() })
        .collect()
}

fn piece(list: u64, rows: u64) -> Piece {
    let what = PieceRows::OfList { key: vec![Value::UInt(list)], range: Arc::default() };
    Piece { lists: [id(list)].into(), what, rows, put_off: 0 }
}

fn chunk(number: u64) -> Chunk {
    Chunk { number, what: ChunkRange::Keys(KeyRange::default()) }
}

fn lists(part: &Part) -> Vec<ListId> {
    part.pieces.iter().flat_map(|piece| &piece.lists).copied().collect()
}

#[test]
fn lists_come_in_the_order_of_their_hbase_rows_and_are_read_from_the_whole_span() {
    let chunks = ranges(&[bound(3, 1), bound(5, 1)]);
    let pieces = pieces_by_list(&mapping(), &chunks, vec![size(1, 9, 5), size(2, 4, 5), size(3, 7, 5)], 10);
    let order: Vec<_> = pieces.iter().filter_map(Piece::list_key).map(|key| key[0].clone()).collect();
    assert_eq!(order, [2, 3, 1].map(Value::UInt));
    let whole = Arc::new(KeyRange { after: None, up_to: bound(5, 1) });
    for piece in &pieces {
        assert!(matches!(&piece.what, PieceRows::OfList { range, .. } if *range == whole));
        assert!(piece.reads_with(&pieces[0]));
    }
}

#[test]
fn a_list_longer_than_a_part_is_cut_where_chunks_end_in_it_and_nowhere_else() {
    let chunks = ranges(&[bound(6, 9), bound(7, 10), bound(7, 20), bound(8, 2)]);
    let pieces = pieces_by_list(&mapping(), &chunks, vec![size(7, 1, 25)], 10);
    let found: Vec<KeyRange> = pieces
        .iter()
        .map(|piece| match &piece.what {
            PieceRows::OfList { range, .. } => (**range).clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, ranges(&[bound(7, 10), bound(7, 20), bound(8, 2)]), "from end to end without a gap");
    assert_eq!(pieces.iter().map(|piece| piece.rows).sum::<u64>(), 27, "about 25");
    assert!(!pieces[0].reads_with(&pieces[1]));
}

/// Its list was busy; before the worker gave its part back, the list was free and somebody else has copied the piece.
#[test]
fn a_span_whose_last_piece_was_put_off_and_copied_by_another_worker_is_done() {
    let mut spans = Spans::default();
    assert_eq!(spans.add(vec![chunk(0)], [piece(1, 4)].into()), None);
    let mut first = spans.take(10).expect("a part");
    spans.put_off(&mut first, &[false]);
    let second = spans.take(10).expect("the piece is there again");
    assert_eq!(spans.finish(&second, 4), None, "the first part is still out");
    assert_eq!(spans.give_back(first), Some(SpanDone { chunks: vec![chunk(0)], rows: 4 }));
    assert!(spans.is_empty());
}

#[test]
fn a_part_has_about_as_many_rows_as_asked_for_and_at_least_one_piece() {
    let mut spans = Spans::default();
    let pieces = [piece(1, 4), piece(2, 4), piece(3, 4), piece(4, 90)];
    assert_eq!(spans.add(vec![chunk(0)], pieces.into()), None);
    let sizes: Vec<usize> = std::iter::from_fn(|| spans.take(10)).map(|part| part.pieces.len()).collect();
    assert_eq!(sizes, [2, 1, 1]);
}

#[test]
fn no_two_parts_have_a_list_in_common() {
    let mut spans = Spans::default();
    spans.add(vec![chunk(0)], [piece(1, 9), piece(1, 9), piece(2, 9)].into());
    spans.add(vec![chunk(1)], [piece(1, 9), piece(3, 9)].into());
    let first = spans.take(9).expect("nothing is taken");
    assert_eq!(lists(&first), [id(1)]);
    assert_eq!(spans.ready(), 2);
    assert_eq!(lists(&spans.take(9).expect("list 2 is free")), [id(2)]);
    assert_eq!(lists(&spans.take(9).expect("list 3 is free, in the next span")), [id(3)]);
    assert!(spans.take(9).is_none(), "what is left is of list 1");
    assert_eq!(spans.ready(), 0);
    spans.finish(&first, 9);
    assert_eq!(lists(&spans.take(9).expect("list 1 is free again")), [id(1)]);
}

#[test]
fn a_span_is_done_with_its_last_part_and_only_when_none_was_given_back() {
    let mut spans = Spans::default();
    spans.add(vec![chunk(0), chunk(1)], [piece(1, 9), piece(2, 9)].into());
    let first = spans.take(9).expect("two parts");
    let second = spans.take(9).expect("two parts");
    assert_eq!(spans.finish(&second, 8), None, "the first is under way");
    spans.give_back(first);
    let first = spans.take(9).expect("it was given back");
    assert_eq!(lists(&first), [id(1)]);
    let done = SpanDone { chunks: vec![chunk(0), chunk(1)], rows: 17 };
    assert_eq!(spans.finish(&first, 9), Some(done));
    assert!(spans.is_empty());
}

#[test]
fn a_span_without_rows_is_done_at_once() {
    let mut spans = Spans::default();
    let done = SpanDone { chunks: vec![chunk(3)], rows: 0 };
    assert_eq!(spans.add(vec![chunk(3)], VecDeque::new()), Some(done));
    assert!(spans.is_empty() && spans.take(1).is_none());
}

#[test]
fn a_piece_that_is_put_off_comes_after_the_others_and_alone_once_it_waits() {
    let mut spans = Spans::default();
    spans.add(vec![chunk(0)], [piece(1, 4), piece(2, 4), piece(2, 4), piece(3, 4), piece(4, 4)].into());
    let mut first = spans.take(12).expect("nothing is taken");
    spans.put_off(&mut first, &[true, false, false]);
    assert_eq!(lists(&first), [id(1)]);
    assert_eq!(lists(&spans.take(4).expect("list 3 is free")), [id(3)]);
    for times in 1..PUT_OFF_MAX {
        let mut part = spans.take(12).expect("there are more");
        assert!(!part.waits());
        // list 4 is among them only the first time
        let granted: Vec<bool> = part.pieces.iter().map(|piece| !piece.lists.contains(&id(2))).collect();
        spans.put_off(&mut part, &granted);
        match times {
            1 => assert_eq!(lists(&part), [id(4)]),
            _ => assert_eq!(lists(&part), []),
        }
        if part.pieces.is_empty() {
            spans.give_back(part);
        }
    }
    let waits = spans.take(12).expect("both pieces of list 2 wait");
    assert_eq!((lists(&waits), waits.waits()), (vec![id(2)], true), "alone, although there is room");
    spans.give_back(waits);
    assert_eq!(lists(&spans.take(12).expect("it was given back")), [id(2)]);
}

#[test]
fn a_list_stays_taken_when_only_some_of_its_pieces_are_put_off() {
    let mut spans = Spans::default();
    let both = Piece { lists: [id(1), id(2)].into(), ..piece(1, 4) };
    spans.add(vec![chunk(0)], [piece(1, 4), both].into());
    let mut part = spans.take(8).expect("nothing is taken");
    spans.put_off(&mut part, &[true, false]);
    assert!(spans.take(8).is_none(), "the part still has list 1");
    spans.finish(&part, 4);
    assert_eq!(spans.take(8).expect("list 1 is free").lists(), [id(1), id(2)].into());
}
