import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.math.BigInteger;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hbase.Cell;
import org.apache.hadoop.hbase.CellUtil;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.HConstants;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.Result;
import org.apache.hadoop.hbase.client.ResultScanner;
import org.apache.hadoop.hbase.client.Scan;
import org.apache.hadoop.hbase.client.Table;
import org.apache.hadoop.hbase.client.metrics.ScanMetrics;
import org.apache.hadoop.hbase.filter.FilterList;
import org.apache.hadoop.hbase.filter.FirstKeyOnlyFilter;
import org.apache.hadoop.hbase.filter.KeyOnlyFilter;
import org.apache.hadoop.hbase.util.Bytes;
import org.msgpack.core.MessagePack;

/**
 * Reads lists that tailfill wrote to HBase, without tailfill, with HBase's own client.
 *
 * <p>The mapping of this example is
 *
 * <pre>
 * key = ["followee_id"]                                  BIGINT UNSIGNED
 * item = ["follower_id"]                                 BIGINT UNSIGNED
 * order = { by = "created_at", descending = true }       DATETIME(3)
 * </pre>
 *
 * <p>with a column note, VARCHAR NULL. docs/formats.md says how every other type is written.
 */
public final class Reader {
  private static final DateTimeFormatter DATETIME_3 = DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss.SSS");
  private static final LocalDateTime EPOCH = LocalDateTime.ofEpochSecond(0, 0, ZoneOffset.UTC);
  private static final long DAY = 24 * 60 * 60 * 1_000_000L; // in microseconds, the unit of dates in keys
  private static final byte[] COUNTS = Bytes.toBytes("c");
  private static final byte[] COUNT = Bytes.toBytes("n");
  private static final byte[] NOTE = Bytes.toBytes("note");

  // --- keys ----------------------------------------------------------------------------------------------------------

  /** Where a list's items are. Without segments, segmentDays is 0. */
  record Layout(boolean wide, int buckets, long segmentDays) {

    boolean isOneRow() {
      return wide && segmentDays == 0;
    }

    /** What all row keys of a list begin with. */
    byte[] prefix(long followee) {
      byte[] key = unsigned(followee);
      CRC32 crc = new CRC32();
      crc.update(key);
      return Bytes.add(new byte[] {(byte) (crc.getValue() % buckets)}, key);
    }

    /** The row key of an item, and in the wide layout its qualifier. */
    List<byte[]> address(long followee, long follower, String createdAt) {
      byte[] row = prefix(followee);
      long moment = EPOCH.until(LocalDateTime.parse(createdAt, DATETIME_3), ChronoUnit.MICROS);
      byte[] item = Bytes.add(descending(signed(moment)), unsigned(follower));
      if (!wide) {
        return List.of(Bytes.add(row, item));
      }
      if (segmentDays > 0) {
        row = Bytes.add(row, descending(signed(Math.floorDiv(moment, segmentDays * DAY))));
      }
      return List.of(row, item);
    }

    /** All rows of a list. */
    Scan rows(long followee, boolean reverse) {
      byte[] prefix = prefix(followee);
      if (isOneRow()) {
        return new Scan().withStartRow(prefix).withStopRow(prefix, true);
      }
      byte[] behind = successor(prefix);
      // neither of the two is the key of a row
      return reverse
          ? new Scan().withStartRow(behind).withStopRow(prefix).setReversed(true)
          : new Scan().withStartRow(prefix).withStopRow(behind);
    }
  }

  static byte[] unsigned(long number) {
    return Bytes.toBytes(number);
  }

  static byte[] signed(long number) {
    return Bytes.toBytes(number ^ Long.MIN_VALUE);
  }

  static byte[] descending(byte[] part) {
    byte[] complement = new byte[part.length];
    for (int i = 0; i < part.length; i++) {
      complement[i] = (byte) ~part[i];
    }
    return complement;
  }

  /** The least key above all that begin with prefix; empty, as HBase takes it, if there is none. */
  static byte[] successor(byte[] prefix) {
    int length = prefix.length;
    while (length > 0 && prefix[length - 1] == (byte) 0xff) {
      length--;
    }
    byte[] successor = Arrays.copyOf(prefix, length);
    if (length > 0) {
      successor[length - 1]++;
    }
    return successor;
  }

  // --- items ---------------------------------------------------------------------------------------------------------

  record Item(String follower, String createdAt, String note) {

    /** part: order and item key, as row keys (tall) or qualifiers (wide) end. */
    static Item of(byte[] part, String note) {
      int at = part.length - 16;
      LocalDateTime createdAt = EPOCH.plus(~Bytes.toLong(part, at) ^ Long.MIN_VALUE, ChronoUnit.MICROS);
      String follower = Long.toUnsignedString(Bytes.toLong(part, at + 8));
      return new Item(follower, createdAt.format(DATETIME_3), note);
    }

    Map<String, Object> forJson() {
      Map<String, Object> map = new LinkedHashMap<>();
      map.put("follower_id", new BigInteger(follower));
      map.put("created_at", createdAt);
      map.put("note", note);
      return map;
    }
  }

  /** The note in the value of a wide cell. */
  private String note(byte[] value) throws IOException {
    String json =
        switch (form) {
          case "msgpack" -> MessagePack.newDefaultUnpacker(value).unpackValue().toJson();
          case "json" -> Bytes.toString(value);
          default -> null; // value_column = "note"; empty where it is NULL
        };
    if (json == null) {
      return Bytes.toString(value);
    }
    JsonElement note = JsonParser.parseString(json).getAsJsonObject().get("note");
    return note == null ? null : note.getAsString();
  }

  private List<Item> items(Result result) throws IOException {
    if (!layout.wide()) {
      return List.of(Item.of(result.getRow(), Bytes.toString(result.getValue(family, NOTE))));
    }
    List<Item> items = new ArrayList<>();
    for (Cell cell : result.rawCells()) {
      items.add(Item.of(CellUtil.cloneQualifier(cell), note(CellUtil.cloneValue(cell))));
    }
    return items;
  }

  // --- reading -------------------------------------------------------------------------------------------------------

  private final Table table;
  private final byte[] family;
  private final Layout layout;
  /** What a wide cell holds. */
  private final String form;
  private long calls;
  private long results;
  private long cells;

  Reader(Table table, String family, Layout layout, String form) {
    this.table = table;
    this.family = Bytes.toBytes(family);
    this.layout = layout;
    this.form = form;
  }

  /** A list's items; no call asks for more than 5,000 cells of a wide row, or 1,000 tall rows. */
  private Scan scan(long followee, int wanted, boolean reverse) {
    Scan scan = layout.rows(followee, reverse).addFamily(family).setScanMetricsEnabled(true);
    // a row of the wide layout comes in results of so many cells
    return layout.wide() ? scan.setBatch(Math.min(wanted, 500)).setCaching(10) : scan.setCaching(Math.min(wanted, 1000));
  }

  interface Each {
    /** False: no more results are needed. */
    boolean result(Result result) throws IOException;
  }

  private void read(Scan scan, Each each) throws IOException {
    try (ResultScanner scanner = table.getScanner(scan)) {
      for (Result result = scanner.next(); result != null; result = scanner.next()) {
        results++;
        cells += result.size();
        if (!each.result(result)) {
          break;
        }
      }
      ScanMetrics metrics = scanner.getScanMetrics();
      calls += metrics.countOfRPCcalls.get();
    }
  }

  private List<Item> take(Scan scan, int wanted) throws IOException {
    List<Item> found = new ArrayList<>();
    read(scan, result -> found.addAll(items(result)) && found.size() < wanted);
    return found.subList(0, Math.min(wanted, found.size()));
  }

  List<Item> latest(long followee, int wanted) throws IOException {
    return take(scan(followee, wanted, false), wanted);
  }

  /** The other end of the list, backwards. */
  List<Item> first(long followee, int wanted) throws IOException {
    if (!layout.wide()) {
      return take(scan(followee, wanted, true), wanted);
    }
    // Rows can be had backwards, cells of a row cannot: a row is read to its end, and its last items are kept.
    // Without segments that is the whole list, page by page.
    List<Item> found = new ArrayList<>();
    Deque<Item> last = new ArrayDeque<>();
    byte[][] row = {null};
    read(
        scan(followee, wanted, true),
        result -> {
          if (!Arrays.equals(row[0], result.getRow())) {
            last.descendingIterator().forEachRemaining(found::add);
            last.clear();
            row[0] = result.getRow();
          }
          for (Item item : items(result)) {
            last.add(item);
            if (last.size() > wanted - found.size()) {
              last.remove();
            }
          }
          return found.size() < wanted;
        });
    last.descendingIterator().forEachRemaining(found::add);
    return found;
  }

  /** Reads the whole list, though only its row keys: a tall list keeps no count. */
  long countRows(long followee) throws IOException {
    Scan scan = scan(followee, 1000, false).setFilter(new FilterList(new FirstKeyOnlyFilter(), new KeyOnlyFilter()));
    read(scan, row -> true);
    return results;
  }

  /**
   * Reads one cell of each row: its count, c:n. A row that has none shows an item instead, since the family c comes
   * before f: then the count pass is not through, and a sum would be too small. -1 says so.
   */
  long sumCounts(long followee) throws IOException {
    long[] total = {0};
    Scan scan = scan(followee, 1, false).addColumn(COUNTS, COUNT).setFilter(new FirstKeyOnlyFilter());
    read(
        scan,
        row -> {
          byte[] count = row.getValue(COUNTS, COUNT);
          total[0] = count == null ? -1 : total[0] + Bytes.toLong(count);
          return count != null;
        });
    return total[0];
  }

  // --- the command line ----------------------------------------------------------------------------------------------

  private static final String USAGE =
      """
      Reader [--zookeeper HOST:PORT] [--table T] [--family F] [--layout tall|wide] [--segment-days DAYS]
             [--value msgpack|json|note] [--buckets N] [--stats] --list FOLLOWEE
             latest N | first N | count | key FOLLOWER CREATED_AT""";

  private static void fail(String why) {
    System.err.println(why);
    System.exit(1);
  }

  public static void main(String[] words) throws IOException {
    Map<String, String> options = new LinkedHashMap<>();
    int at = 0;
    for (; at < words.length && words[at].startsWith("--"); at++) {
      options.put(words[at], words[at].equals("--stats") || at + 1 == words.length ? "" : words[++at]);
    }
    List<String> command = Arrays.asList(words).subList(at, words.length);
    if (!options.containsKey("--list") || command.isEmpty()) {
      fail(USAGE);
    }
    boolean wide = options.getOrDefault("--layout", "tall").equals("wide");
    int buckets = Integer.parseInt(options.getOrDefault("--buckets", "16"));
    Layout layout = new Layout(wide, buckets, Long.parseLong(options.getOrDefault("--segment-days", "0")));
    long followee = Long.parseUnsignedLong(options.get("--list"));
    if (command.get(0).equals("key")) {
      long follower = Long.parseUnsignedLong(command.get(1));
      List<byte[]> address = layout.address(followee, follower, command.get(2));
      System.out.println(String.join(" ", address.stream().map(Bytes::toHex).toList()));
      return;
    }
    String[] zookeeper = options.getOrDefault("--zookeeper", "127.0.0.1:2181").split(":");
    Configuration configuration = HBaseConfiguration.create(); // reads hbase-site.xml, if the class path has one
    configuration.set(HConstants.ZOOKEEPER_QUORUM, zookeeper[0]);
    configuration.set(HConstants.ZOOKEEPER_CLIENT_PORT, zookeeper[1]);
    TableName name = TableName.valueOf(options.getOrDefault("--table", "followers"));
    try (Connection connection = ConnectionFactory.createConnection(configuration);
        Table table = connection.getTable(name)) {
      String form = options.getOrDefault("--value", "msgpack");
      Reader reader = new Reader(table, options.getOrDefault("--family", "f"), layout, form);
      reader.answer(followee, command);
      if (options.containsKey("--stats")) {
        System.err.printf("%d calls, %d results, %d cells%n", reader.calls, reader.results, reader.cells);
      }
    }
  }

  private void answer(long followee, List<String> command) throws IOException {
    Gson gson = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();
    switch (command.get(0)) {
      case "latest", "first" -> {
        int wanted = Integer.parseInt(command.get(1));
        boolean latest = command.get(0).equals("latest");
        for (Item item : latest ? latest(followee, wanted) : first(followee, wanted)) {
          System.out.println(gson.toJson(item.forJson()));
        }
      }
      case "count" -> {
        long count = layout.wide() ? sumCounts(followee) : countRows(followee);
        if (count < 0) {
          fail("not counted yet");
        }
        System.out.println(count);
      }
      default -> fail(USAGE);
    }
  }
}
