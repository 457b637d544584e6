// The last hour in numbers.

import { html, useEffect, useMemo, useState } from "../vendor/preact.js";
import { useStores } from "../state/store.js";
import { S } from "../strings.js";
import { Plot } from "../parts/plot.js";
import { clock, duration } from "../parts/time.js";

/** Texts the server is asked for. */
const KNOWN = 1_000;
/** Seconds shown, and of one column then. */
const STEPS = { 300: 5, 900: 15, 3600: 60 };
/** Milliseconds after which time has gone on, even when nothing happened. */
const TICK = 5_000;
/** Causes that are listed. */
const SHOWN = 6;
const A = S.activity;

export default function Activity({ session }) {
  const { statistics, messages } = session;
  const versions = useStores(statistics);
  const [span, setSpan] = useState(3600);
  const [ticks, tick] = useState(0);
  const step = STEPS[span];
  useEffect(() => {
    messages
      .load(session.ari, { limit: KNOWN })
      .then(() => messages.newest().forEach((message) => statistics.text(message)))
      .catch(() => {});
    const timer = setInterval(() => tick((count) => count + 1), TICK);
    return () => clearInterval(timer);
  }, []);
  const { registrations, rate, deliveries, failures } = useMemo(
    () => ({
      registrations: statistics.registrations(span, step),
      rate: statistics.rate(span, step),
      deliveries: statistics.deliveries(span),
      failures: statistics.failures(span),
    }),
    [versions, ticks, span],
  );
  const { came, went } = registrations;

  return html`
    <section class="view">
      <div class="view-head">
        <h1>${A.title}</h1>
        <div class="choice" role="group" aria-label=${A.span}>
          ${Object.keys(STEPS).map(
            (seconds) => html`
              <button key=${seconds} aria-pressed=${Number(seconds) === span} onClick=${() => setSpan(Number(seconds))}>
                ${A.spans[seconds]}
              </button>
            `,
          )}
        </div>
      </div>
      <div class="plots">
        <${Plot} title=${A.registrations} hint=${A.registrationsHint(step)} data=${registrations.data} kind="columns" span=${span}
          summary=${came + went ? [A.came(S.number(came)), A.went(S.number(went))] : []} empty=${A.none} />
        <${Plot} title=${A.rate} hint=${A.rateHint(step)} data=${rate} kind="line" span=${span} summary=${pace(rate[1])}
          empty=${A.none} />
        <${Plot} title=${A.delivery} hint=${A.deliveryHint} data=${deliveries} kind="points" span=${span}
          summary=${spread(deliveries[1])} empty=${A.none} />
        <${Failures} failures=${failures} />
      </div>
      <p class="hint small">${A.since(clock(statistics.since))}</p>
    </section>
  `;
}

function pace(values) {
  const most = Math.max(0, ...values);
  const words = (value) => S.number(Math.round(value * 100) / 100);
  return most ? [A.now(words(values.at(-1))), A.most(words(most))] : [];
}

function spread(values) {
  if (!values.length) return [];
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part) => duration(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]);
  return [A.middle(at(0.5)), A.slow(at(0.95))];
}

function Failures({ failures }) {
  const most = Math.max(1, ...failures.map(([, number]) => number));
  const all = failures.reduce((sum, [, number]) => sum + number, 0);
  return html`
    <figure class="card plot">
      <figcaption>
        <h2>${A.failures}</h2>
        <p class="summary">${all > 0 && html`<span>${A.failed(all)}</span>`}</p>
        <p class="hint small">${A.failuresHint}</p>
      </figcaption>
      ${failures.length
        ? html`<ul class="bars">
            ${failures.slice(0, SHOWN).map(
              ([cause, number]) => html`
                <li key=${cause}>
                  <span class="bar-name">${cause}</span> <b>${S.number(number)}</b>
                  <i class="bar" style=${{ width: `${(100 * number) / most}%` }}></i>
                </li>
              `,
            )}
          </ul>`
        : html`<p class="plot-empty">${A.noFailures}</p>`}
    </figure>
  `;
}
