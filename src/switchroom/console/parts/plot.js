// A plot over time, drawn by uPlot, with its numbers in words.

import { html, useEffect, useRef } from "../vendor/preact.js";
import uPlot from "../vendor/uplot.js";
import { useMedia } from "./rows.js";
import { duration } from "./time.js";

const HEIGHT = 190;

/** `data` is [times, values]; `kind` is columns, line or points (points on an axis of powers of ten, in seconds). */
export function Plot({ title, hint, data, kind, span, summary, empty }) {
  const box = useRef(null);
  const plot = useRef(null);
  const dark = useMedia("(prefers-color-scheme: dark)");
  const some = summary.length > 0;

  useEffect(() => {
    if (!some) return undefined;
    const element = box.current;
    const made = new uPlot(options(kind, span, colours(element), element.clientWidth), data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [dark, some, span]);

  useEffect(() => plot.current?.setData(data), [data]);

  return html`
    <figure class="card plot">
      <figcaption>
        <h2>${title}</h2>
        <p class="summary">${summary.map((words) => html`<span key=${words}>${words}</span>`)}</p>
        <p class="hint small">${hint}</p>
      </figcaption>
      ${some
        ? html`<div class="plot-box" ref=${box} role="img" aria-label=${`${title}: ${summary.join(", ")}`}></div>`
        : html`<p class="plot-empty">${empty}</p>`}
    </figure>
  `;
}

/** Canvas knows nothing of style sheets. */
function colours(element) {
  const style = getComputedStyle(element);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of("--ink-3"), line: of("--line"), accent: of("--accent"), fill: of("--accent-fill") };
}

function options(kind, span, { ink, line, accent, fill }, width) {
  const axis = { stroke: ink, font: "11px system-ui", grid: { stroke: line, width: 1 }, ticks: { show: false } };
  const points = kind === "points";
  const series = {
    line: { stroke: accent, width: 1.5, fill, points: { show: false } },
    columns: { stroke: accent, fill: accent, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.7, 24] }) },
    points: { stroke: accent, paths: () => null, points: { show: true, size: 5, fill: accent, width: 0 } },
  }[kind];
  return {
    width,
    height: HEIGHT,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: () => [Date.now() / 1000 - span, Date.now() / 1000] },
      y: points ? { distr: 3, range: (_, least, most) => decades(least, most) } : { range: (_, least, most) => [0, Math.max(most * 1.1, kind === "line" ? 0.05 : 2)] },
    },
    axes: [
      { ...axis, size: 26, values: (_, times) => times.map(minutes), space: 60, incrs: [60, 120, 300, 600, 900] },
      points
        ? { ...axis, size: 58, splits: (_, __, least, most) => powers(least, most), values: (_, values) => values.map(duration) }
        : { ...axis, size: 42, values: (_, values) => values.map(plain) },
    ],
    series: [{}, series],
  };
}

function decades(least, most) {
  return [10 ** Math.floor(Math.log10(least || 0.001)), 10 ** Math.ceil(Math.log10((most || 1) * 1.01))];
}

function powers(least, most) {
  const first = Math.round(Math.log10(least));
  return Array.from({ length: Math.round(Math.log10(most)) - first + 1 }, (_, index) => 10 ** (first + index));
}

function plain(value) {
  return Number.isInteger(value) || value < 1 ? String(Math.round(value * 1000) / 1000) : "";
}

function minutes(time) {
  const date = new Date(time * 1000);
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}
