// A grid of any number of rows of which only those in sight exist (ARIA grid: arrows, Page Up, Page Down, Home, End
// move, Enter opens).

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/preact.js";

/** Rows made beyond what is seen, so that scrolling shows no gaps. */
const MORE = 8;

/** Whether the media query holds, now and when that changes. */
export function useMedia(query) {
  const [holds, setHolds] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const changed = () => setHolds(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, [query]);
  return holds;
}

/**
 * `items` have an `id`; `height` is that of each row in pixels; `columns` are { name, label };
 * `cell(item, name)` is what stands in one; `seen(items)` is told which rows are in sight.
 */
export function Rows({ items, height, columns, cell, label, open, seen, kind = "" }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const [room, setRoom] = useState(600);
  const [active, setActive] = useState(-1);

  useLayoutEffect(() => {
    const element = box.current;
    setRoom(element.clientHeight);
    const observer = new ResizeObserver(() => setRoom(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const first = Math.max(0, Math.min(Math.floor(top / height), items.length - 1) - MORE);
  const last = Math.min(items.length, Math.ceil((top + room) / height) + MORE);
  const shown = items.slice(first, last);
  const ids = shown.map(({ id }) => id).join();

  useEffect(() => {
    if (!seen) return undefined;
    const timer = setTimeout(() => seen(shown), 80);
    return () => clearTimeout(timer);
  }, [ids]);

  function move(to) {
    const index = Math.max(0, Math.min(items.length - 1, to));
    setActive(index);
    const element = box.current;
    // The header covers the first row's height of what is seen.
    if (index * height < element.scrollTop) element.scrollTop = index * height;
    const below = (index + 2) * height - element.clientHeight;
    if (below > element.scrollTop) element.scrollTop = below;
  }

  function press(event) {
    const page = Math.max(1, Math.floor(room / height) - 2);
    const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page }[event.key];
    if (to !== undefined) move(to);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(items.length - 1);
    else if (event.key === "Enter" && items[active]) open(items[active]);
    else return;
    event.preventDefault();
  }

  const current = active >= first && active < last ? `row-${active}` : undefined;
  return html`
    <div class=${`rows ${kind}`} role="grid" tabindex="0" ref=${box} aria-label=${label} aria-rowcount=${items.length + 1}
      aria-activedescendant=${current} onKeyDown=${press} onScroll=${(event) => setTop(event.currentTarget.scrollTop)}
      onFocus=${() => active < 0 && setActive(first && Math.ceil(top / height))}>
      <div class="rows-head" role="row" aria-rowindex="1">
        ${columns.map(({ name, label: text }) => html`<div key=${name} class=${`c-${name}`} role="columnheader">${text}</div>`)}
      </div>
      <div class="rows-all" role="presentation" style=${{ height: `${items.length * height}px` }}>
        <div class="rows-seen" role="presentation" style=${{ transform: `translateY(${first * height}px)` }}>
          ${shown.map(
            (item, offset) => html`
              <div key=${item.id} id=${`row-${first + offset}`} role="row" aria-rowindex=${first + offset + 2}
                class=${first + offset === active ? "row active" : "row"} style=${{ height: `${height}px` }}
                onClick=${() => (setActive(first + offset), open(item))}>
                ${columns.map(({ name }) => html`<div key=${name} class=${`c-${name}`} role="gridcell">${cell(item, name)}</div>`)}
              </div>
            `,
          )}
        </div>
      </div>
    </div>
  `;
}
