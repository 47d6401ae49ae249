// The codec for all profiles. `javascript.py` fills in the data between @ signs and takes out comments, white space
// and long names, because ChirpStack parses the script again for every uplink.
//
// ES5.1, clean in strict mode, no globals of the host: runs in ChirpStack v4 (QuickJS, module) and in The Things Stack
// v3 (goja). To keep the shortener simple: no regular expressions, and a local name is never also a property.
//
// FIELDS: "name high low per kind items plus times"; what is left out is 65535 0 1 0 1 0 1.
//   value = (wire * times + plus) / per; kinds: 0 number, 1 bool, 2 bytes, 3 counts, 4 series, 5 list, 6 choice,
//   7 version; items is the number of bytes or readings, for a choice its words with commas.
// PROFILES: FPort -> "name base places step": base is the number of version 1 fields (-1 for a map, none for answers),
//   each character of places is one of FIELDS (35 is the first), step the minutes, or their field, of a batch.
// KEYS: place is the key, "name high,low,step ..." one triple a part; empty parts equal the first.
var FLAGS = "@FLAGS@".split(" "),
  FIELDS = "@FIELDS@".split(";"),
  PROFILES = "@PROFILES@",
  KEYS = "@KEYS@".split(";"),
  REASONS = "@REASONS@".split(" ");

function fail(text) {
  throw Error(text);
}

function whole(name, number, high, low) {
  high = high || 65535;
  low = low || 0;
  if (number !== +number || number % 1 || number < low || number > high) fail(name + ": " + number + " not in " + low + ".." + high);
  return number;
}

function list(name, value, high, low) {
  if (!value || !value.map || value.length < low || value.length > high) fail(name + ": not " + low + ".." + high + " items");
  return value;
}

function hex(name, value, count) {
  return list(name, value && value.x, count, count).map(function (byte) {
    return (256 + byte).toString(16).slice(1);
  }).join("");
}

// Strict CBOR subset; byte strings become {x: [bytes]}, maps {m: [[key, value], ...]}.
function parse(bytes) {
  var at = 0, end = bytes.length, result;
  function bad(text) {
    fail("byte " + at + ": " + text);
  }
  function item(depth) {
    var head = bytes[at], major = head >> 5, count = head & 31, width = 0, members = [], least = 0, i, member;
    if (at >= end) bad("cut off");
    if (major > 6 && count > 19 && count < 23) {
      at++;
      return count > 21 ? null : count > 20;
    }
    // Text, tags, floats, 64-bit and indefinite heads, and the fifth level.
    if (major == 3 || major > 5 || count > 26 || major > 3 && depth > 3) bad("refused");
    if (count > 23) {
      width = 1 << count - 24;
      if (at + width >= end) bad("cut off");
      for (count = i = 0; i++ < width; ) count = count * 256 + bytes[at + i];
      if (count < [24, 256, 0, 65536][width - 1]) bad("long head");
    }
    if (major > 1 && (major > 4 ? 2 : 1) * count >= end - at - width) bad("length " + count);
    at += width + 1;
    if (major < 2) return major ? -1 - count : count;
    for (i = 0; i < count; i++) {
      member = major < 3 ? bytes[at++] : item(depth + 1);
      if (major > 4) {
        if (member !== +member || member < least) bad("key");
        least = member + 1;
        member = [member, item(depth + 1)];
      }
      members.push(member);
    }
    return major < 3 ? { x: members } : major < 5 ? members : { m: members };
  }
  result = item(0);
  if (at < end) bad("more");
  return result;
}

function decode(field, wire) {
  var name = field[0], kind = field[4], items = field[5], sum = 0;
  function number(one) {
    return (whole(name, one, field[1], field[2]) * (field[7] || 1) + (+field[6] || 0)) / (field[3] || 1);
  }
  if (wire == null) return wire;
  if (kind == 1) return wire === !!wire ? wire : fail(name + ": no boolean");
  if (kind == 2) return hex(name, wire, items);
  if (kind && kind < 6) return list(name, kind == 3 && wire.x || wire, items, 1).map(function (one) {
    return one == null ? one : number(kind == 4 ? sum += whole(name, one, 2e9, -2e9) : one);
  });
  sum = number(wire);
  return kind > 6 ? [wire / 1e4 | 0, wire / 100 % 100 | 0, wire % 100].join(".") : kind ? items.split(",")[wire] || "code " + wire : sum;
}

function keyName(key) {
  return (KEYS[key] || "" + key).split(" ")[0];
}

function answer(item) {
  var data = { profile: "answer", seq: whole("seq", list("answer", item, 999, 2)[0]), ok: item[1] === 0 };
  if (!data.ok) data.refused = list("result", item[1], 999, 1).map(function (pair) {
    return { key: keyName(whole("key", pair[0], 23)), reason: REASONS[whole("code", pair[1], 255, 1) - 1] || "code " + pair[1] };
  });
  else if (item.length > 2) data.config = hex("config", item[2], 4);
  return { data: data };
}

function report(name, base, places, step, item, time) {
  var data = { profile: name, flags: [], warnings: [] }, flags = 0, times = [], readings = 0, i;
  // An array becomes the pairs of a map: key 0 are the flags, key n is field n - 1.
  (base < 0
    ? item && item.m || fail("no map")
    : list(name, item, 999, base).map(function (wire, i) {
        return [i < base ? i + 1 : i - base && i, wire];
      })
  ).forEach(function (pair) {
    var field = (FIELDS[places.charCodeAt(pair[0] - 1) - 35] || "").split(" "), name = field[0], value;
    if (!pair[0]) flags = whole("flags", pair[1]);
    else if (name) {
      value = data[name] = decode(field, pair[1]);
      if (step && value && value.map && (readings = readings || value.length) != value.length) fail(name + ": columns differ");
    } else data.warnings.push("unknown value " + pair[0]);
  });
  for (i = 0; i < 16; i++) if (flags >> i & 1) data.flags.push(FLAGS[i] || "bit " + i);
  if (time) {
    // Reading i of n was taken at reception - age - (n - 1 - i) * step; null where the step is not known.
    for (i = readings || 1; i--; ) times.push(new Date(new Date(time) - ((data.age || 0) + i * (data[step] || step || 0)) * 6e4).toJSON());
    data.time = step ? times : times[0];
  }
  return { data: data, warnings: data.warnings };
}

function safely(run) {
  return function (input) {
    try {
      return run(input);
    } catch (error) {
      return { errors: [error.message] };
    }
  };
}

// Checks a setting of a command and returns it.
function check(key, value) {
  var parts = KEYS[key].split(" "), name = parts.shift(), count = parts.length;
  (count > 1 ? list(name, value, count, count) : [value]).forEach(function (one, i) {
    var limits = (parts[i] || parts[0] || "").split(",");
    if ((whole(name, one, limits[0], limits[1]) - (limits[1] || 0)) % (limits[2] || 1)) fail(name + ": step");
  });
  return value;
}

var decodeUplink = safely(function (input) {
  var row = (PROFILES[input.fPort] || fail("FPort " + input.fPort + " unknown")).split(" "), item = parse(input.bytes);
  return row[1] ? report(row[0], row[1], row[2], row[3], item, input.recvTime) : answer(item);
}), encodeDownlink = safely(function (input) {
  var data = input.data, bytes = [130], names = Object.keys(data), left = names.length;
  function put(major, number) {
    var width = number < 24 ? 0 : number < 256 ? 1 : number < 65536 ? 2 : 4;
    bytes.push(major + (width ? 24 + (width >> 1) : number));
    while (width--) bytes.push(number >>> 8 * width & 255);
  }
  function putAll(value) {
    value.map ? (put(128, value.length), value.forEach(putAll)) : value < 0 ? put(32, -1 - value) : put(0, value);
  }
  KEYS.forEach(function (text, key) {
    var name = keyName(key);
    if (!key || name in data) {
      left--;
      if (key) put(0, key);
      putAll(check(key, data[name]));
      // Key 0 is seq; the map with the settings follows it.
      if (!key) put(160, left);
    }
  });
  if (left) fail("unknown: " + names);
  return { bytes: bytes, fPort: @COMMAND@ };
});
