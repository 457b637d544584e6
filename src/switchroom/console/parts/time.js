// Times as people read them.

import { S } from "../strings.js";

/** Milliseconds of a timestamp of ARI (`2026-11-23T04:47:34.508+0000`), NaN for anything else. */
export function instant(timestamp) {
  return Date.parse(String(timestamp ?? "").replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** The time of day, with the day when it is not today's. */
export function clock(time) {
  const milliseconds = typeof time === "number" ? time : instant(time);
  if (Number.isNaN(milliseconds)) return "";
  const date = new Date(milliseconds);
  const today = date.toDateString() === new Date().toDateString();
  return today ? CLOCK.format(date) : `${DAY.format(date)} ${CLOCK.format(date)}`;
}

/** A duration in seconds: `12 ms`, `3.4 s`, `5 min`, `2 h`. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 1) return S.units.milliseconds(seconds < 0.01 ? (seconds * 1000).toFixed(1) : Math.round(seconds * 1000));
  if (seconds < 10) return S.units.seconds(seconds.toFixed(1));
  if (seconds < 90) return S.units.seconds(Math.round(seconds));
  if (seconds < 5400) return S.units.minutes(Math.round(seconds / 60));
  if (seconds < 172_800) return S.units.hours(Math.round(seconds / 3600));
  return S.units.days(Math.round(seconds / 86_400));
}

/** The round-trip time of contacts or nothing: ARI gives microseconds, 0 when it was not measured. */
export function roundtrip(contacts) {
  const times = (contacts ?? []).map(({ roundtrip_usec }) => Number(roundtrip_usec)).filter((time) => time > 0);
  return times.length ? duration(Math.min(...times) / 1e6) : "";
}
