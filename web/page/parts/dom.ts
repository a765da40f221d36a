/** The element of this document with an id, which must be of the given class. */
export function byId<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id}: want a ${type.name} in ${location.pathname}, found ${found}`);
  return found;
}

type Attributes = Record<string, string | number | boolean>;

/** An HTML element with attributes (true for an empty one, false for none) and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  assign(e, attributes);
  e.append(...children);
  return e;
}

/** An icon: an SVG element that is silent for screen readers, with a child for each [tag, attributes]. */
export function icon(side: number, box: number, ...shapes: [tag: string, attributes: Attributes][]): SVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  assign(svg, { viewBox: `0 0 ${box} ${box}`, width: side, height: side, 'aria-hidden': 'true' });
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    assign(shape, attributes);
    svg.append(shape);
  }
  return svg;
}

const SVG = 'http://www.w3.org/2000/svg';

function assign(e: Element, attributes: Attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) e.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Gives elements with data-t the text of that name, and those with data-t-label the label. */
export function translate(root: ParentNode, texts: object) {
  const text = (key: string | undefined) => {
    const found: unknown = Object.entries(texts).find(([name]) => name === key)?.[1];
    return typeof found === 'string' ? found : undefined;
  };
  for (const e of root.querySelectorAll<HTMLElement>('[data-t]')) e.textContent = text(e.dataset.t) ?? e.textContent;
  for (const e of root.querySelectorAll<HTMLElement>('[data-t-label]')) {
    const label = text(e.dataset.tLabel);
    if (label !== undefined) e.setAttribute('aria-label', label);
  }
}

/** Whether there is nothing to drag, but a camera. */
export const isTouch = () => matchMedia('(pointer: coarse)').matches;
