// Added for The Things Stack, which shows queued downlinks decoded.
var decodeDownlink = safely(function (input) {
  var item = list("command", parse(input.bytes), 2, 2), data = { seq: check(0, item[0]) };
  ((item[1] && item[1].m) || fail("no map")).forEach(function (pair) {
    if (!pair[0] || !KEYS[pair[0]]) fail("key " + pair[0] + " unknown");
    data[keyName(pair[0])] = check(pair[0], pair[1]);
  });
  return { data: data };
});
