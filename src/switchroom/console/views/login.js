// The login: a user of ari.conf.

import { html, useLayoutEffect, useRef, useState } from "../vendor/preact.js";
import { Lost, Refused } from "../net/ari.js";
import { explain, identify } from "../session.js";
import { S } from "../strings.js";
import { Field } from "../parts/form.js";
import { Icon } from "../parts/icon.js";

export function Login({ notice, enter }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(notice);
  const user = useRef(null);
  const password = useRef(null);

  useLayoutEffect(() => user.current.focus(), []);

  async function submit(event) {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    setBusy(true);
    setProblem("");
    try {
      await identify(given.get("user"), given.get("password"));
    } catch (error) {
      setBusy(false);
      setProblem(words(error));
      password.current?.select();
      return;
    }
    enter(given.get("user"), given.get("password"));
  }

  return html`
    <main class="login">
      <form class="card login-card" onSubmit=${submit} aria-label=${S.login.title}>
        <div class="brand"><${Icon} name="mark" /> <span>${S.name}</span></div>
        <h1>${S.login.title}</h1>
        <p class="hint">${S.login.hint}</p>
        ${problem && html`<p class="notice bad" role="alert">${problem}</p>`}
        <${Field} label=${S.login.user} name="user" autocomplete="username" required inputRef=${user}
          spellcheck=${false} />
        <${Field} label=${S.login.password} name="password" type="password" autocomplete="current-password"
          required inputRef=${password} />
        <button class="primary" disabled=${busy}>${busy ? S.login.busy : S.login.enter}</button>
        <p class="hint small">${S.login.tab}</p>
      </form>
    </main>
  `;
}

function words(error) {
  if (error instanceof Lost) return S.login.lost;
  if (error instanceof Refused && error.status === 401) return S.login.wrong;
  return explain(error);
}
