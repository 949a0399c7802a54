import { createEffect, on, onMount } from "solid-js";
import { onFrame } from "../lib/frame.js";
import { colour, palette } from "../lib/theme.js";
import { isolated, type Columns } from "./data.js";

/** A line without axes: how a value went, gaps included. */
export function Spark(props: { columns: Columns; from: number; to: number }) {
  let canvas!: HTMLCanvasElement;
  const draw = (): void => {
    const context = canvas.getContext("2d");
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!context || width === 0) return;
    canvas.width = width * devicePixelRatio;
    canvas.height = height * devicePixelRatio;
    context.scale(devicePixelRatio, devicePixelRatio);
    const [times, means] = props.columns;
    const known = means.filter((mean): mean is number => mean !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const span = Math.max(high - low, Math.abs(high) * 0.002, 1e-6);
    const middle = (low + high) / 2;
    context.strokeStyle = colour("accent");
    context.lineWidth = 1.5;
    context.beginPath();
    let pen = false;
    means.forEach((mean, i) => {
      if (mean === null) return void (pen = false);
      const x = (((times[i] ?? 0) - props.from) / (props.to - props.from)) * (width - 2);
      const y = height / 2 - ((mean - middle) / span) * (height - 8);
      if (pen) context.lineTo(x, y);
      else context.moveTo(x, y);
      pen = true;
    });
    context.stroke();
    context.fillStyle = colour("accent");
    for (const i of isolated(means))
      context.fillRect(
        (((times[i] ?? 0) - props.from) / (props.to - props.from)) * (width - 2) - 1,
        height / 2 - (((means[i] ?? middle) - middle) / span) * (height - 8) - 1,
        2,
        2,
      );
  };
  onMount(() => onFrame(draw));
  createEffect(on([() => props.columns, palette], () => onFrame(draw), { defer: true }));
  return <canvas class="spark" ref={canvas} aria-hidden="true" />;
}
