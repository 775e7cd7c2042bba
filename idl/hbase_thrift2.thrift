// HBase's Thrift2 service, as much of it as tailfill calls.
//
// Names, types and field ids are facts of the wire, taken from HBase 2.5's own IDL
// (hbase-thrift/src/main/resources/org/apache/hadoop/hbase/thrift2/hbase.thrift). Fields that are
// not used are left out: a Thrift reader skips what it does not know, and a writer need not send
// what is optional.

namespace rs hbase_thrift2

// A family, or one column of it. In a delete, `timestamp` is the marker's.
struct TColumn {
  1: required binary family,
  2: optional binary qualifier,
  3: optional i64 timestamp
}

struct TColumnValue {
  1: required binary family,
  2: required binary qualifier,
  3: required binary value,
  4: optional i64 timestamp
}

// `row` is absent, and `columnValues` empty, for a row that does not exist.
struct TResult {
  1: optional binary row,
  2: required list<TColumnValue> columnValues
}

// Absent on the wire means DELETE_COLUMNS, also where a whole family is named.
enum TDeleteType {
  DELETE_COLUMN = 0,
  DELETE_COLUMNS = 1,
  DELETE_FAMILY = 2,
  DELETE_FAMILY_VERSION = 3
}

// `filterString`: the filter language of HBase's reference guide ("Filter Language"), as bytes.
struct TGet {
  1: required binary row,
  2: optional list<TColumn> columns,
  6: optional binary filterString
}

// `attributes`: `_ttl` is the life time of the cells in milliseconds, 8 bytes big-endian.
struct TPut {
  1: required binary row,
  2: required list<TColumnValue> columnValues,
  5: optional map<binary, binary> attributes
}

struct TDelete {
  1: required binary row,
  2: optional list<TColumn> columns,
  4: optional TDeleteType deleteType
}

// `batchSize`: cells of one result at most; a row with more comes in several results.
struct TScan {
  1: optional binary startRow,
  2: optional binary stopRow,
  3: optional list<TColumn> columns,
  4: optional i32 caching,
  7: optional binary filterString,
  8: optional i32 batchSize,
  11: optional bool reversed,
  15: optional i32 limit
}

// One of the two.
union TMutation {
  1: TPut put,
  2: TDelete deleteSingle
}

struct TRowMutations {
  1: required binary row,
  2: required list<TMutation> mutations
}

enum TCompareOperator {
  LESS = 0,
  LESS_OR_EQUAL = 1,
  EQUAL = 2,
  NOT_EQUAL = 3,
  GREATER_OR_EQUAL = 4,
  GREATER = 5,
  NO_OP = 6
}

struct TTableName {
  1: optional binary ns,
  2: required binary qualifier
}

enum TBloomFilterType {
  NONE = 0,
  ROW = 1,
  ROWCOL = 2,
  ROWPREFIX_FIXED_LENGTH = 3
}

enum TDataBlockEncoding {
  NONE = 0,
  PREFIX = 2,
  DIFF = 3,
  FAST_DIFF = 4,
  ROW_INDEX_V1 = 7
}

struct TColumnFamilyDescriptor {
  1: required binary name,
  2: optional map<binary, binary> attributes,
  3: optional map<string, string> configuration,
  5: optional TBloomFilterType bloomnFilterType,
  8: optional TDataBlockEncoding dataBlockEncoding,
  10: optional i32 maxVersions,
  13: optional i32 timeToLive
}

struct TTableDescriptor {
  1: required TTableName tableName,
  2: optional list<TColumnFamilyDescriptor> columns,
  3: optional map<binary, binary> attributes
}

enum TThriftServerType {
  ONE = 1,
  TWO = 2
}

// `canRetry` is true for a missing table too: decide by the message.
exception TIOError {
  1: optional string message,
  2: optional bool canRetry
}

service THBaseService {
  list<TResult> getMultiple(1: required binary table, 2: required list<TGet> tgets) throws (1: TIOError io)

  void putMultiple(1: required binary table, 2: required list<TPut> tputs) throws (1: TIOError io)

  list<TDelete> deleteMultiple(1: required binary table, 2: required list<TDelete> tdeletes) throws (1: TIOError io)

  list<TResult> getScannerResults(1: required binary table, 2: required TScan tscan, 3: i32 numRows) throws (1: TIOError io)

  // EQUAL to empty bytes means "absent". False: the cell is not as compared, and nothing was done.
  bool checkAndMutate(1: required binary table, 2: required binary row, 3: required binary family, 4: required binary qualifier, 5: required TCompareOperator compareOperator, 6: binary value, 7: required TRowMutations rowMutations) throws (1: TIOError io)

  TTableDescriptor getTableDescriptor(1: required TTableName table) throws (1: TIOError io)

  bool tableExists(1: TTableName tableName) throws (1: TIOError io)

  void createTable(1: required TTableDescriptor desc, 2: optional list<binary> splitKeys) throws (1: TIOError io)

  void modifyTable(1: required TTableDescriptor desc) throws (1: TIOError io)

  void disableTable(1: required TTableName tableName) throws (1: TIOError io)

  void deleteTable(1: required TTableName tableName) throws (1: TIOError io)

  TThriftServerType getThriftServerType()
}
