// Prints readings as the npm packages cbor-x (1.6) and @msgpack/msgpack (3.1) pack them, which share no code with Tidegate:
// how they are packed and the bytes in hexadecimal digits, a line each. payloads.txt beside it is what this printed:
//   npm install cbor-x@1 @msgpack/msgpack@3 && node make.mjs > payloads.txt
import { Encoder } from "cbor-x";
import { encode } from "@msgpack/msgpack";

const readings = [
  { deviceId: "sensor_001", temperature: 23.5, humidity: 45.2, pressure: 1013.25, timestamp: 1704723845000, location: "Building A, Floor 3" },
  [{ deviceId: "a", on: true, level: -3, mode: "eco", none: null, list: [1, 2.5], deep: { x: { y: 70000 } } }, { deviceId: "b", n: 4294967296 }],
];
const cbor = new Encoder({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
for (const reading of readings) {
  console.log("cbor", Buffer.from(cbor.encode(reading)).toString("hex"));
  console.log("msgpack", Buffer.from(encode(reading)).toString("hex"));
}
