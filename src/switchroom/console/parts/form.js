// Fields of forms.

import { html, useMemo } from "../vendor/preact.js";
import { useStores } from "../state/store.js";
import { S } from "../strings.js";

let serial = 0;
const useId = (prefix) => useMemo(() => `${prefix}-${++serial}`, []);

/** A labelled input; `hint` stands below it and is read with it. */
export function Field({ label, hint, inputRef, children, area = false, ...rest }) {
  const id = useId("field");
  const told = hint ? `${id}-hint` : undefined;
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      ${area
        ? html`<textarea id=${id} aria-describedby=${told} ref=${inputRef} ...${rest}></textarea>`
        : html`<input id=${id} aria-describedby=${told} ref=${inputRef} ...${rest} />`}
      ${children} ${hint && html`<p class="hint small" id=${told}>${hint}</p>`}
    </div>
  `;
}

export function Check({ label, hint, ...rest }) {
  const id = useId("check");
  return html`
    <div class="check">
      <input type="checkbox" id=${id} aria-describedby=${hint ? `${id}-hint` : undefined} ...${rest} />
      <label for=${id}>${label} ${hint && html`<span class="hint small" id=${`${id}-hint`}>${hint}</span>`}</label>
    </div>
  `;
}

/** Endpoints offered below an address field while it is typed. */
const OFFERED = 12;

/** A field for an endpoint or a URI, which offers what begins or goes on as it is typed. */
export function AddressField({ session, value, ...rest }) {
  useStores(session.endpoints);
  const id = useId("addresses");
  const offered = useMemo(() => {
    const words = value.toLowerCase();
    const found = [];
    for (const endpoint of session.endpoints.sorted()) {
      const address = addressOf(endpoint);
      if (address.toLowerCase().includes(words)) found.push(address);
      if (found.length === OFFERED) break;
    }
    return found;
  }, [value, session.endpoints.size]);
  return html`
    <${Field} value=${value} list=${id} autocomplete="off" spellcheck=${false} autocapitalize="off"
      placeholder=${S.compose.address} ...${rest}>
      <datalist id=${id}>${offered.map((address) => html`<option key=${address} value=${address} />`)}</datalist>
    <//>
  `;
}

/** `pjsip:alice`, as `to` and `from` name an endpoint. */
export function addressOf({ technology, resource }) {
  return `${technology.toLowerCase()}:${resource}`;
}
