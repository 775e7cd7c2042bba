// What reader.py calls of HBase's Thrift2 service. Names and field ids are those of HBase's own hbase.thrift
// (hbase-thrift/src/main/resources/org/apache/hadoop/hbase/thrift2), which can be loaded in its place.

struct TColumn {
  1: required binary family,
  2: optional binary qualifier
}

struct TColumnValue {
  1: required binary family,
  2: required binary qualifier,
  3: required binary value
}

struct TResult {
  1: optional binary row,
  2: required list<TColumnValue> columnValues
}

// `caching`: results that the gateway fetches from HBase at once. `batchSize`: cells of one result at most; a row
// with more comes in several results.
struct TScan {
  1: optional binary startRow,
  2: optional binary stopRow,
  3: optional list<TColumn> columns,
  4: optional i32 caching,
  7: optional binary filterString,
  8: optional i32 batchSize,
  11: optional bool reversed
}

exception TIOError {
  1: optional string message
}

exception TIllegalArgument {
  1: optional string message
}

service THBaseService {
  i32 openScanner(1: required binary table, 2: required TScan tscan) throws (1: TIOError io)

  list<TResult> getScannerRows(1: required i32 scannerId, 2: i32 numRows = 1) throws (1: TIOError io, 2: TIllegalArgument ia)

  void closeScanner(1: required i32 scannerId) throws (1: TIOError io, 2: TIllegalArgument ia)
}
