import { createSignal } from "solid-js";

const KEY = "tidegate.muted";
const [muted, setMutedSignal] = createSignal(localStorage.getItem(KEY) === "yes");
export { muted };

let audio: AudioContext | null = null;

export function setMuted(quiet: boolean): void {
  setMutedSignal(quiet);
  localStorage.setItem(KEY, quiet ? "yes" : "no");
  if (!quiet) chime(false);
}

/** Browsers let a page sound only after somebody has touched it. */
export function allowSound(): void {
  document.addEventListener("pointerdown", () => void (audio ??= new AudioContext()).resume(), { once: true });
}

/** Two short tones; higher and twice when critical. */
export function chime(critical: boolean): void {
  if (muted() || !audio || audio.state !== "running") return;
  const notes = critical ? [880, 660, 880, 660] : [660, 550];
  notes.forEach((frequency, i) => tone(audio as AudioContext, frequency, i * 0.16));
}

function tone(context: AudioContext, frequency: number, delay_s: number): void {
  const start = context.currentTime + delay_s;
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(0.12, start + 0.01);
  gain.gain.exponentialRampToValueAtTime(0.001, start + 0.14);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + 0.15);
}
