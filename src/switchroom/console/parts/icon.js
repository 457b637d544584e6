// Icons, drawn with lines of the text's colour.

import { html } from "../vendor/preact.js";

const PATHS = {
  mark: "M7 7m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0M17 17m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0M7 10c0 7 10 0 10 4",
  endpoints: "M4 6h16M4 12h16M4 18h16M7 6v0M7 12v0M7 18v0",
  messages: "M4 5h16v11H9l-5 4z",
  referrals: "M4 17c0-6 4-9 10-9h5M15 4l4 4-4 4",
  events: "M3 12h4l2-6 4 12 2.500-6H21",
  activity: "M4 20V10M10 20V4M16 20v-7M21 20H3",
  phone: "M6 3h3l2 5-2.500 1.500a11 11 0 0 0 6 6L16 13l5 2v3a3 3 0 0 1-3 3C10 21 3 14 3 6a3 3 0 0 1 3-3z",
  leave: "M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9",
  search: "M11 11m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0M15.500 15.500L20 20",
  back: "M14 6l-6 6 6 6",
  pause: "M8 5v14M16 5v14",
  play: "M7 5l11 7-11 7z",
  hangup: "M3 14c5-5 13-5 18 0l-2.500 2.500-4-1.500v-2.500a12 12 0 0 0-5 0V15l-4 1.500z",
  close: "M6 6l12 12M18 6L6 18",
};

/** An icon that says nothing by itself: there are words beside it, or on the button. */
export function Icon({ name }) {
  return html`
    <svg class=${`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d=${PATHS[name]} />
    </svg>
  `;
}
