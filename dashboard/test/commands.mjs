// Made-up commands for the stand-in server: some of every state, and new ones that get on with time.
const STEP_MS = { sent: 30, delivered: 180, answered: 1400 };
const payload = (text) => ({ text });
const steps = (start, states) => states.map(([state, after]) => ({ state, time: start + after }));

/** `position` says where the server stands; every command has in `at` where it last changed. */
export function commandsOf(devices, position) {
  let number = 100;
  const make = (device, more) => ({
    id: `c-${number++}`,
    device,
    state: "accepted",
    steps: [],
    deadline: Date.now() + 86_400_000,
    topic: `${device}/command`,
    payload: payload("on"),
    content_type: "text/plain",
    qos: 1,
    response_topic: `${device}/response`,
    key: null,
    by: "Ann",
    client: null,
    refusal: null,
    answer: null,
    at: 1,
    ...more,
  });
  const past = (device, ago_ms, states, more) => {
    const list = steps(Date.now() - ago_ms, states);
    return make(device, { steps: list, state: list[list.length - 1].state, ...more });
  };
  const all = devices.flatMap((device) => [
    past(
      device,
      9e7,
      [
        ["accepted", 0],
        ["expired", 6e5],
      ],
      { payload: payload("report"), qos: 2 },
    ),
    past(
      device,
      8e6,
      [
        ["accepted", 0],
        ["refused", 2],
      ],
      { refusal: "no_subscriber", topic: "plant/everybody" },
    ),
    past(
      device,
      3e6,
      [
        ["accepted", 0],
        ["sent", 4],
        ["delivered", 51],
      ],
      { payload: { base64: "AP8QIA==" } },
    ),
    past(
      device,
      4e5,
      [
        ["accepted", 0],
        ["sent", 4],
        ["delivered", 51],
        ["answered", 1120],
      ],
      { payload: payload('{"valve":"open","until":{"pressure":2.4}}'), answer: payload('{"valve":"open","took_ms":980}') },
    ),
    past(device, 6e4, [["accepted", 0]], { payload: payload('{"interval_s":60}'), qos: 2 }),
  ]);
  const further = (command, state, more = {}) => {
    Object.assign(command, { state, steps: [...command.steps, { state, time: Date.now() }], at: position() + 1 }, more);
  };
  return {
    all,
    changed: (view, at) => all.filter((command) => (!view.device || command.device === view.device) && command.at > at),
    defaults: (device) => ({
      topic: `${device}/command`,
      response_topic: `${device}/response`,
      qos: 1,
      expires_in_s: 86_400,
      expires_in_max_s: 604_800,
      payload_bytes_max: 65_536,
    }),
    send(device, { payload: { text, json }, topic, qos, expires_in_s }) {
      const command = past(device, 0, [["accepted", 0]], {
        payload: payload(text ?? JSON.stringify(json)),
        topic,
        qos,
        deadline: Date.now() + expires_in_s * 1000,
        by: "anonymous",
        at: position() + 1,
      });
      all.push(command);
      for (const [state, after] of Object.entries(STEP_MS))
        setTimeout(() => further(command, state, state === "answered" ? { answer: payload("done") } : {}), after);
      return command;
    },
  };
}
