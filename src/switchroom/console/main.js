// The page: a login, or the console.

import { html, render, useCallback, useEffect, useState } from "./vendor/preact.js";
import { Session, forget, keep, kept } from "./session.js";
import { S } from "./strings.js";
import { Login } from "./views/login.js";
import { Shell } from "./views/shell.js";

function Page() {
  const [session, setSession] = useState(null);
  const [notice, setNotice] = useState("");

  const leave = useCallback((why = "") => {
    forget();
    setNotice(why);
    setSession((current) => {
      current?.stop();
      return null;
    });
  }, []);

  const enter = useCallback((user, password) => {
    keep(user, password);
    const entered = new Session(user, password, leave);
    entered.start();
    setNotice("");
    setSession(entered);
  }, []);

  useEffect(() => {
    const login = kept();
    if (login) enter(login.user, login.password);
  }, []);

  if (session) return html`<${Shell} session=${session} leave=${leave} />`;
  return kept() ? null : html`<${Login} notice=${notice} enter=${enter} />`;
}

document.title = S.name;
render(html`<${Page} />`, document.getElementById("app"));
