// Prints the messages of a plant as the npm package sparkplug-payload (1.0.3) encodes them, which shares no code with
// Tidegate: name and bytes in hexadecimal digits, a line each. payloads.txt beside it is what this printed:
//   npm install sparkplug-payload@1.0.3 && node make.mjs > payloads.txt
import sparkplug from "sparkplug-payload";

const { encodePayload } = sparkplug.get("spBv1.0");
const T = 1486144502122;

const unit = (text) => ({ engUnit: { type: "String", value: text } });
const metric = (name, type, value, more = {}) => ({ name, type, value, timestamp: T, ...more });
const byAlias = (alias, type, value, more = {}) => ({ alias, type, value, timestamp: T + 1000, ...more });

const messages = {
  // Section 6.4.19 of Eclipse Sparkplug 3.0, as it prints it, with aliases.
  nbirth: {
    timestamp: T,
    seq: 0,
    metrics: [
      metric("bdSeq", "Int64", 3),
      metric("Node Control/Reboot", "Boolean", false, { alias: 1 }),
      metric("Node Control/Rebirth", "Boolean", false, { alias: 2 }),
      metric("Node Control/Scan Rate", "Int64", 3000, { alias: 3 }),
      metric("Properties/Hardware Make", "String", "Raspberry Pi", { alias: 4 }),
      metric("Properties/Hardware Model", "String", "Pi 3 Model B", { alias: 5 }),
      metric("Properties/OS Version", "String", "Jessie with PIXEL/11.01.2017", { alias: 6 }),
      metric("Supply Voltage", "Float", 12.1, { alias: 7, properties: unit("V") }),
    ],
  },
  dbirth: {
    timestamp: T,
    seq: 1,
    metrics: [
      metric("Inputs/A", "Boolean", true, { alias: 10 }),
      metric("Counts/Int8", "Int8", -5, { alias: 11 }),
      metric("Counts/Int16", "Int16", -300, { alias: 12 }),
      metric("Counts/Int32", "Int32", -70000, { alias: 13 }),
      metric("Counts/Int64", "Int64", -5000000000, { alias: 14 }),
      metric("Counts/UInt8", "UInt8", 250, { alias: 15 }),
      metric("Counts/UInt16", "UInt16", 65000, { alias: 16 }),
      metric("Counts/UInt32", "UInt32", 4000000000, { alias: 17 }),
      metric("Counts/UInt64", "UInt64", 5000000000, { alias: 18 }),
      metric("Temperature", "Float", 23.1, { alias: 19, properties: unit("degC") }),
      metric("Pressure", "Double", 1013.25, { alias: 20, properties: unit("hPa") }),
      metric("Recipe", "String", "Rye 500", { alias: 21 }),
      metric("Started", "DateTime", T, { alias: 22 }),
      metric("Vibration", "Double", null, { alias: 23 }),
      metric("Log", "DataSet", { numOfColumns: 2, types: ["Int32", "String"], columns: ["a", "b"], rows: [[1, "x"]] }, { alias: 24 }),
      metric("Image", "Bytes", new Uint8Array([1, 2, 3]), { alias: 25 }),
      metric("Stale", "Double", 4, {
        alias: 26,
        properties: { Quality: { type: "Int32", value: 500 }, engUnit: { type: "String", value: "bar" } },
      }),
    ],
  },
  "ddata-by-alias": {
    timestamp: T + 1000,
    seq: 2,
    metrics: [byAlias(19, "Float", 24.5), byAlias(13, "Int32", -1), byAlias(10, "Boolean", false), byAlias(21, "String", "Wheat")],
  },
  "ndata-by-alias": { timestamp: T + 1000, seq: 3, metrics: [byAlias(7, "Float", 11.9)] },
  "ddata-by-name": { timestamp: T + 2000, seq: 4, metrics: [metric("Temperature", "Float", 25.5)] },
  "ddata-historical": {
    timestamp: T + 9000,
    seq: 3,
    metrics: [
      byAlias(19, "Float", 20.5, { timestamp: T - 60000, isHistorical: true }),
      byAlias(19, "Float", 21.5, { timestamp: T - 30000, isHistorical: true }),
      byAlias(20, "Double", 1000, { timestamp: T - 60000, isHistorical: true }),
      byAlias(19, "Float", 26.5, { timestamp: T + 9000 }),
    ],
  },
  "dbirth-template": {
    timestamp: T,
    seq: 1,
    metrics: [
      metric("Motor 1", "Template", {
        version: "1",
        templateRef: "Motor",
        isDefinition: false,
        metrics: [
          metric("RPM", "Int32", 1450),
          metric("Bearing", "Template", {
            version: "1",
            templateRef: "Bearing",
            isDefinition: false,
            metrics: [metric("Temperature", "Double", 61.5, { properties: unit("degC") })],
          }, { alias: 9 }),
        ],
        parameters: [],
      }, { alias: 30 }),
    ],
  },
  "nbirth-definitions": {
    timestamp: T,
    seq: 0,
    metrics: [
      metric("bdSeq", "Int64", 0),
      metric("Motor", "Template", { version: "1", isDefinition: true, metrics: [metric("RPM", "Int32", 0)], parameters: [] }),
    ],
  },
  "ddata-template": {
    timestamp: T + 1000,
    seq: 2,
    metrics: [
      byAlias(30, "Template", { version: "1", templateRef: "Motor", isDefinition: false, metrics: [metric("RPM", "Int32", -20)], parameters: [] }),
    ],
  },
  ddeath: { timestamp: T + 5000, seq: 2, metrics: [] },
  "ndeath-3": { timestamp: T + 5000, metrics: [metric("bdSeq", "Int64", 3)] },
  "ndeath-2": { timestamp: T + 5000, metrics: [metric("bdSeq", "Int64", 2)] },
};

for (const [name, payload] of Object.entries(messages)) {
  console.log(name, Buffer.from(encodePayload(payload)).toString("hex"));
}
