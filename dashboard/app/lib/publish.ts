// The command that sends a first reading, as the server's listeners want it.
import type { MqttWays } from "./api.js";

type Listener = MqttWays["listeners"][number];

/** What to run, and what to know about it. */
export interface Command {
  line: string;
  hint: string;
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host.endsWith(".localhost") || host.startsWith("127.") || host === "::1";
const isEverywhere = (host: string): boolean => host === "0.0.0.0" || host === "::";

/** Host and port of `host:port`, without the brackets of IPv6. */
function split(address: string): { host: string; port: string } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ""), port: address.slice(colon + 1) };
}

/** The command, for who reads this page at `page` (a host): `ways` as the server tells them, `null` before. */
export function publishCommand(ways: MqttWays | null, page: string, rest: string): Command {
  const shown = page.replace(/^\[|\]$/g, "");
  const listener = ways === null ? null : (best(ways, shown) ?? null);
  if (listener === null)
    return {
      line: `mosquitto_pub -h ${shown} -p 1883 ${rest}`,
      hint: "Port 1883 is the default; the program names its own in the line that says it is ready.",
    };
  const { host, port } = split(listener.address);
  const isElsewhere = listener.transport !== "broker" && isLoopback(host) && !isLoopback(shown);
  const to = isEverywhere(host) || (isLoopback(host) && isLoopback(shown) && shown !== "::1" && host !== "::1") ? shown : host;
  const isAsked = asks(ways as MqttWays, isLoopback(to));
  const options = [
    `-h ${to}`,
    `-p ${port}`,
    listener.transport === "tls" && "--cafile ca.pem",
    isAsked.certificate || listener.certificate ? "--cert client.pem --key client.key" : false,
    isAsked.password && `-u USER -P ${isAsked.password}`,
  ];
  const hints = [
    listener.transport === "broker" && "Readings come by the broker at that address.",
    isElsewhere && "Run it on the server's machine: its listener is on loopback.",
    listener.transport === "tls" && "ca.pem is the authority of the server's certificate.",
    isAsked.password && "Devices have to prove who they are: put in one that the server knows.",
  ];
  return { line: ["mosquitto_pub", ...options, rest].filter(Boolean).join(" "), hint: hints.filter(Boolean).join(" ") };
}

/** The listener to name: one that can be reached from where the page is read, plain before TLS, unless only a certificate is a proof. */
function best(ways: MqttWays, page: string): Listener | undefined {
  const usable = ways.listeners.filter((one) => one.transport === "tcp" || one.transport === "tls" || one.transport === "broker");
  const needsTls = ways.anonymous === "never" && ways.proofs.length > 0 && ways.proofs.every((proof) => proof === "certificate");
  const rank = (one: Listener): number => {
    const isReached = one.transport === "broker" || !isLoopback(split(one.address).host) || isLoopback(page);
    return (isReached ? 0 : 4) + (needsTls && one.transport !== "tls" ? 2 : 0) + (one.transport === "tls" ? 1 : 0);
  };
  return [...usable].sort((a, b) => rank(a) - rank(b))[0];
}

/** What has to be shown. */
function asks(ways: MqttWays, isLocal: boolean): { password: string | null; certificate: boolean } {
  const letsIn = ways.anonymous === "everywhere" || (ways.anonymous === "loopback" && isLocal);
  if (letsIn) return { password: null, certificate: false };
  if (ways.proofs.includes("password")) return { password: "PASSWORD", certificate: false };
  if (ways.proofs.includes("token")) return { password: "TOKEN", certificate: false };
  return { password: null, certificate: ways.proofs.includes("certificate") };
}
