/** The few DOM calls this page is made of. Elements are built node by node: no markup is ever parsed from text. */

type Attributes = Readonly<Record<string, string | number | boolean>>;

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** An HTML element. A `true` attribute is set empty, a `false` one is left out; texts become text nodes. */
export function html<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  assign(element, attributes);
  element.append(...children);
  return element;
}

/** The same for SVG, where names are case-sensitive and need the namespace. */
export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Node[]
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS(SVG_NAMESPACE, tag);
  assign(element, attributes);
  element.append(...children);
  return element;
}

/** The element of index.html with this id. Its absence is a fault of the page itself, so it throws. */
export function byId<Type extends Element = HTMLElement>(id: string): Type {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no #${id}`);
  return element as unknown as Type;
}

/** The first match inside `root`, under the same promise as `byId`. */
export function inside<Type extends Element = HTMLElement>(root: ParentNode, selector: string): Type {
  const element = root.querySelector<Type>(selector);
  if (element === null) throw new Error(`index.html has no ${selector}`);
  return element;
}

/** Sets text only where it differs, so that a screen reader's place and the layout are left alone. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** For what a screen reader should say and the eye can see by shape. */
export function hidden(text: string): HTMLSpanElement {
  return html("span", { class: "hidden" }, text);
}

function assign(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
}
