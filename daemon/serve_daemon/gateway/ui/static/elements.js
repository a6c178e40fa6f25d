// The one place that makes elements. Text is only ever set as text, never read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element; `children` are elements, or texts. Attributes that are null are left out. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function makeSvg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  element.append(...children.filter((each) => each !== null));
  return element;
}

/** Sets an attribute where it is another one than before; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Sets a text where it is another one than before, so that a selection in it is kept. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows an element with this text, or hides it where there is none. */
export function showText(element, text) {
  setText(element, text);
  element.hidden = text === "";
}

/** Tells users of a screen reader, politely; a text that was told already is told again. */
export function announce(text) {
  const place = byId("announcement");
  place.textContent = place.textContent === text ? `${text}\u00a0` : text;
}
