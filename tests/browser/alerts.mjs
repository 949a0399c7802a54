// What the page of alerts promises where there are many, and where the server does not answer.
import assert from "node:assert/strict";
import { inBrowser, PATIENCE_MS, publisher, shows } from "./page.mjs";

/** Many alerts are in sections, the gravest first, each with its number; more of one come when asked for. */
export async function sections({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  const reading = (floor) => (number) => publish(`site/a/${floor}/dev${number}/temperature`, "26");
  for (const number of [1, 2]) await publish(`site/a/f1/hot${number}/temperature`, "31.5");
  await Promise.all(Array.from({ length: 230 }, (_, number) => reading(number % 2 ? "f1" : "f2")(number)));
  await inBrowser(base, async (open) => {
    const page = await open("/alerts");
    const heads = () => page.locator(".kind").allInnerTexts();
    const has = (wanted) => page.waitForFunction((list) => {
      const found = [...document.querySelectorAll(".kind")].map((head) => head.innerText);
      return found.length === list.length && list.every((words, i) => words.every((word) => found[i].includes(word)));
    }, wanted, { timeout: PATIENCE_MS }).catch(async () => assert.fail(`sections are ${await heads()}, not ${wanted}`));
    // Above 30 is above 25 too: a device that is hot is warm.
    await has([["critical", "hot", "2 alerts"], ["warning", "warm", "232 alerts"]]);
    const rows = () => page.locator(".alerts tr[data-row]").count();
    assert.equal(await rows(), 2 + 20, "a long section begins with its first lines");
    await page.getByRole("button", { name: "Show more of 232" }).click();
    await page.waitForFunction(() => document.querySelectorAll(".alerts tr[data-row]").length === 102);
    await page.getByRole("button", { name: /warning\s*warm/ }).click();
    await page.waitForFunction(() => document.querySelectorAll(".alerts tr[data-row]").length === 2);
    await page.getByRole("button", { name: "By group" }).click();
    await page.waitForURL(/by=group/);
    await has([["critical", "site · a · f1", "2 alerts"], ["warning", "site · a · f1", "117 alerts"], ["warning", "site · a · f2", "115 alerts"]]);
  });
  await end();
}

/** What could not be acknowledged is not called so, says why, and can be tried again. */
export async function failing({ base, mqtt }) {
  const { publish, end } = await publisher(mqtt);
  await publish("lab/data", { deviceId: "dev1", temperature: 31.5 });
  await inBrowser(base, async (open) => {
    const page = await open("/alerts");
    await page.route("**/acknowledge", (route) => route.abort());
    await page.locator("[data-acknowledge]").click();
    const act = await shows(page, ".act", "Not acknowledged. The server does not answer.");
    assert.doesNotMatch(await act.innerText(), /keeps trying/, "nothing tries by itself");
    await page.unroute("**/acknowledge");
    await page.getByRole("button", { name: "Try again" }).click();
    await shows(page, ".alerts .act", /anonymous, \d\d:\d\d:\d\d/);
  }, { forgive: /ERR_FAILED/ });
  await end();
}
