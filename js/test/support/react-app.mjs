/** A small React application on the hooks, for tests/browser/test_react.py. */
import { createElement, StrictMode } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { renderToString } from "react-dom/server.browser";
import { usePush, useStatus } from "../../src/react.ts";

function Latest({ push, channel, id }) {
  const publication = usePush(push, channel);
  return createElement("p", { id }, JSON.stringify(publication?.data ?? null));
}

function Stream({ push }) {
  return createElement("p", { id: "status" }, useStatus(push).state);
}

function App({ push, channel, twice }) {
  const latest = (id) => createElement(Latest, { push, channel, id, key: id });
  return [createElement(Stream, { push, key: "status" }), latest("one"), twice ? latest("two") : null];
}

const app = (wanted) => createElement(StrictMode, null, createElement(App, wanted));

/** Puts it into the page; `show` renders it anew with other properties. */
export function mount() {
  const root = createRoot(globalThis.document.body.appendChild(globalThis.document.createElement("div")));
  return {
    show: (wanted) => flushSync(() => root.render(app(wanted))),
    unmount: () => flushSync(() => root.unmount()),
  };
}

/** What a server would send. */
export const onServer = () => renderToString(app({ push: null, channel: "numbers" }));
