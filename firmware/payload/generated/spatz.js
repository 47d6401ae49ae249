// Made by `spatz payload build` from the profiles; do not edit. ES5.1, strict clean; ChirpStack v4, The Things Stack v3.
// Profile: FPort: [name, fields of version 1 (-1: map), fields, split].
// Field: [name, kind, low, high, per, times, plus, items or words]. Kinds: 0 number, 1 bool, 2 bytes, 3 counts,
// 4 series, 5 list, 6 choice, 7 version. Value = (wire * times + plus) / per.
var FLAGS = ["low_battery","sensor_fault","tamper","clock_unset","late","config_refused","watchdog","dropped"];
var PROFILES = {20:["fill",4,[["distance",0,0,10000],["fill",0,0,100],["temperature",0,-550,1250,10],["battery",0,0,255,50],["age",0,0,65535],["state",6,0,255,1,1,0,["ok","lid_open","dropped","moved","vandalised","burning","unknown"]],["tilt",0,0,360,2]]],
21:["air",5,[["no2",0,-5000,20000],["no",0,-5000,20000,1,1,0,1,1],["temperature",0,-550,1250,10],["humidity",0,0,200,2],["battery",0,0,255,50],["o3",0,-5000,20000],["raw",5,0,50000,10,1,0,6],["calibration",0,0,65535],["age",0,0,65535],["pm25",0,0,10000,10],["pm10",0,0,10000,10]]],
22:["light",3,[["illuminance",0,0,65535],["motion",0,0,65535],["dim",0,0,100,1,1,0,1,1],["age",0,0,65535],["battery",0,0,255,50],["state",6,0,255,1,1,0,["ok","lamp_fault","driver_fault","post_issue","manual"]],["power",0,0,65000,10]]],
23:["count",2,[["counts",3,0,65535,1,1,0,12],["battery",0,0,255,50],["age",0,0,65535],["occupancy",0,0,100]],"15"],
24:["level",6,[["level",0,-2000,20000],["rain_tips",0,0,65535],["temperature",0,-550,1250,10],["humidity",0,0,200,2],["pressure",0,-7000,1000,10,1,10000],["battery",0,0,255,50],["age",0,0,65535],["stage",0,0,3],["rate",0,-500,500],["distance",0,0,20000]]],
25:["parking",3,[["occupied",1,0,1],["since",0,0,65535],["battery",0,0,255,50],["age",0,0,65535],["temperature",0,-550,1250,10]]],
26:["climate-batch",4,[["step",0,1,1440],["temperature",4,-400,850,10,1,0,24],["humidity",4,0,200,2,1,0,24],["battery",0,0,255,50],["age",0,0,65535]],"step"],
30:["status",6,[["firmware",7,0,999999],["hardware",0,0,255],["reset",6,0,255,1,1,0,["unknown","power_on","external","watchdog","deep_sleep","soft","brown_out","lockup"]],["config",2,0,0,1,1,0,4],["boots",0,0,65535],["battery",0,0,255,50],["rssi",0,-200,50],["snr",0,-128,127,4],["free",0,0,65535],["temperature",0,-550,1250,10],["age",0,0,65535]]],
32:["event",4,[["event",6,0,255,1,1,0,["none","full","fire","tilt","no_echo","emptied","flood","rising","submerged","covered","dead","sensor","moved","lamp","button"]],["stage",0,0,3],["value",0,-1000000,1000000],["number",0,0,65535],["age",0,0,65535]]],
39:["lab",-1,[["temperature",0,-5500,12500,100],["humidity",0,0,1000,10],["pressure",0,3000,11000,10],["distance",0,0,20000],["fill",0,0,100],["level",0,-2000,20000],["rate",0,-500,500],["no2",0,-5000,20000],["no",0,-5000,20000],["o3",0,-5000,20000],["pm25",0,0,10000,10],["pm10",0,0,10000,10],["illuminance",0,0,120000],["count",0,0,65535],["count_back",0,0,65535],["occupancy",0,0,100],["state",0,0,255],["battery",0,0,20000,1000],["tilt",0,0,360,2],["age",0,0,65535],["alarm",0,0,255],["number",0,0,65535],["calibration",0,0,65535]]]};
var KEYS = {interval:[1,10,86400,1],thresholds:[2,-20000,20000,1,-20000,20000,1],full_threshold:[3,1,100,1],sample_interval:[4,1,86400,1],acknowledge:[5,0,65535,1],hysteresis:[6,0,10000,1],stages:[7,-2000,20000,1,-2000,20000,1,-2000,20000,1],empty_distance:[8,30,10000,1],full_distance:[9,30,10000,1],reference:[10,-2000,20000,1],night_rest:[11,0,23,1,0,23,1],lamp:[12,0,100,1,1,1440,1],follow_light:[13,0,1,1],adr:[14,0,1,1,0,5,1],replay:[15,0,10080,1,0,10080,1],test_mode:[16,0,60,1],identify:[17,0,60,1],rejoin:[18,0,65535,1],event_mode:[19,0,720,1],reboot:[20,0,65535,1],status:[21,0,0,1],time:[22,0,4294967295,1],calibration:[23,0,65535,1]};
var REASONS = ["unknown_key","wrong_type","out_of_range","wrong_step","wrong_boot","not_now","seq_reused"];
function fail(text) { throw new Error(text); }
// Strict CBOR subset: byte strings as {x: [bytes]}, maps as {m: [[key, value], ...]}.
function parse(b) {
var at = 0;
function bad(text) { fail("byte " + at + ": " + text); }
function item(depth) {
var h = b[at], t = h >> 5, n = h & 31, w = 0, v = 0, i, r = [], k;
if (at >= b.length) bad("input ends");
if (t > 6) {
if (n < 20 || n > 22) bad("not in the subset");
at++;
return n > 21 ? null : n > 20;
}
if (n > 23) {
if (n > 26 || t == 3 || t == 6) bad("not in the subset");
w = 1 << n - 24;
if (at + w >= b.length) bad("cut off");
for (i = 1; i <= w; i++) v = v * 256 + b[at + i];
if (v < [24, 256, 0, 65536][w - 1]) bad("head too long");
n = v;
}
if (t == 3 || t == 6 || t > 3 && depth > 3) bad("not in the subset");
if (t > 1 && (t > 4 ? 2 * n : n) > b.length - at - w - 1) bad("length " + n + " is beyond the end");
at += w + 1;
if (t == 0) return n;
if (t == 1) return -1 - n;
for (i = 0; i < n; i++) {
if (t == 2) r.push(b[at++]);
else if (t == 4) r.push(item(depth + 1));
else {
k = item(depth + 1);
if (typeof k != "number" || k < 0 || i && k <= r[i - 1][0]) bad("key");
r.push([k, item(depth + 1)]);
}
}
return t == 2 ? { x: r } : t == 4 ? r : { m: r };
}
var r = item(0);
if (at < b.length) bad("after the end");
return r;
}
function whole(v, low, high, name) {
if (typeof v != "number" || v % 1 || v < low || v > high) fail(name + ": " + JSON.stringify(v) + " is no whole number from " + low + " to " + high);
return v;
}
function hex(v, n, name) {
if (!v || !v.x || v.x.length != n) fail(name + ": not " + n + " bytes");
return v.x.map(function (c) { return (c < 16 ? "0" : "") + c.toString(16); }).join("");
}
function value(f, v) {
var name = f[0], kind = f[1], sum = 0;
function number(w) { return (w * (f[5] || 1) + (f[6] || 0)) / (f[4] || 1); }
if (v === null) return v;
if (kind == 1) {
if (typeof v != "boolean") fail(name + ": not true or false");
return v;
}
if (kind == 2) return hex(v, f[7], name);
if (kind > 2 && kind < 6) {
if (kind == 3 && v.x) v = v.x;
if (!Array.isArray(v) || !v.length || v.length > f[7]) fail(name + ": not 1 to " + f[7] + " readings");
return v.map(function (w) {
if (w === null) return w;
if (kind == 4) w = sum += whole(w, -2e9, 2e9, name);
return number(whole(w, f[2], f[3], name));
});
}
whole(v, f[2], f[3], name);
if (kind == 6) return f[7][v] || "code " + v;
if (kind == 7) return (v / 10000 | 0) + "." + (v / 100 % 100 | 0) + "." + v % 100;
return number(v);
}
function report(p, b, time) {
var v = parse(b), base = p[1], fields = p[2], split = p[3], d = { profile: p[0] }, warnings = [], flags = 0, i, f, n;
if (base < 0) {
if (!v || !v.m) fail(p[0] + ": not a map");
v.m.forEach(function (pair) {
if (!pair[0]) flags = whole(pair[1], 0, 65535, "flags");
else if (f = fields[pair[0] - 1]) d[f[0]] = value(f, pair[1]);
else warnings.push("unknown key " + pair[0]);
});
} else {
if (!Array.isArray(v) || v.length < base) fail(p[0] + ": not an array of at least " + base);
if (v.length > base) flags = whole(v[base], 0, 65535, "flags");
for (i = 0; i < fields.length; i++) {
f = fields[i];
n = i < base ? i : i + 1;
if (n < v.length) d[f[0]] = value(f, v[n]);
if (i < base && v[n] === null && !f[8]) warnings.push(f[0] + ": no reading");
}
if (v.length > fields.length + 1) warnings.push(v.length - fields.length - 1 + " newer values left out");
}
d.flags = [];
for (i = 0; i < 16; i++) if (flags >> i & 1) d.flags.push(FLAGS[i] || "bit " + i);
d.warnings = warnings;
time = new Date(time).getTime() - (d.age || 0) * 60000;
n = 1;
if (split) {
f = fields.filter(function (g) { return d[g[0]] && d[g[0]].map; });
f.forEach(function (g) { n = d[g[0]].length; });
f.forEach(function (g) { if (d[g[0]].length != n) fail(g[0] + ": columns differ in length"); });
split = d[split] || +split;
}
if (time == time && (!p[3] || split)) {
v = [];
for (i = 0; i < n; i++) v.push(new Date(time - (n - 1 - i) * split * 60000).toISOString());
d.time = p[3] ? v : v[0];
}
return { data: d, warnings: warnings };
}
function keyName(key) {
for (var k in KEYS) if (KEYS[k][0] === key) return k;
return "" + key;
}
function answer(b) {
var v = parse(b), d = { profile: "answer" };
if (!Array.isArray(v) || v.length < 2) fail("answer: not an array of at least 2");
d.seq = whole(v[0], 0, 65535, "seq");
d.ok = v[1] === 0;
if (!d.ok) {
if (!Array.isArray(v[1]) || !v[1].length) fail("result: not 0 or refusals");
d.refused = v[1].map(function (r) {
if (!Array.isArray(r) || r.length != 2) fail("result: not [key, code]");
return { key: keyName(whole(r[0], 0, 23, "key")), reason: REASONS[whole(r[1], 1, 255, "code") - 1] || "code " + r[1] };
});
} else if (v.length > 2) d.config = hex(v[2], 4, "config");
return { data: d };
}
function decodeUplink(input) {
var p = PROFILES[input.fPort];
try {
if (input.fPort == 31) return answer(input.bytes);
if (!p) fail("FPort " + input.fPort + " is no profile");
return report(p, input.bytes, input.recvTime);
} catch (e) {
return { errors: [e.message] };
}
}
function setting(name, v) {
var k = KEYS[name], i, many = k.length > 4;
if (many && (!Array.isArray(v) || v.length * 3 != k.length - 1)) fail(name + ": not " + (k.length - 1) / 3 + " numbers");
for (i = 1; i < k.length; i += 3) if ((whole(many ? v[(i - 1) / 3] : v, k[i], k[i + 1], name) - k[i]) % k[i + 2]) fail(name + ": wrong step");
return v;
}
function encodeDownlink(input) {
var d = input.data, out = [130], names;
function put(t, n) {
var w = n < 24 ? 0 : n < 256 ? 1 : n < 65536 ? 2 : 4;
out.push(t | (w ? 23 + [1, 2, 0, 3][w - 1] : n));
while (w--) out.push(Math.floor(n / Math.pow(256, w)) % 256);
}
function number(n) { if (n < 0) put(32, -1 - n); else put(0, n); }
try {
number(whole(d.seq, 0, 65535, "seq"));
names = Object.keys(d).filter(function (k) { return k != "seq" && k != "group"; });
names.forEach(function (k) { if (!KEYS.hasOwnProperty(k)) fail(k + ": unknown"); });
names.sort(function (a, b) { return KEYS[a][0] - KEYS[b][0]; });
put(160, names.length);
names.forEach(function (k) {
var v = setting(k, d[k]);
number(KEYS[k][0]);
if (v.map) { put(128, v.length); v.forEach(number); } else number(v);
});
return { bytes: out, fPort: d.group ? 41 : 40 };
} catch (e) {
return { errors: [e.message] };
}
}
function decodeDownlink(input) {
var d = {}, v;
try {
v = parse(input.bytes);
if (!Array.isArray(v) || v.length != 2 || !v[1] || !v[1].m) fail("not [seq, {key: value}]");
d.seq = whole(v[0], 0, 65535, "seq");
v[1].m.forEach(function (pair) {
var k = keyName(pair[0]);
if (!KEYS.hasOwnProperty(k)) fail(k + ": unknown");
d[k] = setting(k, pair[1]);
});
if (input.fPort == 41) d.group = true;
return { data: d };
} catch (e) {
return { errors: [e.message] };
}
}
